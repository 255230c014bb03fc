//! What is believed of what a source says.

use std::ops::RangeInclusive;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};

use crate::config::PlausibilityConfig;
use crate::reading::{Point, Reading};

/// Why a reading is not believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Implausible {
    /// Another zone than the one asked for.
    #[error("is of zone `{0}`")]
    Zone(Zone),
    /// No value at all.
    #[error("has no value")]
    Empty,
    /// Instants that go backwards, or come twice.
    #[error("is not in order of time at {0}")]
    Order(Time),
    /// Below or above what the zone can have.
    #[error("says {value} at {at}, outside of {low} to {high}")]
    Range {
        /// The value.
        value: GramsPerKwh,
        /// Start of its period.
        at: Time,
        /// The lowest that is believed, in g/kWh.
        low: f64,
        /// The highest that is believed, in g/kWh.
        high: f64,
    },
    /// Further from the last value than a grid moves.
    #[error("jumps from {from} to {to} within {within}")]
    Jump {
        /// The last value of the source.
        from: GramsPerKwh,
        /// The new one.
        to: GramsPerKwh,
        /// The time between them.
        within: Span,
    },
    /// Its period ended too long ago.
    #[error("is {0} old")]
    Old(Span),
    /// Its period begins after now.
    #[error("is {0} ahead of our clock")]
    Ahead(Span),
}

/// Holds a reading against what is believed; `last` is the last value of the same source and set of
/// factors that was.
///
/// # Errors
///
/// The first reason not to believe it.
pub fn check(
    reading: &Reading,
    zone: &Zone,
    now: Time,
    config: &PlausibilityConfig,
    last: Option<&Point>,
) -> Result<(), Implausible> {
    check_values(reading, zone, config)?;
    let newest = reading.last().ok_or(Implausible::Empty)?;
    if newest.start > now + config.max_skew {
        return Err(Implausible::Ahead(newest.start - now));
    }
    let age = now - newest.end();
    if age > config.max_age {
        return Err(Implausible::Old(age));
    }
    check_jump(reading, last, config)
}

/// Holds a forecast, or a history, against what is believed: any age and any instant will do.
///
/// # Errors
///
/// The first reason not to believe it.
pub fn check_values(
    reading: &Reading,
    zone: &Zone,
    config: &PlausibilityConfig,
) -> Result<(), Implausible> {
    if reading.zone != *zone {
        return Err(Implausible::Zone(reading.zone.clone()));
    }
    if reading.points.is_empty() {
        return Err(Implausible::Empty);
    }
    if let Some(pair) = reading.points.windows(2).find(|pair| pair[0].start >= pair[1].start) {
        return Err(Implausible::Order(pair[1].start));
    }
    let range = range(reading.signal, config);
    let out = reading.points.iter().find(|point| !range.contains(&point.value.get()));
    out.map_or(Ok(()), |point| {
        let (low, high) = (*range.start(), *range.end());
        Err(Implausible::Range { value: point.value, at: point.start, low, high })
    })
}

/// Leaves out what the zone can't have, but for the newest value, and says how many values that are:
/// one odd hour of yesterday says nothing of the present one, and is a gap. Whether the newest value
/// can be is for [`check`] to say.
pub fn leave_out(reading: &mut Reading, config: &PlausibilityConfig) -> usize {
    let range = range(reading.signal, config);
    let newest = reading.last().map(|point| point.start);
    let before = reading.points.len();
    reading
        .points
        .retain(|point| Some(point.start) == newest || range.contains(&point.value.get()));
    before - reading.points.len()
}

/// What a zone can have, in g/kWh.
fn range(signal: Signal, config: &PlausibilityConfig) -> RangeInclusive<f64> {
    let low = match signal {
        Signal::Average => config.min_grams_per_kwh,
        Signal::Marginal => 0.0,
    };
    low..=config.max_grams_per_kwh
}

