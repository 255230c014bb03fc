//! `threshold`: hold while the grid is over a fixed intensity.

use carbon_kube_core::GramsPerKwh;
use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::holding;
use crate::decision::{Gate, Run, Verdict};
use crate::policy::Policy;
use crate::signal::Signal;

/// Hold deferrable pods while the cleanest of their zones is over a fixed intensity; pause
/// interruptible ones. The simplest rule in use (Carbon Aware KEDA operator, `carbon-aware-scheduling` guides).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Threshold {
    /// The intensity above which a zone counts as dirty, in gCO2/kWh, the same for every zone.
    /// Default 250: between France and coal.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub grams_per_kwh: f64,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { grams_per_kwh: 250.0 }
    }
}

impl Policy for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn threshold(&self, _history: &History<'_>) -> Option<GramsPerKwh> {
        GramsPerKwh::new(self.grams_per_kwh)
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        holding::gate(pod, signal)
    }

    fn place(
        &self,
        pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        holding::filter(pod, nodes, signal, verdicts);
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        holding::run(pod, node, signal)
    }
}
