//! The parts of Kubernetes objects that say what a cluster is and what runs on it, with
//! Kubernetes' own field names. Fields that are not here are not looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Any object; the rest is read by its kind.
#[derive(Deserialize)]
pub(super) struct Object {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) spec: Option<Box<RawValue>>,
    pub(super) status: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) uid: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) resource_version: String,
    pub(super) creation_timestamp: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) owner_references: Vec<Owner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeSpec {
    #[serde(deserialize_with = "or_default")]
    pub(super) taints: Vec<Taint>,
    pub(super) unschedulable: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taint {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
    pub(super) effect: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeStatus {
    #[serde(deserialize_with = "or_default")]
    pub(super) allocatable: BTreeMap<String, Quantity>,
    #[serde(deserialize_with = "or_default")]
    pub(super) capacity: BTreeMap<String, Quantity>,
}

/// A quantity is a text, or, as people write it, a number.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Quantity {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    #[serde(deserialize_with = "or_default")]
    pub(super) containers: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    pub(super) init_containers: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    pub(super) overhead: BTreeMap<String, Quantity>,
    #[serde(deserialize_with = "or_default")]
    pub(super) node_selector: BTreeMap<String, String>,
    pub(super) affinity: Option<serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) tolerations: Vec<serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) topology_spread_constraints: Vec<serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) priority: i32,
    #[serde(deserialize_with = "or_default")]
    pub(super) priority_class_name: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    #[serde(deserialize_with = "or_default")]
    pub(super) resources: Resources,
    pub(super) restart_policy: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    #[serde(deserialize_with = "or_default")]
    pub(super) requests: BTreeMap<String, Quantity>,
    #[serde(deserialize_with = "or_default")]
    pub(super) limits: BTreeMap<String, Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: String,
    pub(super) start_time: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    #[serde(deserialize_with = "or_default")]
    pub(super) state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Terminated {
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<u32>,
    pub(super) template: Template,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    #[serde(deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub(super) spec: PodSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobStatus {
    pub(super) start_time: Option<String>,
    pub(super) completion_time: Option<String>,
    pub(super) succeeded: u32,
}

/// The API server leaves out what is empty; other writers put a `null` there.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
