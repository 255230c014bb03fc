//! From zones and ranges to models whose intervals are calibrated on data that they have not seen.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::Features;
use carbon_kube_policies::forecast::chain::Model;

use super::ZoneHours;
use super::issues::calibrate;
use super::ridge::{PENALTY, Ridge, TrainError};
use super::stack::{self, Learners};

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
pub fn zone(
    split: &Split<'_>,
    features: Features,
    learners: Learners,
) -> Result<Fitted, TrainError> {
    let (from, to) = split.training;
    let level = split.zone.mean(from, to).filter(|&mean| mean > 0.0);
    let no_level = || TrainError::NoLevel { zone: split.zone.zone.to_string(), from, to };
    fit(&[*split], features, Some(level.ok_or_else(no_level)?), learners)
}

/// The model of any zone, from many.
///
/// # Errors
///
/// As [`zone`].
pub fn general(splits: &[Split<'_>]) -> Result<Fitted, TrainError> {
    fit(splits, Features::GENERAL, None, Learners::default())
}

fn fit(
    splits: &[Split<'_>],
    features: Features,
    level: Option<f64>,
    learners: Learners,
) -> Result<Fitted, TrainError> {
    let mut ridge = Ridge::new(features, level);
    let of_part = |part: fn((Hours, Hours)) -> Hours| -> Vec<(&ZoneHours, Hours)> {
        splits.iter().map(|split| (split.zone, part(parts(split)))).collect()
    };
    let (seen, held_back) = (of_part(|(seen, _)| seen), of_part(|(_, held_back)| held_back));
    for &(zone, (from, to)) in &seen {
        ridge.learn(zone, from, to);
    }
    let line = ridge.model(PENALTY)?;
    let learned = stack::learn(&line, &seen, learners)?;
    let corrections = stack::with_shares(&line, learned, &held_back);
    let calibrated = calibrate(&Model { corrections, ..line }, &held_back)?;
    for (split, &(zone, (from, to))) in splits.iter().zip(&held_back) {
        if split.validation.is_none() {
            ridge.learn(zone, from, to);
        }
    }
    let model = with_line_of(&ridge.model(PENALTY)?, &calibrated)?;
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

/// The model with another line of the same inputs, that has learned more; corrections and errors
/// stay.
///
/// # Errors
///
/// [`TrainError::Linear`] where the inputs differ.
pub fn with_line_of(line: &Model, model: &Model) -> Result<Model, TrainError> {
    let linear = line.linear.clone().with_errors(model.linear.errors().to_vec())?;
    Ok(Model { linear, corrections: model.corrections.clone(), level: line.level })
}