/// The newest value against the last one believed; where nothing was believed yet, against the one
/// before it. The longer the time between the two, the more may have changed; within an hour as much as
/// in one. So a step that lasts is believed in the end, however large it was.
fn check_jump(
    reading: &Reading,
    last: Option<&Point>,
    config: &PlausibilityConfig,
) -> Result<(), Implausible> {
    let (before, newest) = match (reading.points.as_slice(), last) {
        ([.., newest], Some(last)) | ([.., last, newest], None) => (last, newest),
        _ => return Ok(()),
    };
    let within = newest.start - before.start;
    let (from, to) = (before.value, newest.value);
    let most = config.max_jump_grams_per_kwh * within.hours().max(1.0);
    // The same period again may have been corrected, by as much as it takes.
    if within.is_positive() && (to.get() - from.get()).abs() > most {
        return Err(Implausible::Jump { from, to, within });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::reading::Source;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn point(start: &str, value: f64) -> Point {
        Point {
            start: time(start),
            span: Span::HOUR,
            value: GramsPerKwh::saturating(value),
            is_estimated: false,
        }
    }

    fn reading(points: &[Point]) -> Reading {
        Reading {
            zone: "US-CA".parse().unwrap(),
            source: Source::Eia,
            signal: Signal::Average,
            factor_set: "local".into(),
            points: points.to_vec(),
            fetched_at: time("2026-03-29T12:30:00Z"),
            updated_at: None,
            confidence: 1.0,
        }
    }

    fn verdict(points: &[Point], last: Option<&Point>) -> String {
        let zone = "US-CA".parse().unwrap();
        let now = time("2026-03-29T12:30:00Z");
        match check(&reading(points), &zone, now, &PlausibilityConfig::default(), last) {
            Ok(()) => "fine".to_owned(),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn each_reason_has_its_words() {
        let noon = "2026-03-29T12:00:00Z";
        for (points, last, expected) in [
            (vec![point(noon, 200.0)], None, "fine"),
            (vec![], None, "has no value"),
            (
                vec![point(noon, 0.0)],
                None,
                "says 0 g/kWh at 2026-03-29T12:00:00Z, outside of 1 to 1500",
            ),
            (
                vec![point(noon, 2e3)],
                None,
                "says 2000 g/kWh at 2026-03-29T12:00:00Z, outside of 1 to 1500",
            ),
            // The period ended at 09:00, which is 3 h 30 min ago.
            (vec![point("2026-03-29T08:00:00Z", 200.0)], None, "is 3h30m old"),
            // Of the current hour an hour's end is ahead, and that is no reason.
            (vec![point("2026-03-29T12:40:00Z", 200.0)], None, "fine"),
            (vec![point("2026-03-29T13:00:00Z", 200.0)], None, "is 30m ahead of our clock"),
            (
                vec![point(noon, 500.0)],
                Some(point("2026-03-29T11:00:00Z", 200.0)),
                "jumps from 200 g/kWh to 500 g/kWh within 1h",
            ),
            // 300 g in two hours is 150 in one.
            (vec![point(noon, 500.0)], Some(point("2026-03-29T10:00:00Z", 200.0)), "fine"),
            (vec![point(noon, 500.0)], Some(point(noon, 200.0)), "fine"),
            (
                vec![point(noon, 200.0), point(noon, 200.0)],
                None,
                "is not in order of time at 2026-03-29T12:00:00Z",
            ),
        ] {
            assert_eq!(verdict(&points, last.as_ref()), expected, "{points:?}");
        }
    }

    #[test]
    fn a_jump_at_the_end_of_a_reading_counts_and_a_step_that_lasts_is_believed() {
        let hours = |values: [f64; 3]| {
            let at = |hour: usize| format!("2026-03-29T{}:00:00Z", 10 + hour);
            values.iter().enumerate().map(|(i, value)| point(&at(i), *value)).collect::<Vec<_>>()
        };
        let known = |hour: &str| point(&format!("2026-03-29T{hour}:00:00Z"), 200.0);
        let jump = "jumps from 200 g/kWh to 600 g/kWh within 1h";
        assert_eq!(verdict(&hours([200.0, 200.0, 600.0]), None), jump);
        assert_eq!(verdict(&hours([200.0, 200.0, 600.0]), Some(&known("11"))), jump);
        // Two hours after the last value that was believed, 400 g are 200 in each.
        assert_eq!(verdict(&hours([200.0, 600.0, 600.0]), Some(&known("10"))), "fine");
        assert_eq!(verdict(&hours([200.0, 600.0, 600.0]), None), "fine");
    }

    #[test]
    fn the_next_kilowatt_hour_may_be_wind_that_is_thrown_away() {
        let (california, config) = ("US-CA".parse().unwrap(), PlausibilityConfig::default());
        let average = reading(&[point("2026-03-29T12:00:00Z", 0.0)]);
        let marginal = Reading { signal: Signal::Marginal, ..average.clone() };
        assert!(check_values(&average, &california, &config).is_err());
        assert_eq!(check_values(&marginal, &california, &config), Ok(()));
    }

    #[test]
    fn an_odd_value_of_before_is_a_gap_and_an_odd_newest_one_is_no_answer() {
        let config = PlausibilityConfig::default();
        let left = |values: [f64; 3]| {
            let at = |hour: usize| format!("2026-03-29T{}:00:00Z", 10 + hour);
            let points: Vec<Point> =
                values.iter().enumerate().map(|(i, value)| point(&at(i), *value)).collect();
            let mut reading = reading(&points);
            let count = leave_out(&mut reading, &config);
            (count, verdict(&reading.points, None))
        };
        assert_eq!(left([200.0, 210.0, 220.0]), (0, "fine".to_owned()));
        assert_eq!(left([0.0, 2e3, 220.0]), (2, "fine".to_owned()));
        let odd = "says 0 g/kWh at 2026-03-29T12:00:00Z, outside of 1 to 1500";
        assert_eq!(left([0.0, 200.0, 0.0]), (1, odd.to_owned()));
    }

    #[test]
    fn another_zone_is_not_believed() {
        let (texas, config) = ("US-TX".parse().unwrap(), PlausibilityConfig::default());
        let reading = reading(&[point("2026-03-29T12:00:00Z", 200.0)]);
        assert_eq!(
            check_values(&reading, &texas, &config).unwrap_err().to_string(),
            "is of zone `US-CA`"
        );
    }
}
