//! Views of the past and of the future at an instant.
//!
//! [`History`] shows what was known at `now`; [`Outlook`] is what somebody expects after it. A
//! policy sees the truth beyond `now` through nothing but an outlook, so "no look-ahead" is a
//! property of these types, not of anybody's care.
//!
//! ```text
//!            History              Outlook
//!   ...-----------------------|--------------------> time
//!                            now
//! ```

use std::sync::Arc;

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use crate::forecaster::{Learned, SteppedForecast};
use crate::intensity::IntensitySeries;
use crate::seed;
use crate::time::{Span, Time};
use crate::units::GramsPerKwh;

/// What was known of a zone at an instant: its past, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    series: &'a IntensitySeries,
    now: Time,
}

impl<'a> History<'a> {
    /// The past of `series` at `now`.
    #[must_use]
    pub fn new(series: &'a IntensitySeries, now: Time) -> Self {
        Self { series, now }
    }

    /// The instant of the view.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The intensity in force now; `None` outside the trace and in a gap.
    #[must_use]
    pub fn latest(&self) -> Option<GramsPerKwh> {
        self.series.at(self.now).ok()
    }

    /// The last `hours` hours up to the one that `now` is in, oldest first: means of full hours, and
    /// for the last, unfinished one the value in force. `None` is a gap or before the trace.
    pub fn by_hour(&self, hours: u32) -> impl Iterator<Item = Option<f64>> + '_ {
        let end = self.now.floor(Span::HOUR);
        let full = (1..i64::from(hours)).rev().map(move |back| {
            let from = end - Span::HOUR * back;
            self.series.mean(from, from + Span::HOUR).ok().map(GramsPerKwh::get)
        });
        full.chain(std::iter::once_with(|| self.latest().map(GramsPerKwh::get)))
    }

    /// The values in force at the start of the last `count` steps up to the one that `now` is in, the
    /// latest first. `None` is a gap or before the trace.
    pub fn by_step(&self, step: Span, count: u32) -> impl Iterator<Item = Option<f64>> + '_ {
        let latest = self.now.floor(step);
        (0..i64::from(count))
            .map(move |ago| self.series.at(latest - step * ago).ok().map(GramsPerKwh::get))
    }

    /// The step of the trace.
    #[must_use]
    pub fn step(&self) -> Span {
        self.series.step()
    }

    /// Hourly means of the last `hours` full hours, oldest first, without those that are unknown.
    /// The same whatever the step of the trace.
    pub fn hourly(&self, hours: u32) -> impl Iterator<Item = f64> + '_ {
        let end = self.now.floor(Span::HOUR);
        (1..=i64::from(hours)).rev().filter_map(move |back| {
            let from = end - Span::HOUR * back;
            self.series.mean(from, from + Span::HOUR).ok().map(GramsPerKwh::get)
        })
    }
}

/// What somebody at `now` expects of one zone.
pub trait Outlook {
    /// The expected integral over `[from, to)` in g/kWh x hours; `None` where nothing is expected
    /// (beyond the horizon, or the past it needs is missing).
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64>;

    /// The width of the forecast's interval, integrated over `[from, to)` in g/kWh x hours; `None`
    /// where the forecast has none.
    fn interval_hours(&self, _from: Time, _to: Time) -> Option<f64> {
        None
    }
}

/// How a forecast is made. Each model uses only what is known at its instant, but for
/// [`Perfect`](ForecastModel::Perfect) and the noise models, which start from the truth on purpose.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ForecastModel {
    /// The truth: the upper bound of what any forecast can give.
    Perfect,
    /// The value of now, for ever.
    Persistence,
    /// The value one period ago: a day (same hour yesterday) or a week.
    Seasonal {
        /// Length of the period.
        period: Span,
    },
    /// Truth plus an independent normal error, the same at each horizon: the model of Wiesner et
    /// al. 2021 ("Let's Wait Awhile"), for comparison with it. Kinder than real forecasts.
    NoisyIndependent {
        /// Standard deviation, in parts of the series' mean.
        error: f64,
    },
    /// Truth plus an AR(1) error per hour of horizon, which starts at zero and grows to its
    /// stationary spread, as issued forecasts do.
    #[default]
    Noisy,
    /// The same with stated numbers.
    NoisyAr {
        /// Stationary standard deviation, in parts of the series' mean.
        error: f64,
        /// Correlation of the error from one hour to the next, 0 to below 1.
        correlation: f64,
    },
    /// Forecasts as they were issued at the time.
    Recorded(Arc<RecordedForecasts>),
    /// One forecast of the whole trace, whoever made it: what is expected never changes.
    Stated(Arc<StatedForecast>),
    /// A model that was trained before, run on the past of each instant.
    Learned(Learned),
}

