//! From zones and ranges to models whose intervals are calibrated on data that they have not seen.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::Features;
use carbon_kube_policies::forecast::chain::Model;

use super::ZoneHours;
use super::issues::calibrate;
use super::ridge::{PENALTY, Ridge, TrainError};

/// A range of target hours, `[from, to)`.
pub type Hours = (Time, Time);

/// What to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// The zone.
    pub zone: &'a ZoneHours,
    /// Hours to learn.
    pub training: Hours,
    /// Hours for the quantiles of the error, none of which is in `training`. `None` keeps the last
    /// quarter of `training` for a model of the rest, and takes its quantiles.
    pub validation: Option<Hours>,
}

/// A regression that can learn on, and the model of what it knows.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// What was learned.
    pub ridge: Ridge,
    /// The model, with its intervals.
    pub model: Model,
}

/// A model of one zone.
///
/// # Errors
///
/// [`TrainError`] where there is too little to learn from, or nothing above zero.
pub fn zone(split: &Split<'_>, features: Features) -> Result<Fitted, TrainError> {
    let (from, to) = split.training;
    let level = split.zone.mean(from, to).filter(|&mean| mean > 0.0);
    let no_level = || TrainError::NoLevel { zone: split.zone.zone.to_string(), from, to };
    fit(&[*split], features, Some(level.ok_or_else(no_level)?))
}

/// The model of any zone, from many.
///
/// # Errors
///
/// As [`zone`].
pub fn general(splits: &[Split<'_>]) -> Result<Fitted, TrainError> {
    fit(splits, Features::GENERAL, None)
}

fn fit(splits: &[Split<'_>], features: Features, level: Option<f64>) -> Result<Fitted, TrainError> {
    let mut seen = Ridge::new(features, level);
    let mut held_back = Vec::new();
    for split in splits {
        let (training, validation) = parts(split);
        seen.learn(split.zone, training.0, training.1);
        held_back.push((split.zone, validation.0, validation.1));
    }
    let calibrated = calibrate(&seen.model(PENALTY)?, &held_back)?;
    let mut ridge = seen;
    for (split, &(zone, from, to)) in splits.iter().zip(&held_back) {
        if split.validation.is_none() {
            ridge.learn(zone, from, to);
        }
    }
    let model = with_errors_of(&ridge.model(PENALTY)?, &calibrated)?;
    Ok(Fitted { ridge, model })
}

/// What is learned first, and what the quantiles are taken from.
fn parts(split: &Split<'_>) -> (Hours, Hours) {
    let (from, to) = split.training;
    match split.validation {
        Some(validation) => (split.training, validation),
        None => {
            let quarter = Span::from_millis((to - from).millis() / 4);
            let middle = (to - quarter).floor(Span::HOUR);
            ((from, middle), (middle, to))
        }
    }
}

/// The model with the errors of another one of the same inputs.
///
/// # Errors
///
/// [`TrainError::Linear`] where the inputs differ.
pub fn with_errors_of(model: &Model, calibrated: &Model) -> Result<Model, TrainError> {
    let linear = carbon_kube_policies::forecast::Linear::new(
        *model.linear.features(),
        model.linear.weights().to_vec(),
        model.linear.constants().to_vec(),
        calibrated.linear.errors().to_vec(),
    )?;
    Ok(Model { linear, ..*model })
}
