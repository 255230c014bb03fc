//! What a run leaves behind: accounts, a row per pod, a row per zone and interval.

use carbon_kube_core::{GramsCo2e, KilowattHours, Span, Time, UsDollars};
use serde::{Deserialize, Serialize};

/// The result of one policy on one world.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Name of the policy.
    pub policy: String,
    /// When the nodes were switched off: the end of the accounts.
    pub end: Time,
    /// Accounts per zone, in the order of the world's zones.
    pub zones: Vec<ZoneAccount>,
    /// Rows per zone and interval: for each interval in order, each zone in order.
    pub intervals: Vec<IntervalRow>,
    /// A row per pod, in the order of the world's pods.
    pub pods: Vec<PodOutcome>,
    /// Events handled.
    pub events: u64,
    /// Hash of the whole event log.
    pub digest: u128,
    /// Violations of what a reader may expect, counted, such as unfinished work that was
    /// charged at the zone's mean.
    pub charged_beyond_trace: u64,
    /// Core-hours of services' load that no replica could serve.
    pub unserved_core_hours: f64,
    /// What came of asking the policy for adjustments; all zeros where it doesn't tune.
    pub tuning: TuningCounts,
}

/// What came of asking a tuner, over all zones and control intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TuningCounts {
    /// How often it was asked.
    pub asked: u64,
    /// Inputs that were unknown, and the mean of training stood in.
    pub replaced_inputs: u64,
    /// How often an input was beyond the range of training, and the rule decided alone.
    pub out_of_range: u64,
    /// How often its answer was no number, and the rule decided alone.
    pub not_finite: u64,
}

impl TuningCounts {
    /// How often the rule decided alone.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.out_of_range + self.not_finite
    }
}

/// What one zone emitted, used and cost. Every gram is in exactly one account.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ZoneAccount {
    /// What running pods added over idle.
    pub operational: GramsCo2e,
    /// The rest of the nodes that are on.
    pub idle: GramsCo2e,
    /// The window's share of making the nodes (SCI).
    pub embodied: GramsCo2e,
    /// Moving data.
    pub transfer: GramsCo2e,
    /// Energy behind operational, idle and transfer.
    pub energy: KilowattHours,
    /// Capacity that pods held, and egress.
    pub cost: UsDollars,
    /// Hours that nodes were on, or booting.
    pub node_hours: f64,
    /// The price of `energy`; 0 where electricity has none.
    pub electricity: UsDollars,
}

impl ZoneAccount {
    /// The sum of the accounts.
    #[must_use]
    pub fn emissions(&self) -> GramsCo2e {
        self.operational + self.idle + self.embodied + self.transfer
    }
}

/// One zone over one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IntervalRow {
    /// Start of the interval.
    pub start: Time,
    /// Position of the zone.
    pub zone: u32,
    /// Mean intensity in g/kWh; NaN beyond the trace.
    pub intensity: f64,
    /// The policy's threshold at the start of the interval, in g/kWh; NaN where it has none.
    pub threshold: f64,
    /// Mean power of running pods over idle, in watts at the meter.
    pub pod_watts: f64,
    /// Mean idle power of the nodes that are on, in watts at the meter.
    pub idle_watts: f64,
    /// Grams: operational, idle and transfer of the interval.
    pub grams: f64,
    /// Mean number of running pods.
    pub running: f64,
}

/// How a pod ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodState {
    /// It ran to its end (a service: to the end of the window).
    Completed,
    /// It never got a node, or not to its end.
    #[default]
    Unfinished,
    /// It lost its node more often than its class allows.
    Failed,
    /// A replica that the load never called for.
    NotNeeded,
}

/// What became of one pod.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PodOutcome {
    /// How it ended.
    pub state: PodState,
    /// First time on a node.
    pub start: Option<Time>,
    /// End of its work.
    pub finish: Option<Time>,
    /// Pool it ran in last.
    pub pool: Option<u32>,
    /// Held before it started, and paused later. In the scheduler's queue: from the first time
    /// that the policy held it to its start, or to its limit where it then waits for room.
    pub held: Span,
    /// How much longer it ran than it would have at full speed; below zero on faster nodes.
    pub slowed: Span,
    /// Times it was paused.
    pub pauses: u32,
    /// Times it moved to another node.
    pub migrations: u32,
    /// Times it lost its node.
    pub evictions: u32,
    /// Energy over idle.
    pub energy: KilowattHours,
    /// Emissions over idle.
    pub operational: GramsCo2e,
    /// Its share, by requests, of the idle power of its nodes. Part of the zone's idle account.
    pub idle_share: GramsCo2e,
    /// Its share, by requests and time, of making its nodes. Part of the zone's embodied account.
    pub embodied_share: GramsCo2e,
    /// Moving its data.
    pub transfer: GramsCo2e,
    /// The part of its nodes' price that it held, and egress.
    pub cost: UsDollars,
    /// The price of its energy over idle, and of moving its data; 0 where electricity has none.
    pub electricity: UsDollars,
}
