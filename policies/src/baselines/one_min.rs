//! `one-min`: run while the grid is under the geometric mean of its bounds.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::{self, Range};
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Run in each slot of at most sqrt(L U), the best that a search for one least value can do when
/// only the bounds L and U are known (El-Yaniv et al. 2001).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct OneMin {
    /// The least that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub lowest_g_per_kwh: Option<f64>,
    /// The most that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub highest_g_per_kwh: Option<f64>,
}

impl Policy for OneMin {
    fn name(&self) -> &'static str {
        "one-min"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        search::gate(pod, signal, |zone| self.accepted(pod, zone, signal))
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        search::run(node, signal, |zone| self.accepted(pod, zone, signal))
    }
}

impl OneMin {
    fn accepted(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<f64> {
        let (low, high) = (self.lowest_g_per_kwh, self.highest_g_per_kwh);
        Some(Range::of(low, high, pod, zone, signal)?.one_min())
    }
}
