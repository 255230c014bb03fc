//! A normal distribution squashed into [-1, 1] by tanh, sampled with a gradient.
//!
//! Haarnoja et al. 2018, appendix C. A network gives mean and logarithm of the standard deviation:
//! `u = mean + exp(log_std) * noise`, `action = tanh(u)`, and with
//! `ln(1 - tanh(u)^2) = 2 (ln 2 - u - softplus(-2 u))`, which doesn't cancel for large `u`,
//!
//! ```text
//! ln p(action) = sum [ -noise^2 / 2 - log_std - ln(2 pi) / 2 - ln(1 - tanh(u)^2) ]
//! ```

use std::f32::consts::LN_2;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::{Kernel, with_numbers};

/// Bounds of the logarithm of the standard deviation; there is no gradient beyond them. Those of
/// the paper's own code and of Stable-Baselines3.
pub const LOG_STD: (f32, f32) = (-20.0, 2.0);

/// `ln(2 pi) / 2`.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// A sampled action (`rows x numbers`) and the logarithm of its density (`rows`), from what the
/// network answered (`rows x 2 numbers`: means, then logarithms of the standard deviation) and
/// noise from the standard normal distribution (`rows * numbers`).
///
/// # Errors
///
/// Where the shapes don't fit.
pub fn sample(kernel: Kernel, parameters: &Tensor, noise: &[f32]) -> Result<(Tensor, Tensor)> {
    match kernel {
        Kernel::Fused => {
            let (_, both) = parameters.dims2()?;
            // Both operations and both gradients are made of these.
            let points: Arc<[Point]> =
                with_numbers(parameters, |numbers| points(numbers, noise, both / 2))?;
            let action = Sampled { points: points.clone(), of: Of::Action };
            let density = Sampled { points, of: Of::LogDensity };
            Ok((parameters.apply_op1(action)?, parameters.apply_op1(density)?))
        }
        Kernel::Reference => reference(parameters, noise),
    }
}

/// The action without noise, from one row of the network's answer.
#[must_use]
pub fn deterministic(parameters: &[f32]) -> Vec<f32> {
    parameters[..parameters.len() / 2].iter().map(|mean| mean.tanh()).collect()
}

/// The action with noise, from one row of the network's answer.
#[must_use]
pub fn act(parameters: &[f32], noise: &[f32]) -> Vec<f32> {
    let numbers = noise.len();
    (0..numbers).map(|at| Point::new(parameters, noise, at).squashed).collect()
}

fn reference(parameters: &Tensor, noise: &[f32]) -> Result<(Tensor, Tensor)> {
    let (rows, both) = parameters.dims2()?;
    let noise = Tensor::from_slice(noise, (rows, both / 2), parameters.device())?;
    let mean = parameters.narrow(1, 0, both / 2)?;
    let log_std = parameters.narrow(1, both / 2, both / 2)?.clamp(LOG_STD.0, LOG_STD.1)?;
    let u = (mean + (log_std.exp()? * &noise)?)?;
    let x = (&u * -2.0)?;
    // softplus(x) = max(x, 0) + ln(1 + exp(-|x|))
    let softplus = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let correction = ((u.neg()? - softplus)? + f64::from(LN_2))?;
    let density = ((noise.sqr()? * -0.5)? - log_std)?;
    let density = ((density - f64::from(HALF_LN_TAU))? - (correction * 2.0)?)?;
    Ok((u.tanh()?, density.sum(D::Minus1)?))
}

fn points(parameters: &[f32], noise: &[f32], numbers: usize) -> Arc<[Point]> {
    let rows = parameters.chunks_exact(2 * numbers).zip(noise.chunks_exact(numbers));
    rows.flat_map(|(row, noise)| (0..numbers).map(move |at| Point::new(row, noise, at))).collect()
}

#[derive(Clone, Copy)]
enum Of {
    Action,
    LogDensity,
}

struct Sampled {
    /// Row after row.
    points: Arc<[Point]>,
    of: Of,
}

/// One number of one action.
struct Point {
    squashed: f32,
    log_density: f32,
    /// The standard deviation times the noise: how `u` moves with `log_std`.
    spread: f32,
    /// Whether `log_std` is within its bounds.
    free: bool,
}