/// Forecasts as they were issued: for each instant of issue, the expected values that follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedForecasts {
    /// Instant of issue and what was expected then, by instant.
    pub issues: Vec<(Time, Issue)>,
}

/// One issued forecast: expected values after its instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issue {
    /// Start of validity and value in g/kWh, by start. Each holds until the next one.
    pub points: Vec<(Time, f64)>,
    /// End of the last point's validity.
    pub end: Option<Time>,
}

/// How far ahead a published forecast reaches: four days, as those of the grids' operators do.
const PUBLISHED_HORIZON: Span = Span::from_millis(96 * 3_600_000);

impl Issue {
    /// An outlook as a cluster gets it: means of the rest of the hour of `known` and of the full hours
    /// after it, for four days or as far as anything is expected. `None` where nothing is.
    #[must_use]
    pub fn published(outlook: &(impl Outlook + ?Sized), known: Time) -> Option<Self> {
        let mut points = Vec::new();
        let mut start = known;
        loop {
            let end = start.floor(Span::HOUR) + Span::HOUR;
            if end > known + PUBLISHED_HORIZON {
                break;
            }
            let Some(area) = outlook.integral_hours(start, end) else {
                break;
            };
            points.push((start, area / (end - start).hours()));
            start = end;
        }
        (start > known).then_some(Self { points, end: Some(start) })
    }
}

/// An expected value per step; unlike an intensity it may be below zero, as truth plus an
/// independent error can be.
#[derive(Clone, Debug, PartialEq)]
pub struct StatedForecast {
    start: Time,
    step: Span,
    /// The integral from the start to each step's start, in g/kWh x hours, and to the end.
    areas: Vec<f64>,
}

impl StatedForecast {
    /// A forecast of these values in g/kWh, each for one `step` (above zero) from `start` on.
    #[must_use]
    pub fn new(start: Time, step: Span, values: impl IntoIterator<Item = f64>) -> Self {
        let mut area = 0.0;
        let sums = values.into_iter().map(|value| {
            area += value * step.hours();
            area
        });
        Self { start, step, areas: std::iter::once(0.0).chain(sums).collect() }
    }

    /// The integral from the start to `at`; `None` outside of what is expected.
    fn area(&self, at: Time) -> Option<f64> {
        let since = (at - self.start).millis();
        let (step, into) =
            (since.div_euclid(self.step.millis()), since.rem_euclid(self.step.millis()));
        let index = usize::try_from(step).ok()?;
        let before = *self.areas.get(index)?;
        match (into, self.areas.get(index + 1)) {
            (0, _) => Some(before),
            (_, Some(after)) => {
                Some(before + (after - before) * into as f64 / self.step.millis() as f64)
            }
            (_, None) => None,
        }
    }
}

impl Outlook for StatedForecast {
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
        Some(self.area(to)? - self.area(from)?)
    }
}

/// Stationary standard deviation of [`ForecastModel::Noisy`] in parts of the mean, and below its
/// correlation from hour to hour: means over seven zones of the AR(1) that `forecast evaluate` fits to
/// the errors of our own models on a year that they have not seen (docs/forecasting.md), four of
/// them with a weather forecast. Operators that publish theirs do as well: 868,000 issued forecasts
/// of the British grid have 0.138.
pub const NOISE_ERROR: f64 = 0.2;

/// Correlation of the error of [`ForecastModel::Noisy`] from one hour to the next.
pub const NOISE_CORRELATION: f64 = 0.97;

/// The outlook of one model for one zone at one instant.
#[derive(Debug)]
pub struct View<'a> {
    model: &'a ForecastModel,
    series: &'a IntensitySeries,
    now: Time,
    /// Error in g/kWh of each hour after the hour of `now`; empty for models without noise.
    errors: Vec<f64>,
    /// What a learned model has issued at `now`.
    issued: Option<SteppedForecast>,
}

