//! The area under a zone's carbon intensity, also where the trace has nothing to say.
//!
//! The accounts must add up however a run is cut into pieces, so the integral has to be additive
//! everywhere. Inside the trace it is exact; in a gap and beyond the ends the zone's mean stands
//! in, and whoever charges it counts that.

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time};

/// The cumulative intensity of one zone.
#[derive(Clone, Debug)]
pub(crate) struct Carbon {
    start: Time,
    end: Time,
    step: Span,
    /// g/kWh of each step, the mean in gaps.
    values: Vec<f64>,
    /// `before[i]` = area under the first `i` steps, in g/kWh x hours.
    before: Vec<f64>,
    mean: f64,
    has_gaps: bool,
}

impl Carbon {
    pub(crate) fn new(series: &IntensitySeries) -> Self {
        let mean = series.overall_mean().get();
        let has_gaps = series.steps().any(|(_, value)| value.is_none());
        let values: Vec<f64> =
            series.steps().map(|(_, value)| value.map_or(mean, |value| value.get())).collect();
        let hours = series.step().hours();
        let mut area = 0.0;
        let before = std::iter::once(0.0)
            .chain(values.iter().map(|value| {
                area += value * hours;
                area
            }))
            .collect();
        Self {
            start: series.start(),
            end: series.end(),
            step: series.step(),
            values,
            before,
            mean,
            has_gaps,
        }
    }

    /// The integral over `[from, to)`, in g/kWh x hours.
    pub(crate) fn integral(&self, from: Time, to: Time) -> f64 {
        self.area(to) - self.area(from)
    }

    /// Whether all of `[from, to)` comes from the trace.
    pub(crate) fn knows(&self, from: Time, to: Time, series: &IntensitySeries) -> bool {
        from >= self.start && to <= self.end && (!self.has_gaps || series.covers(from, to).is_ok())
    }

    /// The intensity at an instant, in g/kWh.
    pub(crate) fn at(&self, at: Time) -> f64 {
        let index = (at - self.start).millis().div_euclid(self.step.millis());
        usize::try_from(index).ok().and_then(|i| self.values.get(i)).copied().unwrap_or(self.mean)
    }

    /// The area from the start of the trace to `at`; negative before it.
    pub(crate) fn area(&self, at: Time) -> f64 {
        if at < self.start {
            return self.mean * (at - self.start).hours();
        }
        let elapsed = (at - self.start).millis();
        let index = (elapsed / self.step.millis()) as usize;
        match self.values.get(index) {
            Some(value) => {
                let inside = elapsed - index as i64 * self.step.millis();
                self.before[index] + value * Span::from_millis(inside).hours()
            }
            None => self.before[self.values.len()] + self.mean * (at - self.end).hours(),
        }
    }
}
