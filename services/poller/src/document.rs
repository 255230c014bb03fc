//! `intensity.json` out of readings, and what a forecast model expects.

use carbon_kube_core::documents::{ForecastPoint, IntensityDocument, ZoneIntensity};
use carbon_kube_core::forecast::{self, Issue};
use carbon_kube_core::forecaster::Forecaster as _;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_policies::forecast::Past;
use carbon_kube_policies::forecast::file::Loaded;
use carbon_kube_providers::{Point, Reading};

/// The most points of a forecast: four days of hours, and the rest of this one.
const MOST_POINTS: usize = 97;

/// What is expected of a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// As the document has it.
    pub points: Vec<ForecastPoint>,
    /// As a policy sees it.
    pub outlook: Issue,
    /// Who expects it.
    pub source: String,
}

/// Cuts forecasts short until the document has at most so many bytes; values are never left out.
pub fn bound(document: &mut IntensityDocument, most_bytes: usize) {
    let mut points = MOST_POINTS;
    while points > 0 && serde_json::to_string(document).map_or(0, |text| text.len()) > most_bytes {
        points /= 2;
        for entry in document.zones.values_mut() {
            entry.forecast.truncate(points);
        }
    }
}

/// The entry of a zone; `None` where the reading has no value.
#[must_use]
pub fn entry(reading: &Reading, expected: Option<&Expected>, now: Time) -> Option<ZoneIntensity> {
    let current = current(reading, now)?;
    Some(ZoneIntensity {
        value: current.value,
        unit: ZoneIntensity::UNIT.to_owned(),
        signal: reading.signal,
        factor_set: reading.factor_set.clone(),
        observed_at: current.start,
        fetched_at: reading.fetched_at,
        source: reading.source.to_string(),
        is_estimated: current.is_estimated,
        confidence: reading.confidence,
        forecast: expected.map(|expected| expected.points.clone()).unwrap_or_default(),
        forecast_source: expected.map(|expected| expected.source.clone()),
    })
}

/// The newest point that has begun. Where none has, the first: a reading is believed though the clock
/// of its source is a little ahead of ours, and its zone must not vanish until that has passed.
#[must_use]
pub fn current(reading: &Reading, now: Time) -> Option<&Point> {
    let begun = reading.points.iter().rev().find(|point| point.start <= now);
    begun.or_else(|| reading.points.first())
}

/// What the model expects of a zone of which `series` is known up to `known`.
#[must_use]
pub fn modelled(
    model: &Loaded,
    zone: &Zone,
    series: &IntensitySeries,
    known: Time,
) -> Option<Expected> {
    let history = forecast::History::new(series, known);
    let outlook = Issue::published(&model.forecaster.issue(zone, &history)?, known)?;
    let hourly = model.forecaster.forecast(zone, &Past::of(&history))?;
    let points = outlook.points.iter().map(|&(t, v)| {
        // The interval of 80 %; the hour in progress is known and has none.
        let hour = t.floor(Span::HOUR);
        let hour = hourly.hours.iter().skip(1).find(|expected| expected.start == hour);
        let bound = |at: usize| hour.map(|hour| GramsPerKwh::saturating(hour.quantiles[at]));
        ForecastPoint { t, v: GramsPerKwh::saturating(v), low: bound(1), high: bound(5) }
    });
    let points = points.take(MOST_POINTS).collect();
    Some(Expected { points, outlook, source: model.file.name.clone() })
}

/// What the source itself expects from `now` on, where it says so.
#[must_use]
pub fn published(reading: &Reading, now: Time) -> Option<Expected> {
    let ahead = reading.points.iter().filter(|point| point.end() > now).take(MOST_POINTS);
    let ahead: Vec<&Point> = ahead.collect();
    let outlook = Issue {
        points: ahead.iter().map(|point| (point.start, point.value.get())).collect(),
        end: Some(ahead.last()?.end()),
    };
    let point =
        |point: &&Point| ForecastPoint { t: point.start, v: point.value, low: None, high: None };
    let points = ahead.iter().map(point).collect();
    Some(Expected { points, outlook, source: reading.source.to_string() })
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::intensity::Signal;
    use carbon_kube_policies::forecast::library;
    use carbon_kube_providers::Source;

    use super::*;
    use crate::history::{History, scale_of};

    fn reading(values: impl IntoIterator<Item = (i64, f64)>) -> Reading {
        let point = |(h, value): (i64, f64)| Point {
            start: hour(h),
            span: Span::HOUR,
            value: GramsPerKwh::new(value).unwrap(),
            is_estimated: h > 1,
        };
        Reading {
            zone: "US-CA".parse().unwrap(),
            source: Source::ElectricityMaps,
            signal: Signal::Average,
            factor_set: "lifecycle".into(),
            points: values.into_iter().map(point).collect(),
            fetched_at: hour(3),
            updated_at: None,
            confidence: 0.9,
        }
    }

    fn hour(h: i64) -> Time {
        Time::from_millis(1_780_000_000_000).floor(Span::DAY) + Span::HOUR * h
    }

    #[test]
    fn the_value_is_that_of_the_newest_period_that_has_begun() {
        let reading = reading([(0, 100.0), (1, 110.0), (2, 120.0), (5, 150.0)]);
        let at = |minutes| entry(&reading, None, hour(0) + Span::MINUTE * minutes);
        let value = |minutes| at(minutes).unwrap().value.get().to_string();
        assert_eq!((value(0), value(59), value(60)), ("100".into(), "100".into(), "110".into()));
        let late = at(240).unwrap();
        assert_eq!((late.observed_at, late.is_estimated), (hour(2), true), "what makes it old");
        assert_eq!((late.fetched_at, late.source.as_str()), (hour(3), "electricity-maps"));
        assert_eq!(value(-1), "100", "its clock is a little ahead of ours");
        assert!(entry(&self::reading([]), None, hour(0)).is_none());
    }

    #[test]
    fn a_source_s_own_forecast_starts_with_the_hour_in_progress() {
        let reading = reading([(0, 100.0), (1, 110.0), (2, 120.0)]);
        let now = hour(1) + Span::MINUTE * 20;
        let expected = published(&reading, now).unwrap();
        assert_eq!(expected.points.iter().map(|p| p.t).collect::<Vec<_>>(), [hour(1), hour(2)]);
        assert_eq!(expected.outlook.end, Some(hour(3)));
        assert_eq!(published(&reading, hour(3)), None, "it is over");
    }

    #[test]
    fn the_shipped_model_expects_four_days_with_an_interval() {
        let model = library::find(library::DEFAULT).unwrap().load().unwrap();
        let day = |h: i64| 250.0 + 80.0 * ((h % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
        let mut history = History::default();
        let past = reading((0..12 * 24).map(|h| (h, day(h))));
        history.take(&past);
        let now = hour(12 * 24 - 1) + Span::MINUTE * 12;
        let (scale, zone) = (scale_of(&past), past.zone.clone());
        let series = history.series(&scale).unwrap();
        let expected = modelled(&model, &zone, &series, now).unwrap();
        assert_eq!(expected.points.len(), 96);
        assert_eq!(expected.points[0].t, now);
        assert_eq!((expected.points[0].low, expected.source.as_str()), (None, "forecast-open-v1"));
        for point in &expected.points[1..] {
            let (low, high) = (point.low.unwrap(), point.high.unwrap());
            assert!(low <= point.v && point.v <= high, "{point:?}");
        }
    }
}