/// Hours of noise that are drawn at most: two weeks of horizon.
const NOISE_HOURS: i64 = 14 * 24;

impl ForecastModel {
    /// The outlook at `now`. `seed` matters to the noise models only: the same seed and hour of
    /// issue give the same error, whoever asks and in whatever order.
    #[must_use]
    pub fn view<'a>(
        &'a self,
        series: &'a IntensitySeries,
        now: Time,
        seed: u64,
        horizon: Span,
    ) -> View<'a> {
        let hours = (horizon.millis() / Span::HOUR.millis() + 2).clamp(0, NOISE_HOURS) as usize;
        let errors = match *self {
            Self::Noisy => ar_errors(series, now, seed, hours, NOISE_ERROR, NOISE_CORRELATION),
            Self::NoisyAr { error, correlation } => {
                ar_errors(series, now, seed, hours, error, correlation)
            }
            Self::NoisyIndependent { error } => independent_errors(series, now, seed, hours, error),
            _ => Vec::new(),
        };
        let issued = match self {
            Self::Learned(Learned(model)) => {
                model.issue(&series.label().zone, &History::new(series, now))
            }
            _ => None,
        };
        View { model: self, series, now, errors, issued }
    }
}

/// The error path of one issue: e(h) = c e(h-1) + N(0, s sqrt(1 - c^2)), e(0) = 0, so that the
/// spread at horizon h is s sqrt(1 - c^(2h)).
fn ar_errors(
    series: &IntensitySeries,
    now: Time,
    seed: u64,
    hours: usize,
    error: f64,
    correlation: f64,
) -> Vec<f64> {
    let spread = error * series.overall_mean().get();
    let step = spread * (1.0 - correlation * correlation).sqrt();
    let issue = now.floor(Span::HOUR).millis() as u64;
    let mut rng = Pcg64::seed_from_u64(seed::hash(seed, issue, 0));
    let mut value = 0.0;
    std::iter::repeat_with(|| {
        let draw: f64 = StandardNormal.sample(&mut rng);
        value = correlation * value + step * draw;
        value
    })
    .take(hours)
    .collect()
}

/// An error per hour of *validity*: each issue sees the same error for the same hour.
fn independent_errors(
    series: &IntensitySeries,
    now: Time,
    seed: u64,
    hours: usize,
    error: f64,
) -> Vec<f64> {
    let spread = error * series.overall_mean().get();
    let first = now.floor(Span::HOUR);
    (1..=hours as i64)
        .map(|ahead| {
            let valid = (first + Span::HOUR * ahead).millis() as u64;
            let draw: f64 =
                StandardNormal.sample(&mut Pcg64::seed_from_u64(seed::hash(seed, valid, 1)));
            spread * draw
        })
        .collect()
}

impl Outlook for View<'_> {
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
        // What lies before the end of the current step is known, not forecast.
        let past = from.max(self.now);
        match self.model {
            ForecastModel::Perfect => self.series.integral_hours(from, to).ok(),
            ForecastModel::Persistence => {
                let value = self.series.at(self.now).ok()?.get();
                Some(value * (to - from).hours().max(0.0))
            }
            ForecastModel::Seasonal { period } => self.seasonal(from, to, *period),
            ForecastModel::Recorded(issued) => issued.integral_hours(self.now, from, to),
            ForecastModel::Stated(stated) => stated.integral_hours(from, to),
            ForecastModel::Learned(_) => self.issued.as_ref()?.integral_hours(from, to),
            ForecastModel::Noisy
            | ForecastModel::NoisyAr { .. }
            | ForecastModel::NoisyIndependent { .. } => {
                let truth = self.series.integral_hours(from, to).ok()?;
                let error = self.error_integral(past, to);
                Some((truth + error).max(0.0))
            }
        }
    }

    fn interval_hours(&self, from: Time, to: Time) -> Option<f64> {
        self.issued.as_ref()?.interval_hours(from, to)
    }
}

