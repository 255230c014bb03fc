//! The area under a zone's carbon intensity, also where the trace has nothing to say.
//!
//! The accounts must add up however a run is cut into pieces, so the integral has to be additive
//! everywhere. Inside the trace it is exact; in a gap and beyond the ends the zone's mean stands
//! in, and whoever charges it counts that.
//!
//! Where the building's overhead changes with time, emissions are power x intensity x factor and
//! energy is power x factor: both products are step functions too, and are summed up once.

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time};

use crate::world::{GridZone, Overhead};

/// The cumulative intensity of one zone.
#[derive(Clone, Debug)]
pub(crate) struct Carbon {
    start: Time,
    end: Time,
    has_gaps: bool,
    /// What emissions are charged with: the intensity, times the overhead's factor.
    charged: Steps,
    /// The intensity and the factor by themselves, where there is a factor.
    parts: Option<Box<(Steps, Steps)>>,
}

impl Carbon {
    /// `start` is that of the window, where the overhead's factors begin; they are worked out up to
    /// `horizon` and are 1 beyond.
    pub(crate) fn new(zone: &GridZone, start: Time, horizon: Time) -> Self {
        let series = zone.series.as_ref();
        let intensity = Steps::of(series);
        let parts = zone.overhead.as_ref().map(|overhead| {
            let factors = factors(series, overhead, start, horizon);
            Box::new((intensity.clone(), factors))
        });
        let charged = parts.as_deref().map_or(intensity, |(intensity, factors)| {
            factors.map(|at, factor| intensity.at(at) * factor, intensity.beyond)
        });
        Self {
            start: series.start(),
            end: series.end(),
            has_gaps: series.steps().any(|(_, value)| value.is_none()),
            charged,
            parts,
        }
    }

    /// The integral that emissions are charged with over `[from, to)`, in g/kWh x hours.
    pub(crate) fn integral(&self, from: Time, to: Time) -> f64 {
        self.area(to) - self.area(from)
    }

    /// The same from the start of the trace to `at`; negative before it.
    pub(crate) fn area(&self, at: Time) -> f64 {
        self.charged.area(at)
    }

    /// The integral of the intensity alone over `[from, to)`, in g/kWh x hours, where it isn't
    /// what emissions are charged with.
    pub(crate) fn plain(&self, from: Time, to: Time) -> Option<f64> {
        let (intensity, _) = self.parts.as_deref()?;
        Some(intensity.area(to) - intensity.area(from))
    }

    /// Hours of `[from, to)`, each times the overhead's factor: what energy is charged with.
    pub(crate) fn hours(&self, from: Time, to: Time) -> f64 {
        match self.parts.as_deref() {
            Some((_, factors)) => factors.area(to) - factors.area(from),
            None => (to - from).hours(),
        }
    }

    /// The sum of areas over `[from, to)`, each times the overhead's factor.
    pub(crate) fn weighed(&self, from: Time, to: Time, area: impl Fn(Time, Time) -> f64) -> f64 {
        let Some((_, factors)) = self.parts.as_deref() else {
            return area(from, to);
        };
        let mut sum = 0.0;
        let mut start = from;
        while start < to {
            let end = factors.next(start).min(to);
            sum += factors.at(start) * area(start, end);
            start = end;
        }
        sum
    }

    /// Whether all of `[from, to)` comes from the trace.
    pub(crate) fn knows(&self, from: Time, to: Time, series: &IntensitySeries) -> bool {
        from >= self.start && to <= self.end && (!self.has_gaps || series.covers(from, to).is_ok())
    }

    /// What emissions are charged with at an instant, in g/kWh; it holds up to [`Self::next`].
    pub(crate) fn charged(&self, at: Time) -> f64 {
        self.charged.at(at)
    }

    /// The end of the step that an instant is in; [`Time::MAX`] beyond the last.
    pub(crate) fn next(&self, at: Time) -> Time {
        self.charged.next(at)
    }

    /// The intensity at an instant, in g/kWh.
    pub(crate) fn at(&self, at: Time) -> f64 {
        self.parts.as_deref().map_or(&self.charged, |(intensity, _)| intensity).at(at)
    }
}

/// The overhead's factors from the start of the trace to the horizon, in steps that no change of
/// the intensity or of the factor falls into.
fn factors(series: &IntensitySeries, overhead: &Overhead, start: Time, horizon: Time) -> Steps {
    let offset = (start - series.start()).millis();
    let step = gcd(gcd(series.step().millis(), overhead.step.millis()), offset).max(1);
    let last = series.end().max(horizon);
    let count = ((last - series.start()).millis() + step - 1) / step;
    let factor = |index: i64| {
        let since = series.start() + Span::from_millis(index * step) - start;
        let position = since.millis().div_euclid(overhead.step.millis());
        overhead.factors[position.rem_euclid(overhead.factors.len() as i64) as usize]
    };
    let values = (0..count).map(factor).collect();
    Steps::new(series.start(), Span::from_millis(step), values, 1.0)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

/// A step function with the area under it.
#[derive(Clone, Debug)]
struct Steps {
    start: Time,
    end: Time,
    step: Span,
    values: Vec<f64>,
    /// `before[i]` = area under the first `i` steps, in value x hours.
    before: Vec<f64>,
    /// The value before the first step and after the last.
    beyond: f64,
}

impl Steps {
    /// The intensity, the mean in gaps and beyond.
    fn of(series: &IntensitySeries) -> Self {
        let mean = series.overall_mean().get();
        let values = series.steps().map(|(_, value)| value.map_or(mean, |value| value.get()));
        Self::new(series.start(), series.step(), values.collect(), mean)
    }

    fn new(start: Time, step: Span, values: Vec<f64>, beyond: f64) -> Self {
        let hours = step.hours();
        let mut area = 0.0;
        let before = std::iter::once(0.0)
            .chain(values.iter().map(|value| {
                area += value * hours;
                area
            }))
            .collect();
        let end = start + step * values.len() as i64;
        Self { start, end, step, values, before, beyond }
    }

    /// The function of instant and value on the same steps.
    fn map(&self, value: impl Fn(Time, f64) -> f64, beyond: f64) -> Self {
        let at = |index: usize| self.start + self.step * index as i64;
        let values = self.values.iter().enumerate().map(|(i, &v)| value(at(i), v)).collect();
        Self::new(self.start, self.step, values, beyond)
    }

    fn at(&self, at: Time) -> f64 {
        let index = (at - self.start).millis().div_euclid(self.step.millis());
        let value = usize::try_from(index).ok().and_then(|index| self.values.get(index));
        value.copied().unwrap_or(self.beyond)
    }

    /// The end of the step that an instant is in.
    fn next(&self, at: Time) -> Time {
        if at < self.start {
            return self.start;
        }
        let index = (at - self.start).millis() / self.step.millis();
        if at < self.end { self.start + self.step * (index + 1) } else { Time::MAX }
    }

    fn area(&self, at: Time) -> f64 {
        if at < self.start {
            return self.beyond * (at - self.start).hours();
        }
        let elapsed = (at - self.start).millis();
        let index = (elapsed / self.step.millis()) as usize;
        match self.values.get(index) {
            Some(value) => {
                let inside = elapsed - index as i64 * self.step.millis();
                self.before[index] + value * Span::from_millis(inside).hours()
            }
            None => self.before[self.values.len()] + self.beyond * (at - self.end).hours(),
        }
    }
}
