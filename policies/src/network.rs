//! A multilayer perceptron in plain `f32`: ReLU inside, one answer of -1 to 1 at the end.
//!
//! ```text
//!  x --> W0 x + b0 --> max(0, .) --> W1 x + b1 --> max(0, .) --> ... --> w x + b --> tanh --> (-1, 1)
//! ```
//!
//! That is [`Output::Tanh`]. With [`Output::Argmax`] the last layer has a value for each of some answers,
//! and the answer is the one with the greatest.
//!
//! Weights come as safetensors: `layers.N.weight` of shape (outputs, inputs) and `layers.N.bias` of
//! shape (outputs), both F32, N from 0 on. Sums run in the order of the inputs and the hyperbolic
//! tangent is that of `libm`, so one file gives the same bits on every machine.

use std::ops::RangeInclusive;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most layers.
pub const MAX_LAYERS: usize = 8;

/// The most numbers into or out of a layer.
pub const MAX_WIDTH: usize = 1_024;

/// What the last layer of a network says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// One number, squashed by the hyperbolic tangent.
    #[default]
    Tanh,
    /// A value for each of two or more answers at equal distances, -1 and 1 among them. The answer is
    /// the one with the greatest value, the first of equals.
    Argmax,
}

/// A network with one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
    output: Output,
}

/// One layer, its weights by input: the sums of all outputs grow side by side.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    inputs: usize,
    /// `weights[input * outputs + output]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Why weights are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Malformed(String),
    /// A tensor that is missing, or one too many.
    #[error(
        "tensor `{0}`: expected `layers.N.weight` and `layers.N.bias` for N from 0 to at most 7"
    )]
    Tensor(String),
    /// A tensor that holds something else than 32-bit floats.
    #[error("tensor `{name}` is {dtype}, expected F32")]
    Dtype {
        /// Its name.
        name: String,
        /// What it holds.
        dtype: String,
    },
    /// A tensor whose shape does not fit its neighbours.
    #[error("tensor `{name}` has the shape {shape:?}, expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What would fit.
        expected: String,
    },
    /// NaN or an infinity.
    #[error("tensor `{0}` has a number that is not finite")]
    NotFinite(String),
}

impl Network {
    /// Reads weights for so many inputs, with a tangent at the end.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] names the tensor.
    pub fn read(bytes: &[u8], inputs: usize) -> Result<Self, NetworkError> {
        Self::read_as(bytes, inputs, Output::Tanh)
    }

    /// Reads weights for so many inputs and this output.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] names the tensor.
    pub fn read_as(bytes: &[u8], inputs: usize, output: Output) -> Result<Self, NetworkError> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| NetworkError::Malformed(error.to_string()))?;
        Self::from_tensors(&tensors, "", inputs, output)
    }

    /// The same from a file that holds more: its tensors are those whose names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn from_tensors(
        tensors: &SafeTensors<'_>,
        prefix: &str,
        inputs: usize,
        output: Output,
    ) -> Result<Self, NetworkError> {
        let own = tensors.names().into_iter().filter(|name| name.starts_with(prefix)).count();
        let count = own / 2;
        if count == 0 || count > MAX_LAYERS || !own.is_multiple_of(2) {
            return Err(NetworkError::Tensor(format!("{prefix}layers.{count}.weight")));
        }
        let mut layers = Vec::with_capacity(count);
        let mut width = inputs;
        for number in 0..count {
            let name = format!("{prefix}layers.{number}");
            let is_last = number + 1 == count;
            let layer = Layer::read(tensors, &name, width, is_last.then_some(output))?;
            width = layer.bias.len();
            layers.push(layer);
        }
        Ok(Self { layers, output })
    }

    /// A network of these layers: the weights of each, [outputs, inputs] row by row, and its bias.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn new(inputs: usize, layers: &[(Vec<f32>, Vec<f32>)]) -> Result<Self, NetworkError> {
        Self::read(&to_bytes(inputs, layers)?, inputs)
    }

    /// How many numbers it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Numbers out of each layer, first to last.
    #[must_use]
    pub fn widths(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.bias.len()).collect()
    }

    /// What its last layer says.
    #[must_use]
    pub fn output(&self) -> Output {
        self.output
    }

    /// The layers: the weights of each, [outputs, inputs] row by row, and its bias.
    #[must_use]
    pub fn layers(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        let layer = |layer: &Layer| {
            let outputs = layer.bias.len();
            let by_output =
                |at: usize| layer.weights[at % layer.inputs * outputs + at / layer.inputs];
            ((0..layer.weights.len()).map(by_output).collect(), layer.bias.clone())
        };
        self.layers.iter().map(layer).collect()
    }

    /// The answer to these inputs, -1 to 1. NaN where an input is NaN or the sums overflow;
    /// missing inputs count as 0.
    #[must_use]
    pub fn forward(&self, inputs: &[f32]) -> f32 {
        let mut values = inputs.to_vec();
        for (number, layer) in self.layers.iter().enumerate() {
            values = layer.forward(&values);
            if number + 1 < self.layers.len() {
                // Not `f32::max`, which would hide a NaN.
                values.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0);
            }
        }
        match self.output {
            Output::Tanh => libm::tanhf(values.first().copied().unwrap_or(f32::NAN)),
            Output::Argmax => answer(&values),
        }
    }
}

