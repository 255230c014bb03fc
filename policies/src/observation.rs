//! Observation v1: what a tuner sees of one zone, and the numbers that a network is given for it.
//!
//! ```text
//!  Observation             physical units, per zone and control interval
//!    '-- Input::value      dimensionless; None where it is unknown
//!          '-- encode      None -> mean of training; beyond the range of training -> told
//!                '-- f32   (value - center) / scale, in the order of the specification
//! ```
//!
//! Intensities, thresholds and forecasts are in parts of the zone's own trailing week, so that one
//! network serves a grid of coal and one of hydropower, and zones that it has never seen. The
//! simulator and the trainer come through here, and whoever runs a tuner in a cluster.

use carbon_kube_core::forecast::{History, Outlook};
use carbon_kube_core::{GramsPerKwh, Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the names, their order and their units.
pub const VERSION: u32 = 1;

/// Bounds of a tuner's adjustment, in g/kWh.
pub const MAX_ADJUSTMENT: f64 = 50.0;

/// What a tuner sees of one zone, in physical units. `None` is unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Carbon intensity in force.
    pub intensity: GramsPerKwh,
    /// The threshold before adjustment.
    pub base: GramsPerKwh,
    /// Level and spread of the zone's trailing week.
    pub scale: Option<ZoneScale>,
    /// Moves started in the last hour per running migratable pod; 0 where nothing can move.
    pub migration_rate: Option<f64>,
    /// Mean power of the zone's nodes over the last interval, over their power at full load.
    pub power_ratio: Option<f64>,
    /// Hour of the zone's own clock, 0 to below 24.
    pub local_hour: f64,
    /// Day of the week on the zone's own clock, 0 = Monday.
    pub weekday: u8,
    /// What was added to the threshold in the last interval, in g/kWh.
    pub previous_adjustment: f64,
    /// What is expected of the next hours.
    pub forecast: ForecastSummary,
    /// Work of the held pods that may run in the zone, in hours of all of its cores.
    pub held_hours: Option<f64>,
    /// How long the most urgent of them can still wait; a day where none is held.
    pub slack: Option<Span>,
}

/// Hours that make the scale of a zone.
const TRAILING_HOURS: u32 = 7 * 24;

/// With less of them known than this part there is no scale, as `percentile` has no threshold.
const LEAST_KNOWN: f64 = 0.25;

/// The least spread: on a grid that never changes, differences of a gram are noise.
const LEAST_SPREAD: f64 = 1.0;

/// Level and spread of a zone, in g/kWh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoneScale {
    /// Mean of the trailing hourly means.
    pub mean: f64,
    /// Their standard deviation, at least 1 g/kWh.
    pub spread: f64,
}

impl ZoneScale {
    /// The scale of the trailing week; `None` with less than a quarter of it known.
    #[must_use]
    pub fn of(history: &History<'_>) -> Option<Self> {
        let (mut count, mut sum, mut squares) = (0u32, 0.0, 0.0);
        // Around some value of the grid: squares of small differences keep their digits.
        let around = history.latest()?.get();
        for value in history.hourly(TRAILING_HOURS) {
            let difference = value - around;
            count += 1;
            sum += difference;
            squares += difference * difference;
        }
        if f64::from(count) < f64::from(TRAILING_HOURS) * LEAST_KNOWN {
            return None;
        }
        let mean = sum / f64::from(count);
        let variance = squares / f64::from(count) - mean * mean;
        Some(Self { mean: around + mean, spread: variance.max(0.0).sqrt().max(LEAST_SPREAD) })
    }

    /// An intensity in parts of the spread over the mean.
    #[must_use]
    pub fn relative(&self, grams_per_kwh: f64) -> f64 {
        (grams_per_kwh - self.mean) / self.spread
    }
}

/// Least and mean of the hourly means that are expected from now on, in g/kWh.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForecastSummary {
    /// Least of the next 6 hours.
    pub min_6h: Option<f64>,
    /// Mean of the next 6 hours.
    pub mean_6h: Option<f64>,
    /// Least of the next 24 hours.
    pub min_24h: Option<f64>,
    /// Mean of the next 24 hours.
    pub mean_24h: Option<f64>,
}

