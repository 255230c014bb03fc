//! A forecast of the next four days: each hour by the best model that has what it needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use carbon_kube_core::forecast::History;
use carbon_kube_core::forecaster::{self, SteppedForecast};
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};

use super::calendar::{Calendar, LocalHour};
use super::features::Beside;
use super::typical_hour::{local_hour, typical_hours};
use super::{
    Correction, Features, HORIZON_HOURS, Linear, Mix, Nowcast, PROBABILITIES, Past, Weather,
    nowcast,
};

/// Who made the forecast of an hour, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The value in force: the hour in progress.
    Known,
    /// The zone's own model of the next steps.
    Nowcast,
    /// The zone's own model that is told the generation mix, with or without weather.
    ZoneWithMix,
    /// The zone's own model, with a weather forecast.
    ZoneWithWeather,
    /// The zone's own model.
    Zone,
    /// The model of any zone.
    General,
    /// The mean of that hour of the day in what is known of the past.
    TypicalHour,
}

/// What is expected of one hour, in g/kWh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Start of the hour.
    pub start: Time,
    /// Mean.
    pub value: f64,
    /// Quantiles by [`PROBABILITIES`].
    pub quantiles: [f64; PROBABILITIES.len()],
    /// Who says so.
    pub origin: Origin,
}

/// A forecast from the hour in progress to the end of the horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// By hour; never empty.
    pub hours: Vec<Expected>,
}

/// A model of the chain, with the level that its inputs are divided by.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// A line per hour ahead, and the quantiles of the whole model's error.
    pub linear: Linear,
    /// What is added to it.
    pub corrections: Vec<Correction>,
    /// Mean of the zone in training, in g/kWh; `None` takes that of the last `meanHours`.
    pub level: Option<f32>,
}

/// Models by zone, a general one, and the weather they need.
#[derive(Clone, Debug, Default)]
pub struct Forecaster {
    /// A zone's own models, in the order of the chain.
    pub zones: BTreeMap<Zone, Vec<Model>>,
    /// The model of any zone.
    pub general: Option<Model>,
    /// Weather forecasts by zone.
    pub weather: BTreeMap<Zone, Arc<Weather>>,
    /// Generation mixes by zone.
    pub mix: BTreeMap<Zone, Arc<Mix>>,
    /// Models of the next steps, of zones whose grid has steps within an hour.
    pub nowcasts: BTreeMap<Zone, Nowcast>,
}

impl Model {
    /// A line alone.
    #[must_use]
    pub fn of(linear: Linear, level: Option<f32>) -> Self {
        Self { linear, corrections: Vec::new(), level }
    }

    /// The expected value of the hour `ahead`, which is `local` on the zone's clock, in parts of the
    /// level. `scratch` is room that is used again.
    #[must_use]
    pub fn expected(
        &self,
        ahead: usize,
        local: LocalHour,
        inputs: &[f32],
        scratch: &mut Vec<f32>,
    ) -> f32 {
        let line = self.linear.expected(ahead, inputs);
        if self.corrections.is_empty() {
            return line;
        }
        Correction::inputs(self.linear.features(), inputs, line, ahead, local, scratch);
        let added: f32 = self.corrections.iter().map(|one| one.expected(ahead, scratch)).sum();
        line + added
    }
}

impl Origin {
    /// A zone's own model of these inputs.
    fn of(features: &Features) -> Self {
        match (features.mix, features.weather) {
            (true, _) => Self::ZoneWithMix,
            (false, true) => Self::ZoneWithWeather,
            (false, false) => Self::Zone,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "known",
            Self::Nowcast => "nowcast",
            Self::ZoneWithMix => "zone-with-mix",
            Self::ZoneWithWeather => "zone-with-weather",
            Self::Zone => "zone",
            Self::General => "general",
            Self::TypicalHour => "typical-hour",
        })
    }
}

