//! A model of each zone's carbon intensity, for the zones and years that have no bundled data.
//!
//! For each month and UTC hour of the day a mean and a standard deviation; around the mean goes
//! noise that remembers the hour before, as weather does:
//!
//! ```text
//! z(h) = c z(h-1) + sqrt(1 - c^2) N(0, 1)        value = mean + sd z, within the range seen
//! ```
//!
//! So a modelled year has the level, the daily shape and the spells of the real ones, and the
//! weather of none of them: reports say *modelled*. The table `core/data/typical_year.csv` is
//! written by `datasets::typical_year`.

use std::sync::OnceLock;

use rand_distr::{Distribution, StandardNormal};

use crate::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use crate::seed;
use crate::time::{Span, Time};
use crate::zone::Zone;

/// One zone in one month of the year.
#[derive(Clone, Debug, PartialEq)]
pub struct Month {
    /// The zone.
    pub zone: Zone,
    /// What the data stand for, e.g. `CAISO`.
    pub area: String,
    /// The years of data, e.g. `2019-2021`.
    pub years: String,
    /// 1 to 12.
    pub month: u8,
    /// Correlation of the standardised residual from one hour to the next.
    pub correlation: f64,
    /// Lowest value seen, in g/kWh.
    pub min: f64,
    /// Highest value seen, in g/kWh.
    pub max: f64,
    /// Mean by UTC hour, in g/kWh.
    pub mean: [f64; 24],
    /// Standard deviation by UTC hour, in g/kWh.
    pub sd: [f64; 24],
}

/// Why a text is not a table of months.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypicalYearError {
    /// A row that does not have the table's columns.
    #[error("typical-year table: line {line}: {problem}")]
    Row {
        /// Line, the header included.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A zone needs all twelve months, in order.
    #[error("typical-year table: zone `{0}` does not have the months 1 to 12 in order")]
    Months(String),
}

/// The longest range that is modelled at once, a hundred years; beyond it a date is wrong.
const LONGEST: Span = Span::from_millis(36_525 * 86_400_000);

/// Changing it changes every modelled series.
const ROOT_SEED: u64 = 1;

/// The zones that the model knows.
pub fn zones() -> impl Iterator<Item = &'static Zone> {
    table().chunks(12).map(|months| &months[0].zone)
}

/// The modelled intensity of a zone over `[from, to)`, hourly, extended to full hours; average,
/// direct, local factors. An hour has the same value whichever range is asked for.
///
/// `None` for a zone that the model lacks, for an empty range and for one of over a hundred years.
#[must_use]
pub fn series(zone: &Zone, from: Time, to: Time) -> Option<IntensitySeries> {
    let months = table().chunks(12).find(|rows| rows[0].zone == *zone)?;
    // On bare milliseconds: `to` may be `Time::MAX`, and so no instant of the calendar.
    if from >= to || to.millis().saturating_sub(from.millis()) > LONGEST.millis() {
        return None;
    }
    let years = from.utc().year()..=to.utc().year();
    let (start, end) = (from.floor(Span::HOUR), to.ceil(Span::HOUR));
    let mut values = Vec::new();
    for year in years {
        let first = new_year(year)?;
        for (hour, value) in (0..).zip(year_values(months, year)) {
            let at = first + Span::HOUR * hour;
            if (start..end).contains(&at) {
                values.push(Some(value));
            }
        }
    }
    IntensitySeries::new(label(&months[0]), start, Span::HOUR, values).ok()
}

/// A calendar year's values, January first. Each year has a stream of its own, so that a range
/// never depends on where another one began.
fn year_values(months: &[Month], year: i16) -> Vec<f64> {
    let mut rng = seed::stream(ROOT_SEED, &format!("typical-year {} {year}", months[0].zone));
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut z = normal();
    let mut values = Vec::with_capacity(366 * 24);
    for month in months {
        let innovation = (1.0 - month.correlation * month.correlation).max(0.0).sqrt();
        for hour in (0..days(year, month.month)).flat_map(|_| 0..24) {
            z = month.correlation * z + innovation * normal();
            let value = month.mean[hour] + month.sd[hour] * z;
            values.push(value.clamp(month.min, month.max));
        }
    }
    values
}

fn days(year: i16, month: u8) -> i8 {
    jiff::civil::Date::new(year, month as i8, 1).map_or(0, |first| first.days_in_month())
}

fn new_year(year: i16) -> Option<Time> {
    let midnight =
        jiff::civil::Date::new(year, 1, 1).ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time::from_millis(midnight.timestamp().as_millisecond()))
}

fn label(month: &Month) -> Label {
    Label {
        zone: month.zone.clone(),
        area: month.area.clone(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Modelled,
        source: format!("typical-year model of {} {}", month.area, month.years),
    }
}

/// The compiled-in table: twelve rows per zone, January first.
pub fn table() -> &'static [Month] {
    static TABLE: OnceLock<Vec<Month>> = OnceLock::new();
    TABLE.get_or_init(|| {
        parse(include_str!("../data/typical_year.csv"))
            .expect("the compiled-in typical-year table is read by a test")
    })
}

