//! The part of a Kubernetes `PodTemplateSpec` that matters to scheduling and energy, with
//! Kubernetes' own field names. Keys that are legal there and change nothing here are accepted
//! with a warning, so that a real template can be pasted; keys that would change the result but
//! are not simulated are unknown, an error.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CpuQuantity, MemoryQuantity, PodAffinity, TaintEffect, TopologySpreadConstraint};

/// Adds properties that are accepted and ignored. The schema walker warns about them and leaves
/// them out; editors that read the published schema accept them.
pub(super) fn ignore(schema: &mut Schema, names: &[&str]) {
    let properties = schema.get_mut("properties");
    let Some(properties) = properties.and_then(|properties| properties.as_object_mut()) else {
        return;
    };
    for name in names {
        let property = json!({ "description": "Accepted and ignored.", "x-ignored": true });
        properties.insert((*name).to_owned(), property);
    }
}

fn metadata_extras(schema: &mut Schema) {
    ignore(schema, &["name", "generateName", "namespace", "creationTimestamp"]);
}

fn pod_extras(schema: &mut Schema) {
    ignore(
        schema,
        &[
            "activeDeadlineSeconds",
            "automountServiceAccountToken",
            "dnsConfig",
            "dnsPolicy",
            "enableServiceLinks",
            "hostAliases",
            "hostname",
            "imagePullSecrets",
            "readinessGates",
            "restartPolicy",
            "schedulerName",
            "securityContext",
            "serviceAccount",
            "serviceAccountName",
            "setHostnameAsFQDN",
            "shareProcessNamespace",
            "subdomain",
            "terminationGracePeriodSeconds",
            "volumes",
        ],
    );
}

fn container_extras(schema: &mut Schema) {
    ignore(
        schema,
        &[
            "args",
            "command",
            "env",
            "envFrom",
            "imagePullPolicy",
            "lifecycle",
            "livenessProbe",
            "ports",
            "readinessProbe",
            "securityContext",
            "startupProbe",
            "stdin",
            "stdinOnce",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            "volumeDevices",
            "volumeMounts",
            "workingDir",
        ],
    );
}

fn resource_extras(schema: &mut Schema) {
    ignore(schema, &["ephemeral-storage"]);
}

fn toleration_extras(schema: &mut Schema) {
    ignore(schema, &["tolerationSeconds"]);
}

/// A Kubernetes pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    #[serde(skip_serializing_if = "TemplateMetadata::is_empty")]
    pub metadata: TemplateMetadata,
    /// What the pods need.
    pub spec: PodSpec,
}

/// Labels and annotations of the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = metadata_extras)]
pub struct TemplateMetadata {
    /// Labels: what selectors of other pods look at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations. `carbon-kube.io/max-delay`, `deadline`, `interruptible` and `migratable` are
    /// honoured; the workload's own keys win over them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl TemplateMetadata {
    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// What pods need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = pod_extras)]
pub struct PodSpec {
    /// Scheduling priority; higher goes first. Default 0.
    pub priority: i32,
    /// Whether pods may take the room of pods with lower priority. Default
    /// `PreemptLowerPriority`.
    pub preemption_policy: PreemptionPolicy,
    /// Labels that a node must have. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Rules for nodes and other pods. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How pods spread over nodes. Default: not at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Tolerated taints. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Containers; a pod requests the sum of what they request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
}

/// Whether pods may take the room of pods with lower priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PreemptionPolicy {
    /// They may.
    #[default]
    PreemptLowerPriority,
    /// They wait.
    Never,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = container_extras)]
pub struct Container {
    /// Its name; changes nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its image; changes nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Requests and limits.
    pub resources: ContainerResources,
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ContainerResources {
    /// What the scheduler reserves.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub requests: Resources,
    /// Taken as the request where that is missing, as Kubernetes does; else without effect.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub limits: Resources,
}

/// Amounts of resources, under Kubernetes' names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = resource_extras)]
pub struct Resources {
    /// CPU cores, such as `500m` or `2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuantity>,
    /// Memory, such as `4Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryQuantity>,
    /// Whole GPUs.
    #[serde(rename = "nvidia.com/gpu", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1024))]
    pub gpu: Option<u32>,
}

impl Resources {
    /// Whether no resource is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Rules for nodes and other pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Affinity {
    /// Node affinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<NodeAffinity>,
    /// Together with other pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_affinity: Option<PodAffinity>,
    /// Apart from other pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_anti_affinity: Option<PodAffinity>,
}

/// Node affinity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct NodeAffinity {
    /// What must hold for a node to be used at all.
    #[serde(
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Option::is_none"
    )]
    pub required: Option<NodeSelector>,
    /// What makes a node better.
    #[serde(
        rename = "preferredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub preferred: Vec<PreferredTerm>,
}

/// Terms of which one must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms; one of them must hold.
    #[schemars(length(min = 1))]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements that must all hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// The requirements; all of them must hold.
    #[schemars(length(min = 1))]
    pub match_expressions: Vec<Requirement>,
}

/// A term that makes a node better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PreferredTerm {
    /// How much better, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u32,
    /// The term.
    pub preference: NodeSelectorTerm,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// How the values are compared.
    pub operator: Operator,
    /// Values; one whole number for `Gt` and `Lt`, none for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Operators of node affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is missing.
    NotIn,
    /// The node has the label.
    Exists,
    /// The node lacks the label.
    DoesNotExist,
    /// The label is a whole number above the value.
    Gt,
    /// The label is a whole number below the value.
    Lt,
}

/// Toleration of taints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = toleration_extras)]
pub struct Toleration {
    /// Taint key; without one and with `Exists`, every key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How the value is compared. Default `Equal`.
    pub operator: TolerationOperator,
    /// Taint value for `Equal`. Default empty.
    pub value: String,
    /// Taint effect. Default: every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

/// Operators of tolerations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The values are the same.
    #[default]
    Equal,
    /// Any value.
    Exists,
}
