//! Nodes that come and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use carbon_kube_core::Span;

/// A pool that grows when pods find no room and shrinks when nodes stay empty, as Kubernetes'
/// Cluster Autoscaler does. The pool's `count` is what it has as the window starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Autoscaling {
    /// Fewest nodes. Default 0: the pool can vanish.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min: u32,
    /// Most nodes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max: u32,
    /// From the order of a node to its first pod. Default `2m`.
    #[serde(default = "boot_time")]
    pub boot_time: Duration,
    /// Power of a node that boots, in watts. Default: that of an idle one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub boot_watts: Option<f64>,
    /// How long a node stays empty before it is switched off. Default `10m`, the Cluster
    /// Autoscaler's.
    #[serde(default = "scale_down_delay")]
    pub scale_down_delay: Duration,
}

fn boot_time() -> Duration {
    Duration(Span::MINUTE * 2)
}

fn scale_down_delay() -> Duration {
    Duration(Span::MINUTE * 10)
}

/// Machines that break. Both times are exponential, drawn per node from the seed: the same for
/// every policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failures {
    /// Mean time from the end of one failure of a node to its next.
    pub mean_between: Duration,
    /// Mean time to repair. Default `1h`.
    #[serde(default = "repair")]
    pub mean_repair: Duration,
}

fn repair() -> Duration {
    Duration(Span::HOUR)
}

/// Spot capacity that its owner takes back. The time is exponential, drawn per node from the seed:
/// the same for every policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spot {
    /// Mean time that a node stays.
    pub mean_between: Duration,
    /// When the next node comes. Default `5m`. In a pool with `autoscaling` it comes when pods need
    /// it.
    #[serde(default = "replaced_after")]
    pub replaced_after: Duration,
}

fn replaced_after() -> Duration {
    Duration(Span::MINUTE * 5)
}
