//! What is remembered of a zone: the values that were believed, for jumps, for the decay, and for
//! the zone's own mean of each hour of the day.
//!
//! Values of two sources, or of two sets of factors, are kept apart: their levels differ. A measured
//! value takes the place of an estimate of the same instant, and no estimate that of a measured one.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time};
use serde::{Deserialize, Serialize};

use crate::reading::{Point, Reading, Source};

/// The most values that are kept of a source: 14 days of five minutes are 4,032.
const MOST: usize = 10_000;

/// The values of one zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    series: Vec<Series>,
}

/// The values of one source with one set of factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Who said so.
    pub source: Source,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind it.
    pub factor_set: String,
    /// The confidence of the source when it last spoke.
    pub confidence: f64,
    points: BTreeMap<Time, Point>,
}

impl Memory {
    /// Takes what a source says now; what is older than `length` before its newest value is
    /// forgotten. Only what somebody observed is taken. Whether anything is new.
    pub fn absorb(&mut self, reading: &Reading, length: Span) -> bool {
        if !reading.source.is_observation() {
            return false;
        }
        let index = self.series.iter().position(|series| series.is_of(reading));
        let index = index.unwrap_or_else(|| {
            self.series.push(Series::of(reading));
            self.series.len() - 1
        });
        let series = &mut self.series[index];
        series.confidence = reading.confidence;
        let mut new = false;
        for point in &reading.points {
            new |= series.put(*point);
        }
        series.forget(length);
        new
    }

    /// Without what no grid has: a file may have been written by anybody.
    #[must_use]
    pub fn checked(mut self) -> Self {
        for series in &mut self.series {
            series.points.retain(|_, point| {
                GramsPerKwh::new(point.value.get()).is_some() && point.span.is_positive()
            });
        }
        self.series.retain(|series| (0.0..=1.0).contains(&series.confidence));
        self
    }

    /// The series whose newest value is the newest, of one signal.
    #[must_use]
    pub fn newest(&self, signal: Signal) -> Option<&Series> {
        let of_signal = self.series.iter().filter(|series| series.signal == signal);
        of_signal.max_by_key(|series| series.last().map(|point| point.start))
    }

    /// The last value of a source and set of factors.
    #[must_use]
    pub fn last(&self, reading: &Reading) -> Option<&Point> {
        self.series.iter().find(|series| series.is_of(reading)).and_then(Series::last)
    }
}

impl Series {
    fn of(reading: &Reading) -> Self {
        Self {
            source: reading.source,
            signal: reading.signal,
            factor_set: reading.factor_set.clone(),
            confidence: reading.confidence,
            points: BTreeMap::new(),
        }
    }

    fn is_of(&self, reading: &Reading) -> bool {
        self.source == reading.source
            && self.signal == reading.signal
            && self.factor_set == reading.factor_set
    }

