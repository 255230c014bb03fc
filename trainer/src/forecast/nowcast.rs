//! Training of nowcasts: the next three hours step by step, on top of an hourly forecast.

use carbon_kube_core::forecast::History;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Span, Time};
use carbon_kube_policies::forecast::nowcast::{INPUTS, Nowcast, steps};
use carbon_kube_policies::forecast::{Forecaster, PROBABILITIES, Past};
use rayon::prelude::*;
use serde::Serialize;

use super::fit::Hours;
use super::issues::quantile;
use super::normal_equations::{Line, NormalEquations};
use super::ridge::{PENALTY, TrainError};

/// Origins whose examples are in memory at a time.
const BLOCK: usize = 4_096;

/// Fewest examples of a step ahead: two weeks of five minutes.
const FEWEST: usize = 4_032;

/// How far a nowcast is off, by step ahead.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepErrors {
    /// Minutes ahead.
    pub ahead_minutes: i64,
    /// Mean absolute error of the nowcast, in g/kWh.
    pub nowcast_grams_per_kwh: f64,
    /// Of the hourly forecast alone.
    pub hourly_grams_per_kwh: f64,
    /// Of the value in force at the origin.
    pub latest_grams_per_kwh: f64,
}

/// One step ahead of one origin.
struct Example {
    inputs: [f32; INPUTS],
    truth: f64,
    hourly: f64,
    latest: f64,
}

/// A nowcast that is trained on the steps of `training`, with the errors of `validation`, on top of
/// `forecaster`; its origins are every step.
///
/// # Errors
///
/// [`TrainError`] where there is too little to learn from, or nothing above zero.
pub fn fit(
    series: &IntensitySeries,
    forecaster: &Forecaster,
    training: Hours,
    validation: Hours,
) -> Result<Nowcast, TrainError> {
    let step = series.step();
    let (from, to) = training;
    let no_level = || TrainError::NoLevel { zone: series.label().zone.to_string(), from, to };
    let level = mean(series, training).filter(|&mean| mean > 0.0).ok_or_else(no_level)? as f32;
    let mut equations = vec![NormalEquations::new(INPUTS); steps(step)];
    each_block(series, forecaster, level, training, |examples| {
        equations.par_iter_mut().enumerate().for_each(|(at, equations)| {
            for one in examples.iter().filter_map(|origin| origin.get(at)) {
                equations.add(&one.inputs, one.truth / f64::from(level));
            }
        });
    });
    if let Some(at) = equations.iter().position(|one| one.count() < FEWEST as f64) {
        let found = equations[at].count();
        return Err(TrainError::TooFew { ahead: at + 1, found });
    }
    let lines: Vec<Line> = equations.iter().map(|one| one.solve(PENALTY)).collect();
    let weights: Vec<f32> =
        lines.iter().flat_map(|line| &line.weights).map(|w| *w as f32).collect();
    let constants: Vec<f32> = lines.iter().map(|line| line.constant as f32).collect();
    let errors = vec![0.0; steps(step) * PROBABILITIES.len()];
    let plain = Nowcast::new(step, level, weights.clone(), constants.clone(), errors)?;
    let errors = quantiles(series, forecaster, &plain, validation)?;
    Ok(Nowcast::new(step, level, weights, constants, errors)?)
}

/// Errors in a range, by step ahead.
#[must_use]
pub fn errors(
    series: &IntensitySeries,
    forecaster: &Forecaster,
    nowcast: &Nowcast,
    range: Hours,
) -> Vec<StepErrors> {
    let mut sums = vec![[0.0f64; 4]; steps(nowcast.step())];
    each_block(series, forecaster, nowcast.level(), range, |examples| {
        for origin in examples {
            for (at, one) in origin.iter().enumerate() {
                let of_nowcast = told(nowcast, at, &one.inputs);
                let errors = [of_nowcast, one.hourly, one.latest].map(|value| value - one.truth);
                sums[at].iter_mut().zip(errors).for_each(|(sum, error)| *sum += error.abs());
                sums[at][3] += 1.0;
            }
        }
    });
    let row = |(at, [nowcasted, hourly, latest, count]): (usize, [f64; 4])| StepErrors {
        ahead_minutes: (nowcast.step() * (at as i64 + 1)).millis() / Span::MINUTE.millis(),
        nowcast_grams_per_kwh: nowcasted / count.max(1.0),
        hourly_grams_per_kwh: hourly / count.max(1.0),
        latest_grams_per_kwh: latest / count.max(1.0),
    };
    sums.into_iter().enumerate().map(row).collect()
}

