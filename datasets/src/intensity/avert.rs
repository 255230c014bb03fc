//! Reads the marginal intensity of EPA's AVERT: a value for each hour of one year, a column per
//! region.
//!
//! `hour_of_year` counts from 0 in the region's standard time, so that no hour is doubled or missing
//! in spring and autumn. Neither the year nor the place of the clock is in the file: the year is the
//! only number of four digits in the file's name, the clock is the zone's. A value below zero (a
//! plant that does more when there is more renewable power) is no intensity of a series and becomes
//! a gap.

use carbon_kube_core::intensity::{Scope, Signal};
use carbon_kube_core::zone::Clock;
use carbon_kube_core::{Span, Time};
use jiff::civil;

use super::columns::{self, IntensityUnit};
use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts, Value};
use crate::error::ReadError;
use crate::table::{Column, Table};

const HOUR: &str = "hour_of_year";
const UNIT: &str = "_gco2_per_kwh";

pub(super) fn is_avert(table: &Table<'_>) -> bool {
    table.has(HOUR) && table.header().iter().any(|name| name.ends_with(UNIT))
}

#[derive(Clone)]
pub(super) struct Avert<'a> {
    request: &'a Request,
    hour: [Column; 1],
    value: [Column; 1],
    /// The first hour of the year, and how many it has.
    start: Time,
    hours: u32,
}

impl<'a> Avert<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let area = request.area.clone().unwrap_or_else(|| request.zone.to_string());
        let no_year = || ReadError::NoYear { path: table.path().to_owned() };
        let year = year(table.path()).ok_or_else(no_year)?;
        let start = start(year, &request.zone.clock()).ok_or_else(no_year)?;
        Ok(Self {
            request,
            hour: [table.column(HOUR)?],
            value: [table.column(&format!("{area}{UNIT}"))?],
            start,
            hours: u32::from(civil::date(year, 1, 1).days_in_year().unsigned_abs()) * 24,
        })
    }
}

/// The only number of four digits in the name of a file, as a year of this century or the last.
fn year(path: &str) -> Option<i16> {
    let name = path.rsplit(['/', '\\']).next()?;
    let numbers = name.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 4);
    let mut years = numbers.filter_map(|digits| digits.parse().ok());
    match (years.next(), years.next()) {
        (Some(year @ 1900..=2099), None) => Some(year),
        _ => None,
    }
}

/// Midnight of the first of January by the zone's standard time, which January has in the north.
fn start(year: i16, clock: &Clock) -> Option<Time> {
    let midnight = civil::date(year, 1, 1).at(0, 0, 0, 0).to_zoned_datetime(clock.clone()).ok()?;
    Some(Time::from_millis(midnight.timestamp().as_millisecond()))
}

impl Rule for Avert<'_> {
    fn texts(&self) -> &[Column] {
        &self.hour
    }

    fn numbers(&self) -> &[Column] {
        &self.value
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let hour = texts[0].parse::<u32>().ok().filter(|hour| *hour < self.hours);
        let hour = hour.ok_or(Refusal::Text(0, "is no hour of the year, from 0 on"))?;
        Ok(Some(self.start + Span::HOUR * i64::from(hour)))
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        if numbers.first().copied().flatten().is_some_and(|value| value < 0.0) {
            return Ok(Value::Gap.into());
        }
        columns::intensity(numbers, 0, IntensityUnit::GramsPerKwh).map(Reading::from)
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let request = self.request;
        Ok(request.label(path, None, Signal::Marginal, Scope::Direct, "AVERT").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_is_in_the_name_and_nowhere_else() {
        assert_eq!(year("in/2019/avert_2023_hourly.csv"), Some(2023));
        for name in ["avert.csv", "avert_2023_to_2024.csv", "avert_20230101.csv", "avert_0001.csv"]
        {
            assert_eq!(year(name), None, "{name}");
        }
    }
}