    /// The newest value.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.points.values().next_back()
    }

    /// The values in order of time.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.points.values()
    }

    /// The mean of each local hour of the day, in g/kWh. `None` until every hour has been seen: a
    /// value must not decay towards half a day.
    #[must_use]
    pub fn hourly_means(&self, clock: &carbon_kube_core::zone::Clock) -> Option<[f64; 24]> {
        let (mut sums, mut counts) = ([0.0; 24], [0_u32; 24]);
        for point in self.points.values() {
            let hour = point.start.local(clock).hour() as usize;
            sums[hour] += point.value.get();
            counts[hour] += 1;
        }
        let seen = counts.iter().all(|count| *count > 0);
        seen.then(|| std::array::from_fn(|hour| sums[hour] / f64::from(counts[hour])))
    }

    fn put(&mut self, point: Point) -> bool {
        let kept = self.points.get(&point.start);
        if kept.is_some_and(|kept| !kept.is_estimated && point.is_estimated || *kept == point) {
            return false;
        }
        self.points.insert(point.start, point);
        true
    }

    fn forget(&mut self, length: Span) {
        let Some(newest) = self.last().map(|point| point.start) else { return };
        self.points = self.points.split_off(&(newest - length));
        while self.points.len() > MOST {
            self.points.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn point(hour: i64, value: f64, is_estimated: bool) -> Point {
        let start = Time::from_millis(0) + Span::HOUR * hour;
        let value = GramsPerKwh::new(value).unwrap();
        Point { start, span: Span::HOUR, value, is_estimated }
    }

    fn reading(source: Source, points: Vec<Point>) -> Reading {
        Reading {
            zone: "XX".parse().unwrap(),
            source,
            signal: Signal::Average,
            factor_set: "local".into(),
            points,
            fetched_at: Time::default(),
            updated_at: None,
            confidence: 0.9,
        }
    }

    fn last(memory: &Memory) -> (f64, bool) {
        let point = memory.newest(Signal::Average).unwrap().last().unwrap();
        (point.value.get(), point.is_estimated)
    }

    #[test]
    fn a_measured_value_replaces_an_estimate_and_not_the_other_way() {
        let mut memory = Memory::default();
        for (value, is_estimated, expected) in [
            (200.0, true, 200.0),
            (210.0, true, 210.0),
            (230.0, false, 230.0),
            (240.0, true, 230.0),
        ] {
            let reading = reading(Source::Eia, vec![point(0, value, is_estimated)]);
            memory.absorb(&reading, Span::DAY);
            assert!((last(&memory).0 - expected).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_a_file_says_and_no_grid_has_is_left_out() {
        let mut memory = Memory::default();
        memory.absorb(&reading(Source::Eia, vec![point(0, 200.0, false)]), Span::DAY);
        let text = serde_json::to_string(&memory).unwrap();
        let read = |text: &str| serde_json::from_str::<Memory>(text).unwrap().checked();
        assert_eq!(read(&text), memory);
        let absurd = read(&text.replace("200.0", "-2e9"));
        assert!(absurd.newest(Signal::Average).is_none_or(|series| series.last().is_none()));
    }

    #[test]
    fn proxies_and_models_are_not_remembered_and_sources_are_kept_apart() {
        let mut memory = Memory::default();
        for source in [Source::NwsProxy, Source::Decay, Source::TypicalYear] {
            memory.absorb(&reading(source, vec![point(9, 1.0, false)]), Span::DAY);
        }
        assert!(memory.newest(Signal::Average).is_none());
        memory.absorb(&reading(Source::Eia, vec![point(1, 100.0, false)]), Span::DAY);
        memory.absorb(&reading(Source::ElectricityMaps, vec![point(2, 300.0, false)]), Span::DAY);
        assert_eq!(memory.newest(Signal::Average).unwrap().source, Source::ElectricityMaps);
        assert!(memory.newest(Signal::Marginal).is_none());
        let kept = memory.last(&reading(Source::Eia, vec![])).unwrap();
        assert!((kept.value.get() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_means_need_every_hour_and_only_the_last_days_count() {
        let mut memory = Memory::default();
        let clock = jiff_utc();
        let day = |first: i64, level: f64| {
            (first..first + 24).map(|hour| point(hour, level + (hour % 24) as f64, false)).collect()
        };
        memory.absorb(&reading(Source::Eia, day(0, 900.0)), Span::DAY * 2);
        memory.absorb(
            &reading(Source::Eia, (72..95).map(|h| point(h, 100.0, false)).collect()),
            Span::DAY,
        );
        assert_eq!(memory.newest(Signal::Average).unwrap().hourly_means(&clock), None);
        memory.absorb(&reading(Source::Eia, day(96, 100.0)), Span::DAY * 2);
        // Two days: 23 hours at 100, then a whole day at 100 + hour: hour 5 has (100 + 105) / 2.
        let means = memory.newest(Signal::Average).unwrap().hourly_means(&clock).unwrap();
        assert!((means[5] - 102.5).abs() < 1e-9, "{means:?}");
    }

    fn jiff_utc() -> carbon_kube_core::zone::Clock {
        "XX".parse::<carbon_kube_core::Zone>().unwrap().clock()
    }
}
