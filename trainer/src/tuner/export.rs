//! From the network that decides to a policy file, version 1.

use std::sync::Arc;

use carbon_kube_core::Span;
use carbon_kube_core::cluster::POLICY;
use carbon_kube_policies::file::{
    ACTOR, Loaded, PolicyError, PolicyFile, Provenance, TUNER, TunerCard, VERSION, sha256,
};
use carbon_kube_policies::network::{Network, NetworkError, Output, to_bytes};
use carbon_kube_policies::{Deployed, Tuner};

use super::config::{Algorithm, TrainConfig};
use crate::environment::world::WorldConfig;
use crate::network::Shape;

/// A policy folder: what its files hold.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFolder {
    /// `policy.yaml`.
    pub yaml: String,
    /// `actor.safetensors`.
    pub actor: Vec<u8>,
    /// What a simulation or a cluster makes of both.
    pub policy: Loaded,
}

impl PolicyFolder {
    /// A policy of these weights, with the rule that takes over where it can't decide.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] where it would be refused: a name that is none, more than 1 MiB.
    ///
    /// # Panics
    ///
    /// Never: a policy file has text keys and plain values.
    pub fn new(
        config: &TrainConfig,
        world: &WorldConfig,
        fallback: &str,
        actor: Vec<u8>,
        provenance: Provenance,
    ) -> Result<Self, PolicyError> {
        let card = TunerCard {
            base: world.base.clone(),
            observation: world.observation.clone(),
            action: world.action,
            output: output(&config.algorithm),
            control_minutes: world.control_minutes,
            actor_sha256: sha256(&actor),
        };
        let file = PolicyFile {
            version: VERSION,
            name: config.name.clone(),
            kind: TUNER.to_owned(),
            settings: serde_json::Map::new(),
            tuner: Some(card),
            bounds: world.bounds,
            fallback: fallback.to_owned(),
            provenance,
        };
        let yaml = serde_saphyr::to_string(&file).expect("text keys and plain values");
        let policy = Loaded::parse_with(&yaml, Some(&actor), None)?;
        Ok(Self { yaml, actor, policy })
    }

    /// The files by name, checksums included.
    #[must_use]
    pub fn files(&self) -> [(&'static str, Vec<u8>); 3] {
        let sums = format!("{}  {}\n", self.policy.sha256, POLICY.1);
        [
            (POLICY.1, self.yaml.clone().into_bytes()),
            (ACTOR, self.actor.clone()),
            ("SHA256SUMS", sums.into_bytes()),
        ]
    }
}

/// The bytes of `actor.safetensors` for a network that decides, its parameters as one vector. Of
/// soft actor-critic only the mean is kept: without noise the action is its hyperbolic tangent.
///
/// # Errors
///
/// None for a network of this algorithm.
///
/// # Panics
///
/// Where there are fewer numbers than the shape has; a bug.
pub fn weights(
    algorithm: &Algorithm,
    shape: &Shape,
    numbers: &[f32],
) -> Result<Vec<u8>, NetworkError> {
    let last = shape.layers().len() - 1;
    let layer = |(number, layer): (usize, crate::network::Layer)| {
        let is_mean = number == last && matches!(algorithm, Algorithm::Sac(_));
        let outputs = if is_mean { layer.outputs / 2 } else { layer.outputs };
        let (weights, bias) = (&numbers[layer.weights.clone()], &numbers[layer.bias.clone()]);
        // Ours are [inputs, outputs], the file's [outputs, inputs].
        let row = |output: usize| {
            (0..layer.inputs).map(move |input| weights[input * layer.outputs + output])
        };
        ((0..outputs).flat_map(row).collect(), bias[..outputs].to_vec())
    };
    let layers: Vec<(Vec<f32>, Vec<f32>)> = shape.layers().enumerate().map(layer).collect();
    to_bytes(shape.input(), &layers)
}

/// The parameters of a soft actor-critic's actor that decides as this network does: the other way round than
/// [`weights`]. `deviation` is that of its noise before the tangent, whatever it sees.
///
/// # Panics
///
/// Where the network has other widths than the shape; a bug.
#[must_use]
pub fn parameters(shape: &Shape, network: &Network, deviation: f64) -> Vec<f32> {
    let mut numbers = vec![0.0; shape.parameters()];
    let mut last = 0..0;
    for (layer, (weights, bias)) in shape.layers().zip(network.layers()) {
        for (output, row) in weights.chunks_exact(layer.inputs).enumerate() {
            for (input, weight) in row.iter().enumerate() {
                numbers[layer.weights.start + input * layer.outputs + output] = *weight;
            }
        }
        numbers[layer.bias.clone()][..bias.len()].copy_from_slice(&bias);
        last = layer.bias;
    }
    // Means first, then the logarithms of their deviations.
    let middle = last.start + last.len() / 2;
    numbers[middle..last.end].fill(deviation.ln() as f32);
    numbers
}

/// The policy that these weights are, without a file around them.
///
/// # Errors
///
/// [`NetworkError`] where a weight is not finite, or a shape doesn't fit.
pub fn deployed(
    algorithm: &Algorithm,
    world: &WorldConfig,
    actor: &[u8],
) -> Result<Deployed, NetworkError> {
    let network = Network::read_as(actor, world.observation.len(), output(algorithm))?;
    let tuner = Tuner {
        observation: world.observation.clone(),
        network,
        action: world.action,
        control_interval: Span::MINUTE * i64::from(world.control_minutes),
    };
    let (rule, bounds) = (world.base.clone(), world.bounds);
    Ok(Deployed { rule, bounds, tuner: Some(Arc::new(tuner)) })
}

fn output(algorithm: &Algorithm) -> Output {
    match algorithm {
        Algorithm::Sac(_) => Output::Tanh,
        Algorithm::Dqn(_) | Algorithm::A2c(_) => Output::Argmax,
    }
}
