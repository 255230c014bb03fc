//! What a linear model is told for one hour ahead: names, order and scale of its inputs.
//!
//! ```text
//!  of the origin    the last `lags` hours | mean of `meanHours` | weather now, mean of a day and of a week | mix
//!  of the target    the same local hour of the last `days` days | hour, weekday, season | weather around it | mix
//! ```
//!
//! Intensities are divided by a *level*, the mean of the zone, so that one model can serve zones of
//! any level. The order is part of the forecast file, version 1: change it, and old files lie.

use std::f64::consts::TAU;

use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, LocalHour};
use super::mix::SHARES;
use super::weather::QUANTITIES;
use super::{Mix, PAST_HOURS, Past, Weather};

/// Which inputs a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Features {
    /// The last so many hours, the one in progress first; 1 to 168.
    pub lags: usize,
    /// The same hour of the last so many days that are known; 1 to 7.
    pub days: usize,
    /// The mean of the last so many hours; 1 to 168.
    pub mean_hours: usize,
    /// The season, and how it changes the day: for a model that has seen a year.
    pub season: bool,
    /// The weather that is forecast.
    pub weather: bool,
    /// What electricity was made from: now, a day before, and at the same hour of the last day and
    /// a week before the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mix: bool,
}

/// What a model is told beside the past intensity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Weather, as it was forecast.
    pub weather: Option<&'a Weather>,
    /// The generation mix; hours after now are not looked at.
    pub mix: Option<&'a Mix>,
}

/// Hours before and after the target whose weather is told beside its own. Clouds and fronts that
/// come early or late are the errors that a weather forecast has most.
const WEATHER_AROUND: [i64; 5] = [0, -3, 3, 6, -6];

/// Rows of weather: around the target, a day before it, now, and two means.
const WEATHER_ROWS: usize = WEATHER_AROUND.len() + 4;

/// Hours of the two means of the weather.
const WEATHER_MEANS: [usize; 2] = [24, 168];

/// Each hour of the day, of all days and of weekends; weekend, sine and cosine of the weekday.
const CALENDAR: usize = 2 * 24 + 3;

/// Sine and cosine of the year, alone and times the first two harmonics of the day.
const SEASON: usize = 2 + 8;

impl Features {
    /// A model of one zone.
    pub const ZONE: Self =
        Self { lags: 24, days: 7, mean_hours: 168, season: true, weather: false, mix: false };

    /// A model of one zone with a weather forecast.
    pub const ZONE_WITH_WEATHER: Self = Self { weather: true, ..Self::ZONE };

    /// The model of any zone: two days of history are enough for it.
    pub const GENERAL: Self =
        Self { lags: 24, days: 2, mean_hours: 48, season: false, weather: false, mix: false };

    /// Inputs per hour ahead.
    #[must_use]
    pub fn count(&self) -> usize {
        let season = if self.season { SEASON } else { 0 };
        let weather = if self.weather { WEATHER_ROWS * QUANTITIES } else { 0 };
        let mix = if self.mix { 4 * SHARES } else { 0 };
        self.lags + 1 + self.days + CALENDAR + season + weather + mix
    }

    /// Whether the numbers are in the ranges that they state.
    #[must_use]
    pub fn are_valid(&self) -> bool {
        let hours = 1..=168;
        hours.contains(&self.lags)
            && hours.contains(&self.mean_hours)
            && (1..=7).contains(&self.days)
    }

    /// Writes the inputs that are the same for each hour ahead to the front of `inputs`, which has
    /// [`Self::count`] places. `None` where the past or the weather does not say enough.
    pub fn origin(
        &self,
        past: &Past,
        level: f32,
        beside: Beside<'_>,
        inputs: &mut [f32],
    ) -> Option<()> {
        let mut inputs = Writer { inputs, at: 0 };
        for ago in 0..self.lags {
            inputs.write(past.ago(ago)? / level);
        }
        inputs.write(past.mean(self.mean_hours)? / level);
        if self.weather {
            let weather = beside.weather?;
            inputs.write_all(weather.at(past.now())?);
            for hours in WEATHER_MEANS {
                inputs.write_all(&weather.mean(past.now(), hours)?);
            }
        }
        if self.mix {
            let mix = beside.mix?;
            inputs.write_all(mix.at(past.now())?);
            inputs.write_all(mix.at(past.now() - Span::DAY)?);
        }
        Some(())
    }

