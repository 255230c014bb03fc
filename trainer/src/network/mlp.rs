//! A perceptron of linear layers with ReLU between them, its parameters one flat vector.

use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, Var, bail};
use rand::RngExt;
use rand_pcg::Pcg64;

use super::{Kernel, fused, reference, spare};

/// Numbers per layer, from the input to the output.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape(Vec<usize>);

/// Where a linear layer lies in the flat vector: `x * weights + bias`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Numbers that come in.
    pub inputs: usize,
    /// Numbers that go out.
    pub outputs: usize,
    /// `inputs x outputs` in row-major order (the transpose of PyTorch's).
    pub weights: Range<usize>,
    /// One per output.
    pub bias: Range<usize>,
}

impl Shape {
    /// Hidden layers of these widths between input and output.
    ///
    /// # Panics
    ///
    /// Where a layer has no numbers.
    #[must_use]
    pub fn new(input: usize, hidden: &[usize], output: usize) -> Self {
        let sizes: Vec<usize> =
            [input].into_iter().chain(hidden.iter().copied()).chain([output]).collect();
        assert!(sizes.iter().all(|&size| size > 0), "a layer without numbers: {sizes:?}");
        Self(sizes)
    }

    /// Numbers per example.
    #[must_use]
    pub fn input(&self) -> usize {
        self.0[0]
    }

    /// Numbers per answer.
    #[must_use]
    pub fn output(&self) -> usize {
        self.0[self.0.len() - 1]
    }

    /// Length of the flat vector.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.0.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
    }

    /// The layers, first to last.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = Layer> + ExactSizeIterator + '_ {
        let starts: Vec<usize> = self
            .0
            .windows(2)
            .scan(0, |at, pair| Some(std::mem::replace(at, *at + (pair[0] + 1) * pair[1])))
            .collect();
        (0..self.0.len() - 1).map(move |at| {
            let (inputs, outputs) = (self.0[at], self.0[at + 1]);
            let middle = starts[at] + inputs * outputs;
            Layer { inputs, outputs, weights: starts[at]..middle, bias: middle..middle + outputs }
        })
    }

    /// First parameters: uniform within `1 / sqrt(inputs)`, weights and bias alike. That is what
    /// PyTorch's `Linear` does (He et al. 2015 with `a = sqrt(5)`), so peers start alike.
    #[must_use]
    pub fn initial(&self, stream: &mut Pcg64) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(self.parameters());
        for layer in self.layers() {
            let bound = 1.0 / (layer.inputs as f32).sqrt();
            let count = layer.weights.len() + layer.bias.len();
            parameters.extend((0..count).map(|_| stream.random_range(-bound..bound)));
        }
        parameters
    }
}

/// A network: shape, parameters, and how both are computed with.
#[derive(Clone, Debug)]
pub struct Mlp {
    shape: Shape,
    parameters: Var,
    kernel: Kernel,
}

/// Answers of a network that can learn from them.
#[derive(Debug)]
pub struct Forward {
    /// `examples x outputs`.
    pub output: Tensor,
    parameters: Var,
    sink: fused::Sink,
}

impl Forward {
    /// The gradient of a loss by the network's parameters. Once per loss.
    ///
    /// # Errors
    ///
    /// Where the loss doesn't depend on these answers.
    pub fn gradient(&self, loss: &Tensor) -> Result<Gradient> {
        let store = loss.backward()?;
        if let Some(gradient) = self.sink.get() {
            // The operation may still be part of a graph, so the vector is not ours to take.
            let mut copy = spare::take(gradient.len());
            copy.copy_from_slice(gradient);
            return Ok(Gradient { parameters: copy, store });
        }
        match store.get(&self.parameters) {
            Some(gradient) => Ok(Gradient { parameters: gradient.to_vec1()?, store }),
            None => bail!("a loss that doesn't depend on its network"),
        }
    }
}

/// What a loss says about its network.
#[derive(Debug)]
pub struct Gradient {
    /// By parameter.
    pub parameters: Vec<f32>,
    /// By any other variable.
    pub store: GradStore,
}

impl Drop for Gradient {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.parameters));
    }
}

