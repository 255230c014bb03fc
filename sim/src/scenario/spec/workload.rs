//! Workloads: where pods come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CpuQuantity, DisruptionBudget, Duration, Load, MemoryQuantity, PodTemplate};

/// Where pods come from, and what they have in common. A `Job` has exactly one of `generated`,
/// `trace` and `pods`; a `Deployment` has `replicas` or a `load`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Workload {
    /// Unique name; pods are called `<name>-<number>`.
    pub name: String,
    /// Who owns the pods. Default `Job`.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Pods drawn at random, from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// Pods from a file, a row each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// Pods written out here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Vec<PodEntry>>,
    /// `Deployment` only: so many pods run from the start to the end of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub replicas: Option<u32>,
    /// `Deployment` only: a load that changes, and as many replicas as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// `Job` only: how often a pod that lost its node is started again, as `backoffLimit`. Default:
    /// for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How many pods stay up while some are moved. Default: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// A Kubernetes pod template: requests, priority, node selector, affinity, tolerations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
    /// The longest that a pod may wait, all holds and pauses together. Wins over the annotation
    /// `carbon-kube.io/max-delay`; a pod's own `maxDelay` wins over this. Default: pods don't wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Whether pods may be paused and resumed. Wins over the annotation
    /// `carbon-kube.io/interruptible`. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interruptible: Option<bool>,
    /// Whether pods may be moved while they run. Wins over the annotation
    /// `carbon-kube.io/migratable`. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migratable: Option<bool>,
    /// Work lost and repeated by each pause or move; also the downtime of a move. Default `0s`.
    #[serde(default = "no_time")]
    pub checkpoint: Duration,
    /// What has to be copied when a pod moves. Default 0.
    #[serde(default = "no_data")]
    pub data_size: MemoryQuantity,
    /// The part of the requested CPU that is really busy, 0 to 1. Default 1.
    #[serde(default = "all_busy")]
    #[schemars(range(min = 0, max = 1))]
    pub cpu_utilisation: f64,
    /// The part of the way from idle to busy power that each requested GPU goes, 0 to 1. Default 1.
    #[serde(default = "all_busy")]
    #[schemars(range(min = 0, max = 1))]
    pub gpu_utilisation: f64,
    /// The scaling profile of a job: work per hour of 1, 2, ... workers over that of one, starting
    /// with 1 and never falling, such as `[1, 1.9, 2.7]`. Each worker requests what the pod
    /// requests, on the same node. Default `[1]`: one worker.
    #[serde(default = "one_worker")]
    #[schemars(length(min = 1, max = 64), inner(range(min = 1, max = 64)))]
    pub speedup: Vec<f64>,
    /// Power of 1, 2, ... workers of a job over that of one, starting with 1 and never falling: as
    /// many numbers as `speedup` has. Default: each worker draws what one does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(range(min = 1, max = 1000)))]
    pub power_ratio: Vec<f64>,
    /// How long pods are said to run, which is what policies plan with. Default: as long as they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_duration: Option<Duration>,
}

fn no_time() -> Duration {
    Duration(carbon_kube_core::Span::ZERO)
}

fn no_data() -> MemoryQuantity {
    MemoryQuantity(carbon_kube_core::Bytes(0))
}

fn one_worker() -> Vec<f64> {
    vec![1.0]
}

fn all_busy() -> f64 {
    1.0
}

/// Who owns the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// Each pod runs to its end.
    #[default]
    Job,
    /// Pods run until the window ends.
    Deployment,
}