/// The answer with the greatest value; NaN where a value is.
fn answer(values: &[f32]) -> f32 {
    if values.iter().any(|value| value.is_nan()) {
        return f32::NAN;
    }
    let better = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    let best = (1..values.len()).fold(0, better);
    best as f32 * 2.0 / (values.len() - 1) as f32 - 1.0
}

impl Layer {
    fn read(
        tensors: &SafeTensors<'_>,
        prefix: &str,
        inputs: usize,
        last: Option<Output>,
    ) -> Result<Self, NetworkError> {
        let name = format!("{prefix}.weight");
        let (shape, weights) = numbers(tensors, &name)?;
        let outputs = match *shape {
            [outputs, width] if width == inputs && widths(last).contains(&outputs) => outputs,
            _ => {
                let (least, most) = widths(last).into_inner();
                let outputs =
                    if least == most { "1".to_owned() } else { format!("{least} to {most}") };
                let expected = format!("[{outputs}, {inputs}]");
                return Err(NetworkError::Shape { name, shape, expected });
            }
        };
        let name = format!("{prefix}.bias");
        let (shape, bias) = numbers(tensors, &name)?;
        if shape != [outputs] {
            return Err(NetworkError::Shape { name, shape, expected: format!("[{outputs}]") });
        }
        let by_input = |at: usize| weights[at % outputs * inputs + at / outputs];
        let weights = (0..weights.len()).map(by_input).collect();
        Ok(Self { inputs, weights, bias })
    }

    fn forward(&self, values: &[f32]) -> Vec<f32> {
        let mut sums = self.bias.clone();
        for (value, weights) in values.iter().zip(self.weights.chunks_exact(self.bias.len())) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += weight * value;
            }
        }
        sums
    }
}

/// Numbers out of a layer: of the last one with its output, of another one without.
fn widths(last: Option<Output>) -> RangeInclusive<usize> {
    match last {
        None => 1..=MAX_WIDTH,
        Some(Output::Tanh) => 1..=1,
        Some(Output::Argmax) => 2..=MAX_WIDTH,
    }
}

/// Shape and numbers of a tensor, all of them finite.
fn numbers(tensors: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>), NetworkError> {
    let tensor = tensors.tensor(name).map_err(|_| NetworkError::Tensor(name.to_owned()))?;
    if tensor.dtype() != Dtype::F32 {
        let dtype = format!("{:?}", tensor.dtype());
        return Err(NetworkError::Dtype { name: name.to_owned(), dtype });
    }
    let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let numbers: Vec<f32> = tensor.data().chunks_exact(4).map(number).collect();
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(NetworkError::NotFinite(name.to_owned()));
    }
    Ok((tensor.shape().to_vec(), numbers))
}

