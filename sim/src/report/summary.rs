//! `summary.json`: what each policy emitted, used, delayed and cost.
//!
//! The types are the file format (version 1). Totals are the sum of their parts in the order in
//! which the file lists them, so a reader who adds them up gets the same bits.

use std::fmt;

use carbon_kube_core::intensity::{Label, Provenance, Scope, Signal};
use carbon_kube_core::{Span, Zone};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::beside::{self, Beside};
use super::{deadline_missed, delay};
use crate::bound::job::JobBounds;
use crate::bound::{self, BoundError, CapacityBound};
use crate::outcome::{Outcome, PodState, TuningCounts, ZoneAccount};
use crate::world::{TraceSource, World};

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// Everything in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Version of the format: 1.
    pub version: u32,
    /// `metadata.name` of the scenario.
    pub scenario: String,
    /// Root of every random stream.
    pub seed: u64,
    /// `false` when the run was interrupted: what is here is right but not all.
    pub complete: bool,
    /// The policy that the others are compared with: that of the first run.
    pub reference: Option<String>,
    /// What the intensity of each zone is.
    pub grid: Vec<GridSource>,
    /// The traces that pods come from, with what was left out and what was assumed. Left out where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceSource>,
    /// The second intensity of the zones that have one. Left out where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid_beside: Vec<GridSource>,
    /// A run per policy, in the order of the scenario.
    pub runs: Vec<Run>,
    /// Why no run has `headroom`. Left out where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_headroom: Option<String>,
    /// The bound with the cluster's capacity. Left out where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bound: Option<CapacityHeadroom>,
}

/// What the intensity of one zone is and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GridSource {
    /// Grid zone.
    pub zone: String,
    /// What was measured, e.g. `EIA region CAL`.
    pub area: String,
    /// Average or marginal.
    pub signal: Signal,
    /// Direct or lifecycle.
    pub scope: Scope,
    /// Emission factors: `local`, `global`, or the provider's own.
    pub factor_set: String,
    /// Measured or modelled.
    pub provenance: Provenance,
    /// Where the numbers come from.
    pub source: String,
}

/// The results of one policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Name of the policy.
    pub policy: String,
    /// Emissions by account, in grams.
    pub emissions_grams: Emissions,
    /// How much less than the reference in percent; negative where it is more. `null` where the
    /// reference emitted nothing.
    pub saving_percent: Option<f64>,
    /// Energy of all zones, in kWh at the meter.
    pub energy_kwh: f64,
    /// Energy of each zone, in kWh.
    pub energy_kwh_by_zone: ByZone,
    /// Emissions of each zone, in grams.
    pub emissions_grams_by_zone: ByZone,
    /// Pods, counted.
    pub pods: PodCounts,
    /// Completion delay of Jobs.
    pub delay_hours: DelayHours,
    /// Capacity that pods held, and egress, in US dollars.
    pub cost_usd: f64,
    /// Hours that nodes were on or booting, each node for itself.
    #[serde(default)]
    pub node_hours: f64,
    /// Core-hours of services' load that their replicas could not serve. Left out where it is zero.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub unserved_core_hours: f64,
    /// The price of `energyKwh`, in US dollars. No part of `costUsd`: who rents capacity pays for
    /// power with it. Left out where electricity has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub electricity_usd: Option<f64>,
    /// Events handled.
    pub events: u64,
    /// Hash of the event log: 32 hexadecimal digits.
    pub digest: String,
    /// How often something was charged at a zone's mean because the trace had ended. Left out
    /// where it is zero, as it should be.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub charged_beyond_trace: u64,
    /// What came of asking the policy's tuner. Left out where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningCounts>,
    /// The same run counted with the second intensity. Left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// The jobs' own emissions beside the least that they could have been. Left out where there is
    /// no bound, and where there is no job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<RunHeadroom>,
}

