//! Carbon intensity over time, as a step function with prefix sums.
//!
//! ```text
//! g/kWh   ____
//!     ___|    |___      ____      the integral over any interval is the difference
//!                 |____|          of two look-ups: a run costs the same on an hourly
//!     t0  t1   t2  t3   t4        and on a 5-minute trace
//! ```
//!
//! A series knows what it is: average or marginal, direct or lifecycle, with which factors, for
//! which area, measured or modelled. Gaps are explicit. Reading a gap, or outside the covered
//! range, is an error that names the range; nothing is ever made up here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};
use crate::units::{GramsCo2e, GramsPerKwh, Watts};
use crate::zone::Zone;

/// Which question the number answers. The two are never mixed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Emissions of all generation over all energy: what an inventory counts.
    #[default]
    Average,
    /// Emissions of the plant that answers one more kWh: what a change causes.
    Marginal,
}

/// What is counted per kWh. The two are never mixed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// What leaves the stack.
    #[default]
    Direct,
    /// With building the plant and bringing the fuel.
    Lifecycle,
}

/// Whether the values were observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// From published measurements of that period.
    #[default]
    Measured,
    /// Drawn from a typical-year model: the right shape, not that year's weather.
    Modelled,
}

/// What a series is; two series are compared only where signal, scope and factor set agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    /// The zone that the series stands for.
    pub zone: Zone,
    /// What was measured, e.g. `EIA region CAL` or `CAISO`: one zone can have several.
    pub area: String,
    /// Average or marginal.
    pub signal: Signal,
    /// Direct or lifecycle.
    pub scope: Scope,
    /// Emission factors behind it: `local`, `global`, or the provider's own.
    pub factor_set: String,
    /// Measured or modelled.
    pub provenance: Provenance,
    /// Where the numbers come from, for reports.
    pub source: String,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Average => "average",
            Self::Marginal => "marginal",
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Lifecycle => "lifecycle",
        })
    }
}

/// Why a series can't be built or read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IntensityError {
    /// The asked instant or interval is not covered.
    #[error("no carbon intensity for zone `{zone}` at {at}: the series covers {first} to {last}")]
    OutOfRange {
        /// Zone of the series.
        zone: String,
        /// The first instant that could not be read.
        at: Time,
        /// First covered instant.
        first: Time,
        /// First instant after the covered range.
        last: Time,
    },
    /// The asked instant or interval touches a gap.
    #[error("carbon intensity of zone `{zone}` has a gap from {from} to {to}")]
    Gap {
        /// Zone of the series.
        zone: String,
        /// First missing instant.
        from: Time,
        /// First instant after the gap.
        to: Time,
    },
    /// A series needs at least one value.
    #[error("carbon intensity of zone `{zone}` has no values")]
    Empty {
        /// Zone of the series.
        zone: String,
    },
    /// Negative, not finite, or a unit mix-up.
    #[error("carbon intensity of zone `{zone}` at {at} is {value} g/kWh; a grid has 0 to 10,000")]
    Absurd {
        /// Zone of the series.
        zone: String,
        /// Start of the step with the value.
        at: Time,
        /// The value as read.
        value: f64,
    },
    /// A step length of zero or less.
    #[error("carbon intensity of zone `{zone}` has a step of {step}; it must be above zero")]
    Step {
        /// Zone of the series.
        zone: String,
        /// The step as given.
        step: Span,
    },
}

/// The carbon intensity of one zone, constant over steps of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct IntensitySeries {
    label: Label,
    start: Time,
    step: Span,
    /// g/kWh of each step; NaN inside a gap, never handed out.
    values: Vec<f64>,
    /// `integral[i]` = sum of the first `i` known values times the step, in g/kWh x ms.
    integral: Vec<f64>,
    /// `missing[i]` = how many of the first `i` steps are gaps.
    missing: Vec<u32>,
}

impl IntensitySeries {
    /// A series that starts at `start` with steps of `step`; `None` is a gap.
    ///
    /// # Errors
    ///
    /// [`IntensityError::Empty`], [`IntensityError::Step`], and [`IntensityError::Absurd`] for the
    /// first value that no grid has. Gaps are not an error until they are read.
    pub fn new(
        label: Label,
        start: Time,
        step: Span,
        values: impl IntoIterator<Item = Option<f64>>,
    ) -> Result<Self, IntensityError> {
        let zone = || label.zone.to_string();
        if !step.is_positive() {
            return Err(IntensityError::Step { zone: zone(), step });
        }
        let values: Vec<f64> = values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        let (mut integral, mut missing) = (vec![0.0], vec![0]);
        let (mut area, mut gaps) = (0.0, 0);
        for (i, &value) in values.iter().enumerate() {
            if value.is_nan() {
                gaps += 1;
            } else if GramsPerKwh::new(value).is_some() {
                area += value * step.millis() as f64;
            } else {
                let at = start + step * i as i64;
                return Err(IntensityError::Absurd { zone: zone(), at, value });
            }
            integral.push(area);
            missing.push(gaps);
        }
        if values.is_empty() {
            return Err(IntensityError::Empty { zone: zone() });
        }
        Ok(Self { label, start, step, values, integral, missing })
    }

