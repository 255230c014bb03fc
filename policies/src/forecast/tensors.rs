//! The numbers of models as safetensors.

use std::collections::BTreeMap;

use carbon_kube_core::Span;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::chain::Model;
use super::correction::{Correction, Learner};
use super::file::{CorrectionCard, CorrectionKind, ForecastFileError, ModelCard, NowcastCard};
use super::linear::LinearError;
use super::{HORIZON_HOURS, Linear, Nowcast, PROBABILITIES, Trees, nowcast};
use crate::network::{Network, Output};

/// The bytes of [`WEIGHTS`](super::file::WEIGHTS) of these models, by name.
///
/// # Errors
///
/// [`ForecastFileError::Weights`] where they can't be written.
pub fn write(
    models: &BTreeMap<String, Model>,
    nowcasts: &BTreeMap<String, Nowcast>,
) -> Result<Vec<u8>, ForecastFileError> {
    let mut owned = Vec::new();
    owned.extend(nowcasts.iter().flat_map(|(name, nowcast)| of_nowcast(name, nowcast)));
    for (name, model) in models {
        owned.extend(of_line(name, &model.linear));
        for correction in &model.corrections {
            match &correction.learner {
                Learner::Trees(trees) => owned.extend(of_trees(name, trees)),
                Learner::Network(network) => owned.extend(of_network(name, network)),
            }
        }
    }
    let views: Result<Vec<_>, _> = owned
        .iter()
        .map(|tensor: &Tensor| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?;
            Ok((&tensor.name, view))
        })
        .collect();
    views
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|error| ForecastFileError::Weights(error.to_string()))
}

/// The model that a card is of.
pub(super) fn model(
    card: &ModelCard,
    tensors: &SafeTensors<'_>,
) -> Result<Model, ForecastFileError> {
    let level = card.level_grams_per_kwh.map(|level| level as f32);
    let usable = level.is_none_or(|level| level.is_finite() && level > 0.0);
    if level.is_some() != card.zone.is_some() || !usable {
        return Err(ForecastFileError::Level(card.name.clone()));
    }
    let name = |what: &str| format!("{}.{what}", card.name);
    let (weights, constants, errors) = (
        floats(tensors, &name("weights"))?,
        floats(tensors, &name("constants"))?,
        floats(tensors, &name("errors"))?,
    );
    let linear =
        Linear::new(card.features, weights, constants, errors).map_err(|e| refused(card, e))?;
    let corrections = card.corrections.iter().map(|correction| learner(card, correction, tensors));
    Ok(Model { linear, corrections: corrections.collect::<Result<_, _>>()?, level })
}

/// The nowcast that a card is of.
pub(super) fn nowcast(
    card: &NowcastCard,
    tensors: &SafeTensors<'_>,
) -> Result<Nowcast, ForecastFileError> {
    let numbers = |what: &str| floats(tensors, &format!("{}.{what}", card.name));
    let (weights, constants, errors) =
        (numbers("weights")?, numbers("constants")?, numbers("errors")?);
    let level = card.level_grams_per_kwh as f32;
    if !(level.is_finite() && level > 0.0) {
        return Err(ForecastFileError::Level(card.name.clone()));
    }
    let step = Span::MINUTE * i64::from(card.step_minutes);
    Nowcast::new(step, level, weights, constants, errors)
        .map_err(|error| ForecastFileError::Model { model: card.name.clone(), error })
}

struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn of_floats(name: String, shape: Vec<usize>, numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { name, dtype: Dtype::F32, shape, bytes }
    }
}

fn of_line(name: &str, line: &Linear) -> [Tensor; 3] {
    [
        ("weights", line.weights(), line.features().count()),
        ("constants", line.constants(), 1),
        ("errors", line.errors(), PROBABILITIES.len()),
    ]
    .map(|(what, numbers, width)| {
        Tensor::of_floats(format!("{name}.{what}"), vec![HORIZON_HOURS, width], numbers)
    })
}

