//! `lowest-zone`: each pod goes where it emits least now.

use carbon_kube_core::Span;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spatial::{self, INDIFFERENCE};
use crate::decision::Verdict;
use crate::policy::Policy;
use crate::signal::Signal;

/// Place each pod on the node where it emits least now, and move running migratable pods when
/// the move pays. The greedy spatial rule of SustainCluster ("lowest carbon"), in grams of this
/// pod rather than in intensity alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LowestZone {}

/// How far a move looks ahead at most. A longer look trusts the forecast more than it deserves.
const HORIZON: Span = Span::from_millis(6 * 3_600_000);

/// A move must save this many times what it costs, so that a forecast error does not undo it.
const MARGIN: f64 = 2.0;

impl Policy for LowestZone {
    fn name(&self) -> &'static str {
        "lowest-zone"
    }

    fn place(
        &self,
        _pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        score_by_grams(nodes, signal, verdicts);
    }

    fn migrate(
        &self,
        pod: &PodView,
        from: &NodeView,
        candidates: &[NodeView],
        signal: &Signal<'_>,
    ) -> Option<usize> {
        move_that_pays(pod, from, candidates, signal)
    }
}

/// Scores nodes by what one busy core emits there: 10 for the least, 0 for the most. The pod's own
/// size is the same factor for each node and cancels out.
pub(super) fn score_by_grams(nodes: &[NodeView], signal: &Signal<'_>, verdicts: &mut [Verdict]) {
    spatial::prefer_least(nodes, verdicts, |node| grams_per_core_hour(node, signal));
}

fn grams_per_core_hour(node: &NodeView, signal: &Signal<'_>) -> Option<f64> {
    let intensity = signal.zone(node.zone?).intensity?;
    Some(node.watts_per_core.get() / 1_000.0 * intensity.get())
}

/// The candidate where the pod saves most, if that is well over what the move costs: the data at
/// both ends, and the work that is repeated there.
pub(super) fn move_that_pays(
    pod: &PodView,
    from: &NodeView,
    candidates: &[NodeView],
    signal: &Signal<'_>,
) -> Option<usize> {
    let stay = pod.remaining?.min(HORIZON);
    let here = expected_grams(pod, from, signal, stay)?;
    let copied_kwh = signal.transfer_kwh_per_gb * pod.data.gigabytes();
    let intensity = |node: &NodeView| Some(signal.zone(node.zone?).intensity?.get());
    candidates
        .iter()
        .enumerate()
        .filter_map(|(i, to)| {
            let there = expected_grams(pod, to, signal, stay)?;
            let repeated = there * (pod.checkpoint.hours() / stay.hours().max(1e-9));
            let cost = copied_kwh * (intensity(from)? + intensity(to)?) + repeated;
            let gain = here - there;
            (gain > cost * MARGIN && gain > here * INDIFFERENCE).then_some((gain - cost, i))
        })
        // On equal gains the first candidate: their order is the caller's and stable.
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, i)| i)
}

/// Grams of running the pod on a node for `stay`; without an outlook, at the intensity of now.
fn expected_grams(pod: &PodView, node: &NodeView, signal: &Signal<'_>, stay: Span) -> Option<f64> {
    let zone = signal.zone(node.zone?);
    let hours = zone
        .outlook
        .as_ref()
        .and_then(|outlook| outlook.integral_hours(signal.now, signal.now + stay))
        .or_else(|| Some(zone.intensity?.get() * stay.hours()))?;
    let busy_cores = pod.cpu.0 as f64 / 1_000.0 * pod.cpu_utilisation;
    Some(node.watts_per_core.get() / 1_000.0 * busy_cores * hours)
}
