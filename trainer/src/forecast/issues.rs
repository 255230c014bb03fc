//! A forecast per hour, each from its own past: what every judgement starts from.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::chain::{Model, Origin};
use carbon_kube_policies::forecast::{Forecast, Forecaster, HORIZON_HOURS, PROBABILITIES};
use rayon::prelude::*;

use super::ZoneHours;
use super::fit::{Fitted, Hours, with_line_of};
use super::ridge::{PENALTY, TrainError};

/// The forecasts that were issued at the hours of a range.
#[derive(Clone, Debug)]
pub struct Issues<'a> {
    /// The truth that they are held against.
    pub zone: &'a ZoneHours,
    /// Instant of issue and forecast, by instant; an hour without any past has none.
    pub forecasts: Vec<(Time, Forecast)>,
}

impl<'a> Issues<'a> {
    /// What `forecaster` says at each hour of `[from, to)`. Weather and mix are the
    /// zone's.
    #[must_use]
    pub fn of(forecaster: &Forecaster, zone: &'a ZoneHours, from: Time, to: Time) -> Self {
        let mut forecaster = forecaster.clone();
        if let Some(weather) = &zone.weather {
            forecaster.weather.insert(zone.zone.clone(), weather.clone());
        }
        if let Some(mix) = &zone.mix {
            forecaster.mix.insert(zone.zone.clone(), mix.clone());
        }
        let hours: Vec<Time> = zone.hours(from, to).collect();
        let issue = |&now: &Time| Some((now, forecaster.forecast(&zone.zone, &zone.past(now))?));
        Self { zone, forecasts: hours.par_iter().filter_map(issue).collect() }
    }

    /// The same by a model that learns on: every `refit` it is fitted again to all hours before, and
    /// to nothing later.
    ///
    /// # Errors
    ///
    /// [`TrainError`] of the first fit.
    pub fn refitted(
        fitted: &Fitted,
        zone: &'a ZoneHours,
        from: Time,
        to: Time,
        refit: Span,
    ) -> Result<Self, TrainError> {
        let mut ridge = fitted.ridge.clone();
        let mut forecasts = Vec::new();
        let mut start = from;
        while start < to.min(zone.end()) {
            let end = (start + refit).min(to);
            let model = with_line_of(&ridge.model(PENALTY)?, &fitted.model)?;
            let forecaster = alone(zone, model);
            forecasts.extend(Self::of(&forecaster, zone, start, end).forecasts);
            ridge.learn(zone, start, end);
            start = end;
        }
        Ok(Self { zone, forecasts })
    }

    /// Truth and expectation of one hour ahead, of every issue that a model made.
    pub fn pairs(&self, ahead: usize) -> impl Iterator<Item = Pair<'_>> + '_ {
        self.forecasts.iter().filter_map(move |(_, forecast)| {
            let expected = forecast.hours.get(ahead)?;
            Some(Pair { truth: self.zone.value(expected.start)?, expected })
        })
    }
}

/// What was, and what had been expected.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// In g/kWh.
    pub truth: f64,
    /// The forecast of that hour.
    pub expected: &'a carbon_kube_policies::forecast::Expected,
}

/// A forecaster of one zone with one model.
#[must_use]
pub fn alone(zone: &ZoneHours, model: Model) -> Forecaster {
    let mut forecaster = Forecaster::default();
    forecaster.zones.insert(zone.zone.clone(), vec![model]);
    forecaster
}

/// The model with the quantiles of its error in `[from, to)` of these zones, which it must not
/// have been trained on (split conformal prediction: Vovk et al. 2005, per hour ahead).
///
/// # Errors
///
/// [`TrainError::TooFew`] where there is too little to tell a quantile.
pub fn calibrate(model: &Model, zones: &[(&ZoneHours, Hours)]) -> Result<Model, TrainError> {
    let mut by_ahead: Vec<Vec<f64>> = vec![Vec::new(); HORIZON_HOURS];
    for &(zone, (from, to)) in zones {
        let issues = Issues::of(&alone(zone, model.clone()), zone, from, to);
        for (now, forecast) in &issues.forecasts {
            let mean_hours = model.linear.features().mean_hours;
            let level = model.level.or_else(|| zone.past(*now).mean(mean_hours));
            let Some(level) = level.filter(|&level| level > 0.0) else { continue };
            for (errors, expected) in by_ahead.iter_mut().zip(&forecast.hours[1..]) {
                let by_model = expected.origin != Origin::TypicalHour;
                if let Some(truth) = zone.value(expected.start).filter(|_| by_model) {
                    errors.push((truth - expected.value) / f64::from(level));
                }
            }
        }
    }
    let mut errors = Vec::with_capacity(HORIZON_HOURS * PROBABILITIES.len());
    for (at, ahead) in by_ahead.iter_mut().enumerate() {
        if ahead.len() < 24 * 14 {
            return Err(TrainError::TooFew { ahead: at + 1, found: ahead.len() as f64 });
        }
        ahead.sort_by(f64::total_cmp);
        errors.extend(PROBABILITIES.map(|probability| quantile(ahead, probability) as f32));
    }
    let linear = model.linear.clone().with_errors(errors)?;
    Ok(Model { linear, ..model.clone() })
}

/// The quantile of sorted values, linear between two of them.
pub(super) fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let at = probability * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
