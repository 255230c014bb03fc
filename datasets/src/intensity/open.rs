//! Reads the open format: a generation mix in megawatts per fuel, intensity from our factors.
//!
//! The header names `timestamp_utc` (start of the step) and a column `<fuel>_mw` for each of the
//! eleven fuels; other columns are not read, published intensities included: one mix then has
//! one intensity per factor set, whoever computed the file.

use std::io::Read;
use std::path::Path;

use carbon_kube_core::Zone;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Signal};
use carbon_kube_core::mix::{FactorSet, Factors, Fuel};

use super::Grid;
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Row, Table};

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
    series(Table::open(path)?, mix)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read, mix: &Mix) -> Result<IntensitySeries, ReadError> {
    series(Table::new(name, input)?, mix)
}

fn series(mut table: Table<'_>, mix: &Mix) -> Result<IntensitySeries, ReadError> {
    let time = table.column("timestamp_utc")?;
    let fuels = Fuel::ALL
        .iter()
        .map(|fuel| table.column(&format!("{}_mw", fuel.name())))
        .collect::<Result<Vec<_>, _>>()?;
    let path = table.path().to_owned();
    let mut factors = YearFactors::new(mix);
    let mut grid = Grid::default();
    while let Some(row) = table.next()? {
        let at = instant::parse(row.text(&time))
            .ok_or_else(|| row.wrong(&time, "is not an instant such as `2020-06-01T00:00Z`"))?;
        let year = at.utc().year();
        let of_year = factors.of(year).ok_or_else(|| ReadError::NoFactors {
            path: path.clone(),
            set: mix.factors,
            zone: mix.zone.to_string(),
        })?;
        let value = generation(&row, &fuels)?
            .map(|megawatts| {
                of_year
                    .intensity(&megawatts)
                    .map(|intensity| intensity.get())
                    .ok_or_else(|| row.wrong(&fuels[0], "and every other fuel: nothing runs"))
            })
            .transpose()?;
        grid.push(&path, row.line, at, value)?;
    }
    grid.series(&path, label(&path, mix))
}

/// Megawatts per fuel; `None` for a row without a single number, which is a gap.
fn generation(row: &Row<'_>, fuels: &[Column]) -> Result<Option<[f64; 11]>, ReadError> {
    let mut megawatts = [0.0; 11];
    let mut empty = None;
    let mut known = 0;
    for (slot, column) in megawatts.iter_mut().zip(fuels) {
        match row.number(column)? {
            Some(value) if value.abs() > ABSURD_MW => {
                return Err(row.wrong(column, "is more megawatts than the world has"));
            }
            Some(value) => {
                *slot = value;
                known += 1;
            }
            None => empty = Some(column),
        }
    }
    match empty {
        // Half a mix would be a wrong intensity; a fuel that the zone lacks is written as 0.
        Some(column) if known > 0 => {
            Err(row.wrong(column, "is empty while other fuels of the row are not"))
        }
        Some(_) => Ok(None),
        None => Ok(Some(megawatts)),
    }
}

fn label(path: &str, mix: &Mix) -> Label {
    Label {
        zone: mix.zone.clone(),
        area: mix.area.clone(),
        signal: Signal::Average,
        scope: mix.factors.scope(),
        factor_set: mix.factors.to_string(),
        provenance: Provenance::Measured,
        source: path.to_owned(),
    }
}

/// The factors of the year in hand: looked up once a year, not once a row.
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
