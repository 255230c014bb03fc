//! What pods ask of each other: spread, affinity, priority, disruption.

use std::collections::BTreeMap;

use super::Requirement;

/// The label of a node's own name: a topology of single nodes.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

/// What the pods of a class ask of other pods, as in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRules {
    /// The labels that selectors of other classes, and its own, look at.
    pub labels: BTreeMap<String, String>,
    /// Topology spread constraints.
    pub spread: Vec<Spread>,
    /// Affinity and anti-affinity.
    pub affinity: Vec<PodAffinity>,
}

/// `topologySpreadConstraints`: pods that match spread over the values of a node label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Most pods in one value of the label beyond the value with the fewest; at least 1.
    pub max_skew: u32,
    /// The node label, or [`HOSTNAME`].
    pub topology_key: String,
    /// `DoNotSchedule`; else `ScheduleAnyway`, a preference.
    pub required: bool,
    /// Which pods count: all of the requirements hold for their labels.
    pub selector: Vec<Requirement>,
}

/// One term of `podAffinity` or `podAntiAffinity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodAffinity {
    /// The node label within whose values pods are together, or [`HOSTNAME`].
    pub topology_key: String,
    /// Which pods are meant.
    pub selector: Vec<Requirement>,
    /// Away from them, not to them.
    pub anti: bool,
    /// `None`: required. Else the weight of a preference, 1 to 100.
    pub weight: Option<i32>,
}

/// What may be done to the running pods of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disruption {
    /// Whether its pods may take the room of pods with lower priority (`preemptionPolicy`).
    pub preempts: bool,
    /// How often a job's pod may lose its node and be started again (`backoffLimit`); `None`: for
    /// ever. Pods of a Deployment are always replaced.
    pub retries: Option<u32>,
    /// The PodDisruptionBudget.
    pub budget: Option<Budget>,
}

impl Default for Disruption {
    fn default() -> Self {
        Self { preempts: true, retries: None, budget: None }
    }
}

/// A PodDisruptionBudget. Moves keep it; preemption prefers victims that keep it, as in
/// kube-scheduler; outages know nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many pods stay up.
    MinAvailable(u32),
    /// So many of the pods that should be up may be down.
    MaxUnavailable(u32),
}
