//! Reads the CSV of Electricity Maps' data portal.
//!
//! The vintages write the same columns in other words: `Carbon Intensity gCO₂eq/kWh (LCA)` until
//! 2024, `Carbon intensity gCO₂eq/kWh (Life cycle)` since; `CO₂` may be `CO2`. So columns are
//! found by key words. Times are UTC and the start of the step. Consumption-based: imports count.

use carbon_kube_core::Time;
use carbon_kube_core::intensity::{Scope, Signal};

use super::area::Area;
use super::columns::{self, IntensityUnit};
use super::request::Request;
use super::rule::{Ending, NO_INSTANT, Reading, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Table};

/// The factor set that reports name.
pub(super) const PROVIDER: &str = "Electricity Maps";

pub(super) fn is_portal(table: &Table<'_>) -> bool {
    let has = |test: fn(&str) -> bool| table.header().iter().any(|name| test(name));
    has(is_time) && (has(is_direct) || has(is_lifecycle))
}

fn is_time(name: &str) -> bool {
    name.eq_ignore_ascii_case("Datetime (UTC)")
}

fn is_direct(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("carbon intensity gco") && name.ends_with("(direct)")
}

fn is_lifecycle(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("carbon intensity gco")
        && (name.ends_with("(lca)") || name.ends_with("(life cycle)"))
}

/// The place of a request as Electricity Maps names it.
pub(super) fn area(column: &str, request: &Request) -> Area {
    let known = request.zone.info().map(|info| info.electricity_maps.as_str());
    // What the user calls the area is a name for reports, unless nothing else tells the place.
    let asked = request.area.as_ref().filter(|_| known.is_none_or(str::is_empty));
    Area::new(column, asked, known)
}

#[derive(Clone)]
pub(super) struct Portal<'a> {
    request: &'a Request,
    texts: [Column; 3],
    value: [Column; 1],
    area: Area,
}

impl<'a> Portal<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let (name, test): (_, fn(&str) -> bool) = match request.factors.scope() {
            Scope::Direct => ("Carbon intensity gCO₂eq/kWh (direct)", is_direct),
            Scope::Lifecycle => ("Carbon intensity gCO₂eq/kWh (Life cycle)", is_lifecycle),
        };
        let named = |name: &str| {
            table.column_where(name, |column| column.to_lowercase() == name.to_lowercase())
        };
        let texts = [named("Datetime (UTC)")?, named("Zone id")?, named("Data estimated")?];
        let value = [table.column_where(name, test)?];
        let area = area(&texts[1].name, request);
        Ok(Self { request, texts, value, area })
    }
}

impl Rule for Portal<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn numbers(&self) -> &[Column] {
        &self.value
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let [time, zone, ..] = *texts;
        let at = instant::parse(time).ok_or(Refusal::Text(0, NO_INSTANT))?;
        Ok(self.area.takes(zone).then_some(at))
    }

    fn reading(
        &mut self,
        _at: Time,
        texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        let value = columns::intensity(numbers, 0, IntensityUnit::GramsPerKwh)?;
        let estimated = match texts[2].to_ascii_lowercase().as_str() {
            "true" => true,
            "false" | "" => false,
            _ => return Err(Refusal::Text(2, "is neither `true` nor `false`")),
        };
        Ok(Reading { value, estimated })
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let scope = self.request.factors.scope();
        let area = self.area.name(path)?;
        let label = self.request.label(path, Some(area), Signal::Average, scope, PROVIDER);
        Ok(label.into())
    }
}
