//! What the typical year of `core` says of an hour: the mean of its month and hour of the day.

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone, typical_year};

use crate::reading::{Point, Reading, Source};

/// The factors behind the typical year, as `core` labels it.
pub const FACTOR_SET: &str = "local";

/// The mean at an instant; `None` for a zone that the model lacks.
#[must_use]
pub fn mean(zone: &Zone, at: Time) -> Option<GramsPerKwh> {
    let months = typical_year::table().chunks(12).find(|months| months[0].zone == *zone)?;
    let civil = at.utc();
    let month = months.get(civil.month() as usize - 1)?;
    GramsPerKwh::new(month.mean[civil.hour() as usize])
}

/// The reading for the hour that `now` lies in. It is average and direct: there is none for a
/// marginal signal.
#[must_use]
pub fn reading(zone: &Zone, signal: Signal, now: Time, confidence: f64) -> Option<Reading> {
    let start = now.floor(Span::HOUR);
    let value = mean(zone, start).filter(|_| signal == Signal::Average)?;
    Some(Reading {
        zone: zone.clone(),
        source: Source::TypicalYear,
        signal,
        factor_set: FACTOR_SET.to_owned(),
        points: vec![Point { start, span: Span::HOUR, value, is_estimated: true }],
        fetched_at: now,
        updated_at: None,
        confidence,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn it_is_the_mean_of_month_and_hour() {
        let zone: Zone = "US-CA".parse().unwrap();
        let now: Time = "2026-07-04T20:59:59Z".parse().unwrap();
        let july = &typical_year::table()[6];
        assert_eq!((july.zone.as_str(), july.month), ("US-CA", 7));
        let reading = reading(&zone, Signal::Average, now, 0.1).unwrap();
        let point = reading.last().unwrap();
        assert!((point.value.get() - july.mean[20]).abs() < 1e-9);
        assert_eq!(point.start.to_string(), "2026-07-04T20:00:00Z");
        assert!(point.is_estimated);
    }

    #[test]
    fn there_is_none_for_a_zone_without_a_model_and_none_that_is_marginal() {
        let now: Time = "2026-07-04".parse().unwrap();
        assert!(reading(&"SG".parse().unwrap(), Signal::Average, now, 0.1).is_none());
        assert!(reading(&"US-CA".parse().unwrap(), Signal::Marginal, now, 0.1).is_none());
    }
}
