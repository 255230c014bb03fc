//! The scenario file, as Rust types. The doc comments are the reference: the JSON Schema
//! `scenarios/scenario.schema.json` is generated from them.

mod cluster;
mod grid;
mod lifecycle;
mod neighbours;
mod policy;
mod power;
mod quantity;
mod service;
mod template;
mod workload;

use std::collections::BTreeMap;

use carbon_kube_policies::Settings;
use carbon_kube_policies::baselines::DefaultScheduler;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use cluster::USUAL_PUE;
pub use cluster::{NodePool, ResourceAmounts, Taint, TaintEffect};
pub use grid::{
    Bundled, Constant, ConstantPrice, ElectricityPrice, FactorSet, Grid, GridZone, IntensityFile,
    IntensityUnit, Modelled, PriceFile, PriceUnit, Signal, Source, Steps, TimeOfUse, ZonePue,
};
pub use lifecycle::{Autoscaling, Failures, Spot};
pub use neighbours::{
    LabelSelector, PodAffinity, PodAffinityTerm, TopologySpreadConstraint, WeightedPodAffinityTerm,
    WhenUnsatisfiable,
};
pub use policy::{FileEntry, PolicyEntry, TunerFile};
pub(super) use power::LIFETIME_YEARS;
pub use power::{Embodied, GpuPower, NodePrice, Power, PowerModel, Purchase, Server};
pub use quantity::{CpuQuantity, Duration, FileFormat, Gaps, Instant, MemoryQuantity, ZoneName};
pub use service::{DisruptionBudget, Load};
pub use template::{
    Affinity, Container, ContainerResources, NodeAffinity, NodeSelector, NodeSelectorTerm,
    Operator, PodSpec, PodTemplate, PreemptionPolicy, PreferredTerm, Requirement, Resources,
    TemplateMetadata, Toleration, TolerationOperator,
};
pub use workload::{
    ArrivalUnit, CpuUnit, DurationModel, DurationUnit, Generated, MemoryUnit, PodEntry, Shape,
    Trace, TraceColumns, TraceFormat, TraceMachine, TraceShift, Workload, WorkloadKind,
};

/// A scenario: what is simulated, under which policies, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// Version of the format.
    pub api_version: ApiVersion,
    /// What the document is.
    pub kind: Kind,
    /// Name and description.
    pub metadata: Metadata,
    /// What is simulated.
    pub spec: Spec,
}

/// Version of the format. Later versions will stay able to read this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one so far.
    #[serde(rename = "carbon-kube.io/v1alpha1")]
    V1Alpha1,
}

/// What the document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A scenario.
    Scenario,
}

/// Name and description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Name of the scenario, used for the folder of its results: 1 to 63 lower-case letters,
    /// digits and `-`.
    pub name: String,
    /// What the scenario is for, in a sentence or two, for reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// First instant of the window, such as `2020-06-01T00:00:00Z`. The bundled intensities cover
    /// 2020 in UTC.
    pub start: Instant,
    /// Length of the window, such as `14d`; above zero and at most 20 years. No pod arrives after
    /// it; a run goes on until the last pod has ended.
    pub duration: Duration,
    /// Root of every random stream: the same seed gives the same bytes. Default 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Grid zones and their carbon intensity.
    pub grid: Grid,
    /// Pools of equal nodes.
    pub node_pools: Vec<NodePool>,
    /// Where pods come from.
    pub workloads: Vec<Workload>,
    /// The scheduler and the control loop.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// Policies to compare, each a bare name, `{name: {settings}}`, or `{tuner: {file: NAME|DIR}}` for
    /// a policy file. The first is the reference of the others. A policy that is listed again with other settings is called `<name>-2` in
    /// reports. Default: `default-scheduler` alone.
    #[serde(default = "default_policies")]
    pub policies: Vec<PolicyEntry>,
    /// How policies see the future.
    #[serde(default)]
    pub forecast: Forecast,
    /// How emissions and money are counted.
    #[serde(default)]
    pub accounting: Accounting,
    /// What is kept of a run.
    #[serde(default)]
    pub outputs: Outputs,
}

fn default_seed() -> u64 {
    1
}

