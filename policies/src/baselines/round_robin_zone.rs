//! `round-robin-zone`: zones take turns.

use carbon_kube_core::Span;
use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::Verdict;
use crate::policy::Policy;
use crate::signal::Signal;

/// Prefer one zone after the other, whatever the grid does (SustainCluster's "round robin"). A policy
/// keeps no count of pods, so zones take turns by the clock, by the second of a pod's creation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RoundRobinZone {}

/// How long a turn is.
const TURN: Span = Span::from_millis(1_000);

impl Policy for RoundRobinZone {
    fn name(&self) -> &'static str {
        "round-robin-zone"
    }

    fn place(
        &self,
        pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        let offered: ZoneSet = nodes.iter().filter_map(|node| node.zone).collect();
        let mut zones: Vec<usize> = offered.iter().collect();
        zones.sort_unstable_by_key(|&zone| signal.zone(zone).rank);
        let turn = pod.created.millis().div_euclid(TURN.millis());
        let Some(position) = turn.checked_rem_euclid(zones.len() as i64) else {
            return;
        };
        for (node, verdict) in nodes.iter().zip(verdicts) {
            if node.zone == Some(zones[position as usize]) {
                verdict.score = Verdict::MAX_SCORE;
            }
        }
    }
}
