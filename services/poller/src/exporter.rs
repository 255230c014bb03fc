//! The ConfigMap of kubernetes-carbon-intensity-exporter, as carbon-aware-keda-operator reads it.
//!
//! ```text
//!  data        lastHeartbeatTime, message, numOfRecords, forecastDateTime, minForecast, maxForecast
//!  binaryData  data: [{"location", "timestamp", "duration" (minutes), "value"}, ...]
//! ```
//!
//! The original is marked immutable, so it can only be deleted and created anew, and for a moment there
//! is none. Nobody who reads it looks at the mark: ours is the same without it, and is applied.

use std::collections::BTreeMap;

use carbon_kube_core::documents::{IntensityDocument, ZoneIntensity};
use carbon_kube_core::{Span, Time, Zone};
use serde::Serialize;

/// Values within a day, as the original has; more than that its readers don't expect.
const HORIZON: Span = Span::DAY;

/// What goes into the ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// `data`.
    pub data: BTreeMap<&'static str, String>,
    /// `binaryData`, before base64.
    pub records: Vec<u8>,
}

#[derive(Serialize)]
struct Record<'a> {
    location: &'a str,
    timestamp: Time,
    /// In minutes.
    duration: i64,
    value: f64,
}

/// The zone's value and forecast in that form. Without either, or with one that is too old, it has no
/// records: whoever reads it then does as if there were no data.
#[must_use]
pub fn export(document: &IntensityDocument, zone: &Zone, now: Time, max_age: Span) -> Exported {
    let entry = document.zones.get(zone).filter(|entry| now - entry.observed_at <= max_age);
    let records = entry.map(|entry| records(zone, entry, now)).unwrap_or_default();
    let values = || records.iter().map(|record| record.value);
    let (least, most) = (values().reduce(f64::min), values().reduce(f64::max));
    let message = entry.map_or_else(
        || format!("no present value of {zone}"),
        |entry| format!("{}, observed {}", entry.source, entry.observed_at),
    );
    let first = records.first().map_or(now, |record| record.timestamp);
    let number = |value: Option<f64>| value.map(|value| format!("{value:.6}")).unwrap_or_default();
    Exported {
        data: BTreeMap::from([
            ("lastHeartbeatTime", now.to_string()),
            ("message", message),
            ("numOfRecords", records.len().to_string()),
            ("forecastDateTime", first.to_string()),
            ("minForecast", number(least)),
            ("maxForecast", number(most)),
        ]),
        // Numbers, texts and lists are JSON.
        records: serde_json::to_vec(&records).unwrap_or_default(),
    }
}

/// The value in force from now to the end of the hour, or to where the forecast goes on, then the
/// forecast, step by step.
fn records<'a>(zone: &'a Zone, entry: &ZoneIntensity, now: Time) -> Vec<Record<'a>> {
    let next_hour = now.floor(Span::HOUR) + Span::HOUR;
    let ahead = || entry.forecast.iter().filter(|point| point.t > now && point.t < now + HORIZON);
    let starts: Vec<Time> = ahead().map(|point| point.t).collect();
    let until = starts.first().map_or(next_hour, |first| next_hour.min(*first));
    // The start of the minute: a reader asks for the record of an instant, in whole minutes.
    let from = now.floor(Span::MINUTE);
    let record = |timestamp: Time, end: Time, value: f64| Record {
        location: zone.as_str(),
        timestamp,
        duration: ((end - timestamp).millis() / Span::MINUTE.millis()).max(1),
        value,
    };
    let mut records = vec![record(from, until, entry.value.get())];
    for (at, point) in ahead().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(point.t + Span::HOUR);
        records.push(record(point.t, end, point.v.get()));
    }
    records
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::GramsPerKwh;
    use carbon_kube_core::documents::ForecastPoint;
    use serde_json::{Value, json};

    use super::*;

    fn document(observed_at: &str, forecast: &[(&str, f64)]) -> IntensityDocument {
        let grams = |value| GramsPerKwh::new(value).unwrap();
        let point = |(t, v): &(&str, f64)| ForecastPoint {
            t: t.parse().unwrap(),
            v: grams(*v),
            low: None,
            high: None,
        };
        let observed_at = observed_at.parse().unwrap();
        let entry = ZoneIntensity {
            value: grams(180.5),
            unit: ZoneIntensity::UNIT.into(),
            signal: Default::default(),
            factor_set: "lifecycle".into(),
            observed_at,
            fetched_at: observed_at,
            source: "electricity-maps".into(),
            is_estimated: false,
            confidence: 1.0,
            forecast: forecast.iter().map(point).collect(),
            forecast_source: None,
        };
        IntensityDocument::new([("US-CA".parse().unwrap(), entry)].into())
    }

    fn exported(document: &IntensityDocument) -> (Exported, Value) {
        let now = "2026-06-01T12:07:30Z".parse().unwrap();
        let zone = "US-CA".parse().unwrap();
        let exported = export(document, &zone, now, Span::HOUR * 3);
        let records = serde_json::from_slice(&exported.records).unwrap();
        (exported, records)
    }

    #[test]
    fn the_records_cover_now_and_the_forecast_in_minutes() {
        let forecast = [
            ("2026-06-01T12:07:30Z", 181.0),
            ("2026-06-01T13:00:00Z", 170.0),
            ("2026-06-01T14:00:00Z", 160.0),
            ("2026-06-03T14:00:00Z", 900.0),
        ];
        let (exported, records) = exported(&document("2026-06-01T12:00:00Z", &forecast));
        let record = |timestamp: &str, duration: u32, value: f64| json!({"location": "US-CA", "timestamp": timestamp, "duration": duration, "value": value});
        let expected = json!([
            record("2026-06-01T12:07:00Z", 53, 180.5),
            record("2026-06-01T13:00:00Z", 60, 170.0),
            record("2026-06-01T14:00:00Z", 60, 160.0),
        ]);
        assert_eq!(records, expected);
        let data = exported.data;
        assert_eq!(
            (data["numOfRecords"].as_str(), data["minForecast"].as_str()),
            ("3", "160.000000")
        );
        assert_eq!(data["maxForecast"], "180.500000");
        assert_eq!(data["lastHeartbeatTime"], "2026-06-01T12:07:30Z");
    }

    #[test]
    fn a_heartbeat_does_not_hide_an_old_value() {
        let (exported, records) = exported(&document("2026-06-01T09:00:00Z", &[]));
        assert_eq!((records, exported.data["numOfRecords"].as_str()), (json!([]), "0"));
        assert_eq!(exported.data["message"], "no present value of US-CA");
    }
}