impl ForecastSummary {
    /// What an outlook expects from `now` on; nothing of a range that it doesn't fill.
    #[must_use]
    pub fn of(outlook: &dyn Outlook, now: Time) -> Self {
        let mut summary = Self::default();
        let (mut least, mut sum) = (f64::INFINITY, 0.0);
        for hour in 1..=24 {
            let end = now + Span::HOUR * hour;
            let Some(mean) = outlook.integral_hours(end - Span::HOUR, end) else {
                return summary;
            };
            least = least.min(mean);
            sum += mean;
            if hour == 6 {
                (summary.min_6h, summary.mean_6h) = (Some(least), Some(sum / 6.0));
            }
        }
        (summary.min_24h, summary.mean_24h) = (Some(least), Some(sum / 24.0));
        summary
    }

    /// What stands for the prices of all windows: the least of the next 24 hours.
    #[must_use]
    pub fn price(&self) -> Option<GramsPerKwh> {
        self.min_24h.map(GramsPerKwh::saturating)
    }
}

/// One number that a network can be given. The first seven are the groups *carbon intensity,
/// migration rate, energy consumption, time*; the others extend them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// Intensity over the mean of the trailing week, in parts of its spread.
    Intensity,
    /// Moves in the last hour per running migratable pod.
    MigrationRate,
    /// Mean power over power at full load.
    PowerRatio,
    /// Sine of the local hour.
    HourSin,
    /// Cosine of the local hour.
    HourCos,
    /// Sine of the local time of the week, from Monday 00:00.
    WeekdaySin,
    /// Cosine of the same.
    WeekdayCos,
    /// The threshold before adjustment, as the intensity.
    Base,
    /// The adjustment of the last interval, in parts of 50 g/kWh.
    PreviousAdjustment,
    /// Least intensity that is expected in 6 hours, as the intensity.
    ForecastMin6h,
    /// Mean of the same.
    ForecastMean6h,
    /// Least intensity that is expected in 24 hours, as the intensity.
    ForecastMin24h,
    /// Mean of the same.
    ForecastMean24h,
    /// Work of held pods, in hours of all of the zone's cores, at most 3.
    HeldWork,
    /// How long the most urgent held pod can still wait, in days, 0 to 1.
    Slack,
    /// 50 g/kWh in parts of the spread, at most 10: what an adjustment can do here.
    AdjustmentRange,
}

/// The most that [`Input::AdjustmentRange`] says.
const WIDEST_RANGE: f64 = 10.0;

/// The most that [`Input::HeldWork`] says, in hours: a zone that is full for so long takes no more
/// work in the next interval, however long the queue behind it is.
const MOST_HELD: f64 = 3.0;

impl Input {
    /// Every input, in the order of version 1.
    pub const ALL: [Self; 16] = [
        Self::Intensity,
        Self::MigrationRate,
        Self::PowerRatio,
        Self::HourSin,
        Self::HourCos,
        Self::WeekdaySin,
        Self::WeekdayCos,
        Self::Base,
        Self::PreviousAdjustment,
        Self::ForecastMin6h,
        Self::ForecastMean6h,
        Self::ForecastMin24h,
        Self::ForecastMean24h,
        Self::HeldWork,
        Self::Slack,
        Self::AdjustmentRange,
    ];

