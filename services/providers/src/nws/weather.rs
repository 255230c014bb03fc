//! The service's JSON: units by `unitCode`, wind speeds as text, values that are null, and cloud
//! amounts that are words.

use carbon_kube_core::{Span, Time};
use serde::{Deserialize, Serialize};

use crate::answer::{self, malformed};
use crate::error::ProviderError;

/// The longest that one value of a grid holds; the service has one of a week.
const LONGEST: Span = Span::from_millis(14 * 86_400_000);

/// The strongest wind that is believed, in m/s.
const STORM: f64 = 120.0;

/// The square of a forecast office that a place lies in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Square {
    /// The office.
    pub office: String,
    /// Column.
    pub x: u32,
    /// Row.
    pub y: u32,
}

/// What is expected of a square, each value until its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// Wind at 10 m, in m/s.
    pub wind: Vec<Held>,
    /// Part of the sky under clouds, 0 to 1.
    pub cover: Vec<Held>,
}

/// A value that holds for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// First instant.
    pub from: Time,
    /// First instant after.
    pub to: Time,
    /// The value; `None` where the service has none.
    pub value: Option<f64>,
}

/// What a station measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When.
    pub at: Time,
    /// Wind at 10 m, in m/s.
    pub wind: Option<f64>,
    /// Part of the sky under clouds, 0 to 1.
    pub cover: Option<f64>,
}