impl View<'_> {
    /// Same hour one period ago; further ahead than a period, the last period is repeated.
    fn seasonal(&self, from: Time, to: Time, period: Span) -> Option<f64> {
        // The end of what is known: the step of `now` has its published value.
        let known = self.series.start()
            + self.series.step()
                * ((self.now - self.series.start()).millis() / self.series.step().millis() + 1);
        let mut total = 0.0;
        let mut at = from;
        while at < to {
            let ahead = (at - known).millis().max(-1);
            let periods = ahead.div_euclid(period.millis()) + 1;
            // Up to the point where this many periods back would no longer be the past.
            let until = to.min(known + period * periods.max(0)).max(at + Span::from_millis(1));
            let shift = period * periods;
            total += self.series.integral_hours(at - shift, until - shift).ok()?;
            at = until;
        }
        Some(total)
    }

    /// Integral of the hourly errors over `[from, to)`, in g/kWh x hours.
    fn error_integral(&self, from: Time, to: Time) -> f64 {
        let first = self.now.floor(Span::HOUR) + Span::HOUR;
        let mut total = 0.0;
        let mut hour = ((from - first).millis().max(0)) / Span::HOUR.millis();
        while let Some(error) = self.errors.get(hour as usize) {
            let start = first + Span::HOUR * hour;
            if start >= to {
                break;
            }
            let covered = (start + Span::HOUR).min(to) - start.max(from);
            total += error * covered.hours();
            hour += 1;
        }
        total
    }
}

impl RecordedForecasts {
    /// The latest issue at or before `now`.
    #[must_use]
    pub fn latest(&self, now: Time) -> Option<&Issue> {
        let after = self.issues.partition_point(|(at, _)| *at <= now);
        after.checked_sub(1).map(|i| &self.issues[i].1)
    }

    fn integral_hours(&self, now: Time, from: Time, to: Time) -> Option<f64> {
        self.latest(now)?.integral_hours(from, to)
    }
}

