//! The part of a policy file that only `kind: tuner` has.

use carbon_kube_core::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{MAX_BYTES, PolicyError, sha256};
use crate::network::{Network, Output};
use crate::observation::ObservationSpec;
use crate::ranges;
use crate::settings::Settings;
use crate::tuner::{Action, Tuner};

/// Name of the weights in a folder and in a ConfigMap.
pub const ACTOR: &str = "actor.safetensors";

/// What a tuner shifts, what it sees, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TunerCard {
    /// The rule whose threshold is shifted: it decides, and is alone where the tuner can't say.
    pub base: Settings,
    /// The inputs of the network, with their ranges in training.
    pub observation: ObservationSpec,
    /// What an answer of the network means.
    #[serde(default)]
    pub action: Action,
    /// What the last layer of the network says. Default `tanh`.
    #[serde(default)]
    pub output: Output,
    /// Minutes between two answers in training, 1 to 60.
    pub control_minutes: u32,
    /// SHA-256 of the weights, in hex.
    pub actor_sha256: String,
}

impl TunerCard {
    /// The tuner with its weights.
    pub(super) fn tuner(&self, actor: Option<&[u8]>, yaml: usize) -> Result<Tuner, PolicyError> {
        let actor = actor.ok_or(PolicyError::NoActor)?;
        // A ConfigMap holds them in base64: 4 characters for 3 bytes.
        let size = yaml + actor.len().div_ceil(3) * 4;
        if size > MAX_BYTES {
            return Err(PolicyError::TooLarge(size));
        }
        let found = sha256(actor);
        if !self.actor_sha256.eq_ignore_ascii_case(&found) {
            let expected = self.actor_sha256.chars().take(64).collect();
            return Err(PolicyError::ActorChecksum { expected, found });
        }
        if !(1..=60).contains(&self.control_minutes) {
            let problem = format!("controlMinutes {}: expected 1 to 60", self.control_minutes);
            return Err(PolicyError::Tuner(problem));
        }
        self.observation.check().map_err(PolicyError::Tuner)?;
        self.action.check().map_err(PolicyError::Tuner)?;
        self.check_base()?;
        let network = Network::read_as(actor, self.observation.len(), self.output)
            .map_err(PolicyError::Actor)?;
        Ok(Tuner {
            observation: self.observation.clone(),
            network,
            action: self.action,
            control_interval: Span::MINUTE * i64::from(self.control_minutes),
        })
    }

    fn check_base(&self) -> Result<(), PolicyError> {
        let error =
            |problem: String| PolicyError::Settings { kind: self.base.name().to_owned(), problem };
        if !self.base.has_threshold() {
            return Err(error("it has no threshold for a tuner to shift".to_owned()));
        }
        let tagged = serde_json::to_value(&self.base).map_err(|e| error(e.to_string()))?;
        ranges::check(&json!(tagged)).map_err(error)
    }
}