/// What part of a bound's saving a run gets; see [`crate::bound`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunHeadroom {
    /// Jobs that are counted: those that the reference and this run completed.
    pub jobs: u64,
    /// Their operational emissions under the reference, in grams.
    pub reference_grams: f64,
    /// The same in this run.
    pub run_grams: f64,
    /// The least possible, each job by itself.
    pub bound_grams: f64,
    /// (reference - run) / (reference - bound) in percent; `null` where nothing can be saved.
    pub percent: Option<f64>,
}

/// The bound of all jobs at once, with the capacity of the nodes; see [`crate::bound`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityHeadroom {
    /// Jobs that are counted: those that every run completed.
    pub jobs: u64,
    /// The least operational emissions of all of them, in grams.
    pub bound_grams: f64,
    /// The part of its saving that each run gets, in percent, in the order of the runs.
    pub headroom_percent: Vec<Option<f64>>,
}

impl From<&CapacityBound> for CapacityHeadroom {
    fn from(bound: &CapacityBound) -> Self {
        Self {
            jobs: bound.jobs,
            bound_grams: bound.bound.get(),
            headroom_percent: bound.percents(),
        }
    }
}

/// Emissions by account; every gram is in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Emissions {
    /// operational + idle + embodied + transfer, added in this order.
    pub total: f64,
    /// What running pods added over idle.
    pub operational: f64,
    /// The rest of the nodes that are on.
    pub idle: f64,
    /// The window's share of making the nodes.
    pub embodied: f64,
    /// Moving data.
    pub transfer: f64,
}

/// Pods, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// All pods of the scenario.
    pub submitted: u64,
    /// Those that ran to their end.
    pub completed: u64,
    /// The others.
    pub unfinished: u64,
    /// Those of them that lost their node more often than they may. Left out where it is zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Pods with a maximum delay that ended after it, or not at all.
    pub deadline_misses: u64,
    /// Moves to another node.
    pub migrations: u64,
    /// Nodes lost under a pod.
    pub evictions: u64,
}

/// Finish - arrival - length over the completed pods of Jobs; `null` where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelayHours {
    /// Mean.
    pub mean: Option<f64>,
    /// Median, by nearest rank.
    pub p50: Option<f64>,
    /// 95th percentile, by nearest rank.
    pub p95: Option<f64>,
    /// Longest.
    pub max: Option<f64>,
}

/// A number per zone: a JSON object in the order of the scenario's zones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByZone(pub Vec<(String, f64)>);

/// Sums up the outcomes of one scenario; the first is the reference. `complete` is `false` for
/// an interrupted run.
#[must_use]
pub fn summary(world: &World, outcomes: &[&Outcome], complete: bool) -> Summary {
    let reference = outcomes.first().map(|outcome| emissions(outcome).total);
    let bounds = JobBounds::new(world);
    Summary {
        version: VERSION,
        scenario: world.name.clone(),
        seed: world.seed,
        complete,
        reference: outcomes.first().map(|outcome| outcome.policy.clone()),
        grid: world.zones.iter().map(|z| grid_source(&z.zone, z.series.label())).collect(),
        grid_beside: beside::sources(world),
        traces: world.traces.clone(),
        runs: outcomes
            .iter()
            .zip(beside::count(world, outcomes))
            .enumerate()
            .map(|(i, (outcome, beside))| Run {
                beside,
                headroom: bounds.as_ref().ok().and_then(|b| headroom(b, outcomes[0], outcome)),
                ..run(world, outcome, reference.unwrap_or(0.0), i == 0)
            })
            .collect(),
        no_headroom: bounds.as_ref().err().map(BoundError::to_string),
        capacity_bound: None,
    }
}

/// The summary as it is written: indented, with a newline at the end.
///
/// JSON has no NaN and no infinity: such a number, a bug in the accounts, is written as `null`.
#[must_use]
pub fn to_json(summary: &Summary) -> String {
    let mut json =
        serde_json::to_string_pretty(summary).expect("names and numbers, and all keys are text");
    json.push('\n');
    json
}