/// The safetensors of these layers: the weights of each, [outputs, inputs] row by row, and its
/// bias. They are not looked at: [`Network::read`] does.
///
/// # Errors
///
/// [`NetworkError::Malformed`] where weights don't fill their shape.
pub fn to_bytes(inputs: usize, layers: &[(Vec<f32>, Vec<f32>)]) -> Result<Vec<u8>, NetworkError> {
    let bytes = |numbers: &[f32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    };
    let mut owned = Vec::new();
    let mut width = inputs;
    for (number, (weights, bias)) in layers.iter().enumerate() {
        let shape = vec![bias.len(), width];
        owned.push((format!("layers.{number}.weight"), shape, bytes(weights)));
        owned.push((format!("layers.{number}.bias"), vec![bias.len()], bytes(bias)));
        width = bias.len();
    }
    let views: Result<Vec<_>, _> = owned
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    views
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|error| NetworkError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two inputs, two hidden units, one output.
    fn layers() -> Vec<(Vec<f32>, Vec<f32>)> {
        vec![(vec![1.0, 2.0, -1.0, 0.5], vec![0.5, 0.0]), (vec![0.25, -2.0], vec![0.125])]
    }

    #[test]
    fn the_forward_pass_is_what_is_on_paper() {
        let network = Network::new(2, &layers()).unwrap();
        // Hidden: 1 + 4 + 0.5 = 5.5 and -1 + 1 = 0. Output: 5.5 / 4 + 0.125 = 1.5.
        assert_eq!(network.forward(&[1.0, 2.0]).to_bits(), libm::tanhf(1.5).to_bits());
        // Hidden: -2 + 0.5 < 0 and 2: output -4 + 0.125.
        assert_eq!(network.forward(&[-2.0, 0.0]).to_bits(), libm::tanhf(-3.875).to_bits());
        assert!(network.forward(&[f32::NAN, 0.0]).is_nan());
    }

    #[test]
    fn with_argmax_the_answer_with_the_greatest_value_is_given() {
        let answer = |values: [f32; 3]| {
            let bytes = to_bytes(1, &[(vec![0.0; 3], values.to_vec())]).unwrap();
            Network::read_as(&bytes, 1, Output::Argmax).unwrap().forward(&[1.0]).to_bits()
        };
        assert_eq!(answer([1.0, 0.0, 0.5]), (-1f32).to_bits());
        assert_eq!(answer([0.0, 2.0, 2.0]), 0f32.to_bits());
        assert_eq!(answer([0.0, 2.0, 3.0]), 1f32.to_bits());
        let one = to_bytes(1, &[(vec![0.0], vec![0.0])]).unwrap();
        let error = Network::read_as(&one, 1, Output::Argmax).unwrap_err().to_string();
        assert!(error.ends_with("expected [2 to 1024, 1]"), "{error}");
    }

    #[test]
    fn the_layers_come_back_as_they_were_given() {
        assert_eq!(Network::new(2, &layers()).unwrap().layers(), layers());
    }

    fn refused(inputs: usize, layers: &[(Vec<f32>, Vec<f32>)]) -> String {
        Network::new(inputs, layers).unwrap_err().to_string()
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_by_name() {
        let bytes = to_bytes(2, &layers()).unwrap();
        let error = Network::read(&bytes, 3).unwrap_err().to_string();
        assert!(error.contains("`layers.0.weight` has the shape [2, 2], expected"), "{error}");
        let mut wrong = layers();
        wrong[1].1[0] = f32::INFINITY;
        assert!(refused(2, &wrong).contains("`layers.1.bias` has a number that is not finite"));
        assert!(refused(2, &layers()[..1]).contains("expected [1, 2]"));
        assert!(refused(2, &[]).contains("layers.0.weight"));
        let wide = MAX_WIDTH + 1;
        let too_wide = [(vec![0.0; 2 * wide], vec![0.0; wide]), (vec![0.0; wide], vec![0.0])];
        assert!(refused(2, &too_wide).contains("expected [1 to 1024, 2]"));
        let deep: Vec<_> = (0..9).map(|_| (vec![1.0], vec![0.0])).collect();
        assert!(refused(1, &deep).contains("layers.9.weight"));
        assert!(matches!(Network::read(b"no", 2), Err(NetworkError::Malformed(_))));
        let renamed = String::from_utf8_lossy(&bytes).replace("layers.1.bias", "layers.7.bias");
        assert!(Network::read(renamed.as_bytes(), 2).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Network::read(&bytes, 2);
        }

        #[test]
        fn finite_inputs_of_moderate_size_give_an_output_within_its_range(
            x in -1e3f32..1e3, y in -1e3f32..1e3,
        ) {
            let output = Network::new(2, &layers()).unwrap().forward(&[x, y]);
            prop_assert!((-1.0..=1.0).contains(&output));
        }
    }
}
