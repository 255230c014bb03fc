//! Whether the plain `f32` network that a cluster runs answers as candle does.

use candle_core::{Device, Result, Tensor};
use carbon_kube_core::seed;
use carbon_kube_policies::Tuner;
use carbon_kube_policies::network::Output;

use crate::environment::world::uniform;

/// The greatest difference of two answers, of -1 to 1, that rounding explains.
pub const TOLERANCE: f32 = 1e-5;

/// How far two forward passes of one network are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parity {
    /// Observations that were tried.
    pub observations: usize,
    /// The greatest difference of the answers, of -1 to 1.
    pub worst: f32,
}

impl Parity {
    /// Whether rounding explains the difference.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.worst <= TOLERANCE
    }
}

/// Asks both networks about so many random observations within the ranges of training.
///
/// # Errors
///
/// Those of candle: no memory.
pub fn parity(tuner: &Tuner, observations: usize, root: u64) -> Result<Parity> {
    let mut stream = seed::stream(root, "parity");
    let inputs = &tuner.observation.inputs;
    let mut numbers = Vec::with_capacity(observations * inputs.len());
    for _ in 0..observations {
        numbers.extend(inputs.iter().map(|input| {
            let value = input.min + (input.max - input.min) * uniform(&mut stream);
            ((value - input.center) / input.scale) as f32
        }));
    }
    let last = last_layer(tuner, &numbers, observations)?;
    let of_candle = last.iter().zip(numbers.chunks_exact(inputs.len()));
    let difference = of_candle.map(|(last, numbers)| {
        let ours = tuner.network.forward(numbers);
        difference(tuner.network.output(), last, ours)
    });
    Ok(Parity { observations, worst: difference.fold(0.0, f32::max) })
}

/// The last layer of each observation, before its answer, in candle's own operations.
fn last_layer(tuner: &Tuner, numbers: &[f32], rows: usize) -> Result<Vec<Vec<f32>>> {
    let (device, layers) = (&Device::Cpu, tuner.network.layers());
    let mut x = Tensor::from_slice(numbers, (rows, tuner.network.inputs()), device)?;
    for (at, (weights, bias)) in layers.iter().enumerate() {
        let (outputs, inputs) = (bias.len(), weights.len() / bias.len());
        let weights = Tensor::from_slice(weights, (outputs, inputs), device)?;
        x = x.matmul(&weights.t()?)?.broadcast_add(&Tensor::from_slice(bias, outputs, device)?)?;
        if at + 1 < layers.len() {
            x = x.relu()?;
        }
    }
    x.to_vec2()
}

/// How far an answer is from that of candle's last layer. Of several answers it may be another one
/// where their values are as good as equal.
fn difference(output: Output, last: &[f32], ours: f32) -> f32 {
    match output {
        Output::Tanh => (last[0].tanh() - ours).abs(),
        Output::Argmax => {
            let best = last.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let answer = |at: usize| 2.0 * at as f32 / (last.len() - 1) as f32 - 1.0;
            let as_good = last.iter().enumerate().filter(|(_, value)| best - **value <= TOLERANCE);
            as_good.map(|(at, _)| (answer(at) - ours).abs()).fold(f32::INFINITY, f32::min)
        }
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::Span;
    use carbon_kube_policies::network::{Network, to_bytes};
    use carbon_kube_policies::observation::ObservationSpec;
    use carbon_kube_policies::tuner::Action;

    use super::*;

    /// A network over every input, with weights of a seeded stream.
    fn tuner(output: Output, outputs: usize) -> Tuner {
        let mut stream = seed::stream(3, "weights");
        let mut observation = ObservationSpec::default();
        for input in &mut observation.inputs {
            (input.min, input.mean, input.max) = (-2.0, 0.0, 3.0);
        }
        let widths = [observation.len(), 32, 32, outputs];
        let layers: Vec<(Vec<f32>, Vec<f32>)> = widths
            .windows(2)
            .map(|pair| {
                let mut draw =
                    |count: usize| (0..count).map(|_| uniform(&mut stream) as f32 - 0.5).collect();
                (draw(pair[0] * pair[1]), draw(pair[1]))
            })
            .collect();
        let bytes = to_bytes(observation.len(), &layers).unwrap();
        Tuner {
            network: Network::read_as(&bytes, observation.len(), output).unwrap(),
            observation,
            action: Action::default(),
            control_interval: Span::HOUR,
        }
    }

    #[test]
    fn both_networks_answer_alike() {
        for (output, outputs) in [(Output::Tanh, 1), (Output::Argmax, 11)] {
            let parity = parity(&tuner(output, outputs), 1_000, 1).unwrap();
            assert!(parity.holds(), "{output:?}: {parity:?}");
            assert_eq!(parity.observations, 1_000);
        }
    }

    #[test]
    fn another_answer_is_told() {
        assert!(difference(Output::Tanh, &[0.5], 0.5) > TOLERANCE, "it is not squashed");
        assert!(difference(Output::Argmax, &[0.1, 0.3, 0.2], -1.0) > 0.9);
        assert!(difference(Output::Argmax, &[0.3, 0.3, 0.2], 0.0) <= TOLERANCE, "as good as equal");
    }
}