    /// The value, without unit; `None` where something that it needs is unknown.
    #[must_use]
    pub fn value(self, seen: &Observation) -> Option<f64> {
        let relative = |value: f64| Some(seen.scale?.relative(value));
        let expected = |value: Option<f64>| relative(value?);
        match self {
            Self::Intensity => relative(seen.intensity.get()),
            Self::MigrationRate => seen.migration_rate,
            Self::PowerRatio => seen.power_ratio,
            Self::HourSin => Some(libm::sin(seen.day_angle())),
            Self::HourCos => Some(libm::cos(seen.day_angle())),
            Self::WeekdaySin => Some(libm::sin(seen.week_angle())),
            Self::WeekdayCos => Some(libm::cos(seen.week_angle())),
            Self::Base => relative(seen.base.get()),
            Self::PreviousAdjustment => Some(seen.previous_adjustment / MAX_ADJUSTMENT),
            Self::ForecastMin6h => expected(seen.forecast.min_6h),
            Self::ForecastMean6h => expected(seen.forecast.mean_6h),
            Self::ForecastMin24h => expected(seen.forecast.min_24h),
            Self::ForecastMean24h => expected(seen.forecast.mean_24h),
            Self::HeldWork => Some(seen.held_hours?.min(MOST_HELD)),
            Self::Slack => Some((seen.slack?.hours() / 24.0).clamp(0.0, 1.0)),
            Self::AdjustmentRange => Some((MAX_ADJUSTMENT / seen.scale?.spread).min(WIDEST_RANGE)),
        }
    }

    /// The values that are possible, and the one to take where nothing was trained yet.
    fn possible(self) -> (f64, f64, f64) {
        match self {
            Self::HourSin | Self::HourCos | Self::WeekdaySin | Self::WeekdayCos => (-1.0, 0.0, 1.0),
            Self::PreviousAdjustment => (-1.0, 0.0, 1.0),
            Self::MigrationRate | Self::PowerRatio => (0.0, 0.0, 1e6),
            Self::HeldWork => (0.0, 0.0, MOST_HELD),
            Self::Slack => (0.0, 1.0, 1.0),
            Self::AdjustmentRange => (0.0, 1.0, WIDEST_RANGE),
            _ => (-1e5, 0.0, 1e5),
        }
    }
}

impl Observation {
    fn day_angle(&self) -> f64 {
        std::f64::consts::TAU * self.local_hour / 24.0
    }

    fn week_angle(&self) -> f64 {
        std::f64::consts::TAU * (f64::from(self.weekday) + self.local_hour / 24.0) / 7.0
    }
}

/// Which inputs a network has, and how they are scaled: a part of the policy file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObservationSpec {
    /// 1.
    pub version: u32,
    /// The inputs, in the order of the network.
    pub inputs: Vec<InputSpec>,
}

/// One input of a network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InputSpec {
    /// What it is.
    pub name: Input,
    /// Its mean in training, which stands in where the value is unknown.
    pub mean: f64,
    /// Its least value in training.
    pub min: f64,
    /// Its greatest value in training.
    pub max: f64,
    /// What is taken off the value. Default 0.
    #[serde(default)]
    pub center: f64,
    /// What the difference is divided by, above 0. Default 1.
    #[serde(default = "one")]
    pub scale: f64,
}

fn one() -> f64 {
    1.0
}

/// What was amiss with an observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Inputs that were unknown, and are the mean of training.
    pub replaced: u32,
    /// Inputs beyond the range of training.
    pub outside: u32,
}

impl Default for ObservationSpec {
    /// Every input of version 1 as it is, over all that is possible.
    fn default() -> Self {
        let input = |name: Input| {
            let (min, mean, max) = name.possible();
            InputSpec { name, mean, min, max, center: 0.0, scale: 1.0 }
        };
        Self { version: VERSION, inputs: Input::ALL.map(input).to_vec() }
    }
}

