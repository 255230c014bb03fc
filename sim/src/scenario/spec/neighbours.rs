//! What a Kubernetes pod asks of other pods, with Kubernetes' own field names.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::Requirement;
use super::template::ignore;

fn spread_extras(schema: &mut Schema) {
    ignore(schema, &["minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy", "matchLabelKeys"]);
}

fn affinity_extras(schema: &mut Schema) {
    ignore(schema, &["namespaces", "namespaceSelector", "matchLabelKeys", "mismatchLabelKeys"]);
}

/// Pods that match spread over the values of a node label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = spread_extras)]
pub struct TopologySpreadConstraint {
    /// Most pods in one value beyond the value with the fewest.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_skew: u32,
    /// Node label, such as `topology.kubernetes.io/zone`, or `kubernetes.io/hostname` for nodes.
    pub topology_key: String,
    /// What happens where it can't be met.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods count.
    pub label_selector: LabelSelector,
}

/// What happens where a spread can't be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// The pod waits.
    DoNotSchedule,
    /// The pod goes where the spread is best.
    ScheduleAnyway,
}

/// Which pods are meant, by the labels of their templates: all of the requirements hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// `In`, `NotIn`, `Exists` and `DoesNotExist`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// Affinity or anti-affinity to other pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PodAffinity {
    /// What must hold.
    #[serde(
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub required: Vec<PodAffinityTerm>,
    /// What makes a node better.
    #[serde(
        rename = "preferredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub preferred: Vec<WeightedPodAffinityTerm>,
}

/// Together with, or apart from, the pods that match, within one value of a node label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = affinity_extras)]
pub struct PodAffinityTerm {
    /// Which pods are meant.
    pub label_selector: LabelSelector,
    /// Node label, or `kubernetes.io/hostname` for nodes.
    pub topology_key: String,
}

/// A term that makes a node better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WeightedPodAffinityTerm {
    /// How much better, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// The term.
    pub pod_affinity_term: PodAffinityTerm,
}