/// Pods drawn at random: arrivals as a Poisson process with a daily rhythm, log-normal durations,
/// requests from a list of shapes. Either a `preset`, of which single values may be replaced, or
/// at least `podsPerDay`, `duration` and `shapes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Generated {
    /// A set of values fitted to the statistics of a real trace: `azure-2017`, `pai-2020` or
    /// `openb-2023`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Mean number of pods per day, over a whole week.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50_000_000))]
    pub pods_per_day: Option<f64>,
    /// Weight of each hour of the day, local time, from midnight on; only their ratio matters.
    /// Default: all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 0, max = 1_000_000)))]
    pub hourly: Option<[f64; 24]>,
    /// Arrivals on Saturday and Sunday over those on other days. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub weekend_factor: Option<f64>,
    /// How long pods run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationModel>,
    /// What pods request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub shapes: Option<Vec<Shape>>,
    /// IANA time zone of `hourly` and of the weekend, such as `Europe/Berlin`. Default `UTC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A log-normal distribution of durations, cut at both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DurationModel {
    /// Half of the pods run shorter than this.
    pub median: Duration,
    /// Standard deviation of the logarithm: 0 makes all pods the same, 1 to 2 is usual.
    #[schemars(range(min = 0, max = 10))]
    pub sigma: f64,
    /// Shorter draws become this. Default `1s`.
    #[serde(default = "shortest")]
    pub min: Duration,
    /// Longer draws become this. Default `30d`.
    #[serde(default = "longest")]
    pub max: Duration,
}

fn shortest() -> Duration {
    Duration(carbon_kube_core::Span::SECOND)
}

fn longest() -> Duration {
    Duration(carbon_kube_core::Span::DAY * 30)
}

/// What a part of the generated pods request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Shape {
    /// How often it is drawn, relative to the other shapes. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: f64,
    /// CPU request.
    pub cpu: CpuQuantity,
    /// Memory request.
    pub memory: MemoryQuantity,
    /// GPUs: whole ones, or a part of one in thousandths such as 0.25, of a device that pods share.
    /// Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub gpu: f64,
}

fn one() -> f64 {
    1.0
}

/// Pods from a file, in one of the formats of real traces or as a CSV file with named columns. What a
/// format's rows become is its rule; what a trace does not say is filled by assumptions, which every
/// report names. Rows that arrive outside the window are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trace {
    /// Path of the file, may be gzipped; relative to the scenario file.
    pub path: String,
    /// What the file is. Default: from its content; `columns` where that is like no format, or where
    /// `columns` names any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TraceFormat>,
    /// For a file that `carbon-kube datasets import` made of a cluster: the rows that have this in the
    /// column `workload`. Default: every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Leaves out what arrives sooner after the beginning of the trace. Default `0s`.
    #[serde(default = "no_time")]
    pub from: Duration,
    /// Leaves out what arrives so long after the beginning of the trace, or later. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Duration>,
    /// Where the beginning of the trace, or of the cut by `from`, goes. Default: a trace with dates
    /// keeps them, another one begins with the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<TraceShift>,
    /// Spreads the arrivals over so many times the time: 0.5 makes them twice as dense. Durations
    /// and delays stay as they are. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.000001, max = 1_000_000))]
    pub time_scale: f64,
    /// So many pods for each one of the trace, always whole ones: below 1 pods are drawn from the
    /// seed, above 1 some have copies. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10_000))]
    pub size_scale: f64,
    /// The most CPU of one pod: a larger one without GPUs becomes several that share its requests and
    /// are scheduled each on its own, as the processes of a parallel job. Default: nothing is split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_cpu: Option<CpuQuantity>,
    /// The machine of which a trace's requests are parts, for `alibaba-batch` (memory) and
    /// `google-task-events`. Default: 96 cores and 32 cores, with `memoryPerCore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<TraceMachine>,
    /// Unit of the times of a `gaia` file. Default: as the first duration tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<DurationUnit>,
    /// Which columns to read. Default: those called as the keys, where there is a default.
    #[serde(default)]
    pub columns: TraceColumns,
    /// What the arrival column holds. Default `seconds`, counted from the window's start.
    #[serde(default)]
    pub arrival_unit: ArrivalUnit,
    /// Unit of the columns `duration` and `maxDelay`. Default `seconds`.
    #[serde(default)]
    pub duration_unit: DurationUnit,
    /// Unit of the column `cpu`. Default `cores`.
    #[serde(default)]
    pub cpu_unit: CpuUnit,
    /// Unit of the column `memory`. Default `bytes`.
    #[serde(default)]
    pub memory_unit: MemoryUnit,
    /// For a trace without memory: so much per requested core. Default: `4Gi`; with `columns`, the
    /// memory request of the template's containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_per_core: Option<MemoryQuantity>,
}

