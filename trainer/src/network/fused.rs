//! A whole network as one operation, forwards and backwards by hand.
//!
//! Candle's own way computes both gradients of every product, wanted or not, and adds each into
//! fresh zeros, long ones in a pool of threads that spin; and each of its products asks the system
//! for the number of threads. Here a gradient that nobody wants is not computed, that of the
//! parameters goes past candle's store, and one thread is all.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Tensor, bail};

use super::mlp::{Layer, Shape};
use super::product::{Epilogue, Matrix, keep_where_positive, multiply, sum_of_rows};
use super::{slice, spare, with_numbers};

/// Where the gradient of the parameters is put on the way back.
pub(super) type Sink = Arc<OnceLock<Vec<f32>>>;

/// Answers of the network to `x`; without a sink its parameters get no gradient.
pub(super) fn forward(
    shape: &Shape,
    parameters: &Tensor,
    x: &Tensor,
    sink: Option<Sink>,
) -> Result<Tensor> {
    let operation = FusedMlp {
        shape: shape.clone(),
        input_wanted: x.track_op(),
        sink,
        hidden: OnceLock::new(),
    };
    let x = x.contiguous()?;
    if operation.input_wanted || operation.sink.is_some() {
        x.apply_op2(parameters, operation)
    } else {
        x.apply_op2_no_bwd(parameters, &operation)
    }
}

struct FusedMlp {
    shape: Shape,
    input_wanted: bool,
    sink: Option<Sink>,
    /// What the hidden layers answered, for the way back.
    hidden: OnceLock<Vec<Vec<f32>>>,
}

impl CustomOp2 for FusedMlp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> Result<(CpuStorage, candle_core::Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        if inputs != self.shape.input() {
            bail!("the network takes {} numbers, not {inputs}", self.shape.input());
        }
        let x = slice(x, x_layout)?;
        let parameters = slice(parameters, parameters_layout)?;
        let mut hidden: Vec<Vec<f32>> = Vec::new();
        let layers = self.shape.layers();
        let last = layers.len() - 1;
        for (at, layer) in layers.enumerate() {
            let input = hidden.last().map_or(x, Vec::as_slice);
            hidden.push(linear(&layer, parameters, input, rows, at < last));
        }
        let output = hidden.pop().unwrap_or_default();
        // A second run of one operation has the same hidden layers.
        let _ = self.hidden.set(hidden);
        Ok((CpuStorage::F32(output), (rows, self.shape.output()).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(hidden) = self.hidden.get() else { bail!("backwards before forwards") };
        let (by_input, by_parameters) = with_numbers(x, |x| {
            with_numbers(parameters, |parameters| {
                with_numbers(gradient, |gradient| self.gradients(x, parameters, hidden, gradient))
            })
        })???;
        if let (Some(sink), Some(by_parameters)) = (&self.sink, by_parameters)
            && sink.set(by_parameters).is_err()
        {
            bail!("backwards twice");
        }
        let by_input =
            by_input.map(|numbers| Tensor::from_vec(numbers, x.shape(), x.device())).transpose()?;
        Ok((by_input, None))
    }
}

impl Drop for FusedMlp {
    fn drop(&mut self) {
        self.hidden.take().into_iter().flatten().for_each(spare::give);
    }
}

impl FusedMlp {
    /// Gradients of input and parameters, where wanted.
    fn gradients(
        &self,
        x: &[f32],
        parameters: &[f32],
        hidden: &[Vec<f32>],
        gradient: &[f32],
    ) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
        let rows = x.len() / self.shape.input();
        let mut by_parameters = self.sink.is_some().then(|| spare::take(parameters.len()));
        let mut by_output = spare::take(gradient.len());
        by_output.copy_from_slice(gradient);
        for (at, layer) in self.shape.layers().enumerate().rev() {
            let input = if at == 0 { x } else { hidden[at - 1].as_slice() };
            let output = Matrix::new(&by_output, rows, layer.outputs);
            if let Some(by_parameters) = &mut by_parameters {
                let left = Matrix::new(input, rows, layer.inputs).transposed();
                let weights = &mut by_parameters[layer.weights.clone()];
                multiply(left, output, Epilogue::default(), weights);
                sum_of_rows(&by_output, &mut by_parameters[layer.bias.clone()]);
            }
            if at == 0 && !self.input_wanted {
                spare::give(by_output);
                return (None, by_parameters);
            }
            let weights = &parameters[layer.weights.clone()];
            let weights = Matrix::new(weights, layer.inputs, layer.outputs).transposed();
            let mut by_input = spare::take(rows * layer.inputs);
            multiply(output, weights, Epilogue::default(), &mut by_input);
            if at > 0 {
                let mut kept = spare::take(by_input.len());
                keep_where_positive(&by_input, input, &mut kept);
                spare::give(std::mem::replace(&mut by_input, kept));
            }
            spare::give(std::mem::replace(&mut by_output, by_input));
        }
        (Some(by_output), by_parameters)
    }
}

fn linear(layer: &Layer, parameters: &[f32], x: &[f32], rows: usize, relu: bool) -> Vec<f32> {
    let weights = Matrix::new(&parameters[layer.weights.clone()], layer.inputs, layer.outputs);
    let mut result = spare::take(rows * layer.outputs);
    let epilogue = Epilogue { bias: Some(&parameters[layer.bias.clone()]), relu };
    multiply(Matrix::new(x, rows, layer.inputs), weights, epilogue, &mut result);
    result
}
