//! Reads NESO's historic generation mix of Great Britain: half-hours since 2009 in one file.
//!
//! Times are UTC without saying so. The intensity is ours, from the mix, so that one factor set
//! goes for all zones; the published column can be read as `columns`. Imports and storage are no
//! part of the mix, as in the other readers.

use carbon_kube_core::mix::Fuel;

use super::Format;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Rule};
use crate::error::ReadError;
use crate::table::{Column, Table};

const TIME: &str = "DATETIME";

pub(super) fn is_mix(table: &Table<'_>) -> bool {
    table.has(TIME) && table.has("CARBON_INTENSITY") && table.has("GENERATION")
}

fn part(name: &str) -> Option<Part> {
    if let Some(name) = name.strip_suffix("_perc") {
        return part(name).map(|_| Part::Aside);
    }
    Some(Part::Of(match name {
        "GAS" => Fuel::Gas,
        "COAL" => Fuel::Coal,
        "NUCLEAR" => Fuel::Nuclear,
        "WIND" | "WIND_EMB" => Fuel::Wind,
        "HYDRO" => Fuel::Hydro,
        "BIOMASS" => Fuel::Biomass,
        "OTHER" => Fuel::Other,
        "SOLAR" => Fuel::Solar,
        TIME | "IMPORTS" | "STORAGE" | "GENERATION" | "CARBON_INTENSITY" | "LOW_CARBON"
        | "ZERO_CARBON" | "RENEWABLE" | "FOSSIL" => return Some(Part::Aside),
        _ => return None,
    }))
}

#[derive(Clone)]
pub(super) struct HistoricMix<'a> {
    request: &'a Request,
    time: [Column; 1],
    mix: Mix,
}

impl<'a> HistoricMix<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let mix = Mix::bind(table, Format::NesoMix, request, part)?;
        Ok(Self { request, time: [table.column(TIME)?], mix })
    }
}

impl Rule for HistoricMix<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn any_order(&self) -> bool {
        true
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        Ok(self.request.mixed(path, Some("Great Britain".to_owned())).into())
    }
}
