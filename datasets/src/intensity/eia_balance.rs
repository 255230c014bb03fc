//! Reads EIA's six-month file of form 930, `EIA930_BALANCE_2020_Jan_Jun.csv`.
//!
//! All balancing authorities, hour by hour; the rows of one are taken. Numbers have thousands
//! commas, times are the end of the hour. Each fuel has up to three columns: as reported, what EIA
//! put in its place (`Imputed`), and `Adjusted`, the one or the other after EIA's checks. *Adjusted
//! where the header has it, else as reported*; a row with an imputed fuel counts as estimated.
//!
//! Since mid-2024 hydro comes without pumped storage, and solar and wind are split by whether a
//! battery stands beside them. Batteries and other storage are no part of the mix.

use carbon_kube_core::Time;
use carbon_kube_core::mix::Fuel;

use super::Format;
use super::area::Area;
use super::eia;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::number::Notation;
use crate::table::{Column, Table};

const AUTHORITY: &str = "Balancing Authority";
const TIME: &str = "UTC Time at End of Hour";
const FUEL: &str = "Net Generation (MW) from ";

/// What a column can be that is no fuel, by how its name begins.
const ASIDE: [&str; 10] = [
    "Balancing Authority",
    "Data Date",
    "Hour Number",
    "Local Time at End of Hour",
    "UTC Time at End of Hour",
    "Demand",
    "Net Generation (MW)",
    "Total Interchange (MW)",
    "Sum(Valid DIBAs) (MW)",
    "Region",
];

pub(super) fn is_balance(table: &Table<'_>) -> bool {
    table.has(AUTHORITY) && table.has(TIME)
}

/// The fuel of a column name without its suffix.
fn fuel(name: &str) -> Option<Part> {
    Some(Part::Of(match name {
        "Coal" => Fuel::Coal,
        "Natural Gas" => Fuel::Gas,
        "Nuclear" => Fuel::Nuclear,
        "All Petroleum Products" => Fuel::Oil,
        "Hydropower and Pumped Storage"
        | "Hydropower Excluding Pumped Storage"
        | "Pumped Storage" => Fuel::Hydro,
        "Solar"
        | "Solar without Integrated Battery Storage"
        | "Solar with Integrated Battery Storage" => Fuel::Solar,
        "Wind"
        | "Wind without Integrated Battery Storage"
        | "Wind with Integrated Battery Storage" => Fuel::Wind,
        "Geothermal" => Fuel::Geothermal,
        "Other Fuel Sources" | "Unknown Fuel Sources" => Fuel::Other,
        "Battery Storage" | "Other Energy Storage" | "Unknown Energy Storage" => {
            return Some(Part::Aside);
        }
        _ => return None,
    }))
}

#[derive(Clone)]
pub(super) struct Balance<'a> {
    request: &'a Request,
    texts: [Column; 2],
    /// The columns of the mix, then those that say that a fuel was imputed.
    numbers: Vec<Column>,
    mix: Mix,
    area: Area,
}

impl<'a> Balance<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let adjusted = |name: &str| table.has(&format!("{name} (Adjusted)"));
        let part = |name: &str| {
            let Some(rest) = name.strip_prefix(FUEL) else {
                return ASIDE.iter().any(|known| name.starts_with(known)).then_some(Part::Aside);
            };
            if let Some(rest) = rest.strip_suffix(" (Imputed)") {
                return fuel(rest).map(|_| Part::Aside);
            }
            match rest.strip_suffix(" (Adjusted)") {
                Some(rest) => fuel(rest),
                None if adjusted(name) => fuel(rest).map(|_| Part::Aside),
                None => fuel(rest),
            }
        };
        let mix = Mix::bind(table, Format::EiaBalance, request, part)?;
        let imputed = table
            .header()
            .iter()
            .enumerate()
            .filter(|(_, name)| name.starts_with(FUEL) && name.ends_with(" (Imputed)"));
        let imputed = imputed.map(|(index, name)| Column { index, name: name.clone() });
        let numbers = mix.columns.iter().cloned().chain(imputed).collect();
        let texts = [table.column(TIME)?, table.column(AUTHORITY)?];
        let known = request.zone.info().map(|info| info.eia.as_str());
        let area = Area::new(AUTHORITY, request.area.as_ref(), known);
        Ok(Self { request, texts, numbers, mix, area })
    }
}

impl Rule for Balance<'_> {
    fn texts(&self) -> &[Column] {
        &self.texts
    }

    fn numbers(&self) -> &[Column] {
        &self.numbers
    }

    fn notation(&self) -> Notation {
        Notation::American
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let [time, authority, ..] = *texts;
        if !self.area.takes(authority) {
            return Ok(None);
        }
        let label = instant::american(time)
            .and_then(instant::utc)
            .ok_or(Refusal::Text(0, "is not a time such as `1/31/2020 7:00:00 PM`"))?;
        Ok(eia::hour_start(authority, label))
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        let (fuels, imputed) = numbers.split_at(self.mix.columns.len().min(numbers.len()));
        let estimated = imputed.iter().any(Option::is_some);
        Ok(Reading { value: self.mix.value(fuels)?, estimated })
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = self.area.name(path)?;
        Ok(self.request.mixed(path, Some(area)).into())
    }
}
