//! Holding under a threshold: what `threshold`, `percentile` and every tuned threshold share.
//!
//! ```text
//!  g/kWh
//!   over the threshold     new pods are held, interruptible ones pause
//!  ------------------------------------------------ threshold
//!   between                running pods go on, paused ones wait
//!  ------------------------------------------------ threshold - restart margin
//!   under both             everything runs
//! ```
//!
//! The second line keeps a pod from stopping and starting at each small swing (the double
//! threshold of the online pause-and-resume problem, Lechowicz et al. 2023).

use carbon_kube_core::view::{NodeView, PodView};
use carbon_kube_core::{GramsPerKwh, Time};

use crate::decision::{Gate, Run, Verdict};
use crate::signal::Signal;

/// How far under its threshold a zone must be before a paused pod starts again, in parts of the
/// threshold. Smaller saves a little more and restarts more often.
const RESTART_MARGIN: f64 = 0.05;

/// A pause must leave room for at least this many times the work that it costs.
const WORTHWHILE: i64 = 4;

/// Holds a pod that may wait while the cleanest of its zones is over its threshold.
pub(super) fn gate(pod: &PodView, signal: &Signal<'_>) -> Gate {
    let Some(limit) = pod.must_run_by.filter(|&limit| limit > signal.now) else {
        return Gate::Release;
    };
    match cleanest(pod, signal) {
        Some(zone) if is_over(pod, signal, zone) => {
            Gate::Hold { until: signal.next_update.min(limit) }
        }
        _ => Gate::Release,
    }
}

/// The pod's zone of least intensity; `None` where that of any is unknown: it might be the one.
fn cleanest(pod: &PodView, signal: &Signal<'_>) -> Option<usize> {
    let mut best: Option<(GramsPerKwh, usize)> = None;
    for zone in pod.zones.iter() {
        let intensity = signal.zone(zone).intensity?;
        if best.is_none_or(|(least, _)| intensity < least) {
            best = Some((intensity, zone));
        }
    }
    best.map(|(_, zone)| zone)
}

/// Refuses nodes in zones over their threshold while the pod may wait: it was let go because
/// another of its zones is under its own. With a node of which nothing is known there is no
/// opinion at all: refusing the others would send the pod where nobody knows what it emits.
pub(super) fn filter(
    pod: &PodView,
    nodes: &[NodeView],
    signal: &Signal<'_>,
    verdicts: &mut [Verdict],
) {
    let is_known =
        |node: &NodeView| node.zone.is_some_and(|zone| signal.zone(zone).excess().is_some());
    let may_wait = pod.must_run_by.is_some_and(|limit| limit > signal.now);
    if !may_wait || !nodes.iter().all(is_known) {
        return;
    }
    for (node, verdict) in nodes.iter().zip(verdicts) {
        verdict.feasible &= !node.zone.is_some_and(|zone| is_over(pod, signal, zone));
    }
}

/// Pauses a running pod whose zone is over its threshold, when the pause is worth its cost.
pub(super) fn run(pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
    let over = node.zone.is_some_and(|zone| signal.zone(zone).excess().is_some_and(|g| g > 0.0));
    let Some(limit) = pod.must_run_by else {
        return Run::Continue;
    };
    let limit = limit - pod.checkpoint;
    let room: Time = signal.now + pod.checkpoint * WORTHWHILE;
    let long_enough = pod.remaining.is_none_or(|remaining| remaining > pod.checkpoint * WORTHWHILE);
    if over && long_enough && signal.next_update <= limit && room < limit {
        Run::Pause { until: signal.next_update }
    } else {
        Run::Continue
    }
}

/// Whether the zone is known to be over the threshold that counts for this pod.
fn is_over(pod: &PodView, signal: &Signal<'_>, zone: usize) -> bool {
    let zone = signal.zone(zone);
    let margin = match zone.threshold {
        Some(threshold) if pod.started => threshold.get() * RESTART_MARGIN,
        _ => 0.0,
    };
    zone.excess().is_some_and(|excess| excess > -margin)
}
