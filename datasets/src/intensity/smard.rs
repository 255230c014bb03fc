//! Reads SMARD's actual generation ("Realisierte Erzeugung") of Germany.
//!
//! `;` between fields, decimal comma and thousands point: `1.216` is 1,216 MWh in a quarter of an
//! hour. Times are German local time, where the hour of autumn comes twice. The unit does not
//! matter to an intensity: only shares do.

use carbon_kube_core::Time;
use carbon_kube_core::mix::Fuel;

use super::Format;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant::{self, WallClock};
use crate::table::number::Notation;
use crate::table::{Column, Table};

/// Vintages have the start of the step in one column or in two.
const DATES: [&str; 2] = ["Datum von", "Datum"];
const TIMES: [&str; 2] = ["Uhrzeit", "Anfang"];

pub(super) fn is_smard(table: &Table<'_>) -> bool {
    let is = |name: &str| DATES.contains(&name);
    table.header().iter().any(|name| is(name))
        && table.header().iter().any(|name| name.contains("[MWh]"))
}

fn part(name: &str) -> Option<Part> {
    if DATES.contains(&name) || TIMES.contains(&name) || ["Ende", "Datum bis"].contains(&name) {
        return Some(Part::Aside);
    }
    // `Erdgas[MWh]`, `Erdgas [MWh] Originalauflösungen`.
    let (fuel, unit) = name.split_once('[')?;
    unit.starts_with("MWh]").then_some(())?;
    Some(Part::Of(match fuel.trim_end() {
        "Biomasse" | "Sonstige Erneuerbare" => Fuel::Biomass,
        "Wasserkraft" | "Pumpspeicher" => Fuel::Hydro,
        "Wind Offshore" | "Wind Onshore" => Fuel::Wind,
        "Photovoltaik" => Fuel::Solar,
        "Kernenergie" => Fuel::Nuclear,
        "Braunkohle" => Fuel::Lignite,
        "Steinkohle" => Fuel::Coal,
        "Erdgas" => Fuel::Gas,
        "Sonstige Konventionelle" => Fuel::Other,
        _ => return None,
    }))
}

#[derive(Clone)]
pub(super) struct Smard<'a> {
    request: &'a Request,
    texts: Vec<Column>,
    mix: Mix,
    clock: WallClock,
}

impl<'a> Smard<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        // Where something else wrote the file anew, nobody knows what a point means in it.
        if table.delimiter() != b';' {
            return Err(ReadError::Needs {
                path: table.path().to_owned(),
                what: "SMARD separates fields by `;`: in other files `1.216` could be either number",
            });
        }
        let mut texts = vec![table.column_where(DATES[0], |name| DATES.contains(&name))?];
        if texts[0].name == DATES[1] {
            texts.push(table.column_where(TIMES[0], |name| TIMES.contains(&name))?);
        }
        let mix = Mix::bind(table, Format::Smard, request, part)?;
        Ok(Self { request, texts, mix, clock: WallClock::of("Europe/Berlin") })
    }
}

impl Rule for Smard<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn notation(&self) -> Notation {
        Notation::German
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let (date, time) = (texts[0], texts[1]);
        let civil = if self.texts.len() > 1 {
            instant::dotted(&format!("{date} {time}"))
        } else {
            instant::dotted(date)
        };
        let civil = civil.ok_or(Refusal::Text(0, "is not a date such as `31.01.2020`"))?;
        self.clock.instant(civil).map(Some).map_err(|problem| Refusal::Text(0, problem))
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        Ok(self.request.mixed(path, Some("Germany".to_owned())).into())
    }
}
