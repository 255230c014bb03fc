//! Reads the hourly mixes of CarbonCast and EnsembleCI, and EIA's API series as SustainDC keeps them.
//!
//! All carry EIA's (or ENTSO-E's, OpenNEM's) numbers with the label that EIA gives an hour: its
//! *end*, but for CISO and PJM (see [`eia`]). The intensity is ours, from the mix: the
//! published column is lifecycle in one direct file, and some files hold sums of quarter-hours,
//! which leaves the shares as they are.

use carbon_kube_core::Time;
use carbon_kube_core::mix::Fuel;

use super::Format;
use super::eia;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, NO_INSTANT, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Table};

const TIMES: [&str; 2] = ["UTC time", "timestamp"];
const PUBLISHED: [&str; 2] = ["carbon_intensity", "avg_CI"];

pub(super) fn is_mix(table: &Table<'_>) -> bool {
    let any = |names: [&str; 2]| names.iter().any(|name| table.has(name));
    any(TIMES) && any(PUBLISHED)
}

fn part(name: &str) -> Option<Part> {
    if name.is_empty() || TIMES.contains(&name) || PUBLISHED.contains(&name) {
        return Some(Part::Aside);
    }
    Some(Part::Of(match name {
        "coal" | "COL" => Fuel::Coal,
        "nat_gas" | "NG" => Fuel::Gas,
        "nuclear" | "NUC" => Fuel::Nuclear,
        "oil" | "OIL" => Fuel::Oil,
        "hydro" | "WAT" => Fuel::Hydro,
        "solar" | "SUN" => Fuel::Solar,
        "wind" | "WND" => Fuel::Wind,
        "biomass" => Fuel::Biomass,
        "geothermal" => Fuel::Geothermal,
        "other" | "unknown" | "OTH" => Fuel::Other,
        _ => return None,
    }))
}

#[derive(Clone)]
pub(super) struct HourEnding<'a> {
    request: &'a Request,
    time: [Column; 1],
    mix: Mix,
    /// Whose labels these are; the file does not say it.
    authority: String,
}

impl<'a> HourEnding<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let known = request.zone.info().map(|info| info.eia.clone()).filter(|eia| !eia.is_empty());
        let authority = known.or_else(|| request.area.clone()).unwrap_or_default();
        let time = [table.column_where(TIMES[0], |name| TIMES.contains(&name))?];
        let mix = Mix::bind(table, Format::Carboncast, request, part)?;
        Ok(Self { request, time, mix, authority })
    }
}

impl Rule for HourEnding<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn any_order(&self) -> bool {
        true
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let label = instant::parse(texts[0]).ok_or(Refusal::Text(0, NO_INSTANT))?;
        Ok(eia::hour_start(&self.authority, label))
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = Some(self.authority).filter(|name| !name.is_empty());
        Ok(self.request.mixed(path, area).into())
    }
}
