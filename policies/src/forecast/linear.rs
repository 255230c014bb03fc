//! A linear model: for each hour ahead a weight per input, a constant, and quantiles of its error.

use super::{Features, HORIZON_HOURS, PROBABILITIES};

/// The weights of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    features: Features,
    /// By hour ahead, then by input.
    weights: Vec<f32>,
    /// By hour ahead.
    constants: Vec<f32>,
    /// By hour ahead, then by probability: quantiles of truth less forecast, in parts of the level.
    errors: Vec<f32>,
}

/// Why weights are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinearError {
    /// The inputs are out of their ranges.
    #[error("features: expected `lags` and `meanHours` of 1 to 168 and `days` of 1 to 7")]
    Features,
    /// A step that is no part of an hour.
    #[error("expected a step of 5, 6, 10, 12, 15, 20 or 30 minutes")]
    Step,
    /// Too many or too few numbers.
    #[error("{what}: {found} numbers, expected {expected}")]
    Shape {
        /// Which numbers.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A tree that asks for an input that is not there.
    #[error("trees.inputs: number {at} is not an input, 0 to {}", width - 1)]
    Input {
        /// Which number, from 0 on.
        at: usize,
        /// How many inputs there are.
        width: usize,
    },
    /// NaN or infinite.
    #[error("{what}: number {at} is not finite")]
    NotFinite {
        /// Which numbers.
        what: &'static str,
        /// Which of them, from 0 on.
        at: usize,
    },
}

impl Linear {
    /// A model of these numbers, by hour ahead first: weights by input, constants, and quantiles of
    /// the error by [`PROBABILITIES`] in parts of the level.
    ///
    /// # Errors
    ///
    /// [`LinearError`] where a count does not fit or a number is not finite.
    pub fn new(
        features: Features,
        weights: Vec<f32>,
        constants: Vec<f32>,
        errors: Vec<f32>,
    ) -> Result<Self, LinearError> {
        if !features.are_valid() {
            return Err(LinearError::Features);
        }
        check("weights", &weights, HORIZON_HOURS * features.count())?;
        check("constants", &constants, HORIZON_HOURS)?;
        check("errors", &errors, HORIZON_HOURS * PROBABILITIES.len())?;
        Ok(Self { features, weights, constants, errors })
    }

    /// The same weights with other quantiles of the error.
    ///
    /// # Errors
    ///
    /// [`LinearError`] where a count does not fit or a number is not finite.
    pub fn with_errors(self, errors: Vec<f32>) -> Result<Self, LinearError> {
        check("errors", &errors, HORIZON_HOURS * PROBABILITIES.len())?;
        Ok(Self { errors, ..self })
    }

    /// Its inputs.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Weights by hour ahead, then by input.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Constants by hour ahead.
    #[must_use]
    pub fn constants(&self) -> &[f32] {
        &self.constants
    }

    /// Quantiles of the error by hour ahead, then by probability, in parts of the level.
    #[must_use]
    pub fn errors(&self) -> &[f32] {
        &self.errors
    }

    /// The expected value of the hour `ahead` (1 to the horizon) in parts of the level.
    #[must_use]
    pub fn expected(&self, ahead: usize, inputs: &[f32]) -> f32 {
        let row = &self.weights[(ahead - 1) * inputs.len()..ahead * inputs.len()];
        self.constants[ahead - 1] + dot(row, inputs)
    }

    /// Quantiles of the error of the hour `ahead`.
    #[must_use]
    pub fn error(&self, ahead: usize) -> &[f32] {
        &self.errors[(ahead - 1) * PROBABILITIES.len()..ahead * PROBABILITIES.len()]
    }
}

pub(super) fn check(
    what: &'static str,
    numbers: &[f32],
    expected: usize,
) -> Result<(), LinearError> {
    if numbers.len() != expected {
        return Err(LinearError::Shape { what, found: numbers.len(), expected });
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(LinearError::NotFinite { what, at }),
        None => Ok(()),
    }
}

/// Eight sums side by side: the compiler may not reorder one sum of floats, so one would wait for
/// each addition. The order is fixed, so the result is the same on every machine.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}
