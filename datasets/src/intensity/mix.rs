//! The columns of a generation mix, and what a row of them emits.
//!
//! A column that is empty in every row is a fuel that the zone does not have. One that is empty in
//! some rows makes those rows gaps: half a mix would be a wrong intensity. Storage is left out: its
//! energy was counted when it was generated. Pumped storage alone counts as hydro, as in the open
//! files, because older files do not split it.

use carbon_kube_core::Zone;
use carbon_kube_core::mix::{FactorSet, Factors, Fuel};

use super::Format;
use super::request::Request;
use super::rule::{Refusal, Value};
use crate::error::ReadError;
use crate::table::{Column, Table};

/// More than the world's power stations together: 10 TW in one field is a unit mix-up.
const ABSURD_MW: f64 = 1e7;

/// The most columns of one mix; the longest known has 21.
pub(crate) const MOST_COLUMNS: usize = 24;

/// One row of a mix, in any unit of power or energy: only shares matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Generation {
    /// A value per column, in the order of [`Mix::columns`].
    pub(crate) values: [f64; MOST_COLUMNS],
    /// A bit per column that has no value in this row.
    pub(crate) empty: u32,
}

/// What a column is to a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A fuel; several columns may be the same.
    Of(Fuel),
    /// Known, and no part of the mix.
    Aside,
}

/// The columns of a mix and the factors for them.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    /// The columns, in the order of the file.
    pub(crate) columns: Vec<Column>,
    fuels: Vec<Fuel>,
    set: FactorSet,
    zone: Zone,
    /// The factors of the year in hand: looked up once a year, not once a row.
    current: Option<(i16, Option<Factors>)>,
}

impl Mix {
    /// Finds the columns. `part` tells what each column is; one that it does not know is an error,
    /// because it might be a fuel.
    pub(crate) fn bind(
        table: &Table<'_>,
        format: Format,
        request: &Request,
        part: impl Fn(&str) -> Option<Part>,
    ) -> Result<Self, ReadError> {
        let path = || table.path().to_owned();
        let (mut columns, mut fuels) = (Vec::<Column>::new(), Vec::new());
        for (index, name) in table.header().iter().enumerate() {
            match part(name) {
                Some(Part::Of(_)) if columns.iter().any(|column| column.name == *name) => {
                    return Err(ReadError::RepeatedColumn { path: path(), column: name.clone() });
                }
                Some(Part::Of(fuel)) => {
                    columns.push(Column { index, name: name.clone() });
                    fuels.push(fuel);
                }
                Some(Part::Aside) => {}
                None => {
                    let column = name.clone();
                    return Err(ReadError::UnknownColumn { path: path(), column, format });
                }
            }
        }
        if columns.is_empty() || columns.len() > MOST_COLUMNS {
            return Err(ReadError::UnknownFormat { path: path() });
        }
        Ok(Self::new(columns, fuels, request))
    }

    /// Of columns that are known.
    pub(crate) fn new(columns: Vec<Column>, fuels: Vec<Fuel>, request: &Request) -> Self {
        let (set, zone) = (request.factors, request.zone.clone());
        Self { columns, fuels, set, zone, current: None }
    }

    /// What the numbers of a row make.
    pub(crate) fn value(&self, numbers: &[Option<f64>]) -> Result<Value, Refusal> {
        let mut generation = Generation { values: [0.0; MOST_COLUMNS], empty: 0 };
        let mut known = 0;
        for (index, (slot, number)) in generation.values.iter_mut().zip(numbers).enumerate() {
            match *number {
                Some(value) if value.abs() > ABSURD_MW => {
                    return Err(Refusal::Number(index, "is more megawatts than the world has"));
                }
                Some(value) => {
                    *slot = value;
                    known += 1;
                }
                None => generation.empty |= 1 << index,
            }
        }
        Ok(if known == 0 { Value::Gap } else { Value::Mix(generation) })
    }

    /// The intensity in g/kWh; `None` where nothing runs.
    pub(crate) fn grams(&mut self, year: i16, row: &Generation) -> Result<Option<f64>, Refusal> {
        let factors = match self.current {
            Some((known, factors)) if known == year => factors,
            _ => {
                let factors = Factors::find(self.set, &self.zone, year);
                self.current = Some((year, factors));
                factors
            }
        };
        let factors = factors.ok_or_else(|| Refusal::NoFactors(self.set, self.zone.clone()))?;
        let mut megawatts = [0.0; 11];
        for (value, fuel) in row.values.iter().zip(&self.fuels) {
            // As `Factors::intensity` has it, but per column: one plant's own use is not another's.
            megawatts[*fuel as usize] += value.max(0.0);
        }
        Ok(factors.intensity(&megawatts).map(carbon_kube_core::GramsPerKwh::get))
    }

    /// What burns or splits something, and so never stands still altogether.
    pub(crate) fn thermal(&self, row: &Generation) -> f64 {
        let values = row.values.iter().zip(&self.fuels);
        let thermal = values.filter(|(_, fuel)| {
            use Fuel::{Biomass, Coal, Gas, Lignite, Nuclear, Oil};
            matches!(fuel, Coal | Lignite | Gas | Oil | Nuclear | Biomass)
        });
        thermal.map(|(value, _)| value.max(0.0)).sum()
    }
}

impl Generation {
    pub(crate) fn total(&self) -> f64 {
        self.values.iter().map(|value| value.max(0.0)).sum()
    }
}