fn default_policies() -> Vec<PolicyEntry> {
    vec![Settings::from(DefaultScheduler::default()).into()]
}

/// The scheduler and the control loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Scheduler {
    /// Where pods that a policy holds wait. Default `gate`.
    pub holding: Holding,
    /// The longest that the scheduler leaves a refused pod alone when nothing happens in the
    /// cluster; at least `backoffMax`. For `holding: filter` only. Default `5m30s`:
    /// kube-scheduler's five minutes, which it looks at every thirty seconds. A pod is not refused
    /// any more from so long before its limit, or it could start too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
    /// How often the signal and the thresholds are looked at anew; at least `1s`. Default `1h`,
    /// the resolution of most grid data.
    pub control_interval: Duration,
    /// How old a published intensity is when it becomes known. Default `0s`: the value of an hour
    /// is known as the hour starts.
    pub signal_delay: Duration,
    /// How many of the nodes the scheduler looks for a place on, in per cent, as in kube-scheduler:
    /// it stops when so many fit, and goes on from there with the next pod, so a policy may not be
    /// shown the cleanest node. At least 100 nodes; a smaller cluster is looked at whole. Default
    /// 100: all nodes. 0 is kube-scheduler's own default: 50 less one per 125 nodes, at least 5.
    #[schemars(range(min = 0, max = 100))]
    pub percentage_of_nodes_to_score: u32,
    /// Weight of a policy's placement among the scheduler's own scores, as an extender's `weight`.
    /// Default 1; 0 leaves placement to the scheduler.
    #[schemars(range(min = 0, max = 100))]
    pub place_weight: i64,
    /// The most held pods that are let go per minute when a grid turns clean. Default 600.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub releases_per_minute: f64,
    /// First wait after a failed scheduling attempt; doubles up to `backoffMax`. Default `1s`, as
    /// in kube-scheduler.
    pub backoff_initial: Duration,
    /// Longest wait after a failed attempt. Default `10s`, as in kube-scheduler.
    pub backoff_max: Duration,
    /// Whether pods of higher priority take the room of others where there is none. Default true,
    /// as in kube-scheduler.
    pub preemption: bool,
    /// How long one scheduling cycle takes: pods are started one after the other, by priority.
    /// Default `0s`; real schedulers take 5 to 10 ms.
    pub latency: Duration,
    /// How the free room of nodes is scored, as `scoringStrategy` of kube-scheduler's
    /// `NodeResourcesFit`, over CPU and memory. Default `LeastAllocated`.
    pub scoring_strategy: ScoringStrategy,
}

/// How the free room of nodes is scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ScoringStrategy {
    /// The strategy. Default `LeastAllocated`.
    #[serde(rename = "type")]
    pub kind: ScoringType,
    /// For `RequestedToCapacityRatio` only, which needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_to_capacity_ratio: Option<RequestedToCapacityRatio>,
}

/// kube-scheduler's strategies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScoringType {
    /// The emptier node: spreads.
    #[default]
    LeastAllocated,
    /// The fuller node: packs, so that others can be switched off.
    MostAllocated,
    /// A score for each utilisation.
    RequestedToCapacityRatio,
}

/// Scores by utilisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestedToCapacityRatio {
    /// The points, by rising utilisation; linear between them.
    #[schemars(length(min = 1))]
    pub shape: Vec<UtilizationShapePoint>,
}

/// A score at a utilisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UtilizationShapePoint {
    /// Per cent of the node.
    #[schemars(range(min = 0, max = 100))]
    pub utilization: i64,
    /// 0 to 10.
    #[schemars(range(min = 0, max = 10))]
    pub score: i64,
}

impl Default for Scheduler {
    fn default() -> Self {
        use carbon_kube_core::Span;
        Self {
            holding: Holding::Gate,
            retry_interval: None,
            control_interval: Duration(Span::HOUR),
            signal_delay: Duration(Span::ZERO),
            percentage_of_nodes_to_score: 100,
            place_weight: 1,
            releases_per_minute: 600.0,
            backoff_initial: Duration(Span::SECOND),
            backoff_max: Duration(Span::SECOND * 10),
            preemption: true,
            latency: Duration(Span::ZERO),
            scoring_strategy: ScoringStrategy::default(),
        }
    }
}

