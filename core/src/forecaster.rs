//! Forecasts that are made from the past alone: the contract between a model and whoever asks it.
//!
//! A [`Forecaster`] is given a [`History`] and nothing else of a trace, so it can't look ahead.

use std::fmt::Debug;
use std::sync::Arc;

use crate::forecast::{History, Outlook};
use crate::time::{Span, Time};
use crate::zone::Zone;

/// Makes forecasts of a zone from its past.
pub trait Forecaster: Debug + Send + Sync {
    /// What is expected of `zone` by somebody who knows `past`; `None` where too little is known.
    fn issue(&self, zone: &Zone, past: &History<'_>) -> Option<SteppedForecast>;
}

/// A forecaster as a part of a world. Two are equal where they are the same one.
#[derive(Clone, Debug)]
pub struct Learned(pub Arc<dyn Forecaster>);

impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Expected values step by step, with the width of their interval; any integral is two look-ups.
#[derive(Clone, Debug, PartialEq)]
pub struct SteppedForecast {
    start: Time,
    step: Span,
    /// From the start to the start of each step, and to the end: expected, in g/kWh x hours.
    areas: Vec<f64>,
    /// The same of the width of the interval.
    widths: Vec<f64>,
}

impl SteppedForecast {
    /// A forecast from `start` on: pairs of the expected value of a step, above zero long, and of the
    /// width of its interval, both in g/kWh.
    #[must_use]
    pub fn new(start: Time, step: Span, steps: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let (mut areas, mut widths) = (vec![0.0], vec![0.0]);
        let (mut area, mut total) = (0.0, 0.0);
        for (expected, width) in steps {
            area += expected * step.hours();
            total += width * step.hours();
            areas.push(area);
            widths.push(total);
        }
        Self { start, step, areas, widths }
    }

    /// The first instant that something is expected of.
    #[must_use]
    pub fn start(&self) -> Time {
        self.start
    }

    /// The first instant beyond the horizon.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start + self.step * (self.areas.len() as i64 - 1)
    }

    fn between(&self, sums: &[f64], from: Time, to: Time) -> Option<f64> {
        Some(self.until(sums, to)? - self.until(sums, from)?)
    }

    /// The sum up to an instant; linear within a step, which has one value.
    fn until(&self, sums: &[f64], at: Time) -> Option<f64> {
        let (step, since) = (self.step.millis(), (at - self.start).millis());
        let index = usize::try_from(since.div_euclid(step)).ok()?;
        let before = *sums.get(index)?;
        let within = since.rem_euclid(step);
        if within == 0 {
            return Some(before);
        }
        let after = *sums.get(index + 1)?;
        Some(before + (after - before) * within as f64 / step as f64)
    }
}

impl Outlook for SteppedForecast {
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
        self.between(&self.areas, from, to)
    }

    fn interval_hours(&self, from: Time, to: Time) -> Option<f64> {
        self.between(&self.widths, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integral_takes_parts_of_steps_and_ends_with_the_horizon() {
        let start = Time::from_millis(0) + Span::HOUR * 5;
        let forecast = SteppedForecast::new(start, Span::HOUR, [(100.0, 10.0), (200.0, 30.0)]);
        let at = |hours: f64| start + Span::from_hours(hours);
        // Half an hour of 100 and a quarter of 200.
        assert_eq!(forecast.integral_hours(at(0.5), at(1.25)), Some(100.0));
        assert_eq!(forecast.interval_hours(at(0.0), at(2.0)), Some(40.0));
        assert_eq!(forecast.integral_hours(at(1.0), at(2.01)), None);
        assert_eq!(forecast.integral_hours(at(-0.1), at(1.0)), None);
        assert_eq!(forecast.end(), at(2.0));
        let minutes = SteppedForecast::new(start, Span::MINUTE * 5, [(120.0, 12.0), (240.0, 12.0)]);
        assert_eq!(minutes.integral_hours(start, at(1.0 / 6.0)), Some(30.0));
        assert_eq!(minutes.end(), at(1.0 / 6.0));
    }
}