impl Forecaster {
    /// The forecast of `zone` by somebody who knows `past`; `None` where nothing is known of it.
    #[must_use]
    pub fn forecast(&self, zone: &Zone, past: &Past) -> Option<Forecast> {
        let now = past.now();
        let calendar = Calendar::new(
            &zone.clock(),
            now - Span::HOUR * super::PAST_HOURS as i64,
            now + Span::HOUR * HORIZON_HOURS as i64,
        );
        let beside = Beside {
            weather: self.weather.get(zone).map(Arc::as_ref),
            mix: self.mix.get(zone).map(Arc::as_ref),
        };
        let own = self.zones.get(zone).into_iter().flatten();
        let own = own.map(|model| (Origin::of(model.linear.features()), model));
        let mut chain: Vec<Ready<'_>> = own
            .chain(self.general.as_ref().map(|model| (Origin::General, model)))
            .filter_map(|(origin, model)| Ready::new(origin, model, past, beside))
            .collect();
        let typical = typical_hours(past, &calendar)?;
        let hours = (1..=HORIZON_HOURS).map(|ahead| {
            let by_model =
                chain.iter_mut().find_map(|model| model.expected(past, &calendar, beside, ahead));
            by_model.unwrap_or_else(|| {
                let start = now + Span::HOUR * ahead as i64;
                let typical = typical[local_hour(&calendar, start)];
                let [low, mean, high] = [typical.low, typical.mean, typical.high].map(f64::from);
                let quantiles = [low, low, mean, mean, mean, high, high];
                Expected { start, value: mean, quantiles, origin: Origin::TypicalHour }
            })
        });
        // The hour in progress is in force; where its value is not believed, it is typical.
        let current = past.ago(0).unwrap_or(typical[local_hour(&calendar, now)].mean);
        let origin = past.ago(0).map_or(Origin::TypicalHour, |_| Origin::Known);
        let value = f64::from(current);
        let known = Expected { start: now, value, quantiles: [value; PROBABILITIES.len()], origin };
        Some(Forecast { hours: std::iter::once(known).chain(hours).collect() })
    }
}

/// A model with the inputs that are the same for each hour ahead.
struct Ready<'a> {
    origin: Origin,
    model: &'a Model,
    level: f32,
    inputs: Vec<f32>,
    /// Room for the inputs of corrections.
    of_corrections: Vec<f32>,
}

impl<'a> Ready<'a> {
    fn new(origin: Origin, model: &'a Model, past: &Past, beside: Beside<'_>) -> Option<Self> {
        let features = model.linear.features();
        let level = model.level.or_else(|| past.mean(features.mean_hours))?;
        // A grid without any emissions has no shape to tell.
        let level = (level > 0.0).then_some(level)?;
        let mut inputs = vec![0.0; features.count()];
        features.origin(past, level, beside, &mut inputs)?;
        Some(Self { origin, model, level, inputs, of_corrections: Vec::new() })
    }

    fn expected(
        &mut self,
        past: &Past,
        calendar: &Calendar,
        beside: Beside<'_>,
        ahead: usize,
    ) -> Option<Expected> {
        let Self { origin, model, level, inputs, of_corrections } = self;
        model.linear.features().target(past, *level, calendar, beside, ahead, inputs)?;
        let start = past.now() + Span::HOUR * ahead as i64;
        let value = model.expected(ahead, calendar.at(start), inputs, of_corrections);
        let grams = |relative: f32| within_a_grid(f64::from(relative * *level));
        let mut quantiles = [0.0; PROBABILITIES.len()];
        for (quantile, error) in quantiles.iter_mut().zip(model.linear.error(ahead)) {
            *quantile = grams(value + error);
        }
        Some(Expected { start, value: grams(value), quantiles, origin: *origin })
    }
}

/// What a grid can have: a line goes on below zero, an intensity does not.
fn within_a_grid(grams: f64) -> f64 {
    GramsPerKwh::saturating(grams).get()
}

impl Forecast {
    /// The least of the chain that any hour had to fall back to.
    #[must_use]
    pub fn weakest(&self) -> Origin {
        self.hours.iter().map(|hour| hour.origin).max().unwrap_or(Origin::TypicalHour)
    }

    /// The forecast as a policy sees it; the interval is that of 80 %.
    #[must_use]
    pub fn outlook(&self) -> SteppedForecast {
        let start = self.hours.first().map_or(Time::from_millis(0), |hour| hour.start);
        let hours = self.hours.iter().map(|hour| (hour.value, hour.high() - hour.low()));
        SteppedForecast::new(start, Span::HOUR, hours)
    }
}

impl Expected {
    /// Low end of the 80 % interval.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.quantiles[1]
    }

    /// High end of the 80 % interval.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.quantiles[PROBABILITIES.len() - 2]
    }
}

impl forecaster::Forecaster for Forecaster {
    fn issue(&self, zone: &Zone, past: &History<'_>) -> Option<SteppedForecast> {
        let hourly = self.forecast(zone, &Past::of(past))?;
        Some(match self.nowcasts.get(zone) {
            Some(nowcast) => {
                nowcast::outlook(nowcast.step(), &hourly, &nowcast.forecast(past, &hourly))
            }
            None => hourly.outlook(),
        })
    }
}
