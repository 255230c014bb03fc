//! What the inputs of a network were in training: the ranges and means of its policy file.

use carbon_kube_policies::observation::{InputSpec, ObservationSpec};

/// Means and ranges of observations, one number at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    count: u64,
    inputs: Vec<Input>,
}

/// The scale of an input that never changed in training.
const IGNORED: f64 = 1e12;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Input {
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Statistics {
    /// Of no observation yet, with so many numbers each.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let input = Input { sum: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };
        Self { count: 0, inputs: vec![input; len] }
    }

    /// Counts an observation, as the environment gives it.
    pub fn add(&mut self, observation: &[f32]) {
        self.count += 1;
        for (input, &number) in self.inputs.iter_mut().zip(observation) {
            let number = f64::from(number);
            input.sum += number;
            input.squares += number * number;
            (input.min, input.max) = (input.min.min(number), input.max.max(number));
        }
    }

    /// As [`Self::fitted`], and scaled so that each input has mean 0 and standard deviation 1 over
    /// what was counted. An input that never changed taught nothing: its scale makes 0 of whatever
    /// it is, and its range stays as wide as it was.
    #[must_use]
    pub fn normalised(&self, spec: &ObservationSpec, margin: f64) -> ObservationSpec {
        let mut fitted = self.fitted(spec, margin);
        let count = self.count.max(1) as f64;
        let inputs = fitted.inputs.iter_mut().zip(&spec.inputs).zip(&self.inputs);
        for ((input, before), seen) in inputs {
            let mean = seen.sum / count;
            let spread = (seen.squares / count - mean * mean).max(0.0).sqrt();
            // Numbers are of 32 bits: less is rounding.
            if spread > 1e-5 {
                input.center += input.scale * mean;
                input.scale *= spread;
            } else if self.count > 0 {
                *input = InputSpec { mean: input.mean, scale: IGNORED, ..*before };
                input.center = input.mean;
            }
        }
        fitted
    }

    /// The specification with the means and ranges of what was counted, each range wider by
    /// `margin` of its width at both ends and never wider than it was. With nothing counted it
    /// stays as it is.
    #[must_use]
    pub fn fitted(&self, spec: &ObservationSpec, margin: f64) -> ObservationSpec {
        if self.count == 0 {
            return spec.clone();
        }
        let fit = |(input, seen): (&InputSpec, &Input)| {
            let value = |number: f64| input.center + input.scale * number;
            let (min, max) = (value(seen.min), value(seen.max));
            // Numbers are of 32 bits: a constant has no width, and yet must be in its own range.
            let room = margin * (max - min) + 1e-5 * max.abs().max(min.abs()).max(1.0);
            let min = (min - room).max(input.min);
            let max = (max + room).min(input.max);
            let mean = value(seen.sum / self.count as f64).clamp(min, max);
            InputSpec { mean, min, max, ..*input }
        };
        let inputs = spec.inputs.iter().zip(&self.inputs).map(fit).collect();
        ObservationSpec { inputs, ..spec.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_training_in_the_units_of_the_input_with_a_margin() {
        let mut spec = ObservationSpec::default();
        spec.inputs.truncate(2);
        (spec.inputs[0].center, spec.inputs[0].scale) = (1.0, 2.0);
        let mut statistics = Statistics::new(2);
        assert_eq!(statistics.fitted(&spec, 0.1), spec);
        // (value - 1) / 2: values 0, 2 and 4. The second input is always 0.
        [-0.5, 0.5, 1.5].iter().for_each(|&number| statistics.add(&[number, 0.0]));
        let fitted = statistics.fitted(&spec, 0.1);
        let InputSpec { mean, min, max, .. } = fitted.inputs[0];
        assert!((mean - 2.0).abs() < 1e-9 && (min + 0.4).abs() < 1e-3 && (max - 4.4).abs() < 1e-3);
        let InputSpec { mean, min, max, .. } = fitted.inputs[1];
        assert!(mean.abs() < 1e-9 && min.abs() < 1e-9 && max > 0.0, "a rate is never below 0");
        assert_eq!(fitted.check(), Ok(()));
    }

    #[test]
    fn an_input_that_never_changed_is_taken_from_any_cluster_and_says_nothing() {
        let mut spec = ObservationSpec::default();
        spec.inputs.truncate(2);
        let mut statistics = Statistics::new(2);
        [0.0, 2.0, 4.0].iter().for_each(|&number| statistics.add(&[number, 0.0]));
        let normalised = statistics.normalised(&spec, 0.1);
        assert!(normalised.inputs[0].scale < 10.0);
        let rate = normalised.inputs[1];
        assert_eq!((rate.min, rate.max), (spec.inputs[1].min, spec.inputs[1].max));
        assert!((0.7 - rate.center) / rate.scale < 1e-9);
        assert_eq!(normalised.check(), Ok(()));
    }
}
