//! The next three hours step by step, for grids that publish every 5, 10, 15 or 30 minutes.
//!
//! ```text
//!  the last 12 steps ----------------------> a line per step ahead --> 3 h of steps, then flat hours
//!  the hourly forecast around the target --^
//! ```
//!
//! The hourly forecast knows the day, the last steps know what has just happened; beyond three
//! hours the steps tell nothing more.

use std::f64::consts::TAU;

use carbon_kube_core::forecast::History;
use carbon_kube_core::forecaster::SteppedForecast;
use carbon_kube_core::{GramsPerKwh, Span, Time};

use super::PROBABILITIES;
use super::chain::{Expected, Forecast, Origin};
use super::linear::{LinearError, check};

/// How far ahead steps are told apart.
pub const HORIZON: Span = Span::from_millis(3 * 3_600_000);

/// Steps of the past that are looked at.
const LAGS: usize = 12;

/// Inputs per step ahead: the past, the hourly forecast before, at and after the target, and where
/// in the hour the target is.
pub const INPUTS: usize = LAGS + 3 + 2;

/// A line per step ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct Nowcast {
    step: Span,
    /// What intensities are divided by, in g/kWh.
    level: f32,
    /// By step ahead, then by input.
    weights: Vec<f32>,
    /// By step ahead.
    constants: Vec<f32>,
    /// By step ahead, then by probability: quantiles of truth less forecast, in parts of the level.
    errors: Vec<f32>,
}

/// Whether a grid of this step has a nowcast: a part of an hour that has twelve at most.
#[must_use]
pub fn is_step(step: Span) -> bool {
    let minute = Span::MINUTE.millis();
    let hour = Span::HOUR.millis();
    (5 * minute..hour).contains(&step.millis()) && hour % step.millis() == 0
}

/// Steps within the horizon.
#[must_use]
pub fn steps(step: Span) -> usize {
    (HORIZON.millis() / step.millis()) as usize
}

impl Nowcast {
    /// A nowcast of these numbers, by step ahead first.
    ///
    /// # Errors
    ///
    /// [`LinearError`] where a count does not fit or a number is not finite.
    pub fn new(
        step: Span,
        level: f32,
        weights: Vec<f32>,
        constants: Vec<f32>,
        errors: Vec<f32>,
    ) -> Result<Self, LinearError> {
        if !is_step(step) {
            return Err(LinearError::Step);
        }
        check("weights", &weights, steps(step) * INPUTS)?;
        check("constants", &constants, steps(step))?;
        check("errors", &errors, steps(step) * PROBABILITIES.len())?;
        Ok(Self { step, level, weights, constants, errors })
    }

    /// The step of its grid.
    #[must_use]
    pub fn step(&self) -> Span {
        self.step
    }

    /// What intensities are divided by, in g/kWh.
    #[must_use]
    pub fn level(&self) -> f32 {
        self.level
    }

    /// Weights by step ahead, then by input.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Constants by step ahead.
    #[must_use]
    pub fn constants(&self) -> &[f32] {
        &self.constants
    }

    /// Quantiles of the error by step ahead, then by probability, in parts of the level.
    #[must_use]
    pub fn errors(&self) -> &[f32] {
        &self.errors
    }

    /// The expected value of the step `ahead` (1 to the horizon) in parts of the level.
    #[must_use]
    pub fn expected(&self, ahead: usize, inputs: &[f32; INPUTS]) -> f32 {
        let row = &self.weights[(ahead - 1) * INPUTS..ahead * INPUTS];
        let dot: f32 = row.iter().zip(inputs).map(|(weight, input)| weight * input).sum();
        self.constants[ahead - 1] + dot
    }

    /// The inputs of the step that is `ahead` (1 or more) of the one of `past`; `None` where one of
    /// the last steps is unknown or the hourly forecast does not reach that far.
    #[must_use]
    pub fn inputs(
        step: Span,
        level: f32,
        past: &History<'_>,
        hourly: &Forecast,
        ahead: usize,
    ) -> Option<[f32; INPUTS]> {
        let target = past.now().floor(step) + step * ahead as i64;
        let mut inputs = [0.0; INPUTS];
        for (input, value) in inputs.iter_mut().zip(past.by_step(step, LAGS as u32)) {
            *input = GramsPerKwh::new(value?)?.get() as f32 / level;
        }
        let hour = (target.floor(Span::HOUR) - hourly.hours.first()?.start).hours() as usize;
        for (input, at) in inputs[LAGS..].iter_mut().zip([hour.saturating_sub(1), hour, hour + 1]) {
            *input = hourly.hours.get(at)?.value as f32 / level;
        }
        let within = (target - target.floor(Span::HOUR)).hours() * TAU;
        (inputs[LAGS + 3], inputs[LAGS + 4]) = (within.sin() as f32, within.cos() as f32);
        Some(inputs)
    }

    /// The steps after the one in force; empty where it does not apply.
    #[must_use]
    pub fn forecast(&self, past: &History<'_>, hourly: &Forecast) -> Vec<Expected> {
        if past.step() > self.step {
            return Vec::new();
        }
        let step = |ahead: usize| {
            let inputs = Self::inputs(self.step, self.level, past, hourly, ahead)?;
            let value = self.expected(ahead, &inputs);
            let grams =
                |relative: f32| GramsPerKwh::saturating(f64::from(relative * self.level)).get();
            let errors = &self.errors[(ahead - 1) * PROBABILITIES.len()..];
            Some(Expected {
                start: past.now().floor(self.step) + self.step * ahead as i64,
                value: grams(value),
                quantiles: std::array::from_fn(|at| grams(value + errors[at])),
                origin: Origin::Nowcast,
            })
        };
        (1..=steps(self.step)).map(step).collect::<Option<Vec<_>>>().unwrap_or_default()
    }
}

/// The hourly forecast with its first hours step by step, as a policy sees it.
#[must_use]
pub fn outlook(step: Span, hourly: &Forecast, steps: &[Expected]) -> SteppedForecast {
    let start = hourly.hours.first().map_or(Time::from_millis(0), |hour| hour.start);
    let per_hour = (Span::HOUR.millis() / step.millis()) as usize;
    let flat = hourly.hours.iter().flat_map(|hour| std::iter::repeat_n(hour, per_hour));
    let first = steps.first().map_or(start, |first| first.start);
    let before = ((first - start).millis() / step.millis()) as usize;
    let expected = flat.enumerate().map(|(at, hour)| {
        let own = at.checked_sub(before).and_then(|at| steps.get(at));
        let expected = own.unwrap_or(hour);
        (expected.value, expected.high() - expected.low())
    });
    SteppedForecast::new(start, step, expected)
}