    /// Writes the inputs of the hour `ahead` (1 or more) behind those of the origin. `None` where
    /// the past or the weather does not say enough.
    pub fn target(
        &self,
        past: &Past,
        level: f32,
        calendar: &Calendar,
        beside: Beside<'_>,
        ahead: usize,
        inputs: &mut [f32],
    ) -> Option<()> {
        let mut inputs = Writer { inputs, at: self.origin_count() };
        let target = past.now() + Span::HOUR * ahead as i64;
        let latest = (24 - ahead % 24) % 24;
        for day in 0..self.days {
            inputs.write(past.ago(latest + 24 * day)? / level);
        }
        let local = calendar.at(target);
        write_calendar(local, &mut inputs);
        if self.season {
            write_season(target, local, &mut inputs);
        }
        if self.weather {
            let weather = beside.weather?;
            // The target's own weather must be known; beyond it the last known hour will do.
            weather.at(target)?;
            for hours in WEATHER_AROUND {
                inputs.write_all(weather.at_or_last(target + Span::HOUR * hours)?);
            }
            inputs.write_all(weather.at(target - Span::DAY)?);
        }
        if self.mix {
            let mix = beside.mix?;
            inputs.write_all(mix.at(past.now() - Span::HOUR * latest as i64)?);
            inputs.write_all(mix.at(target - Span::DAY * 7)?);
        }
        Some(())
    }

    /// Where the calendar and the season are among the inputs.
    pub(super) fn calendar(&self) -> std::ops::Range<usize> {
        let start = self.origin_count() + self.days;
        start..start + CALENDAR + if self.season { SEASON } else { 0 }
    }

    fn origin_count(&self) -> usize {
        self.lags + 1 + self.weather_of_origin() + self.mix_of_origin()
    }
}

impl Features {
    fn weather_of_origin(&self) -> usize {
        if self.weather { (1 + WEATHER_MEANS.len()) * QUANTITIES } else { 0 }
    }

    fn mix_of_origin(&self) -> usize {
        if self.mix { 2 * SHARES } else { 0 }
    }
}

/// The past of a model never reaches further back than what it is given.
const _: () = assert!(PAST_HOURS >= 24 + 24 * 7);

struct Writer<'a> {
    inputs: &'a mut [f32],
    at: usize,
}

impl Writer<'_> {
    fn write(&mut self, value: f32) {
        self.inputs[self.at] = value;
        self.at += 1;
    }

    fn write_all(&mut self, values: &[f32]) {
        self.inputs[self.at..self.at + values.len()].copy_from_slice(values);
        self.at += values.len();
    }
}

fn write_calendar(local: LocalHour, inputs: &mut Writer<'_>) {
    let weekend = f32::from(u8::from(local.is_weekend()));
    let mut hours = [0.0; 48];
    hours[local.hour] = 1.0;
    hours[24 + local.hour] = weekend;
    inputs.write_all(&hours);
    let angle = TAU * local.weekday as f64 / 7.0;
    inputs.write_all(&[angle.sin() as f32, angle.cos() as f32, weekend]);
}

fn write_season(target: Time, local: LocalHour, inputs: &mut Writer<'_>) {
    let year = TAU * (target - Time::from_millis(0)).hours() / (365.2425 * 24.0);
    let (sin, cos) = (year.sin() as f32, year.cos() as f32);
    inputs.write_all(&[sin, cos]);
    for harmonic in 1..=2 {
        let day = TAU * (harmonic * local.hour) as f64 / 24.0;
        let (a, b) = (day.sin() as f32, day.cos() as f32);
        inputs.write_all(&[sin * a, sin * b, cos * a, cos * b]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_kube_core::zone::Clock;

    #[test]
    fn every_place_is_written_and_the_same_hour_of_a_day_is_the_nearest_that_is_known() {
        // The value of an hour is how long ago it was.
        let now = Time::from_millis(0) + Span::DAY * 100;
        let hours = (0..PAST_HOURS).rev().map(|ago| Some(ago as f64));
        let past = Past::new(now, hours);
        let weather = Weather::new(now - Span::DAY * 8, vec![[Some(5.0); 3]; 24 * 12]);
        let mix = Mix::new(now - Span::DAY * 8, vec![Some([1.0; 11]); 24 * 8 + 1]);
        let beside = Beside { weather: Some(&weather), mix: Some(&mix) };
        let calendar = Calendar::new(&Clock::UTC, now, now + Span::DAY * 4);
        let all = Features { mix: true, ..Features::ZONE_WITH_WEATHER };
        for features in [Features::ZONE, Features::ZONE_WITH_WEATHER, Features::GENERAL, all] {
            let mut inputs = vec![f32::NAN; features.count()];
            features.origin(&past, 1.0, beside, &mut inputs).unwrap();
            for (ahead, ago) in [(1, 23.0), (23, 1.0), (24, 0.0), (25, 23.0), (72, 0.0)] {
                features.target(&past, 1.0, &calendar, beside, ahead, &mut inputs).unwrap();
                assert!(inputs.iter().all(|value| value.is_finite()), "{features:?}");
                assert!((inputs[features.origin_count()] - ago).abs() < 1e-6, "{ahead}");
            }
        }
        assert!(
            Features::ZONE_WITH_WEATHER
                .origin(&past, 1.0, Beside::default(), &mut [0.0; 200])
                .is_none()
        );
    }
}
