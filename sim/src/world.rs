//! What a run simulates: a scenario after parsing, validation and the reading of its files.
//!
//! Everything here is already valid; the engine trusts it and reads nothing else. Lists refer to
//! each other by position: a pool to its zone, a pod to its class.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::power::Curve;
use carbon_kube_core::price::PriceSeries;
use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time, Watts, Zone};
use carbon_kube_policies::Holding;
use serde::{Deserialize, Serialize};

mod lifecycle;
mod rules;
mod service;

pub use lifecycle::{Autoscaling, Outage, OutageKind};
pub use rules::{Budget, Disruption, HOSTNAME, PodAffinity, PodRules, Spread};
pub use service::Load;

/// One scenario, ready to run under any policy.
#[derive(Clone, Debug)]
pub struct World {
    /// `metadata.name` of the scenario.
    pub name: String,
    /// Root of every random stream.
    pub seed: u64,
    /// First instant of the window.
    pub start: Time,
    /// End of the window: no pod arrives later, and services end here.
    pub end: Time,
    /// Grid zones, at most [`carbon_kube_core::view::ZoneSet::MAX_ZONES`].
    pub zones: Vec<GridZone>,
    /// Pools of equal nodes.
    pub pools: Vec<Pool>,
    /// What the pods of one workload have in common.
    pub classes: Vec<PodClass>,
    /// Every pod, by arrival.
    pub pods: Vec<Pod>,
    /// What became of the traces that pods come from.
    pub traces: Vec<TraceSource>,
    /// How policies see the future.
    pub forecast: ForecastModel,
    /// Settings of the scheduler and the control loop.
    pub scheduler: SchedulerSettings,
    /// Settings of the accounts.
    pub accounting: AccountingSettings,
}

impl World {
    /// The number of each pod within its class, from 0; its name is `<class>-<number>`.
    #[must_use]
    pub fn pod_numbers(&self) -> Vec<u32> {
        let mut next = vec![0u32; self.classes.len()];
        self.pods
            .iter()
            .map(|pod| {
                let number = &mut next[pod.class as usize];
                *number += 1;
                *number - 1
            })
            .collect()
    }
}

/// A grid zone and its carbon intensity.
#[derive(Clone, Debug)]
pub struct GridZone {
    /// Its name.
    pub zone: Zone,
    /// What is accounted with, and what policies see up to now.
    pub series: Arc<IntensitySeries>,
    /// How the building's overhead changes; `None`: each pool's PUE holds at all times.
    pub overhead: Option<Overhead>,
    /// A second intensity that the run is counted with as well; no policy sees it.
    pub beside: Option<Arc<IntensitySeries>>,
    /// What electricity costs there; `None`: the accounts have no such price.
    pub electricity: Option<Arc<PriceSeries>>,
}

/// A power usage effectiveness that changes with time, relative to the pools' own.
#[derive(Clone, Debug, PartialEq)]
pub struct Overhead {
    /// How long each value holds.
    pub step: Span,
    /// Factors on the pools' PUE from the window's start on, repeated for ever; their mean is 1.
    pub factors: Vec<f64>,
}

/// Equal nodes: one machine type in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Unique name; its nodes are called `<name>-<number>`.
    pub name: String,
    /// Position in [`World::zones`].
    pub zone: usize,
    /// How many nodes; of a pool that scales, the most.
    pub count: u32,
    /// What the pods of one node may request together.
    pub allocatable: Resources,
    /// The most pods on one node.
    pub max_pods: u32,
    /// Node labels, with those that the kubelet would set.
    pub labels: BTreeMap<String, String>,
    /// Node taints.
    pub taints: Vec<Taint>,
    /// Power of one node with no load, its GPUs included.
    pub idle: Watts,
    /// Power of one node with every allocatable core busy and its GPUs idle.
    pub busy: Watts,
    /// The way from idle to busy; `None` where it is a straight line.
    pub curve: Option<Curve>,
    /// What one busy GPU draws over an idle one.
    pub watts_per_gpu: Watts,
    /// Power usage effectiveness: facility power over node power, 1 or more.
    pub pue: f64,
    /// Emissions of making one node, in kg CO2e.
    pub embodied_kg: f64,
    /// Years over which they are spread.
    pub lifetime_years: f64,
    /// Price of one node, in US dollars per hour.
    pub usd_per_hour: f64,
    /// Whether that is paid while nodes are on, used or not; policies see where such room is.
    pub prepaid: bool,
    /// Work per hour over that of a node on which pods have their stated duration.
    pub speed: f64,
    /// How the pool grows and shrinks; `None`: it has `count` nodes at all times.
    pub autoscaling: Option<Autoscaling>,
    /// Why its nodes go away by themselves.
    pub outages: Vec<Outage>,
}