/// Formats of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TraceFormat {
    /// Standard Workload Format of the Parallel Workloads Archive.
    Swf,
    /// Pods of Alibaba's `cluster-trace-gpu-v2023`.
    Openb,
    /// Batch tasks of Alibaba's `cluster-trace-v2018`.
    AlibabaBatch,
    /// VM table of the Azure public dataset, V1 or V2.
    AzureVm,
    /// Task events of Google's cluster trace of 2011.
    GoogleTaskEvents,
    /// Samples of the GAIA simulator.
    Gaia,
    /// Tasks of SURF Lisa, as OpenDC has them.
    Surf,
    /// Workflows of the Grid Workloads Archive, as OpenDC has them.
    Gwf,
    /// What `carbon-kube datasets import` has written.
    Stored,
    /// A CSV file whose columns are named here.
    Columns,
}

/// Where a trace goes in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TraceShift {
    /// Nowhere: each pod keeps its date.
    None,
    /// Its beginning goes to the start of the window.
    Window,
    /// By whole weeks, to the first time that its beginning is not before the window: each pod keeps
    /// its weekday and its hour, in UTC.
    Weekday,
}

/// A machine of which requests are parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TraceMachine {
    /// Its CPU.
    pub cpu: CpuQuantity,
    /// Its memory.
    pub memory: MemoryQuantity,
}

/// Names of the columns of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TraceColumns {
    /// When the pod is created. Default `arrival`.
    pub arrival: String,
    /// How long it runs. Default `duration`, unless there is `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// When it ended, in the unit of the arrival: instead of `duration`. Default: no such column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// CPU request. Default `cpu`.
    pub cpu: String,
    /// Memory request. Default: `memoryPerCore`, else the template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Whole GPUs; an empty cell is none. Default: those of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The longest that the pod may wait; an empty cell takes the workload's `maxDelay`. Default:
    /// the workload's for every row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<String>,
    /// The instant by which the pod must have ended, in the unit of the arrival: instead of
    /// `maxDelay`. An empty cell takes the workload's `maxDelay`; a pod that can't meet its deadline
    /// does not wait. Default: no such column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

impl Default for TraceColumns {
    fn default() -> Self {
        Self {
            arrival: "arrival".to_owned(),
            duration: None,
            end: None,
            cpu: "cpu".to_owned(),
            memory: None,
            gpu: None,
            max_delay: None,
            deadline: None,
        }
    }
}

/// What an arrival column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ArrivalUnit {
    /// Milliseconds since the window's start.
    Milliseconds,
    /// Seconds since the window's start.
    #[default]
    Seconds,
    /// Minutes since the window's start.
    Minutes,
    /// Hours since the window's start.
    Hours,
    /// Seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMilliseconds,
    /// Instants, such as `2020-06-01T00:00:00Z`; without a zone they are UTC.
    Rfc3339,
}

/// Unit of a duration column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DurationUnit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    #[default]
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

/// Unit of a CPU column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CpuUnit {
    /// Cores; parts of one are legal.
    #[default]
    Cores,
    /// Thousandths of a core.
    Millicores,
}

/// Unit of a memory column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MemoryUnit {
    /// Bytes.
    #[default]
    Bytes,
    /// Mebibytes (2^20 bytes).
    Mebibytes,
    /// Gibibytes (2^30 bytes).
    Gibibytes,
}

/// One pod, or several that are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PodEntry {
    /// When it is created, from the window's start on; less than the window's `duration`.
    /// Default `0s`.
    #[serde(default = "no_time")]
    pub arrival: Duration,
    /// How long it runs at full speed; above zero.
    pub duration: Duration,
    /// CPU request. Default: that of the template's containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuantity>,
    /// Memory request. Default: that of the template's containers; without one, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryQuantity>,
    /// GPUs: whole ones, or a part of one in thousandths. Default: those of the template's
    /// containers; without one, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1024))]
    pub gpu: Option<f64>,
    /// How many such pods. Default 1.
    #[serde(default = "single")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// The longest that it may wait. Default: the workload's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
}

fn single() -> u32 {
    1
}
