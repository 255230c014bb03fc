//! The network in candle's own operations and autograd: what the fused kernel is held against.

use candle_core::{Result, Tensor};

use super::mlp::Shape;

/// Answers of the network to `x`.
pub(super) fn forward(shape: &Shape, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
    let last = shape.layers().len() - 1;
    let mut x = x.clone();
    for (at, layer) in shape.layers().enumerate() {
        let weights = parameters.narrow(0, layer.weights.start, layer.weights.len())?;
        let weights = weights.reshape((layer.inputs, layer.outputs))?;
        let bias = parameters.narrow(0, layer.bias.start, layer.bias.len())?;
        x = x.matmul(&weights)?.broadcast_add(&bias)?;
        if at < last {
            x = x.relu()?;
        }
    }
    Ok(x)
}