pub(super) fn grid_source(zone: &Zone, label: &Label) -> GridSource {
    GridSource {
        zone: zone.to_string(),
        area: label.area.clone(),
        signal: label.signal,
        scope: label.scope,
        factor_set: label.factor_set.clone(),
        provenance: label.provenance,
        source: label.source.clone(),
    }
}

fn run(world: &World, outcome: &Outcome, reference: f64, is_reference: bool) -> Run {
    let emissions_grams = emissions(outcome);
    let by_zone = |value: fn(&ZoneAccount) -> f64| {
        let zones = world.zones.iter().zip(&outcome.zones);
        ByZone(zones.map(|(zone, account)| (zone.zone.to_string(), value(account))).collect())
    };
    let saving_percent = (reference > 0.0).then(|| {
        if is_reference { 0.0 } else { (1.0 - emissions_grams.total / reference) * 100.0 }
    });
    let (pods, delay_hours) = pods(world, outcome);
    Run {
        policy: outcome.policy.clone(),
        emissions_grams,
        saving_percent,
        energy_kwh: total(outcome, |account| account.energy.get()),
        energy_kwh_by_zone: by_zone(|account| account.energy.get()),
        emissions_grams_by_zone: by_zone(|account| account.emissions().get()),
        pods,
        delay_hours,
        cost_usd: total(outcome, |account| account.cost.get()),
        node_hours: total(outcome, |account| account.node_hours),
        unserved_core_hours: outcome.unserved_core_hours,
        electricity_usd: world
            .zones
            .iter()
            .any(|zone| zone.electricity.is_some())
            .then(|| total(outcome, |account| account.electricity.get())),
        events: outcome.events,
        digest: format!("{:032x}", outcome.digest),
        charged_beyond_trace: outcome.charged_beyond_trace,
        tuning: (outcome.tuning.asked > 0).then_some(outcome.tuning),
        beside: None,
        headroom: None,
    }
}

fn headroom(bounds: &JobBounds<'_>, reference: &Outcome, run: &Outcome) -> Option<RunHeadroom> {
    let headroom = bound::headroom(bounds, reference, run);
    (headroom.jobs > 0).then(|| RunHeadroom {
        jobs: headroom.jobs,
        reference_grams: headroom.reference.get(),
        run_grams: headroom.run.get(),
        bound_grams: headroom.bound.get(),
        percent: headroom.percent(),
    })
}

fn total(outcome: &Outcome, value: impl Fn(&ZoneAccount) -> f64) -> f64 {
    // From +0.0: an empty `sum()` is -0.0, which JSON would show.
    outcome.zones.iter().map(value).fold(0.0, |a, b| a + b)
}

fn emissions(outcome: &Outcome) -> Emissions {
    let operational = total(outcome, |account| account.operational.get());
    let idle = total(outcome, |account| account.idle.get());
    let embodied = total(outcome, |account| account.embodied.get());
    let transfer = total(outcome, |account| account.transfer.get());
    Emissions {
        total: operational + idle + embodied + transfer,
        operational,
        idle,
        embodied,
        transfer,
    }
}

fn pods(world: &World, outcome: &Outcome) -> (PodCounts, DelayHours) {
    let mut counts = PodCounts::default();
    let mut delays = Vec::new();
    for (pod, result) in world.pods.iter().zip(&outcome.pods) {
        if result.state == PodState::NotNeeded {
            continue;
        }
        counts.submitted += 1;
        counts.completed += u64::from(result.state == PodState::Completed);
        counts.unfinished += u64::from(result.state != PodState::Completed);
        counts.failed += u64::from(result.state == PodState::Failed);
        counts.deadline_misses += u64::from(deadline_missed(pod, result));
        counts.migrations += u64::from(result.migrations);
        counts.evictions += u64::from(result.evictions);
        delays.extend(delay(&world.classes[pod.class as usize], pod, result));
    }
    delays.sort_unstable();
    (counts, delay_hours(&delays))
}

