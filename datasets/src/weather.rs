//! Hourly weather of a place or a region: what wind and sun do to a grid.
//!
//! Two sources, told apart by their columns: Open-Meteo at a point (`windspeed_10m_kmh`, also as
//! its own `wind_speed_10m (km/h)`), which is reanalysis, and region means of NOAA's GFS as
//! CarbonCast keeps them (`wind_speed` in m/s, `temperature` in K), which are *forecasts*. Times are UTC and
//! the start of the hour. Columns that no signal needs, such as humidity, are not read.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use carbon_kube_core::{Span, Time};

use crate::error::ReadError;
use crate::instant;
use crate::table::{self, Column, Table};

/// The most hours of one file: a hundred years.
const LIMIT_HOURS: u64 = 880_000;

/// What is measured, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Speed of the wind in metres per second: 10 m above ground at a point, as modelled in a
    /// region.
    WindMetresPerSecond,
    /// Temperature of the air in degrees Celsius.
    TemperatureCelsius,
    /// Light of the sun on level ground in watts per square metre.
    ShortWaveWattsPerSquareMetre,
    /// Part of the sky under clouds, in per cent.
    CloudPercent,
}

/// Weather hour by hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Weather {
    start: Time,
    hours: usize,
    values: BTreeMap<Quantity, Vec<Option<f64>>>,
}

/// A known column: value x `factor` + `offset` is in the unit of the quantity.
struct Known {
    names: &'static [&'static str],
    quantity: Quantity,
    factor: f64,
    offset: f64,
}

const KNOWN: [Known; 6] = [
    Known {
        names: &["windspeed_10m_kmh", "windspeed_10m (km/h)", "wind_speed_10m (km/h)"],
        quantity: Quantity::WindMetresPerSecond,
        factor: 1.0 / 3.6,
        offset: 0.0,
    },
    Known {
        names: &["wind_speed", "windspeed_10m (m/s)", "wind_speed_10m (m/s)"],
        quantity: Quantity::WindMetresPerSecond,
        factor: 1.0,
        offset: 0.0,
    },
    Known {
        names: &["temperature_2m_c", "temperature_2m (°C)"],
        quantity: Quantity::TemperatureCelsius,
        factor: 1.0,
        offset: 0.0,
    },
    Known {
        names: &["temperature"],
        quantity: Quantity::TemperatureCelsius,
        factor: 1.0,
        offset: -273.15,
    },
    Known {
        names: &["dswrf", "shortwave_radiation (W/m²)"],
        quantity: Quantity::ShortWaveWattsPerSquareMetre,
        factor: 1.0,
        offset: 0.0,
    },
    Known {
        names: &["cloudcover_pct", "cloudcover (%)", "cloud_cover (%)"],
        quantity: Quantity::CloudPercent,
        factor: 1.0,
        offset: 0.0,
    },
];

impl Quantity {
    /// What the earth has; beyond it a unit is mixed up.
    fn range(self) -> (f64, f64) {
        match self {
            Self::WindMetresPerSecond => (0.0, 120.0),
            Self::TemperatureCelsius => (-90.0, 60.0),
            Self::ShortWaveWattsPerSquareMetre => (0.0, 1_500.0),
            Self::CloudPercent => (0.0, 100.0),
        }
    }
}

impl Weather {
    /// First hour.
    #[must_use]
    pub fn start(&self) -> Time {
        self.start
    }

    /// First instant after the last hour.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start + Span::HOUR * self.hours as i64
    }

    /// The hours of a quantity; `None` is a gap. Nothing at all where the source lacks it.
    #[must_use]
    pub fn hours(&self, quantity: Quantity) -> Option<&[Option<f64>]> {
        self.values.get(&quantity).map(Vec::as_slice)
    }

    /// The value in force at an instant; `None` in a gap and outside the hours.
    #[must_use]
    pub fn at(&self, quantity: Quantity, at: Time) -> Option<f64> {
        let index = (at - self.start).millis().div_euclid(Span::HOUR.millis());
        *self.values.get(&quantity)?.get(usize::try_from(index).ok()?)?
    }
}

