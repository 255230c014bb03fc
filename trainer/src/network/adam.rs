//! Adam (Kingma, Ba 2015) in place, without weight decay, its moments open to a checkpoint.

use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Var, bail};
use pulp::Arch;

use super::slice;

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f32 = 1e-8;
/// A mean below this is 0. Under a unit that no longer fires it would shrink by a tenth each step
/// into numbers so small that processors take a hundred times as long for them.
const TINY: f32 = 1e-30;

/// An optimiser of one flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub rate: f64,
    /// Mean of the gradients, by parameter.
    pub first: Vec<f32>,
    /// Mean of their squares.
    pub second: Vec<f32>,
    /// Steps so far.
    pub steps: u64,
}

impl Adam {
    /// For so many parameters.
    #[must_use]
    pub fn new(parameters: usize, rate: f64) -> Self {
        Self { rate, first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }

    /// One step down the gradient.
    ///
    /// # Errors
    ///
    /// Where parameters and gradient are not as many as the moments.
    pub fn step(&mut self, parameters: &Var, gradient: &[f32]) -> Result<()> {
        let operation = AdamStep { adam: Mutex::new(self), gradient };
        parameters.as_tensor().inplace_op1(&operation)
    }

    /// One step of plain numbers.
    ///
    /// # Panics
    ///
    /// Where parameters and gradient are not as many as the moments.
    pub fn step_numbers(&mut self, parameters: &mut [f32], gradient: &[f32]) {
        assert_eq!(parameters.len(), self.first.len(), "parameters");
        assert_eq!(gradient.len(), self.first.len(), "gradient");
        self.steps += 1;
        let steps = self.steps as f64;
        // Algorithm 1 of the paper with both corrections drawn out of the loop, as in PyTorch.
        let rate = (self.rate / (1.0 - FIRST_DECAY.powf(steps))) as f32;
        let scale = (1.0 / (1.0 - SECOND_DECAY.powf(steps)).sqrt()) as f32;
        let (keep_first, keep_second) = (FIRST_DECAY as f32, SECOND_DECAY as f32);
        // Subtracted in 64 bits: in 32, 1 - 0.999 is off by 5 in 100,000.
        let (take_first, take_second) = ((1.0 - FIRST_DECAY) as f32, (1.0 - SECOND_DECAY) as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        Arch::new().dispatch(|| {
            for ((parameter, gradient), (first, second)) in
                parameters.iter_mut().zip(gradient).zip(moments)
            {
                let mean = keep_first * *first + take_first * gradient;
                *first = if mean.abs() < TINY { 0.0 } else { mean };
                *second = keep_second * *second + take_second * gradient * gradient;
                *parameter -= rate * *first / (second.sqrt() * scale + EPSILON);
            }
        });
    }
}

/// Moves the target a share of the way to the source: `target += share * (source - target)`.
///
/// # Errors
///
/// Where both have different lengths.
pub fn polyak(target: &Var, source: &Var, share: f64) -> Result<()> {
    target.as_tensor().inplace_op2(&source.as_detached_tensor(), &Polyak(share as f32))
}

struct AdamStep<'a> {
    adam: Mutex<&'a mut Adam>,
    gradient: &'a [f32],
}

impl InplaceOp1 for AdamStep<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(&self, parameters: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let parameters = slice_mut(parameters, layout)?;
        let Ok(mut adam) = self.adam.lock() else { bail!("an optimiser that panicked before") };
        if parameters.len() != adam.first.len() || self.gradient.len() != adam.first.len() {
            bail!("an optimiser of {} parameters got {}", adam.first.len(), self.gradient.len());
        }
        adam.step_numbers(parameters, self.gradient);
        Ok(())
    }
}

struct Polyak(f32);

impl InplaceOp2 for Polyak {
    fn name(&self) -> &'static str {
        "polyak"
    }

    fn cpu_fwd(
        &self,
        target: &mut CpuStorage,
        layout: &Layout,
        source: &CpuStorage,
        source_layout: &Layout,
    ) -> Result<()> {
        let target = slice_mut(target, layout)?;
        let source = slice(source, source_layout)?;
        if target.len() != source.len() {
            bail!("a target of {} parameters for {}", target.len(), source.len());
        }
        for (target, source) in target.iter_mut().zip(source) {
            *target += self.0 * (source - *target);
        }
        Ok(())
    }
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((start, end))) => Ok(&mut numbers[start..end]),
        _ => bail!("32-bit numbers in one piece are needed"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    // Bias-corrected moments of a constant gradient are the gradient and its square, so every step
    // is the learning rate, whatever the gradient's size.
    #[test]
    fn under_a_constant_gradient_a_step_is_the_learning_rate() {
        let mut adam = Adam::new(2, 0.1);
        let mut parameters = [1.0, -2.0];
        adam.step_numbers(&mut parameters, &[0.5, -20.0]);
        assert!((parameters[0] - 0.9).abs() < 1e-5 && (parameters[1] + 1.9).abs() < 1e-5);
        adam.step_numbers(&mut parameters, &[0.5, -20.0]);
        assert!((parameters[0] - 0.8).abs() < 1e-5 && (parameters[1] + 1.8).abs() < 1e-5);
    }

    #[test]
    fn tensors_and_plain_numbers_take_the_same_step() {
        let start = vec![1.0f32, 2.0, 3.0];
        let gradient = vec![0.1f32, -0.2, 0.3];
        let variable = Var::from_vec(start.clone(), 3, &Device::Cpu).unwrap();
        let (mut one, mut two, mut plain) = (Adam::new(3, 0.01), Adam::new(3, 0.01), start);
        for _ in 0..5 {
            one.step(&variable, &gradient).unwrap();
            two.step_numbers(&mut plain, &gradient);
        }
        assert_eq!(variable.to_vec1::<f32>().unwrap(), plain);
        assert_eq!(one, two);
        assert!(Adam::new(2, 0.01).step(&variable, &gradient).is_err());
    }

    #[test]
    fn polyak_goes_a_share_of_the_way() {
        let variable = |x: f32| Var::from_vec(vec![x], 1, &Device::Cpu).unwrap();
        let (target, source) = (variable(1.0), variable(3.0));
        polyak(&target, &source, 0.25).unwrap();
        assert_eq!(target.to_vec1::<f32>().unwrap(), [1.5]);
    }
}