    /// What the series is.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// First covered instant.
    #[must_use]
    pub fn start(&self) -> Time {
        self.start
    }

    /// First instant after the covered range.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start + self.step * self.values.len() as i64
    }

    /// Length of a step.
    #[must_use]
    pub fn step(&self) -> Span {
        self.step
    }

    /// Start and value of each step; `None` is a gap.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (Time, Option<GramsPerKwh>)> + '_ {
        self.values
            .iter()
            .enumerate()
            .map(|(i, &v)| (self.start + self.step * i as i64, GramsPerKwh::new(v)))
    }

    /// Intensity at an instant.
    ///
    /// # Errors
    ///
    /// [`IntensityError::OutOfRange`] or [`IntensityError::Gap`].
    pub fn at(&self, at: Time) -> Result<GramsPerKwh, IntensityError> {
        let index = self.index(at).ok_or_else(|| self.out_of_range(at))?;
        GramsPerKwh::new(self.values[index]).ok_or_else(|| self.gap(index))
    }

    /// The integral over `[from, to)`, in g/kWh x hours: two look-ups, whatever the resolution.
    ///
    /// # Errors
    ///
    /// [`IntensityError::OutOfRange`] or [`IntensityError::Gap`] where any part is not known.
    pub fn integral_hours(&self, from: Time, to: Time) -> Result<f64, IntensityError> {
        if from < self.start || to > self.end() {
            return Err(self.out_of_range(if from < self.start { from } else { to }));
        }
        if from >= to {
            return Ok(0.0);
        }
        let (first, from_area) = self.area_before(from);
        let (last, to_area) = self.area_before(to);
        // `to` itself is outside the interval: a step that only starts there is not read.
        let past = if self.start + self.step * last as i64 == to { last } else { last + 1 };
        if self.missing[past] != self.missing[first] {
            let gap = (first..past).find(|&i| self.values[i].is_nan()).unwrap_or(first);
            return Err(self.gap(gap));
        }
        Ok((to_area - from_area) / 3.6e6)
    }

    /// The time-weighted mean over `[from, to)`.
    ///
    /// # Errors
    ///
    /// As [`Self::integral_hours`]; an empty interval has the value at its start.
    pub fn mean(&self, from: Time, to: Time) -> Result<GramsPerKwh, IntensityError> {
        if from >= to {
            return self.at(from);
        }
        let area = self.integral_hours(from, to)?;
        Ok(GramsPerKwh::saturating(area / (to - from).hours()))
    }

    /// What constant power emits over `[from, to)`: the exact integral of power x intensity.
    ///
    /// # Errors
    ///
    /// As [`Self::integral_hours`].
    pub fn emissions(
        &self,
        power: Watts,
        from: Time,
        to: Time,
    ) -> Result<GramsCo2e, IntensityError> {
        self.integral_hours(from, to)
            .map(|hours| GramsCo2e::from_grams(power.get() / 1_000.0 * hours))
    }

    /// The mean over all known steps.
    #[must_use]
    pub fn overall_mean(&self) -> GramsPerKwh {
        let known = self.values.len() - self.missing[self.values.len()] as usize;
        let area = self.integral[self.values.len()];
        GramsPerKwh::saturating(area / (self.step.millis() as f64 * known.max(1) as f64))
    }

    /// Whether every instant of `[from, to)` is known.
    ///
    /// # Errors
    ///
    /// As [`Self::integral_hours`], so that the caller can say what is missing.
    pub fn covers(&self, from: Time, to: Time) -> Result<(), IntensityError> {
        self.integral_hours(from, to).map(|_| ())
    }

    /// The same series with each step cut into `parts` equal ones. For tests of resolution.
    #[must_use]
    pub fn refine(&self, parts: u32) -> Self {
        let step = Span::from_millis(self.step.millis() / i64::from(parts));
        let values = self
            .values
            .iter()
            .flat_map(|&v| std::iter::repeat_n((!v.is_nan()).then_some(v), parts as usize));
        Self::new(self.label.clone(), self.start, step, values)
            .expect("values and step were valid before")
    }

    fn index(&self, at: Time) -> Option<usize> {
        (at >= self.start && at < self.end())
            .then(|| ((at - self.start).millis() / self.step.millis()) as usize)
    }

    /// Index of the step that `at` lies in, and the area under the known steps before `at`.
    fn area_before(&self, at: Time) -> (usize, f64) {
        let elapsed = (at - self.start).millis();
        let index = (elapsed / self.step.millis()) as usize;
        let inside = elapsed - index as i64 * self.step.millis();
        let partial = match self.values.get(index) {
            Some(value) if inside > 0 && !value.is_nan() => value * inside as f64,
            _ => 0.0,
        };
        (index, self.integral[index] + partial)
    }

    fn out_of_range(&self, at: Time) -> IntensityError {
        IntensityError::OutOfRange {
            zone: self.label.zone.to_string(),
            at,
            first: self.start,
            last: self.end(),
        }
    }

    fn gap(&self, index: usize) -> IntensityError {
        let known = |v: &f64| !v.is_nan();
        let from = self.values[..index].iter().rposition(known).map_or(0, |i| i + 1);
        let to =
            self.values[index..].iter().position(known).map_or(self.values.len(), |i| index + i);
        IntensityError::Gap {
            zone: self.label.zone.to_string(),
            from: self.start + self.step * from as i64,
            to: self.start + self.step * to as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn label() -> Label {
        Label {
            zone: "US-CA".parse().unwrap(),
            area: "test".into(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: "local".into(),
            provenance: Provenance::Measured,
            source: "test".into(),
        }
    }

    fn hourly(values: &[Option<f64>]) -> IntensitySeries {
        IntensitySeries::new(label(), Time::from_millis(0), Span::HOUR, values.iter().copied())
            .unwrap()
    }

    fn hours(h: f64) -> Time {
        Time::from_millis(0) + Span::from_hours(h)
    }

    #[test]
    fn the_integral_is_exact_across_a_step() {
        // Half an hour at 100 g/kWh and a quarter at 200: 50 + 50 = 100 g/kWh x h.
        let series = hourly(&[Some(100.0), Some(200.0)]);
        assert!((series.integral_hours(hours(0.5), hours(1.25)).unwrap() - 100.0).abs() < 1e-9);
        // 2 kW over that: 2 x 100 = 200 g.
        let grams =
            series.emissions(Watts::new(2_000.0).unwrap(), hours(0.5), hours(1.25)).unwrap();
        assert!((grams.get() - 200.0).abs() < 1e-9);
        // The whole range ends where the series ends.
        assert!((series.integral_hours(hours(0.0), hours(2.0)).unwrap() - 300.0).abs() < 1e-9);
    }

    #[test]
    fn outside_the_range_is_an_error_that_names_it() {
        let series = hourly(&[Some(100.0)]);
        assert_eq!(
            series.at(hours(1.0)).unwrap_err().to_string(),
            "no carbon intensity for zone `US-CA` at 1970-01-01T01:00:00Z: the series covers \
             1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z"
        );
        assert!(series.integral_hours(hours(-1.0), hours(0.5)).is_err());
    }

    #[test]
    fn a_gap_is_an_error_only_where_it_is_read() {
        let series = hourly(&[Some(1.0), None, None, Some(2.0)]);
        assert!(series.integral_hours(hours(0.0), hours(1.0)).is_ok());
        assert!(series.integral_hours(hours(3.0), hours(4.0)).is_ok());
        let expected =
            IntensityError::Gap { zone: "US-CA".into(), from: hours(1.0), to: hours(3.0) };
        assert_eq!(series.integral_hours(hours(0.5), hours(3.5)).unwrap_err(), expected);
        assert_eq!(series.at(hours(2.0)).unwrap_err(), expected);
        assert!((series.overall_mean().get() - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_unit_mix_up_or_a_negative_value_is_refused() {
        for value in [-1.0, 412_000.0, f64::INFINITY] {
            let built = IntensitySeries::new(label(), hours(0.0), Span::HOUR, [Some(value)]);
            assert!(matches!(built, Err(IntensityError::Absurd { .. })), "{value}");
        }
        assert!(IntensitySeries::new(label(), hours(0.0), Span::HOUR, []).is_err());
        assert!(IntensitySeries::new(label(), hours(0.0), Span::ZERO, [Some(1.0)]).is_err());
    }

    proptest! {
        #[test]
        fn resolution_never_changes_an_integral(
            values in prop::collection::vec(0.0..900.0f64, 1..40),
            a in 0.0..1.0f64,
            b in 0.0..1.0f64,
        ) {
            let series = hourly(&values.iter().copied().map(Some).collect::<Vec<_>>());
            let at = |part: f64| hours(part * values.len() as f64);
            let (from, to) = (at(a.min(b)), at(a.max(b)));
            let coarse = series.integral_hours(from, to).unwrap();
            let fine = series.refine(12).integral_hours(from, to).unwrap();
            prop_assert!((coarse - fine).abs() < 1e-6);
        }
    }
}
