//! Reads the open format: a generation mix in megawatts per fuel, intensity from our factors.
//!
//! The header names `timestamp_utc` (start of the step) and a column `<fuel>_mw` for each of the
//! eleven fuels; other columns are not read, published intensities included: one mix then has
//! one intensity per factor set, whoever computed the file.

use std::io::Read;
use std::path::Path;

use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Signal};
use carbon_kube_core::mix::{FactorSet, Factors, Fuel};
use carbon_kube_core::{Time, Zone};

use super::rule::{self, Refusal, Rule};
use crate::error::ReadError;
use crate::table::Table;

/// More than the world's power stations together: 10 TW in one field is a unit mix-up.
const ABSURD_MW: f64 = 1e7;

/// What the mix stands for.
#[derive(Clone, Debug)]
pub struct Mix {
    /// The zone, which also chooses the local factors.
    pub zone: Zone,
    /// What was measured, e.g. `CAISO`: reports refuse to compare two areas of one zone.
    pub area: String,
    /// Which emission factors turn it into an intensity.
    pub factors: FactorSet,
}

/// Reads a file.
///
/// # Errors
///
/// [`ReadError`] names file, line and column. Missing rows and rows without any number are gaps,
/// not errors.
pub fn read(path: &Path, mix: &Mix) -> Result<IntensitySeries, ReadError> {
    rule::read(path, MixRule::new(mix))
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read, mix: &Mix) -> Result<IntensitySeries, ReadError> {
    rule::rows(Table::new(name, input)?, MixRule::new(mix))
}

/// The numbers of a row are megawatts per fuel.
#[derive(Clone)]
pub(super) struct MixRule<'a> {
    mix: &'a Mix,
    factors: YearFactors<'a>,
}

impl<'a> MixRule<'a> {
    pub(super) fn new(mix: &'a Mix) -> Self {
        Self { mix, factors: YearFactors::new(mix) }
    }
}

impl Rule for MixRule<'_> {
    fn time(&self) -> &'static str {
        "timestamp_utc"
    }

    fn numbers(&self) -> Vec<String> {
        Fuel::ALL.iter().map(|fuel| format!("{}_mw", fuel.name())).collect()
    }

    fn grams(&mut self, at: Time, numbers: &[Option<f64>]) -> Result<Option<f64>, Refusal> {
        let Some(factors) = self.factors.of(at.utc().year()) else {
            return Err(Refusal::NoFactors(self.mix.factors, self.mix.zone.clone()));
        };
        let Some(megawatts) = generation(numbers)? else {
            return Ok(None);
        };
        match factors.intensity(&megawatts) {
            Some(intensity) => Ok(Some(intensity.get())),
            None => Err(Refusal::Number(0, "and every other fuel: nothing runs")),
        }
    }

    fn label(self, path: &str) -> Label {
        Label {
            zone: self.mix.zone.clone(),
            area: self.mix.area.clone(),
            signal: Signal::Average,
            scope: self.mix.factors.scope(),
            factor_set: self.mix.factors.to_string(),
            provenance: Provenance::Measured,
            source: path.to_owned(),
        }
    }
}

/// Megawatts per fuel; `None` for a row without a single number, which is a gap.
fn generation(numbers: &[Option<f64>]) -> Result<Option<[f64; 11]>, Refusal> {
    let mut megawatts = [0.0; 11];
    let mut empty = None;
    let mut known = 0;
    for (index, (slot, number)) in megawatts.iter_mut().zip(numbers).enumerate() {
        match *number {
            Some(value) if value.abs() > ABSURD_MW => {
                return Err(Refusal::Number(index, "is more megawatts than the world has"));
            }
            Some(value) => {
                *slot = value;
                known += 1;
            }
            None => empty = Some(index),
        }
    }
    match empty {
        // Half a mix would be a wrong intensity; a fuel that the zone lacks is written as 0.
        Some(index) if known > 0 => {
            Err(Refusal::Number(index, "is empty while other fuels of the row are not"))
        }
        Some(_) => Ok(None),
        None => Ok(Some(megawatts)),
    }
}

/// The factors of the year in hand: looked up once a year, not once a row.
#[derive(Clone)]
struct YearFactors<'a> {
    mix: &'a Mix,
    current: Option<(i16, Option<Factors>)>,
}

impl<'a> YearFactors<'a> {
    fn new(mix: &'a Mix) -> Self {
        Self { mix, current: None }
    }

    fn of(&mut self, year: i16) -> Option<Factors> {
        match self.current {
            Some((known, factors)) if known == year => factors,
            _ => {
                let factors = Factors::find(self.mix.factors, &self.mix.zone, year);
                self.current = Some((year, factors));
                factors
            }
        }
    }
}
