//! Reads the carbon intensity from a named column of any CSV file.

use std::fmt;
use std::str::FromStr;

use carbon_kube_core::intensity::Label;
use carbon_kube_core::{GramsPerKwh, Time};

use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts, Value};
use crate::error::ReadError;
use crate::table::{Column, Table};

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

/// A number in the column is an intensity in the unit.
#[derive(Clone)]
pub(super) struct ColumnRule<'a> {
    request: &'a Request,
    unit: IntensityUnit,
    time: [Column; 1],
    value: [Column; 1],
}

impl<'a> ColumnRule<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let columns = named(table.path(), request)?;
        let (time, value) = (table.column(&columns.time)?, table.column(&columns.value)?);
        Ok(Self { request, unit: columns.unit, time: [time], value: [value] })
    }
}

/// The columns that the caller named.
pub(super) fn named<'a>(path: &str, request: &'a Request) -> Result<&'a Columns, ReadError> {
    request.columns.as_ref().ok_or_else(|| ReadError::Needs {
        path: path.to_owned(),
        what: "the format `columns` needs the names of the columns of time and value",
    })
}

/// What the series of named columns is: nothing in the file says it.
pub(super) fn label(path: &str, request: &Request) -> Label {
    let set = request.provider.as_deref().unwrap_or("as published");
    request.label(path, None, request.signal, request.factors.scope(), set)
}

/// The problem of a number that is none.
pub(crate) const NO_INTENSITY: &str = "is no carbon intensity: a grid has 0 to 10,000 g/kWh";

/// The intensity that a number in a unit is.
pub(super) fn grams(number: f64, unit: IntensityUnit) -> Option<f64> {
    GramsPerKwh::new(number * unit.grams_per_kwh()).map(GramsPerKwh::get)
}

impl Rule for ColumnRule<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn numbers(&self) -> &[Column] {
        &self.value
    }

    fn any_order(&self) -> bool {
        true
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        intensity(numbers, 0, self.unit).map(Reading::from)
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        Ok(label(path, self.request).into())
    }
}

/// The intensity in one of the numbers of a row; an empty field is a gap.
pub(super) fn intensity(
    numbers: &[Option<f64>],
    index: usize,
    unit: IntensityUnit,
) -> Result<Value, Refusal> {
    match numbers.get(index).copied().flatten() {
        Some(number) => match grams(number, unit) {
            Some(grams) => Ok(Value::Grams(grams)),
            None => Err(Refusal::Number(index, NO_INTENSITY)),
        },
        None => Ok(Value::Gap),
    }
}