impl Pool {
    /// Nodes that are on as the window starts.
    #[must_use]
    pub fn initial(&self) -> u32 {
        self.autoscaling.as_ref().map_or(self.count, |scaling| scaling.initial)
    }

    /// Whether its nodes come and go.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.autoscaling.is_some() || !self.outages.is_empty()
    }
}

impl Pool {
    /// Power of one node with every core and every GPU busy.
    #[must_use]
    pub fn full_power(&self) -> Watts {
        self.busy + self.watts_per_gpu * self.allocatable.gpu.gpus()
    }
}

/// Amounts of the resources that are simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resources {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// GPUs: a pod requests whole ones (`nvidia.com/gpu`), or a part of one.
    pub gpu: MilliGpu,
}

impl Resources {
    /// Whether requests fit on an empty node of this size.
    #[must_use]
    pub fn holds(&self, requests: &Self) -> bool {
        requests.cpu <= self.cpu && requests.memory <= self.memory && requests.gpu <= self.gpu
    }
}

/// A node taint, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, may be empty.
    pub value: String,
    /// What it does to pods that don't tolerate it.
    pub effect: TaintEffect,
}

/// Effect of a taint. `NoExecute` also keeps pods from being scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// Not scheduled.
    NoSchedule,
    /// Not scheduled where another node will do.
    PreferNoSchedule,
    /// Not scheduled; in a real cluster also evicted.
    NoExecute,
}

/// Toleration of taints, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Key; `None` with `exists` tolerates every key.
    pub key: Option<String>,
    /// `Exists` (any value) or `Equal`.
    pub exists: bool,
    /// The value for `Equal`.
    pub value: String,
    /// `None` tolerates every effect.
    pub effect: Option<TaintEffect>,
}

/// One `matchExpressions` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// How the values are compared.
    pub operator: Operator,
    /// Values; one whole number for `Gt` and `Lt`, none for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

/// Operators of node affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Kubernetes' own words")]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

/// Node affinity: a term holds where all of its requirements hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// One of these terms must hold; no terms means no demand.
    pub required: Vec<Vec<Requirement>>,
    /// Weight (1 to 100) and term.
    pub preferred: Vec<(u32, Vec<Requirement>)>,
}

/// Who owns the pods of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Runs to its end.
    Job,
    /// Runs until the window ends.
    Deployment,
}

/// What the pods of one workload have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct PodClass {
    /// Name of the workload; its pods are called `<name>-<number>`.
    pub name: String,
    /// Job or Deployment.
    pub owner: Owner,
    /// Scheduling priority; higher goes first.
    pub priority: i32,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Node affinity.
    pub affinity: Affinity,
    /// Tolerated taints.
    pub tolerations: Vec<Toleration>,
    /// May be paused and resumed.
    pub interruptible: bool,
    /// May be moved while running.
    pub migratable: bool,
    /// Work lost and repeated by each pause or move; also the downtime of a move.
    pub checkpoint: Span,
    /// What has to be copied when a pod moves.
    pub data: Bytes,
    /// The part of the requested CPU that is really busy, 0 to 1.
    pub cpu_utilisation: f64,
    /// The part of a requested GPU's power range that is really used, 0 to 1.
    pub gpu_utilisation: f64,
    /// Work per hour of 1, 2, ... workers over that of one; starts with 1. Each worker requests
    /// what the pod requests, all on one node. One entry: the job doesn't scale.
    pub speedup: Vec<f64>,
    /// Power of 1, 2, ... workers over that of one; starts with 1 and is as long as `speedup`.
    pub draw: Vec<f64>,
    /// How long its pods are said to run at full speed, which is what policies hear; `None`: as long
    /// as they do.
    pub expected_duration: Option<Span>,
    /// What its pods ask of other pods.
    pub rules: PodRules,
    /// What may be done to its running pods.
    pub disruption: Disruption,
    /// A Deployment's load, where it changes.
    pub load: Option<Load>,
}