/// What the nowcast says of a step, in g/kWh.
fn told(nowcast: &Nowcast, at: usize, inputs: &[f32; INPUTS]) -> f64 {
    f64::from(nowcast.expected(at + 1, inputs) * nowcast.level()).max(0.0)
}

/// Quantiles of the error by step ahead, then by probability, in parts of the level.
fn quantiles(
    series: &IntensitySeries,
    forecaster: &Forecaster,
    nowcast: &Nowcast,
    range: Hours,
) -> Result<Vec<f32>, TrainError> {
    let mut missed: Vec<Vec<f64>> = vec![Vec::new(); steps(nowcast.step())];
    each_block(series, forecaster, nowcast.level(), range, |examples| {
        for origin in examples {
            for ((at, one), missed) in origin.iter().enumerate().zip(&mut missed) {
                let error = one.truth - told(nowcast, at, &one.inputs);
                missed.push(error / f64::from(nowcast.level()));
            }
        }
    });
    let mut quantiles = Vec::with_capacity(missed.len() * PROBABILITIES.len());
    for (at, ahead) in missed.iter_mut().enumerate() {
        if ahead.len() < FEWEST {
            return Err(TrainError::TooFew { ahead: at + 1, found: ahead.len() as f64 });
        }
        ahead.sort_by(f64::total_cmp);
        quantiles.extend(PROBABILITIES.map(|probability| quantile(ahead, probability) as f32));
    }
    Ok(quantiles)
}

/// Calls `each` with the examples of the origins in a range, a block at a time.
fn each_block(
    series: &IntensitySeries,
    forecaster: &Forecaster,
    level: f32,
    (from, to): Hours,
    mut each: impl FnMut(&[Vec<Example>]),
) {
    let step = series.step();
    let first = from.max(series.start()).ceil(step);
    let count = ((to.min(series.end()) - first).millis() / step.millis()).max(0);
    let origins: Vec<Time> = (0..count).map(|at| first + step * at).collect();
    for block in origins.chunks(BLOCK) {
        let of_origin = |&origin: &Time| examples(series, forecaster, level, origin, to);
        let examples: Vec<Vec<Example>> = block.par_iter().map(of_origin).collect();
        each(&examples);
    }
}

/// The steps ahead of an origin up to the first that is not known, or not before `to`.
fn examples(
    series: &IntensitySeries,
    forecaster: &Forecaster,
    level: f32,
    origin: Time,
    to: Time,
) -> Vec<Example> {
    let step = series.step();
    let history = History::new(series, origin);
    let hourly = forecaster.forecast(&series.label().zone, &Past::of(&history));
    let Some((hourly, latest)) = hourly.zip(history.latest()) else { return Vec::new() };
    let example = |ahead: usize| {
        let target = origin + step * ahead as i64;
        let truth = series.at(target).ok().filter(|_| target < to)?.get();
        let inputs = Nowcast::inputs(step, level, &history, &hourly, ahead)?;
        let hour = (target - hourly.hours.first()?.start).hours() as usize;
        let hourly = hourly.hours.get(hour)?.value;
        Some(Example { inputs, truth, hourly, latest: latest.get() })
    };
    (1..=steps(step)).map_while(example).collect()
}

fn mean(series: &IntensitySeries, (from, to): Hours) -> Option<f64> {
    let known: Vec<f64> = series
        .steps()
        .filter(|(at, _)| (from..to).contains(at))
        .filter_map(|(_, value)| value.map(GramsPerKwh::get))
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}
