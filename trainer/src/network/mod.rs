//! Networks of agents: small perceptrons on candle's tensors and autograd.
//!
//! Candle's random numbers can't be seeded, so every number here comes from a named stream of
//! [`carbon_kube_core::seed`]; clippy refuses the others.

mod adam;
mod fused;
mod mlp;
pub mod product;
mod reference;
mod spare;
pub mod squashed_gaussian;

pub use adam::{Adam, polyak};
pub use mlp::{Forward, Gradient, Layer, Mlp, Shape};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// How networks are computed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// A whole network as one operation with a gradient by hand.
    #[default]
    Fused,
    /// Candle's operations and autograd.
    Reference,
}

/// The numbers of a storage, which lie in one piece.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("numbers in one piece are needed"),
    }
}

/// What a function makes of a tensor's numbers, without a copy.
pub(crate) fn with_numbers<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(work(slice(storage, layout)?)),
        _ => bail!("training runs on a CPU"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    struct Case {
        shape: Shape,
        parameters: Vec<f32>,
        x: Vec<f32>,
    }

    fn case() -> Case {
        let shape = Shape::new(5, &[16, 7], 3);
        let mut stream = carbon_kube_core::seed::stream(11, "gradients");
        let parameters = shape.initial(&mut stream);
        let x = Shape::new(5, &[], 8).initial(&mut stream)[..40].to_vec();
        Case { shape, parameters, x }
    }

    /// The sum of squares of all answers.
    fn loss(case: &Case, kernel: Kernel) -> (Var, Forward, Tensor) {
        let network = Mlp::new(case.shape.clone(), kernel, case.parameters.clone()).unwrap();
        let x = Var::from_vec(case.x.clone(), (8, 5), &Device::Cpu).unwrap();
        let forward = network.forward(x.as_tensor()).unwrap();
        let loss = forward.output.sqr().unwrap().sum_all().unwrap();
        (x, forward, loss)
    }

    fn gradients(case: &Case, kernel: Kernel) -> [Vec<f32>; 2] {
        let (x, forward, loss) = loss(case, kernel);
        let gradient = forward.gradient(&loss).unwrap();
        let by_x = gradient.store.get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        [by_x, gradient.parameters.clone()]
    }

    fn close(left: &[f32], right: &[f32], within: f32) {
        assert_eq!(left.len(), right.len());
        for (at, (left, right)) in left.iter().zip(right).enumerate() {
            assert!((left - right).abs() <= within, "{at}: {left} and {right}");
        }
    }

    #[test]
    fn fused_reference_and_finite_differences_have_the_same_gradients() {
        let case = case();
        let (fused, reference) =
            (gradients(&case, Kernel::Fused), gradients(&case, Kernel::Reference));
        for (fused, reference) in fused.iter().zip(&reference) {
            close(fused, reference, 1e-5);
        }
        // The difference quotient in 64 bits: that of 32 would be all rounding.
        let quotient = |parameters: bool, at: usize| {
            let at_step = |step: f64| {
                let widen = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect();
                let (mut p, mut x): (Vec<f64>, Vec<f64>) =
                    (widen(&case.parameters), widen(&case.x));
                if parameters {
                    p[at] += step
                } else {
                    x[at] += step
                }
                plain(&case.shape, &p, &x)
            };
            ((at_step(1e-6) - at_step(-1e-6)) / 2e-6) as f32
        };
        let by_x: Vec<f32> = (0..case.x.len()).map(|at| quotient(false, at)).collect();
        let by_parameters: Vec<f32> =
            (0..case.parameters.len()).map(|at| quotient(true, at)).collect();
        close(&fused[0], &by_x, 1e-4);
        close(&fused[1], &by_parameters, 1e-4);
    }

    /// The loss, in loops.
    fn plain(shape: &Shape, parameters: &[f64], x: &[f64]) -> f64 {
        let last = shape.layers().len() - 1;
        let row = |x: &[f64]| {
            let mut x = x.to_vec();
            for (at, layer) in shape.layers().enumerate() {
                let weights = &parameters[layer.weights.clone()];
                let mut out = parameters[layer.bias.clone()].to_vec();
                for (x, weights) in x.iter().zip(weights.chunks(layer.outputs)) {
                    out.iter_mut().zip(weights).for_each(|(out, weight)| *out += x * weight);
                }
                x = if at < last { out.iter().map(|x| x.max(0.0)).collect() } else { out };
            }
            x.iter().map(|x| x * x).sum::<f64>()
        };
        x.chunks(shape.input()).map(row).sum()
    }

    #[test]
    fn a_frozen_network_passes_the_gradient_on_and_takes_none() {
        let case = case();
        for kernel in [Kernel::Fused, Kernel::Reference] {
            let network = Mlp::new(case.shape.clone(), kernel, case.parameters.clone()).unwrap();
            let x = Var::from_vec(case.x.clone(), (8, 5), &Device::Cpu).unwrap();
            let loss = network.forward_frozen(x.as_tensor()).unwrap();
            let gradients = loss.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let by_x: Vec<f32> =
                gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            close(&by_x, &super::tests::gradients(&case, Kernel::Fused)[0], 1e-5);
            assert!(gradients.get(network.parameters()).is_none());
            assert!(!network.evaluate(&x).unwrap().track_op());
        }
    }

    #[test]
    fn an_input_of_another_width_is_an_error() {
        let case = case();
        let network = Mlp::new(case.shape, Kernel::Fused, case.parameters).unwrap();
        let x = Tensor::zeros((2, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(network.forward(&x).unwrap_err().to_string().contains("takes 5 numbers, not 4"));
    }
}