/// One pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pod {
    /// Position in [`World::classes`].
    pub class: u32,
    /// When it is created; not before the window starts, and before it ends.
    pub arrival: Time,
    /// How long it runs at full speed. For a Deployment: until the window ends.
    pub duration: Span,
    /// The longest that it may wait, all holds and pauses together. `None`: it doesn't wait.
    pub max_delay: Option<Span>,
    /// What it requests.
    pub requests: Resources,
}

/// A trace that pods come from: what was left out, and what was assumed because it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceSource {
    /// Name of the workload.
    pub workload: String,
    /// The file, as the scenario names it.
    pub path: String,
    /// Its format.
    pub format: String,
    /// Rows of the file.
    pub rows: u64,
    /// Pods that came of them.
    pub pods: u64,
    /// Rows that were passed over, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// What was assumed.
    pub assumptions: Vec<Assumption>,
}

/// Something that a trace does not say, and what was taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// Its name, the same in every report.
    pub name: String,
    /// What was taken.
    pub text: String,
    /// Rows that it was needed for.
    pub rows: u64,
}

/// Settings of the scheduler and the control loop.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerSettings {
    /// Where pods that should wait are held.
    pub holding: Holding,
    /// How often the signal and the thresholds are looked at anew.
    pub control_interval: Span,
    /// How old a published value is at the earliest; 0: known as the hour starts.
    pub signal_delay: Span,
    /// Share of the nodes that suffices to choose from, in per cent; 100: all, 0: kube-scheduler's
    /// adaptive rule.
    pub percentage_of_nodes_to_score: u32,
    /// Weight of `place` in the sum of scores, as an extender's `weight`.
    pub place_weight: i64,
    /// The most held pods that leave per minute when a grid turns clean.
    pub releases_per_minute: f64,
    /// Which of them leave first.
    pub release_order: ReleaseOrder,
    /// First wait after a failed attempt; doubles up to `backoff_max`.
    pub backoff_initial: Span,
    /// Longest wait after a failed attempt.
    pub backoff_max: Span,
    /// Whether pods of higher priority may take the room of others.
    pub preemption: bool,
    /// How long one scheduling cycle takes; 0: no time at all.
    pub latency: Span,
    /// How long after a pod's end its room is free; 0: at once.
    pub cleanup: Span,
    /// How the scheduler scores the free room of nodes.
    pub scoring: Scoring,
}

/// Which held pods leave first when a grid turns clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReleaseOrder {
    /// Those with the least time before their limit; those at their limit don't ask the pacer.
    #[default]
    Urgency,
    /// Those that arrived first.
    Arrival,
}

/// kube-scheduler's strategies of `NodeResourcesFit`, over CPU and memory with equal weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// The emptier node: spreads.
    #[default]
    LeastAllocated,
    /// The fuller node: packs.
    MostAllocated,
    /// A score for each utilisation, 0 to 100 per cent and 0 to 10, linear between the points;
    /// utilisations rise.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// Settings of the accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountingSettings {
    /// Energy of moving one gigabyte, at each end, in kWh.
    pub transfer_kwh_per_gb: f64,
    /// Price of one gigabyte that leaves a zone, in US dollars.
    pub egress_usd_per_gb: f64,
    /// Length of a row in `zones.parquet`.
    pub report_interval: Span,
}
