//! Reads ENTSO-E's "Actual Generation per Production Type" as the transparency platform gave it
//! until 2024.
//!
//! `MTU` is the step, `01.01.2020 00:00 - 01.01.2020 01:00 (CET/CEST)`, of 15, 30 or 60 minutes,
//! in UTC or in local time, where the hour of autumn comes twice. `n/e` is a type that the area
//! does not have, `N/A` and `-` are missing values. Production only: imports are not counted, and
//! what pumps and stores consume is not subtracted.

use carbon_kube_core::Time;
use carbon_kube_core::mix::Fuel;

use super::Format;
use super::area::Area;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant::{self, WallClock};
use crate::table::number::Notation;
use crate::table::{Column, Table};

const AREA: &str = "Area";
const CLOCKS: [(&str, &str); 4] = [
    ("(UTC)", "UTC"),
    ("(CET/CEST)", "Europe/Brussels"),
    ("(EET/EEST)", "Europe/Helsinki"),
    ("(WET/WEST)", "Europe/Lisbon"),
];

pub(super) fn is_platform(table: &Table<'_>) -> bool {
    table.has(AREA) && table.header().iter().any(|name| name.starts_with("MTU"))
}

/// What ENTSO-E's production types are to us.
pub(super) fn production_type(name: &str) -> Option<Part> {
    Some(Part::Of(match name {
        "Biomass" | "Other renewable" => Fuel::Biomass,
        "Fossil Brown coal/Lignite" | "Fossil Peat" => Fuel::Lignite,
        "Fossil Hard coal" => Fuel::Coal,
        "Fossil Gas" => Fuel::Gas,
        "Fossil Oil" | "Fossil Oil shale" => Fuel::Oil,
        "Fossil Coal-derived gas" | "Other" | "Waste" => Fuel::Other,
        "Geothermal" => Fuel::Geothermal,
        "Hydro Pumped Storage"
        | "Hydro Run-of-river and poundage"
        | "Hydro Water Reservoir"
        | "Marine" => Fuel::Hydro,
        "Nuclear" => Fuel::Nuclear,
        "Solar" => Fuel::Solar,
        "Wind Offshore" | "Wind Onshore" => Fuel::Wind,
        "Energy storage" => return Some(Part::Aside),
        _ => return None,
    }))
}

fn part(name: &str) -> Option<Part> {
    if name == AREA || name.starts_with("MTU") {
        return Some(Part::Aside);
    }
    // The platform puts two blanks before the dash.
    let (kind, what) = name.rsplit_once(" - ")?;
    let known = production_type(kind.trim_end())?;
    match what {
        "Actual Aggregated [MW]" => Some(known),
        "Actual Consumption [MW]" => Some(Part::Aside),
        _ => None,
    }
}

#[derive(Clone)]
pub(super) struct Platform<'a> {
    request: &'a Request,
    texts: [Column; 2],
    mix: Mix,
    area: Area,
    /// The clock and the name of it, once a row or the header has told it.
    clock: Option<(&'static str, WallClock)>,
}

impl<'a> Platform<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let texts =
            [table.column_where("MTU", |name| name.starts_with("MTU"))?, table.column(AREA)?];
        let clock = clock_of(&texts[0].name).map(|(_, name, clock)| (name, clock));
        Ok(Self {
            request,
            mix: Mix::bind(table, Format::Entsoe, request, part)?,
            area: Area::new(AREA, None, None),
            texts,
            clock,
        })
    }

    fn start(&mut self, text: &str) -> Result<Time, &'static str> {
        const EXPECTED: &str =
            "is not a step such as `01.01.2020 00:00 - 01.01.2020 01:00 (CET/CEST)`";
        let text = match (clock_of(text), &self.clock) {
            (Some((step, name, _)), Some((known, _))) if name == *known => step,
            (Some(_), Some(_)) => return Err("is on another clock than the rows before"),
            (Some((step, name, clock)), None) => {
                self.clock = Some((name, clock));
                step
            }
            (None, Some(_)) => text,
            (None, None) => return Err("does not say whether it is UTC or local time"),
        };
        let (start, end) = text.split_once(" - ").ok_or(EXPECTED)?;
        // The end only has to be a time: in the hour of autumn it can be before the start.
        instant::dotted(end.trim()).ok_or(EXPECTED)?;
        let start = instant::dotted(start.trim()).ok_or(EXPECTED)?;
        match &mut self.clock {
            Some((_, clock)) => clock.instant(start),
            None => Err(EXPECTED),
        }
    }
}

/// What comes before the name of a clock, that name, and the clock.
fn clock_of(text: &str) -> Option<(&str, &'static str, WallClock)> {
    CLOCKS.iter().find_map(|(name, place)| {
        text.strip_suffix(name).map(|before| (before, *name, WallClock::of(place)))
    })
}

impl Rule for Platform<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn notation(&self) -> Notation {
        Notation::Marked
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        if !self.area.takes(texts[1]) {
            return Ok(None);
        }
        self.start(texts[0]).map(Some).map_err(|problem| Refusal::Text(0, problem))
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = self.area.name(path)?;
        Ok(self.request.mixed(path, Some(area)).into())
    }
}