fn of_nowcast(name: &str, nowcast: &Nowcast) -> [Tensor; 3] {
    [
        ("weights", nowcast.weights(), nowcast::INPUTS),
        ("constants", nowcast.constants(), 1),
        ("errors", nowcast.errors(), PROBABILITIES.len()),
    ]
    .map(|(what, numbers, width)| {
        let shape = vec![nowcast::steps(nowcast.step()), width];
        Tensor::of_floats(format!("{name}.{what}"), shape, numbers)
    })
}

fn of_trees(name: &str, trees: &Trees) -> [Tensor; 3] {
    let (depth, count) = (trees.depth(), trees.inputs().len() / trees.depth());
    let name = |what: &str| format!("{name}.trees.{what}");
    [
        Tensor {
            name: name("inputs"),
            dtype: Dtype::U32,
            shape: vec![count, depth],
            bytes: trees.inputs().iter().flat_map(|input| input.to_le_bytes()).collect(),
        },
        Tensor::of_floats(name("thresholds"), vec![count, depth], trees.thresholds()),
        Tensor::of_floats(name("leaves"), vec![count, 1 << depth], trees.leaves()),
    ]
}

fn of_network(name: &str, network: &Network) -> Vec<Tensor> {
    let of_layer = |(number, (weights, bias)): (usize, (Vec<f32>, Vec<f32>))| {
        let name = |what: &str| format!("{name}.network.layers.{number}.{what}");
        let shape = vec![bias.len(), weights.len() / bias.len().max(1)];
        [
            Tensor::of_floats(name("weight"), shape, &weights),
            Tensor::of_floats(name("bias"), vec![bias.len()], &bias),
        ]
    };
    network.layers().into_iter().enumerate().flat_map(of_layer).collect()
}

fn learner(
    card: &ModelCard,
    correction: &CorrectionCard,
    tensors: &SafeTensors<'_>,
) -> Result<Correction, ForecastFileError> {
    if !correction.shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return Err(ForecastFileError::Shares(card.name.clone()));
    }
    let learner = match correction.kind {
        CorrectionKind::Trees => Learner::Trees(trees(card, tensors)?),
        CorrectionKind::Network => Learner::Network(network(card, tensors)?),
    };
    Ok(Correction { learner, shares: correction.shares })
}

fn trees(card: &ModelCard, tensors: &SafeTensors<'_>) -> Result<Trees, ForecastFileError> {
    let name = |what: &str| format!("{}.trees.{what}", card.name);
    let depth = find(tensors, &name("inputs"), Dtype::U32)?.shape().last().copied().unwrap_or(0);
    Trees::new(
        depth,
        Correction::width(&card.features),
        words(tensors, &name("inputs"), Dtype::U32)?.map(u32::from_le_bytes).collect(),
        floats(tensors, &name("thresholds"))?,
        floats(tensors, &name("leaves"))?,
    )
    .map_err(|error| refused(card, error))
}

fn network(card: &ModelCard, tensors: &SafeTensors<'_>) -> Result<Network, ForecastFileError> {
    let prefix = format!("{}.network.", card.name);
    Network::from_tensors(tensors, &prefix, Correction::width(&card.features), Output::Tanh)
        .map_err(|error| ForecastFileError::Network { model: card.name.clone(), error })
}

fn refused(card: &ModelCard, error: LinearError) -> ForecastFileError {
    ForecastFileError::Model { model: card.name.clone(), error }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>, ForecastFileError> {
    Ok(words(tensors, name, Dtype::F32)?.map(f32::from_le_bytes).collect())
}

/// Four bytes per number.
fn words<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
) -> Result<impl Iterator<Item = [u8; 4]> + use<'a>, ForecastFileError> {
    let data = find(tensors, name, dtype)?.data();
    Ok(data.chunks_exact(4).map(|bytes| [bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn find<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
) -> Result<TensorView<'a>, ForecastFileError> {
    let problem = ForecastFileError::Weights;
    let tensor = tensors.tensor(name).map_err(|error| problem(error.to_string()))?;
    if tensor.dtype() != dtype {
        return Err(problem(format!("`{name}` is {:?}, expected {dtype:?}", tensor.dtype())));
    }
    Ok(tensor)
}