/// Where pods that a policy holds wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Before the scheduler, with a controller that also lets them go, pauses and moves running
    /// pods.
    #[default]
    Gate,
    /// In the scheduler: a cluster with nothing but an extender, which can refuse nodes and score
    /// them. A pod that is held finds every node refused, and is tried again when another pod is
    /// bound or ends, or after `retryInterval`, not when the carbon data change. Nothing is paused,
    /// moved, scaled, kept under a quota or let go at a pace. Policies see forecasts as they are
    /// published: hourly means, four days ahead at most.
    Filter,
}

/// How policies see the future. A policy never sees the truth after its present through anything
/// else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Forecast {
    /// The model. Default `noisy`.
    pub kind: ForecastKind,
    /// Length of the period of `seasonal`: `1d` is the same hour yesterday, `7d` of last week.
    /// Default `1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// Standard deviation of the error of `noisy` and `noisy-independent`, in parts of the
    /// series' mean. Default 0.2 for `noisy`, as our own models have over seven zones
    /// (docs/forecasting.md), and 0.05 for `noisy-independent`, as in Wiesner et al. 2021.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub error: Option<f64>,
    /// Correlation of the error of `noisy` from one hour to the next, 0 to below 1. Default 0.97.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 0.999_999))]
    pub correlation: Option<f64>,
    /// The trained model of `model`: the name of a shipped one, or a folder that `carbon-kube
    /// forecast train` wrote, relative to the scenario file. Default `forecast-open-v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Weather forecasts for `model` by zone: paths of hourly files (Open-Meteo, or region means of
    /// GFS), relative to the scenario file. A zone without one is forecast from its past alone. Where
    /// the files hold observed weather, so does the forecast, and a saving is too good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weather: Option<BTreeMap<String, String>>,
    /// Generation by fuel for `model` by zone: paths of hourly files in the open format (columns
    /// `coal_mw` to `other_mw`), relative to the scenario file; only hours up to the instant of a
    /// forecast are looked at. Models that were trained with `--mix` need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<BTreeMap<String, String>>,
}

/// A model of the future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForecastKind {
    /// The truth: the upper bound of what any forecast can give.
    Perfect,
    /// The value of now, for ever.
    Persistence,
    /// The value one `period` ago.
    Seasonal,
    /// Truth plus an independent normal error, the same at each horizon. Kinder than real
    /// forecasts; for comparison with published results.
    NoisyIndependent,
    /// Truth plus an error that grows with the horizon, as that of issued forecasts does.
    #[default]
    Noisy,
    /// Forecasts as they were issued at the time, for a scenario of one zone. They come with the
    /// bundled marginal series of `US-CA`, and with files of SGIP, WattTime and Electricity Maps.
    Recorded,
    /// A trained model that sees the past and nothing else; planned anew at each new value.
    Model,
}

/// How emissions and money are counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Accounting {
    /// Energy of moving one gigabyte (10^9 bytes), at each end, in kWh. Default 0.06 (Aslan et al.
    /// 2018, for 2015; halves about every two years, so it is on the high side).
    #[schemars(range(min = 0, max = 1000))]
    pub transfer_kwh_per_gb: f64,
    /// Price of one gigabyte that leaves a zone, in US dollars. Default 0.02, the price between
    /// two regions of one provider.
    #[schemars(range(min = 0, max = 1000))]
    pub egress_usd_per_gb: f64,
    /// Length of a row of the zones' time series; at least `1m`. Default `1h`.
    pub report_interval: Duration,
}

impl Default for Accounting {
    fn default() -> Self {
        Self {
            transfer_kwh_per_gb: 0.06,
            egress_usd_per_gb: 0.02,
            report_interval: Duration(carbon_kube_core::Span::HOUR),
        }
    }
}

/// What is kept of a run, beside the summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Outputs {
    /// Every event. Large: about 100 bytes per pod and event. Default false.
    pub events: bool,
    /// A row per pod. Default true.
    pub pods: bool,
    /// A row per zone and `reportInterval`. Default true.
    pub zones: bool,
    /// Pictures. Default true.
    pub charts: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { events: false, pods: true, zones: true, charts: true }
    }
}
