//! Reads the export that Electricity Maps sold in 2021 and 2022.
//!
//! One intensity, `carbon_intensity_avg`: lifecycle, as all of their numbers were then. Times carry
//! an offset and are the start of the hour.

use carbon_kube_core::Time;
use carbon_kube_core::intensity::{Scope, Signal};

use super::area::Area;
use super::columns::{self, IntensityUnit};
use super::electricity_maps::{self, PROVIDER};
use super::request::Request;
use super::rule::{Ending, NO_INSTANT, Reading, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Table};

const TIME: &str = "datetime";
const ZONE: &str = "zone_name";
const VALUE: &str = "carbon_intensity_avg";

pub(super) fn is_export(table: &Table<'_>) -> bool {
    [TIME, ZONE, VALUE].iter().all(|name| table.has(name))
}

#[derive(Clone)]
pub(super) struct Export<'a> {
    request: &'a Request,
    texts: [Column; 2],
    value: [Column; 1],
    area: Area,
}

impl<'a> Export<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        Ok(Self {
            request,
            texts: [table.column(TIME)?, table.column(ZONE)?],
            value: [table.column(VALUE)?],
            area: electricity_maps::area(ZONE, request),
        })
    }
}

impl Rule for Export<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn numbers(&self) -> &[Column] {
        &self.value
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let at = instant::parse(texts[0]).ok_or(Refusal::Text(0, NO_INSTANT))?;
        Ok(self.area.takes(texts[1]).then_some(at))
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        columns::intensity(numbers, 0, IntensityUnit::GramsPerKwh).map(Reading::from)
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = self.area.name(path)?;
        let signal = Signal::Average;
        Ok(self.request.label(path, Some(area), signal, Scope::Lifecycle, PROVIDER).into())
    }
}
