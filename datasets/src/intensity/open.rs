//! Reads the open format: a generation mix in megawatts per fuel, intensity from our factors.
//!
//! The header names `timestamp_utc` (start of the step) and a column `<fuel>_mw` for each of the
//! eleven fuels; other columns are not read, published intensities included: one mix then has
//! one intensity per factor set, whoever computed the file.

use carbon_kube_core::Time;
use carbon_kube_core::mix::Fuel;

use super::mix::Mix;
use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::table::{Column, Table};

const TIME: &str = "timestamp_utc";

pub(super) fn is_open(table: &Table<'_>) -> bool {
    table.has(TIME) && Fuel::ALL.iter().any(|fuel| table.has(&column(*fuel)))
}

fn column(fuel: Fuel) -> String {
    format!("{}_mw", fuel.name())
}

/// The numbers of a row are megawatts per fuel.
#[derive(Clone)]
pub(super) struct OpenRule<'a> {
    request: &'a Request,
    time: [Column; 1],
    mix: Mix,
}

impl<'a> OpenRule<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let time = [table.column(TIME)?];
        let columns =
            Fuel::ALL.iter().map(|fuel| table.column(&column(*fuel))).collect::<Result<_, _>>()?;
        Ok(Self { request, time, mix: Mix::new(columns, Fuel::ALL.to_vec(), request) })
    }
}

impl Rule for OpenRule<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn any_order(&self) -> bool {
        true
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        // The format has no fuel that a zone lacks: it is written as 0.
        match numbers.iter().position(Option::is_none) {
            Some(empty) if numbers.iter().any(Option::is_some) => {
                Err(Refusal::Number(empty, "is empty while other fuels of the row are not"))
            }
            _ => Ok(self.mix.value(numbers)?.into()),
        }
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        Ok(self.request.mixed(path, None).into())
    }
}
