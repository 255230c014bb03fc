//! `percentile-lowest-zone`: `percentile` in time and `lowest-zone` in space.

use carbon_kube_core::GramsPerKwh;
use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{holding, lowest_zone, percentile::Percentile};
use crate::decision::{Gate, Run, Verdict};
use crate::policy::Policy;
use crate::signal::Signal;

/// Hold deferrable pods while the cleanest of their zones is over its percentile, place the
/// released ones where they emit least, pause interruptible ones and move migratable ones when it
/// pays. No zone is refused: France over its percentile is still cleaner than coal under its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PercentileLowestZone {
    /// The rule in time.
    pub time: Percentile,
}

impl Policy for PercentileLowestZone {
    fn name(&self) -> &'static str {
        "percentile-lowest-zone"
    }

    fn threshold(&self, history: &History<'_>) -> Option<GramsPerKwh> {
        self.time.of(history)
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        holding::gate(pod, signal)
    }

    fn place(
        &self,
        _pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        lowest_zone::score_by_grams(nodes, signal, verdicts);
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        holding::run(pod, node, signal)
    }

    fn migrate(
        &self,
        pod: &PodView,
        from: &NodeView,
        candidates: &[NodeView],
        signal: &Signal<'_>,
    ) -> Option<usize> {
        lowest_zone::move_that_pays(pod, from, candidates, signal)
    }
}
