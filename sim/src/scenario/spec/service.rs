//! Services and what may be done to their pods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// The load of a Deployment, and a HorizontalPodAutoscaler that follows it at each step:
/// replicas = ceil(load / (CPU request x `targetUtilisation`)), within the bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Load {
    /// How long each value holds; at least `1m`.
    pub step: Duration,
    /// Busy cores of the whole service. The list is repeated to the end of the window, so that 24
    /// hourly values make every day the same.
    #[schemars(length(min = 1), inner(range(min = 0, max = 1_000_000)))]
    pub cores: Vec<f64>,
    /// Wanted utilisation of the requested CPU, above 0 to 1. Default 0.7.
    #[serde(default = "target")]
    #[schemars(range(min = 0.01, max = 1))]
    pub target_utilisation: f64,
    /// Fewest replicas. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_replicas: u32,
    /// Most replicas.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_replicas: u32,
}

fn target() -> f64 {
    0.7
}

fn one() -> u32 {
    1
}

/// A PodDisruptionBudget. Moves keep it, preemption prefers victims that keep it. Exactly one of
/// the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DisruptionBudget {
    /// So many pods stay up.
    MinAvailable(#[schemars(range(min = 0, max = 1_000_000))] u32),
    /// So many of the pods that should be up may be down.
    MaxUnavailable(#[schemars(range(min = 0, max = 1_000_000))] u32),
}
