//! Reads intensities in the columns of the open format, from a file without a generation mix.
//!
//! The header names `timestamp_utc` (start of the step) and `carbon_intensity_gco2_per_kwh`, direct
//! emissions as published; of files with both, lifecycle factors take
//! `carbon_intensity_lifecycle_gco2_per_kwh`. A column `estimated` (0 or 1) is heeded.

use carbon_kube_core::Time;
use carbon_kube_core::intensity::{Scope, Signal};

use super::columns::{self, IntensityUnit};
use super::open;
use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::table::{Column, Table};

const TIME: &str = "timestamp_utc";
const DIRECT: &str = "carbon_intensity_gco2_per_kwh";
const LIFECYCLE: &str = "carbon_intensity_lifecycle_gco2_per_kwh";
const ESTIMATED: &str = "estimated";

pub(super) fn is_intensity(table: &Table<'_>) -> bool {
    table.has(TIME) && (table.has(DIRECT) || table.has(LIFECYCLE)) && !open::is_open(table)
}

/// The number of a row is the intensity.
#[derive(Clone)]
pub(super) struct OpenIntensity<'a> {
    request: &'a Request,
    /// The time, and whether the value is estimated.
    texts: Vec<Column>,
    value: [Column; 1],
}

impl<'a> OpenIntensity<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let value = match request.factors.scope() {
            Scope::Direct => DIRECT,
            Scope::Lifecycle => LIFECYCLE,
        };
        let mut texts = vec![table.column(TIME)?];
        if table.has(ESTIMATED) {
            texts.push(table.column(ESTIMATED)?);
        }
        Ok(Self { request, texts, value: [table.column(value)?] })
    }
}

impl Rule for OpenIntensity<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
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
        texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        let value = columns::intensity(numbers, 0, IntensityUnit::GramsPerKwh)?;
        match texts[1] {
            "1" => Ok(Reading { value, estimated: true }),
            "0" | "" => Ok(value.into()),
            _ => Err(Refusal::Text(1, "is neither 0 nor 1")),
        }
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let scope = self.request.factors.scope();
        let set = self.request.provider.as_deref().unwrap_or("as published");
        Ok(self.request.label(path, None, Signal::Average, scope, set).into())
    }
}