/// Reads the text that [`write()`] writes.
///
/// # Errors
///
/// [`TypicalYearError`] names the line, or the zone without its twelve months.
pub fn parse(text: &str) -> Result<Vec<Month>, TypicalYearError> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut months = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| TypicalYearError::Row {
            line: error.position().map_or(0, csv::Position::line),
            problem: error.to_string(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        months.push(month_of(&record).map_err(|problem| TypicalYearError::Row { line, problem })?);
    }
    for zone in months.chunks(12) {
        let in_order = zone.len() == 12
            && (1..=12)
                .zip(zone)
                .all(|(number, month)| month.month == number && month.zone == zone[0].zone);
        if !in_order {
            return Err(TypicalYearError::Months(zone[0].zone.to_string()));
        }
    }
    Ok(months)
}

fn month_of(record: &csv::StringRecord) -> Result<Month, String> {
    let text = |index: usize| record.get(index).ok_or_else(|| "too few fields".to_owned());
    let number = |index: usize| -> Result<f64, String> {
        let field = text(index)?;
        let value: f64 = field.parse().map_err(|_| format!("`{field}` is not a number"))?;
        (value.is_finite() && value.abs() < 10_000.0)
            .then_some(value)
            .ok_or_else(|| format!("`{field}` is out of range"))
    };
    let hours = |first: usize| -> Result<[f64; 24], String> {
        let mut values = [0.0; 24];
        for (hour, value) in values.iter_mut().enumerate() {
            *value = number(first + hour)?;
        }
        Ok(values)
    };
    let (min, max) = (number(5)?, number(6)?);
    if !(0.0 <= min && min <= max) {
        return Err(format!("no range: {min} to {max}"));
    }
    Ok(Month {
        zone: text(0)?.parse().map_err(|error| format!("{error}"))?,
        area: text(1)?.to_owned(),
        years: text(2)?.to_owned(),
        month: text(3)?.parse().map_err(|_| "the month is not a number".to_owned())?,
        correlation: number(4)?,
        min,
        max,
        mean: hours(7)?,
        sd: hours(31)?,
    })
}

/// The table as CSV, `comment` in front of it. Tenths of a gram: finer than any factor is known.
#[must_use]
pub fn write(comment: &str, months: &[Month]) -> String {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    text.push_str("zone,area,years,month,correlation,min_g_per_kwh,max_g_per_kwh");
    for name in ["mean", "sd"] {
        for hour in 0..24 {
            text.push_str(&format!(",{name}_{hour:02}_g_per_kwh"));
        }
    }
    text.push('\n');
    for month in months {
        text.push_str(&format!(
            "{},{},{},{},{:.4},{:.1},{:.1}",
            month.zone,
            // A comma would need quotes; no area that we know has one.
            month.area.replace(',', ";"),
            month.years,
            month.month,
            month.correlation,
            month.min,
            month.max
        ));
        for value in month.mean.iter().chain(&month.sd) {
            text.push_str(&format!(",{value:.1}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn values(zone: &str, from: &str, to: &str) -> Vec<f64> {
        series(&zone.parse().unwrap(), time(from), time(to))
            .unwrap()
            .steps()
            .map(|(_, value)| value.unwrap().get())
            .collect()
    }

    #[test]
    fn an_hour_has_one_value_whichever_range_is_asked_for() {
        let long = values("US-TX", "2019-06-01", "2021-03-01");
        let short = values("US-TX", "2020-12-31", "2021-01-02");
        // 2019-06-01 to 2020-12-31 is 214 - 1 + 366 = 579 days.
        assert_eq!(short.len(), 48);
        assert_eq!(short, long[579 * 24..581 * 24]);
    }

    #[test]
    fn two_years_and_two_zones_differ() {
        let of = |zone, year: i32| values(zone, &format!("{year}-01-01"), &format!("{year}-01-03"));
        assert_ne!(of("US-TX", 2022), of("US-TX", 2023));
        assert_ne!(of("US-TX", 2022), of("US-NY", 2022));
    }

    #[test]
    fn a_range_within_an_hour_is_extended_to_it() {
        let zone: Zone = "US-NY".parse().unwrap();
        let series = series(&zone, time("2024-02-29T10:20:00Z"), time("2024-02-29T11:01:00Z"));
        let series = series.unwrap();
        assert_eq!(series.start(), time("2024-02-29T10:00:00Z"));
        assert_eq!(series.end(), time("2024-02-29T12:00:00Z"));
        assert_eq!(series.label().provenance, Provenance::Modelled);
        assert_eq!(series.label().factor_set, "local");
    }

    #[test]
    fn what_is_not_modelled_is_none() {
        let from = time("2020-01-01");
        assert!(series(&"AU-QLD".parse().unwrap(), from, time("2020-02-01")).is_none());
        let zone: Zone = "US-NY".parse().unwrap();
        assert!(series(&zone, from, from).is_none());
        assert!(series(&zone, from, Time::MAX).is_none());
        assert!(series(&zone, Time::from_millis(i64::MIN), from).is_none());
    }

    #[test]
    fn the_seven_zones_of_the_mission_are_modelled() {
        let names: Vec<&str> = zones().map(Zone::as_str).collect();
        assert_eq!(names, ["US-CA", "US-TX", "US-NY", "US-NE", "EU-DE", "EU-FR", "EU-UK"]);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let months = table();
        assert_eq!(parse(&write("a\nb", months)).unwrap(), months);
        let without_last: Vec<_> = months[..83].to_vec();
        assert_eq!(
            parse(&write("", &without_last)).unwrap_err(),
            TypicalYearError::Months("EU-UK".into())
        );
        assert!(parse("zone,area\nUS-CA,CAISO\n").is_err());
        assert_eq!(parse("").unwrap(), []);
    }
}