/// Reads a file.
///
/// # Errors
///
/// [`ReadError`] names file, line and column; also where no column is known.
pub fn read(path: &Path) -> Result<Weather, ReadError> {
    parse(&path.display().to_string(), table::open(path)?)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read) -> Result<Weather, ReadError> {
    let mut table = Table::new(name, input)?;
    let time =
        table.column_where("timestamp_utc", |name| name == "timestamp_utc" || name == "time")?;
    let columns = columns(&table)?;
    let mut weather: Option<Weather> = None;
    while let Some(row) = table.next()? {
        let at = instant::parse(row.text(&time))
            .ok_or_else(|| row.wrong(&time, "is not an instant such as `2020-06-01T00:00Z`"))?;
        if at != at.floor(Span::HOUR) {
            return Err(row.wrong(&time, "is not a full hour"));
        }
        let weather = weather.get_or_insert_with(|| Weather {
            start: at,
            hours: 0,
            values: columns.iter().map(|(_, known)| (known.quantity, Vec::new())).collect(),
        });
        let (path, line) = (name.to_owned(), row.line);
        if at < weather.end() {
            let before = weather.end() - Span::HOUR;
            return Err(if at == before {
                ReadError::Duplicate { path, line, at }
            } else {
                ReadError::Unsorted { path, line, at, before }
            });
        }
        let index = (at - weather.start).millis() / Span::HOUR.millis();
        let steps = index.unsigned_abs().saturating_add(1);
        if steps > LIMIT_HOURS {
            return Err(ReadError::TooLong { path, line, steps, limit: LIMIT_HOURS });
        }
        weather.hours = steps as usize;
        for (column, known) in &columns {
            let value = row.number(column)?.map(|number| number * known.factor + known.offset);
            let (low, high) = known.quantity.range();
            if value.is_some_and(|value| !(low..=high).contains(&value)) {
                return Err(row.wrong(column, "is no such weather on earth: check its unit"));
            }
            let values = weather.values.entry(known.quantity).or_default();
            values.resize(weather.hours, None);
            if let Some(last) = values.last_mut() {
                *last = value;
            }
        }
    }
    weather.ok_or_else(|| ReadError::Empty { path: name.to_owned() })
}

/// The known columns, at most one of each quantity.
fn columns(table: &Table<'_>) -> Result<Vec<(Column, &'static Known)>, ReadError> {
    let mut columns: Vec<(Column, &'static Known)> = Vec::new();
    for known in &KNOWN {
        for name in known.names.iter().filter(|name| table.has(name)) {
            let column = table.column(name)?;
            if columns.iter().any(|(_, other)| other.quantity == known.quantity) {
                let path = table.path().to_owned();
                return Err(ReadError::RepeatedColumn { path, column: column.name });
            }
            columns.push((column, known));
        }
    }
    if columns.is_empty() {
        // The error that lists what there is.
        table.column(KNOWN[0].names[0])?;
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_those_of_the_quantity_and_missing_hours_are_gaps() {
        let point = "timestamp_utc,temperature_2m_c,relative_humidity_pct,cloudcover_pct,windspeed_10m_kmh\n\
            2020-01-01T07:00Z,11.5,70,67,36\n2020-01-01T09:00Z,,70,67,18\n";
        let weather = parse("x", point.as_bytes()).unwrap();
        // 36 km/h are 10 m/s.
        let wind: Vec<Option<i64>> = weather
            .hours(Quantity::WindMetresPerSecond)
            .unwrap()
            .iter()
            .map(|wind| wind.map(|wind| (wind * 1_000.0).round() as i64))
            .collect();
        assert_eq!(wind, [Some(10_000), None, Some(5_000)]);
        let at = |quantity, text: &str| weather.at(quantity, text.parse().unwrap());
        assert_eq!(at(Quantity::TemperatureCelsius, "2020-01-01T07:59:59Z"), Some(11.5));
        assert_eq!(at(Quantity::TemperatureCelsius, "2020-01-01T09:00:00Z"), None);
        assert_eq!(at(Quantity::TemperatureCelsius, "2020-01-01T06:00:00Z"), None);
        assert_eq!(weather.hours(Quantity::ShortWaveWattsPerSquareMetre), None);
        let region = "timestamp_utc,wind_speed,temperature,dewpoint,dswrf,precipitation\n\
            2020-01-01T00:00Z,5.5,283.15,277,300,0.5\n";
        let weather = parse("x", region.as_bytes()).unwrap();
        let celsius = weather.at(Quantity::TemperatureCelsius, weather.start()).unwrap();
        assert!((celsius - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_mistake_is_named() {
        let error = |text: &str| parse("x", text.as_bytes()).unwrap_err().to_string();
        for (text, message) in [
            (
                "time,temperature\n2020-01-01T00:00,11.5\n",
                "x: line 2: column `temperature`: `11.5` is no such",
            ),
            ("time,a\n2020-01-01T00:00,1\n", "x: line 1: no column `windspeed_10m_kmh`"),
            (
                "time,dswrf\n2020-01-01T00:30,1\n",
                "x: line 2: column `time`: `2020-01-01T00:30` is not a full",
            ),
            (
                "time,dswrf\n2020-01-01T01:00,1\n2020-01-01T00:00,1\n",
                "x: line 3: 2020-01-01T00:00:00Z comes after",
            ),
            (
                "time,wind_speed,windspeed_10m_kmh\n2020-01-01T01:00,1,1\n",
                "x: line 1: column `wind_speed` is there twice",
            ),
            ("time,dswrf\n", "x: has no rows"),
            (
                "time,dswrf\n0001-01-01T00:00,1\n9999-01-01T00:00,1\n",
                "x: line 3: the file would have",
            ),
        ] {
            let error = error(text);
            assert!(error.starts_with(message), "{error}");
        }
    }
}