impl Point {
    fn new(row: &[f32], noise: &[f32], at: usize) -> Self {
        let (mean, raw) = (row[at], row[noise.len() + at]);
        let log_std = raw.clamp(LOG_STD.0, LOG_STD.1);
        let spread = log_std.exp() * noise[at];
        let u = mean + spread;
        let x = -2.0 * u;
        let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
        let log_density =
            -0.5 * noise[at] * noise[at] - log_std - HALF_LN_TAU - 2.0 * (LN_2 - u - softplus);
        let free = (LOG_STD.0..=LOG_STD.1).contains(&raw);
        Self { squashed: u.tanh(), log_density, spread, free }
    }
}

impl CustomOp1 for Sampled {
    fn name(&self) -> &'static str {
        "squashed-gaussian"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, both) = layout.shape().dims2()?;
        Ok(match self.of {
            Of::Action => {
                let actions = self.points.iter().map(|point| point.squashed).collect();
                (CpuStorage::F32(actions), (rows, both / 2).into())
            }
            Of::LogDensity => {
                let rows_of = self.points.chunks_exact(both / 2);
                let densities =
                    rows_of.map(|row| row.iter().map(|point| point.log_density).sum()).collect();
                (CpuStorage::F32(densities), rows.into())
            }
        })
    }

    fn bwd(&self, parameters: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, both) = parameters.dims2()?;
        let by_parameters = with_numbers(gradient, |gradient| self.gradient(gradient, both / 2))?;
        Ok(Some(Tensor::from_vec(by_parameters, parameters.shape(), parameters.device())?))
    }
}

impl Sampled {
    fn gradient(&self, gradient: &[f32], numbers: usize) -> Vec<f32> {
        let mut by_parameters = vec![0.0; 2 * self.points.len()];
        let rows = self.points.chunks_exact(numbers);
        for (row, (points, result)) in
            rows.zip(by_parameters.chunks_exact_mut(2 * numbers)).enumerate()
        {
            for (at, point) in points.iter().enumerate() {
                // d tanh(u) / du = 1 - tanh(u)^2, and d -ln(1 - tanh(u)^2) / du = 2 tanh(u).
                let (by_u, direct) = match self.of {
                    Of::Action => {
                        let slope = 1.0 - point.squashed * point.squashed;
                        (gradient[row * numbers + at] * slope, 0.0)
                    }
                    Of::LogDensity => (gradient[row] * 2.0 * point.squashed, -gradient[row]),
                };
                result[at] = by_u;
                if point.free {
                    result[numbers + at] = by_u * point.spread + direct;
                }
            }
        }
        by_parameters
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// Two rows of two numbers; the last standard deviation is beyond its bound.
    const PARAMETERS: [f32; 8] = [0.3, -1.2, -0.5, 0.4, 2.0, 0.1, -1.0, 2.5];
    const NOISE: [f32; 4] = [0.7, -1.1, 0.2, 1.4];

    fn gradients(kernel: Kernel) -> [Vec<f32>; 3] {
        let parameters = Var::from_slice(&PARAMETERS, (2, 4), &Device::Cpu).unwrap();
        let (action, density) = sample(kernel, &parameters, &NOISE).unwrap();
        let loss = (action.sqr().unwrap().sum_all().unwrap() * 3.0).unwrap();
        let loss = (loss + density.sum_all().unwrap()).unwrap();
        let gradients = loss.backward().unwrap();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        [flat(&action), flat(&density), flat(gradients.get(&parameters).unwrap())]
    }

    #[test]
    fn both_kernels_have_the_same_samples_densities_and_gradients() {
        let (fused, reference) = (gradients(Kernel::Fused), gradients(Kernel::Reference));
        for (fused, reference) in fused.iter().flatten().zip(reference.iter().flatten()) {
            assert!((fused - reference).abs() < 1e-5, "{fused} and {reference}");
        }
    }

    #[test]
    fn the_density_is_that_of_a_change_of_variables() {
        // u = 0.3 + exp(-0.5) * 0.7; the density of tanh(u) is that of u over 1 - tanh(u)^2.
        let (mean, log_std, noise) = (0.3f64, -0.5f64, 0.7f64);
        let u = mean + log_std.exp() * noise;
        let normal = (-noise * noise / 2.0).exp() / (log_std.exp() * std::f64::consts::TAU.sqrt());
        let expected = (normal / (1.0 - u.tanh().powi(2))).ln();
        let found = Point::new(&[0.3, -0.5], &[0.7], 0);
        assert!((f64::from(found.log_density) - expected).abs() < 1e-6);
        assert!((f64::from(found.squashed) - u.tanh()).abs() < 1e-6);
    }

    #[test]
    fn far_out_the_density_is_still_a_number() {
        assert!(Point::new(&[60.0, 1.0], &[1.0], 0).log_density.is_finite());
    }
}
