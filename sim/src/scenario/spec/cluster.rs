//! Node pools.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Autoscaling, CpuQuantity, Embodied, Failures, GpuPower, MemoryQuantity, NodePrice, Power, Spot,
    ZoneName,
};

/// Equal nodes: one machine type in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodePool {
    /// Unique name; nodes are called `<name>-<number>`.
    pub name: String,
    /// The grid zone that the nodes draw their power from; one of `grid.zones`.
    pub zone: ZoneName,
    /// How many nodes, 1 to 1,000,000; with `autoscaling` how many as the window starts, which may
    /// be none.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub count: u32,
    /// Cloud instance type, such as `m5.4xlarge`, `n2-standard-8` or `Standard_D8s_v5`. Fills in
    /// `allocatable`, `power`, `gpu` and `embodied` where they are not given, from the compiled-in
    /// tables of AWS, Google Cloud and Azure or from `instanceTable`, and sets the label
    /// `node.kubernetes.io/instance-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// CSV file in which `instanceType` is looked up in place of the compiled-in tables: our own
    /// columns, the Teads table of AWS, or SPECpower results as Cloud Carbon Footprint publishes
    /// them; relative to the scenario file. See `docs/power.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_table: Option<String>,
    /// What the pods of one node may request together. Default: all of `instanceType`, nothing
    /// reserved for the system; without one, `cpu` and `memory` are required.
    #[serde(default, skip_serializing_if = "ResourceAmounts::is_empty")]
    pub allocatable: ResourceAmounts,
    /// The most pods on one node. Default 110, the kubelet's.
    #[serde(default = "default_max_pods")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_pods: u32,
    /// Power of one node. Default: that of `instanceType`; required without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Power of each GPU. Default: that of the GPUs of `instanceType`; without one, GPUs draw
    /// nothing beyond `power`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuPower>,
    /// Power usage effectiveness: power of the building over power of its nodes, 1 to 5. Default
    /// that of the zone, else 1.2, about that of large cloud providers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub pue: Option<f64>,
    /// Work per hour over that of a node on which pods run as long as they say. Half the speed
    /// takes a pod twice as long. Default 1.
    #[serde(default = "full_speed")]
    #[schemars(range(min = 0.01, max = 100))]
    pub speed: f64,
    /// Grows and shrinks. Default: `count` nodes at all times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Machines that break. Default: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// Spot capacity that is taken back. Default: it is not spot capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
    /// Emissions of making one node. Default: those of `instanceType`; without one, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embodied: Option<Embodied>,
    /// Price of one node in US dollars per hour. Default 0. The short form of `price`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub usd_per_hour: f64,
    /// Whether its nodes are paid while they are on, used or not, as reserved ones are: policies with
    /// `prepaidFirst` start pods early where such a node has room. Default `false`: what pods use.
    #[serde(default, skip_serializing_if = "super::power::is_default")]
    pub prepaid: bool,
    /// Price of one node by the way it is bought, in place of `usdPerHour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<NodePrice>,
    /// Node labels. `carbon-kube.io/grid-zone`, `node.kubernetes.io/instance-type` and the
    /// topology labels are added; selectors know no `kubernetes.io/hostname`, rules between pods do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Cloud region, the label `topology.kubernetes.io/region`. Default: no such label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Kubernetes' own zone, the label `topology.kubernetes.io/zone`. Default: no such label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_zone: Option<String>,
    /// Node taints. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

fn default_max_pods() -> u32 {
    110
}

/// About that of large cloud providers.
pub(in crate::scenario) const USUAL_PUE: f64 = 1.2;

fn full_speed() -> f64 {
    1.0
}

/// Amounts of the resources that are simulated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ResourceAmounts {
    /// CPU cores, such as `500m` or `2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuantity>,
    /// Memory, such as `64Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryQuantity>,
    /// Whole GPUs (`nvidia.com/gpu`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1024))]
    pub gpu: Option<u32>,
}

impl ResourceAmounts {
    /// Whether no resource is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A node taint, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value. Default empty.
    #[serde(default)]
    pub value: String,
    /// What it does to pods that don't tolerate it.
    pub effect: TaintEffect,
}

/// Effect of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Not scheduled.
    NoSchedule,
    /// Not scheduled where another node will do.
    PreferNoSchedule,
    /// Not scheduled; in a real cluster also evicted.
    NoExecute,
}
