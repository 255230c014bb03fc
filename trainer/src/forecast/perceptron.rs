//! A small network that learns what a line misses.
//!
//! Inputs are standardised while it learns; in the end the scale goes into the first layer, so that
//! whoever runs the network needs no table beside it.

use candle_core::{Device, Tensor};
use carbon_kube_core::seed;
use carbon_kube_policies::network::Network;
use rand::seq::SliceRandom;

use super::boosting::Rows;
use super::ridge::TrainError;
use crate::network::{Adam, Kernel, Mlp, Shape};

/// Units between inputs and output. With 32 it learned its year better and the next one worse.
const HIDDEN: usize = 16;

/// Passes over the rows; the errors of the next year rise again after about ten.
const EPOCHS: usize = 6;

/// Rows per step.
const BATCH: usize = 256;

/// Step size of Adam.
const RATE: f64 = 1e-3;

/// Root of the streams of first weights and of the order of rows.
const SEED: u64 = 7;

/// Mean and standard deviation of a column; a flat one has 1.
struct Scale {
    mean: f64,
    deviation: f64,
}

/// The network of these rows, by squared error; its output is within -1 and 1.
///
/// # Errors
///
/// [`TrainError::Network`] where numbers are not finite.
pub fn fit(rows: &Rows) -> Result<Network, TrainError> {
    let scales: Vec<Scale> = (0..rows.width).map(|column| scale(rows, column)).collect();
    let inputs: Vec<f32> = rows
        .iter()
        .flat_map(|(inputs, _)| {
            let standard = |(x, scale): (&f32, &Scale)| {
                ((f64::from(*x) - scale.mean) / scale.deviation) as f32
            };
            inputs.iter().zip(&scales).map(standard).collect::<Vec<f32>>()
        })
        .collect();
    let shape = Shape::new(rows.width.max(1), &[HIDDEN], 1);
    let first = shape.initial(&mut seed::stream(SEED, "weights"));
    let learned = learn(&shape, first, &inputs, &rows.targets).map_err(failed)?;
    Network::new(rows.width, &layers(&shape, &learned, &scales)).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> TrainError {
    TrainError::Network(error.to_string())
}

fn learn(
    shape: &Shape,
    first: Vec<f32>,
    inputs: &[f32],
    targets: &[f32],
) -> candle_core::Result<Vec<f32>> {
    let network = Mlp::new(shape.clone(), Kernel::Fused, first)?;
    let mut adam = Adam::new(shape.parameters(), RATE);
    let mut order: Vec<usize> = (0..targets.len()).collect();
    let mut stream = seed::stream(SEED, "order");
    for _ in 0..EPOCHS {
        order.shuffle(&mut stream);
        for batch in order.chunks_exact(BATCH) {
            let width = shape.input();
            let x = batch.iter().flat_map(|&row| &inputs[row * width..(row + 1) * width]);
            let x = Tensor::from_vec(x.copied().collect(), (BATCH, width), &Device::Cpu)?;
            let y: Vec<f32> = batch.iter().map(|&row| targets[row]).collect();
            let y = Tensor::from_vec(y, (BATCH, 1), &Device::Cpu)?;
            let forward = network.forward(&x)?;
            let loss = (forward.output.tanh()? - y)?.sqr()?.mean_all()?;
            let gradient = forward.gradient(&loss)?;
            adam.step(network.parameters(), &gradient.parameters)?;
        }
    }
    network.numbers()
}

/// The layers as [`Network`] takes them, [outputs, inputs], with the scale in the first.
fn layers(shape: &Shape, learned: &[f32], scales: &[Scale]) -> Vec<(Vec<f32>, Vec<f32>)> {
    let of_layer = |(number, layer): (usize, crate::network::Layer)| {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let (own, bias) = (&learned[layer.weights], &learned[layer.bias]);
        let mut weights = vec![0.0; own.len()];
        let mut bias: Vec<f64> = bias.iter().map(|&bias| f64::from(bias)).collect();
        for input in 0..inputs {
            let (mean, deviation) = match scales.get(input).filter(|_| number == 0) {
                Some(scale) => (scale.mean, scale.deviation),
                None => (0.0, 1.0),
            };
            for output in 0..outputs {
                let weight = f64::from(own[input * outputs + output]) / deviation;
                weights[output * inputs + input] = weight as f32;
                bias[output] -= weight * mean;
            }
        }
        (weights, bias.into_iter().map(|bias| bias as f32).collect())
    };
    shape.layers().enumerate().map(of_layer).collect()
}

fn scale(rows: &Rows, column: usize) -> Scale {
    let count = rows.targets.len().max(1) as f64;
    let values = || rows.iter().map(|(inputs, _)| f64::from(inputs[column]));
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    Scale { mean, deviation: if deviation > 1e-6 { deviation } else { 1.0 } }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn a_product_is_learned_from_inputs_of_any_scale() {
        let mut stream = seed::stream(3, "rows");
        let mut rows = Rows { width: 3, ..Rows::default() };
        for _ in 0..40_000 {
            let (a, b): (f32, f32) =
                (stream.random_range(0.0..1.0), stream.random_range(100.0..300.0));
            rows.inputs.extend([a, b, 5.0]);
            rows.targets.push(0.8 * (a - 0.5) * (b - 200.0) / 100.0);
        }
        let network = fit(&rows).unwrap();
        let error = rows
            .iter()
            .map(|(inputs, target)| f64::from((network.forward(inputs) - target).powi(2)))
            .sum::<f64>()
            / 40_000.0;
        // Saying nothing has an error of 0.64 / 36 = 0.018.
        assert!(error < 0.004, "{error}");
        assert_eq!(network, fit(&rows).unwrap(), "the same rows, the same network");
    }
}