fn delay_hours(sorted: &[Span]) -> DelayHours {
    // Nearest rank: the smallest value that at least `percent` of all are not above.
    let rank = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map(|delay| delay.hours())
    };
    // In whole milliseconds, so that the order of ten million additions can't show.
    let sum: i128 = sorted.iter().map(|delay| i128::from(delay.millis())).sum();
    DelayHours {
        mean: (!sorted.is_empty()).then(|| sum as f64 / sorted.len() as f64 / 3.6e6),
        p50: rank(50),
        p95: rank(95),
        max: rank(100),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_nothing(amount: &f64) -> bool {
    *amount <= 0.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Serialize for ByZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (zone, value) in &self.0 {
            map.serialize_entry(zone, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ByZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = ByZone;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a number per zone")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByZone, A::Error> {
                let mut zones = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    zones.push(entry);
                }
                Ok(ByZone(zones))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_tiny_week_has_the_numbers_that_its_comments_derive() {
        let (world, outcomes) = fixture::tiny();
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        insta::assert_snapshot!(to_json(&summary(&world, &outcomes, true)));
    }

    #[test]
    fn parts_and_zones_sum_to_the_total() {
        let (world, outcomes) = fixture::many(10, 7, 3);
        for run in summary(&world, &outcomes.iter().collect::<Vec<_>>(), true).runs {
            let parts = run.emissions_grams;
            let sum = parts.operational + parts.idle + parts.embodied + parts.transfer;
            // The same additions in the same order: not one bit apart.
            assert_eq!(parts.total.to_bits(), sum.to_bits());
            let zones: f64 = run.emissions_grams_by_zone.0.iter().map(|zone| zone.1).sum();
            assert!((zones - parts.total).abs() <= 1e-12 * parts.total);
            let energy: f64 = run.energy_kwh_by_zone.0.iter().map(|zone| zone.1).sum();
            assert_eq!(energy.to_bits(), run.energy_kwh.to_bits());
            let pods = run.pods;
            assert_eq!(pods.submitted, pods.completed + pods.unfinished);
        }
    }

    #[test]
    fn what_is_written_reads_back_with_zones_in_order() {
        let (world, outcomes) = fixture::tiny();
        let before = summary(&world, &outcomes.iter().collect::<Vec<_>>(), false);
        let after: Summary = serde_json::from_str(&to_json(&before)).unwrap();
        assert_eq!(before, after);
        let zones = &after.runs[0].emissions_grams_by_zone.0;
        // Not alphabetical: the order of the scenario.
        assert_eq!([&zones[0].0, &zones[1].0], ["US-TX", "US-CA"]);
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let hours =
            |values: &[f64]| -> Vec<Span> { values.iter().map(|&h| Span::from_hours(h)).collect() };
        // 20 values: p50 is the 10th, p95 the 19th.
        let twenty: Vec<f64> = (1..=20).map(f64::from).collect();
        let delay = delay_hours(&hours(&twenty));
        assert_eq!(delay.p50, Some(10.0));
        assert_eq!(delay.p95, Some(19.0));
        assert_eq!(delay.max, Some(20.0));
        assert_eq!(delay.mean, Some(10.5));
        assert_eq!(delay_hours(&hours(&[3.0])).p50, Some(3.0));
        assert_eq!(delay_hours(&[]), DelayHours::default());
    }

    #[test]
    fn a_reference_without_emissions_has_no_saving() {
        let (mut world, mut outcomes) = fixture::tiny();
        world.pods.clear();
        for outcome in &mut outcomes {
            outcome.zones = vec![ZoneAccount::default(); 2];
            outcome.pods.clear();
        }
        let summary = summary(&world, &outcomes.iter().collect::<Vec<_>>(), true);
        assert!(summary.runs.iter().all(|run| run.saving_percent.is_none()));
        assert!(!to_json(&summary).contains("-0.0"));
    }

    #[test]
    fn no_runs_are_a_summary_too() {
        let (world, _) = fixture::tiny();
        let json = to_json(&summary(&world, &[], false));
        assert!(json.contains("\"reference\": null"));
        assert!(json.ends_with("}\n"));
    }
}