impl Outlook for Issue {
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
        let (first, end) = (self.points.first()?.0, self.end?);
        if from < first || to > end {
            return None;
        }
        // The points that hold somewhere in the range, without a walk over all of them.
        let held = self.points.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let ends = self.points.iter().skip(held + 1).map(|(at, _)| *at).chain([end]);
        Some(
            self.points[held..]
                .iter()
                .take_while(|(at, _)| *at < to)
                .zip(ends)
                .map(|((start, value), stop)| {
                    let covered = stop.min(to) - (*start).max(from);
                    value * covered.hours().max(0.0)
                })
                .sum(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intensity::{Label, Provenance, Scope, Signal};

    fn series(values: impl IntoIterator<Item = f64>) -> IntensitySeries {
        let label = Label {
            zone: "US-CA".parse().unwrap(),
            area: "test".into(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: "local".into(),
            provenance: Provenance::Measured,
            source: "test".into(),
        };
        IntensitySeries::new(label, Time::from_millis(0), Span::HOUR, values.into_iter().map(Some))
            .unwrap()
    }

    fn hour(h: i64) -> Time {
        Time::from_millis(0) + Span::HOUR * h
    }

    /// Expects as many g/kWh as hours have passed, up to hour 200.
    struct Ramp;

    impl Outlook for Ramp {
        fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
            let area = |at: Time| (at - Time::from_millis(0)).hours().powi(2) / 2.0;
            (to <= hour(200)).then(|| area(to) - area(from))
        }
    }

    #[test]
    fn a_published_forecast_has_the_means_of_full_hours_for_four_days() {
        let half_past_ten = hour(10) + Span::MINUTE * 30;
        let issue = Issue::published(&Ramp, half_past_ten).unwrap();
        // The rest of the tenth hour, then 95 hours: the 96th would end after hour 106.5.
        assert_eq!(issue.points[..2], [(half_past_ten, 10.75), (hour(11), 11.5)]);
        assert_eq!((issue.points.len(), issue.end), (96, Some(hour(106))));
        assert_eq!(Issue::published(&Ramp, hour(11)).unwrap().end, Some(hour(107)));
    }

    #[test]
    fn a_published_forecast_ends_where_nothing_is_expected() {
        assert_eq!(Issue::published(&Ramp, hour(198)).unwrap().points.len(), 2);
        let late = hour(199) + Span::MINUTE * 30;
        assert_eq!(Issue::published(&Ramp, late).unwrap().points, [(late, 199.75)]);
        assert_eq!(Issue::published(&Ramp, hour(200)), None);
    }

    fn expected(model: &ForecastModel, series: &IntensitySeries, now: i64, at: i64) -> Option<f64> {
        model.view(series, hour(now), 7, Span::DAY * 3).integral_hours(hour(at), hour(at + 1))
    }

    #[test]
    fn seasonal_is_the_same_hour_of_the_last_known_day() {
        // Value = hour since start. At hour 30: hour 40 was 16 a day earlier; hour 60 is two days
        // after hour 12; hour 30 itself is known.
        let truth = series((0..200).map(f64::from));
        let model = ForecastModel::Seasonal { period: Span::DAY };
        assert_eq!(expected(&model, &truth, 30, 40), Some(16.0));
        assert_eq!(expected(&model, &truth, 30, 60), Some(12.0));
        assert_eq!(expected(&model, &truth, 30, 30), Some(30.0));
        assert_eq!(expected(&model, &truth, 5, 20), None, "no day of history yet");
    }

    #[test]
    fn persistence_and_perfect_are_what_they_say() {
        let truth = series((0..48).map(f64::from));
        assert_eq!(expected(&ForecastModel::Persistence, &truth, 10, 20), Some(10.0));
        assert_eq!(expected(&ForecastModel::Perfect, &truth, 10, 20), Some(20.0));
        assert_eq!(expected(&ForecastModel::Perfect, &truth, 10, 60), None);
    }

    #[test]
    fn honest_noise_grows_with_the_horizon() {
        let truth = series(std::iter::repeat_n(300.0, 24 * 400));
        let spread = |ahead: i64| {
            let squares: f64 = (0..300)
                .map(|issue| {
                    let error =
                        expected(&ForecastModel::Noisy, &truth, issue * 24, issue * 24 + ahead)
                            .unwrap()
                            - 300.0;
                    error * error
                })
                .sum();
            (squares / 300.0).sqrt()
        };
        let (near, far) = (spread(1), spread(48));
        // 300 x 0.2 = 60 g stationary; at one hour 60 x sqrt(1 - 0.97^2) = 15 g, at 48 hours
        // 60 x sqrt(1 - 0.97^96) = 58 g.
        assert!((12.0..18.0).contains(&near), "{near}");
        assert!((50.0..67.0).contains(&far), "{far}");
    }

    #[test]
    fn a_recorded_forecast_is_the_one_issued_last() {
        let issue = |value| Issue {
            points: vec![(hour(1), value), (hour(2), value + 1.0)],
            end: Some(hour(3)),
        };
        let model = ForecastModel::Recorded(Arc::new(RecordedForecasts {
            issues: vec![(hour(0), issue(10.0)), (hour(5), issue(20.0))],
        }));
        let truth = series([0.0; 48]);
        assert_eq!(expected(&model, &truth, 4, 1), Some(10.0));
        assert_eq!(expected(&model, &truth, 5, 2), Some(21.0));
        assert_eq!(expected(&model, &truth, 5, 3), None, "beyond the horizon");
    }

    #[test]
    fn a_stated_forecast_may_be_below_zero_and_ends_with_its_values() {
        let stated = StatedForecast::new(hour(0), Span::HOUR, [10.0, -4.0]);
        let integral = |from: f64, to: f64| {
            let at = |h: f64| hour(0) + Span::from_hours(h);
            stated.integral_hours(at(from), at(to))
        };
        assert_eq!(integral(0.5, 1.5), Some(3.0));
        assert_eq!(integral(0.0, 2.0), Some(6.0));
        assert_eq!(integral(-0.5, 1.0), None);
        assert_eq!(integral(1.0, 2.25), None);
    }

    proptest! {
        /// The property that everything rests on: change the future, and a model that claims
        /// not to see it says the same.
        #[test]
        fn no_model_without_the_truth_sees_the_future(
            mut values in prop::collection::vec(0.0..900.0f64, 200),
            now in 24i64..100,
            ahead in 1i64..72,
            other in 0.0..900.0f64,
        ) {
            let before = series(values.clone());
            for value in &mut values[now as usize + 1..] {
                *value = other;
            }
            let after = series(values);
            for model in [ForecastModel::Persistence, ForecastModel::Seasonal { period: Span::DAY }] {
                prop_assert_eq!(
                    expected(&model, &before, now, now + ahead),
                    expected(&model, &after, now, now + ahead)
                );
            }
            let past = |series: &IntensitySeries| {
                History::new(series, hour(now)).hourly(168).collect::<Vec<_>>()
            };
            prop_assert_eq!(past(&before), past(&after));
        }
    }
}