impl ObservationSpec {
    /// Whether the specification can be used.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: another version, no inputs, one that is there twice, a number that
    /// is not finite, a range without its mean, or a scale that nothing can be divided by.
    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "observation version {}; this program knows version {VERSION}",
                self.version
            ));
        }
        if self.inputs.is_empty() {
            return Err("the observation has no inputs".to_owned());
        }
        for (at, input) in self.inputs.iter().enumerate() {
            let InputSpec { name, mean, min, max, center, scale } = *input;
            if self.inputs[..at].iter().any(|other| other.name == name) {
                return Err(format!("input {name:?} is there twice"));
            }
            let is_range = min <= mean && mean <= max && (max - min).is_finite();
            if !is_range || !center.is_finite() || !scale.is_finite() || scale <= 0.0 {
                return Err(format!(
                    "input {name:?}: expected min <= mean <= max and a scale above 0, all finite"
                ));
            }
        }
        Ok(())
    }

    /// Numbers per observation.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there are none, which [`Self::check`] refuses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Adds the numbers of an observation of which nothing is known: the means of training.
    pub fn encode_unknown(&self, numbers: &mut Vec<f32>) {
        let mean = |input: &InputSpec| ((input.mean - input.center) / input.scale) as f32;
        numbers.extend(self.inputs.iter().map(mean));
    }

    /// Adds the numbers of an observation to `numbers`, in the order of the inputs. A value beyond
    /// the range of training is cut to it, and counted.
    pub fn encode(&self, seen: &Observation, numbers: &mut Vec<f32>) -> Encoding {
        let mut encoding = Encoding::default();
        numbers.extend(self.inputs.iter().map(|input| {
            let value = input.name.value(seen).filter(|value| value.is_finite());
            encoding.replaced += u32::from(value.is_none());
            let value = value.unwrap_or(input.mean);
            encoding.outside += u32::from(value < input.min || value > input.max);
            let within = value.max(input.min).min(input.max);
            ((within - input.center) / input.scale) as f32
        }));
        encoding
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::forecaster::SteppedForecast;
    use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time::from_millis(7 * 86_400_000);

    fn series(values: impl IntoIterator<Item = Option<f64>>) -> IntensitySeries {
        let label = Label {
            zone: "EU-DE".parse().unwrap(),
            area: "test".into(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: "local".into(),
            provenance: Provenance::Measured,
            source: "test".into(),
        };
        IntensitySeries::new(label, Time::from_millis(0), Span::HOUR, values).unwrap()
    }

    pub(crate) fn seen() -> Observation {
        Observation {
            intensity: GramsPerKwh::saturating(300.0),
            base: GramsPerKwh::saturating(150.0),
            scale: Some(ZoneScale { mean: 200.0, spread: 50.0 }),
            migration_rate: Some(0.25),
            power_ratio: Some(0.5),
            local_hour: 6.0,
            weekday: 0,
            previous_adjustment: -25.0,
            forecast: ForecastSummary { min_6h: Some(100.0), ..ForecastSummary::default() },
            held_hours: Some(2.0),
            slack: Some(Span::HOUR * 12),
        }
    }

    #[test]
    fn intensities_are_in_parts_of_the_trailing_week() {
        // 100 and 300 in turn: mean 200, standard deviation 100.
        let alternating = (0..200).map(|hour| Some(if hour % 2 == 0 { 100.0 } else { 300.0 }));
        let series = series(alternating);
        let scale = ZoneScale::of(&History::new(&series, NOW)).unwrap();
        assert!((scale.mean - 200.0).abs() < 1e-9 && (scale.spread - 100.0).abs() < 1e-9);
        assert!((scale.relative(250.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_constant_grid_has_a_spread_of_a_gram_and_an_unknown_week_no_scale() {
        let flat = series((0..200).map(|_| Some(20.0)));
        let scale = ZoneScale::of(&History::new(&flat, NOW));
        assert_eq!(scale, Some(ZoneScale { mean: 20.0, spread: 1.0 }));
        // 41 of 168 hours are less than a quarter.
        let late = series((0..200).map(|hour| (hour >= 168 - 41).then_some(20.0)));
        assert_eq!(ZoneScale::of(&History::new(&late, NOW)), None);
    }

    #[test]
    fn a_queue_of_days_says_no_more_than_one_of_three_hours() {
        let value = |hours| Input::HeldWork.value(&Observation { held_hours: hours, ..seen() });
        assert_eq!(value(Some(2.9)), Some(2.9));
        assert_eq!(value(Some(72.0)), Some(3.0));
        assert_eq!(value(None), None);
    }

    #[test]
    fn the_order_of_version_1_does_not_change() {
        let names = serde_json::to_string(&Input::ALL).unwrap();
        assert_eq!(
            names,
            r#"["intensity","migrationRate","powerRatio","hourSin","hourCos","weekdaySin","weekdayCos","base","previousAdjustment","forecastMin6h","forecastMean6h","forecastMin24h","forecastMean24h","heldWork","slack","adjustmentRange"]"#
        );
        let mut numbers = Vec::new();
        ObservationSpec::default().encode(&seen(), &mut numbers);
        // 300 is two spreads over 200; 6 o'clock on a Monday is a quarter of a day and 1/28 week.
        let week = std::f64::consts::TAU / 28.0;
        let expected = [
            2.0,
            0.25,
            0.5,
            1.0,
            0.0,
            week.sin(),
            week.cos(),
            -1.0,
            -0.5,
            -2.0,
            0.0,
            0.0,
            0.0,
            2.0,
            0.5,
            1.0,
        ];
        for (at, (number, expected)) in numbers.iter().zip(expected).enumerate() {
            assert!((f64::from(*number) - expected).abs() < 1e-6, "{at}: {number}, {expected}");
        }
    }

    #[test]
    fn unknown_values_are_the_mean_of_training_and_strange_ones_are_told() {
        let mut spec = ObservationSpec::default();
        spec.inputs.truncate(2);
        spec.inputs[0] =
            InputSpec { mean: 0.5, min: -1.0, max: 1.5, center: 0.5, scale: 2.0, ..spec.inputs[0] };
        let mut numbers = Vec::new();
        let encoding = spec.encode(&seen(), &mut numbers);
        assert_eq!((encoding, numbers[0]), (Encoding { replaced: 0, outside: 1 }, 0.5));
        numbers.clear();
        let encoding = spec.encode(&Observation { scale: None, ..seen() }, &mut numbers);
        assert_eq!((encoding, numbers[0]), (Encoding { replaced: 1, outside: 0 }, 0.0));
    }

    #[test]
    fn a_forecast_says_nothing_of_hours_that_it_lacks() {
        let hours = [300.0, 100.0, 200.0, 200.0, 200.0, 200.0, 50.0];
        let forecast = SteppedForecast::new(NOW, Span::HOUR, hours.map(|hour| (hour, 0.0)));
        let summary = ForecastSummary::of(&forecast, NOW);
        assert_eq!((summary.min_6h, summary.mean_6h), (Some(100.0), Some(200.0)));
        assert_eq!((summary.min_24h, summary.mean_24h), (None, None));
    }

    #[test]
    fn a_specification_that_can_not_be_used_is_refused() {
        let with = |change: fn(&mut ObservationSpec)| {
            let mut spec = ObservationSpec::default();
            change(&mut spec);
            spec.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert!(with(|spec| spec.version = 2).unwrap_err().contains("version 2"));
        assert!(with(|spec| spec.inputs.clear()).is_err());
        assert!(with(|spec| spec.inputs[1] = spec.inputs[0]).unwrap_err().contains("twice"));
        assert!(with(|spec| spec.inputs[0].scale = 0.0).is_err());
        assert!(with(|spec| spec.inputs[0].center = f64::NAN).is_err());
        assert!(with(|spec| spec.inputs[0].mean = f64::NAN).is_err());
        assert!(with(|spec| spec.inputs[0].max = f64::INFINITY).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_seen_a_network_is_given_finite_numbers(
            intensity in 0.0..10_000.0f64,
            base in 0.0..10_000.0f64,
            spread in 1.0..1_000.0f64,
            power in prop::num::f64::ANY,
            hour in 0.0..24.0f64,
        ) {
            let seen = Observation {
                intensity: GramsPerKwh::saturating(intensity),
                base: GramsPerKwh::saturating(base),
                scale: Some(ZoneScale { mean: intensity, spread }),
                power_ratio: Some(power),
                local_hour: hour,
                ..seen()
            };
            let mut numbers = Vec::new();
            ObservationSpec::default().encode(&seen, &mut numbers);
            prop_assert!(numbers.iter().all(|number| number.is_finite()));
        }
    }
}