/// Everything that the service says is under `properties`.
#[derive(Deserialize)]
struct Feature<T> {
    properties: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPoint {
    grid_id: String,
    grid_x: u32,
    grid_y: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGrid {
    sky_cover: Option<RawSeries>,
    wind_speed: Option<RawSeries>,
}

#[derive(Deserialize)]
struct RawSeries {
    uom: Option<String>,
    #[serde(default)]
    values: Vec<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawValue {
    valid_time: String,
    value: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawObservation {
    timestamp: String,
    wind_speed: Option<Quantity>,
    #[serde(default)]
    cloud_layers: Option<Vec<Layer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Quantity {
    unit_code: Option<String>,
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Layer {
    amount: Option<String>,
}

#[derive(Deserialize)]
struct RawHourly {
    periods: Vec<RawPeriod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPeriod {
    start_time: String,
    end_time: String,
    wind_speed: Option<String>,
}

/// Reads the answer of `points`.
///
/// # Errors
///
/// [`ProviderError::Malformed`], also for an office whose name is none.
pub fn square(body: &[u8]) -> Result<Square, ProviderError> {
    let Feature { properties } = answer::json::<Feature<RawPoint>>(body)?;
    let RawPoint { grid_id: office, grid_x: x, grid_y: y } = properties;
    // It becomes a part of a path.
    if office.is_empty() || office.len() > 8 || !office.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(malformed("an office whose name is none"));
    }
    Ok(Square { office, x, y })
}

/// Reads the raw data of a square.
///
/// # Errors
///
/// [`ProviderError::Malformed`], [`ProviderError::NoData`] where neither wind nor clouds are there.
pub fn grid(body: &[u8]) -> Result<Grid, ProviderError> {
    let Feature { properties } = answer::json::<Feature<RawGrid>>(body)?;
    let wind = properties.wind_speed.map(|series| held(&series, speed)).transpose()?;
    let cover = properties.sky_cover.map(|series| held(&series, part)).transpose()?;
    let grid = Grid { wind: wind.unwrap_or_default(), cover: cover.unwrap_or_default() };
    if grid.wind.is_empty() && grid.cover.is_empty() {
        return Err(ProviderError::NoData("neither wind nor clouds".to_owned()));
    }
    Ok(grid)
}

/// Reads the wind of `forecast/hourly`, where it is text such as `5 to 15 mph`.
///
/// # Errors
///
/// [`ProviderError::Malformed`].
pub fn hourly_wind(body: &[u8]) -> Result<Vec<Held>, ProviderError> {
    let Feature { properties } = answer::json::<Feature<RawHourly>>(body)?;
    let period = |period: &RawPeriod| {
        let value = period.wind_speed.as_deref().map(wind_of_text).transpose()?;
        Ok(Held {
            from: answer::instant(&period.start_time)?,
            to: answer::instant(&period.end_time)?,
            value,
        })
    };
    properties.periods.iter().map(period).collect()
}

/// Reads the newest observation of a station.
///
/// # Errors
///
/// [`ProviderError::Malformed`].
pub fn observation(body: &[u8]) -> Result<Observation, ProviderError> {
    let Feature { properties } = answer::json::<Feature<RawObservation>>(body)?;
    let of_quantity = |quantity: Quantity| match quantity.value {
        Some(value) => speed(value, quantity.unit_code.as_deref().unwrap_or_default()).map(Some),
        None => Ok(None),
    };
    let wind = properties.wind_speed.map(of_quantity).transpose()?.flatten();
    let cover = properties.cloud_layers.as_deref().and_then(cover_of_layers);
    Ok(Observation { at: answer::instant(&properties.timestamp)?, wind, cover })
}

/// The value at an instant.
#[must_use]
pub fn at(held: &[Held], instant: Time) -> Option<f64> {
    held.iter().find(|held| (held.from..held.to).contains(&instant)).and_then(|held| held.value)
}

fn held(
    series: &RawSeries,
    convert: impl Fn(f64, &str) -> Result<f64, ProviderError>,
) -> Result<Vec<Held>, ProviderError> {
    let unit = series.uom.as_deref().unwrap_or_default();
    let one = |raw: &RawValue| {
        let (from, to) = interval(&raw.valid_time)?;
        Ok(Held { from, to, value: raw.value.map(|value| convert(value, unit)).transpose()? })
    };
    series.values.iter().map(one).collect()
}

/// An interval such as `2021-06-18T03:00:00+00:00/PT1H` or `.../P7DT22H`.
fn interval(text: &str) -> Result<(Time, Time), ProviderError> {
    let no_interval = || malformed("a time that is no interval");
    let (start, length) = text.split_once('/').ok_or_else(no_interval)?;
    let start = answer::instant(start)?;
    let length: jiff::Span = length.parse().map_err(|_| no_interval())?;
    let whole = (jiff::Unit::Millisecond, jiff::SpanRelativeTo::days_are_24_hours());
    let millis = length.total(whole).map_err(|_| no_interval())?;
    let span = Span::from_millis(millis as i64);
    if !span.is_positive() || span > LONGEST {
        return Err(no_interval());
    }
    Ok((start, start + span))
}

/// A speed in m/s. The unit is never assumed: km/h taken for m/s is a storm every day.
fn speed(value: f64, unit: &str) -> Result<f64, ProviderError> {
    let factor = match unit.rsplit(':').next().unwrap_or_default() {
        "km_h-1" => 1.0 / 3.6,
        "m_s-1" => 1.0,
        "kn" | "kt" => 0.514_444,
        "mi_h-1" | "mph" => 0.447_04,
        _ => return Err(malformed("a speed in a unit that is not known")),
    };
    let speed = value * factor;
    if (0.0..STORM).contains(&speed) {
        Ok(speed)
    } else {
        Err(malformed("a speed that no wind has"))
    }
}

/// Per cent as a part of one.
fn part(value: f64, unit: &str) -> Result<f64, ProviderError> {
    if !unit.ends_with("percent") || !(0.0..=100.0).contains(&value) {
        return Err(malformed("a cover that is no part of the sky in per cent"));
    }
    Ok(value / 100.0)
}

/// `5 mph`, `5 to 15 mph`, `10 km/h`: the middle, in m/s.
fn wind_of_text(text: &str) -> Result<f64, ProviderError> {
    let unit = text.split_whitespace().next_back().unwrap_or_default();
    let unit = if unit == "km/h" { "km_h-1" } else { unit };
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [one] => speed(*one, unit),
        [low, high] => speed((low + high) / 2.0, unit),
        _ => Err(malformed("a wind that is no speed")),
    }
}

/// The thickest layer counts. `VV`: the sky can't be seen.
fn cover_of_layers(layers: &[Layer]) -> Option<f64> {
    // Eighths, the middle of what each word stands for.
    let cover = |amount: &str| match amount {
        "SKC" | "CLR" => Some(0.0),
        "FEW" => Some(1.5 / 8.0),
        "SCT" => Some(3.5 / 8.0),
        "BKN" => Some(6.0 / 8.0),
        "OVC" | "VV" => Some(1.0),
        _ => None,
    };
    let known = layers.iter().filter_map(|layer| cover(layer.amount.as_deref()?));
    known.max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn an_observation_is_converted_by_its_unit_and_its_words() {
        let body = br#"{"properties":{"timestamp":"2026-03-29T11:53:00+00:00",
            "windSpeed":{"unitCode":"wmoUnit:km_h-1","value":28.8},
            "cloudLayers":[{"base":{"unitCode":"wmoUnit:m","value":7620},"amount":"FEW"},
                           {"base":{"unitCode":"wmoUnit:m","value":900},"amount":"BKN"}]}}"#;
        let observation = observation(body).unwrap();
        // 28.8 km/h are 8 m/s.
        assert!((observation.wind.unwrap() - 8.0).abs() < 1e-9);
        assert!((observation.cover.unwrap() - 0.75).abs() < 1e-9);
        assert_eq!(observation.at, time("2026-03-29T11:53:00Z"));
    }

    #[test]
    fn what_is_null_is_unknown_and_an_unknown_unit_is_refused() {
        let read = |wind: &str| {
            let body = format!(
                r#"{{"properties":{{"timestamp":"2026-03-29T11:53:00Z","windSpeed":{wind},"cloudLayers":null}}}}"#
            );
            observation(body.as_bytes())
        };
        let nothing = read(r#"{"unitCode":"wmoUnit:km_h-1","value":null}"#).unwrap();
        assert_eq!((nothing.wind, nothing.cover), (None, None));
        assert!(read(r#"{"unitCode":"wmoUnit:furlong","value":3}"#).is_err());
        assert!(read(r#"{"value":3}"#).is_err());
        assert!(read(r#"{"unitCode":"wmoUnit:m_s-1","value":-3}"#).is_err());
        // Taken for m/s, 500 km/h would be a wind that no one survives; so is it as it is.
        assert!(read(r#"{"unitCode":"wmoUnit:km_h-1","value":500}"#).is_err());
    }

    #[test]
    fn a_grid_has_long_intervals_and_nulls() {
        let body = br#"{"properties":{
            "skyCover":{"uom":"wmoUnit:percent","values":[
                {"validTime":"2026-03-29T03:00:00+00:00/PT1H","value":71},
                {"validTime":"2026-03-29T04:00:00+00:00/P7DT22H","value":null}]},
            "windSpeed":{"uom":"wmoUnit:km_h-1","values":[
                {"validTime":"2026-03-29T03:00:00+00:00/P1DT1H","value":18}]}}}"#;
        let grid = grid(body).unwrap();
        assert!((at(&grid.cover, time("2026-03-29T03:59:59Z")).unwrap() - 0.71).abs() < 1e-9);
        assert_eq!(at(&grid.cover, time("2026-03-29T04:00:00Z")), None);
        assert!((at(&grid.wind, time("2026-03-30T03:59:59Z")).unwrap() - 5.0).abs() < 1e-9);
        assert_eq!(at(&grid.wind, time("2026-03-30T04:00:00Z")), None);
        for interval in [
            "2026-03-29T03:00:00Z",
            "2026-03-29T03:00:00Z/P1Y",
            "soon/PT1H",
            "2026-03-29T03:00:00Z/-PT1H",
        ] {
            let body = format!(
                r#"{{"properties":{{"skyCover":{{"uom":"wmoUnit:percent","values":[{{"validTime":"{interval}","value":1}}]}}}}}}"#
            );
            assert!(super::grid(body.as_bytes()).is_err(), "{interval}");
        }
    }

    #[test]
    fn a_wind_in_words_is_the_middle_of_its_range() {
        for (text, expected) in [("5 mph", 2.235_2), ("5 to 15 mph", 4.470_4), ("36 km/h", 10.0)] {
            assert!((wind_of_text(text).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        for text in ["", "calm", "5", "5 knots up", "1 2 3 mph"] {
            assert!(wind_of_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_office_is_a_word() {
        let body = |office: &str| {
            format!(r#"{{"properties":{{"gridId":"{office}","gridX":5,"gridY":9}}}}"#)
        };
        assert_eq!(square(body("HNX").as_bytes()).unwrap().office, "HNX");
        assert!(square(body("../x").as_bytes()).is_err());
    }
}
