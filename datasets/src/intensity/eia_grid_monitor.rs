//! Reads an export of EIA's Hourly Electric Grid Monitor: the mix of one region or authority.
//!
//! Times are local and the end of the hour, with the clock that was in force:
//! `11/1/2020 1 a.m. EDT` and an hour later `11/1/2020 1 a.m. EST`. Files of neighbouring months
//! overlap by an hour. An outage of the reporting is a row of zeros or of nothing: a gap.

use carbon_kube_core::mix::Fuel;
use carbon_kube_core::{Span, Time};

use super::Format;
use super::area::Area;
use super::eia;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::number::Notation;
use crate::table::{Column, Table};

const TIME: &str = "Timestamp (Hour Ending)";
const PLACES: [&str; 2] = ["Region Code", "BA Code"];

pub(super) fn is_export(table: &Table<'_>) -> bool {
    table.has(TIME) && PLACES.iter().any(|name| table.has(name))
}

fn part(name: &str) -> Option<Part> {
    if name == TIME || PLACES.contains(&name) {
        return Some(Part::Aside);
    }
    Some(Part::Of(match name.strip_suffix(" (MWh)")? {
        "Wind Generation" => Fuel::Wind,
        "Solar Generation" => Fuel::Solar,
        "Hydro Generation" | "Pumped storage Generation" => Fuel::Hydro,
        "Other Generation" | "Unknown Generation" => Fuel::Other,
        "Petroleum Generation" => Fuel::Oil,
        "Natural gas Generation" => Fuel::Gas,
        "Coal Generation" => Fuel::Coal,
        "Nuclear Generation" => Fuel::Nuclear,
        "Geothermal Generation" => Fuel::Geothermal,
        "Battery storage Generation"
        | "Demand"
        | "Demand Forecast"
        | "Net Generation"
        | "Total Interchange" => return Some(Part::Aside),
        _ => return None,
    }))
}

/// Hours that a clock of the United States is behind UTC.
fn hours_behind(clock: &str) -> Option<i64> {
    Some(match clock {
        "EDT" => 4,
        "EST" | "CDT" => 5,
        "CST" | "MDT" => 6,
        "MST" | "PDT" => 7,
        "PST" => 8,
        _ => return None,
    })
}

/// `11/1/2020 12 a.m. EDT`
fn end_of_hour(text: &str) -> Option<Time> {
    let (civil, clock) = text.rsplit_once(' ')?;
    let local = instant::utc(instant::american(civil)?)?;
    Some(local + Span::HOUR * hours_behind(clock)?)
}

#[derive(Clone)]
pub(super) struct Export<'a> {
    request: &'a Request,
    texts: [Column; 2],
    mix: Mix,
    area: Area,
}

impl<'a> Export<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let place = table.column_where(PLACES[0], |name| PLACES.contains(&name))?;
        let info = request.zone.info();
        // EIA's regions have names of their own: `CAL` is more than `CISO`, `NE` is `ISNE`.
        let region = request.zone.as_str().rsplit_once('-').map(|(_, region)| region);
        let aliases = info.into_iter().flat_map(|info| info.aliases.split(';'));
        let known = info.map(|info| info.eia.as_str()).into_iter().chain(aliases).chain(
            // A zone that nobody knows can't tell which region it is.
            region.filter(|_| info.is_some()),
        );
        Ok(Self {
            request,
            area: Area::new(&place.name, request.area.as_ref(), known),
            texts: [table.column(TIME)?, place],
            mix: Mix::bind(table, Format::EiaGridMonitor, request, part)?,
        })
    }
}

impl Rule for Export<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn notation(&self) -> Notation {
        Notation::American
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let [time, place, ..] = *texts;
        if !self.area.takes(place) {
            return Ok(None);
        }
        let label = end_of_hour(time)
            .ok_or(Refusal::Text(0, "is not a time such as `11/1/2020 12 a.m. EDT`"))?;
        Ok(eia::hour_start(place, label))
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = self.area.name(path)?;
        Ok(self.request.mixed(path, Some(area)).into())
    }
}
