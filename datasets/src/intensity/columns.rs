//! Reads the carbon intensity from a named column of any CSV file.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::{GramsPerKwh, Time};

use super::rule::{self, Refusal, Rule};
use crate::error::ReadError;
use crate::table::Table;

/// The unit of a column with carbon intensities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntensityUnit {
    /// `g/kWh`, the same number as `kg/MWh`.
    #[default]
    GramsPerKwh,
    /// `kg/kWh`, the same number as `tonnes/MWh`.
    KilogramsPerKwh,
    /// `lb/MWh`, as the US EPA publishes it.
    PoundsPerMwh,
}

impl IntensityUnit {
    /// Grams per kilowatt-hour in one of this unit.
    #[must_use]
    pub fn grams_per_kwh(self) -> f64 {
        match self {
            Self::GramsPerKwh => 1.0,
            Self::KilogramsPerKwh => 1_000.0,
            // One international pound is 453.59237 g.
            Self::PoundsPerMwh => 0.453_592_37,
        }
    }
}

impl fmt::Display for IntensityUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GramsPerKwh => "g/kWh",
            Self::KilogramsPerKwh => "kg/kWh",
            Self::PoundsPerMwh => "lb/MWh",
        })
    }
}

impl FromStr for IntensityUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "g/kWh" | "kg/MWh" => Ok(Self::GramsPerKwh),
            "kg/kWh" | "t/MWh" | "tonnes/MWh" => Ok(Self::KilogramsPerKwh),
            "lb/MWh" | "lbs/MWh" => Ok(Self::PoundsPerMwh),
            _ => Err(format!(
                "`{text}` is no unit of carbon intensity; there are `g/kWh`, `kg/MWh`, `kg/kWh`, \
                 `tonnes/MWh`, `lb/MWh`"
            )),
        }
    }
}

/// Which columns hold what.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Start of the step: RFC 3339, or `YYYY-MM-DD HH:MM[:SS]`, which is then UTC.
    pub time: String,
    /// The carbon intensity; an empty field is a gap.
    pub value: String,
    /// The unit of the value.
    pub unit: IntensityUnit,
}

/// Reads a file. `label` says what the values are: no file does that by itself.
///
/// # Errors
///
/// [`ReadError`] names file, line and column. Missing rows and empty fields are gaps, not errors.
pub fn read(path: &Path, label: Label, columns: &Columns) -> Result<IntensitySeries, ReadError> {
    rule::read(path, ColumnRule { label, columns })
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(
    name: &str,
    input: impl Read,
    label: Label,
    columns: &Columns,
) -> Result<IntensitySeries, ReadError> {
    rule::rows(Table::new(name, input)?, ColumnRule { label, columns })
}

/// A number in the column is an intensity in the unit.
#[derive(Clone)]
pub(super) struct ColumnRule<'a> {
    pub(super) label: Label,
    pub(super) columns: &'a Columns,
}

impl Rule for ColumnRule<'_> {
    fn time(&self) -> &str {
        &self.columns.time
    }

    fn numbers(&self) -> Vec<String> {
        vec![self.columns.value.clone()]
    }

    fn grams(&mut self, _at: Time, numbers: &[Option<f64>]) -> Result<Option<f64>, Refusal> {
        let grams = numbers[0].map(|number| number * self.columns.unit.grams_per_kwh());
        match grams {
            Some(grams) if GramsPerKwh::new(grams).is_none() => {
                Err(Refusal::Number(0, "is no carbon intensity: a grid has 0 to 10,000 g/kWh"))
            }
            grams => Ok(grams),
        }
    }

    fn label(self, _path: &str) -> Label {
        self.label
    }
}