impl Mlp {
    /// A network with these parameters.
    ///
    /// # Errors
    ///
    /// Where they don't have the shape's length.
    pub fn new(shape: Shape, kernel: Kernel, parameters: Vec<f32>) -> Result<Self> {
        let parameters = Var::from_vec(parameters, shape.parameters(), &Device::Cpu)?;
        Ok(Self { shape, parameters, kernel })
    }

    /// A network of its own with the same numbers.
    ///
    /// # Errors
    ///
    /// None on a CPU.
    pub fn copy(&self) -> Result<Self> {
        Self::new(self.shape.clone(), self.kernel, self.numbers()?)
    }

    /// Layers and their widths.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What an optimiser changes.
    #[must_use]
    pub fn parameters(&self) -> &Var {
        &self.parameters
    }

    /// The parameters as plain numbers.
    ///
    /// # Errors
    ///
    /// None on a CPU.
    pub fn numbers(&self) -> Result<Vec<f32>> {
        self.parameters.to_vec1()
    }

    /// Takes other parameters.
    ///
    /// # Errors
    ///
    /// Where they don't have the shape's length.
    pub fn set(&self, parameters: Vec<f32>) -> Result<()> {
        self.parameters.set(&Tensor::from_vec(parameters, self.shape.parameters(), &Device::Cpu)?)
    }

    /// Answers to `examples x inputs`, with gradients for the parameters, and for the input where
    /// that depends on a variable.
    ///
    /// # Errors
    ///
    /// Where the input has another width.
    pub fn forward(&self, x: &Tensor) -> Result<Forward> {
        let parameters = self.parameters.as_tensor();
        let sink = fused::Sink::default();
        let output = match self.kernel {
            Kernel::Fused => fused::forward(&self.shape, parameters, x, Some(sink.clone()))?,
            Kernel::Reference => reference::forward(&self.shape, parameters, x)?,
        };
        Ok(Forward { output, parameters: self.parameters.clone(), sink })
    }

    /// Answers with gradients for the input only.
    ///
    /// # Errors
    ///
    /// Where the input has another width.
    pub fn forward_frozen(&self, x: &Tensor) -> Result<Tensor> {
        let parameters = self.parameters.as_detached_tensor();
        match self.kernel {
            Kernel::Fused => fused::forward(&self.shape, &parameters, x, None),
            Kernel::Reference => reference::forward(&self.shape, &parameters, x),
        }
    }

    /// Answers without gradients.
    ///
    /// # Errors
    ///
    /// Where the input has another width.
    pub fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_frozen(&x.detach())
    }

    /// Answers to observations that are no tensor: one row after the other.
    ///
    /// # Errors
    ///
    /// Where the input has another width.
    pub fn respond(&self, observations: &[f32]) -> Result<Vec<f32>> {
        let rows = observations.len() / self.shape.input();
        let x = Tensor::from_slice(observations, (rows, self.shape.input()), &Device::Cpu)?;
        self.evaluate(&x)?.flatten_all()?.to_vec1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_vector_holds_layer_after_layer() {
        let shape = Shape::new(3, &[5], 2);
        let layers: Vec<Layer> = shape.layers().collect();
        // 3 x 5 weights and 5 biases are 20 numbers, 5 x 2 and 2 are 12.
        assert_eq!((layers[0].weights.clone(), layers[0].bias.clone()), (0..15, 15..20));
        assert_eq!((layers[1].weights.clone(), layers[1].bias.clone()), (20..30, 30..32));
        assert_eq!(shape.parameters(), 32);
    }

    #[test]
    fn one_seed_gives_one_network_within_the_bound() {
        let shape = Shape::new(4, &[64], 1);
        let initial = |seed| shape.initial(&mut carbon_kube_core::seed::stream(seed, "actor"));
        assert_eq!(initial(1), initial(1));
        assert_ne!(initial(1), initial(2));
        let first = initial(1);
        // 1 / sqrt(4) and 1 / sqrt(64).
        assert!(first[..320].iter().all(|x| x.abs() <= 0.5));
        assert!(first[..320].iter().any(|x| x.abs() > 0.4));
        assert!(first[320..].iter().all(|x| x.abs() <= 0.125));
    }
}
