//! `k-min`: search for the k least values under a threshold that falls with each one taken.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::{self, Range};
use super::slots::HOURLY;
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Take the i-th of a pod's k slots at most at F(i) = U (1 - (1 - 1/A)(1 + 1/(A k))^(i-1)), A being
/// the competitive ratio (k-min search, Lorenz et al. 2009, as in Lechowicz et al. 2023).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct KMin {
    /// The least that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub lowest_g_per_kwh: Option<f64>,
    /// The most that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub highest_g_per_kwh: Option<f64>,
    /// Length of a slot in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
}

impl Default for KMin {
    fn default() -> Self {
        Self { lowest_g_per_kwh: None, highest_g_per_kwh: None, slot_minutes: HOURLY }
    }
}

impl Policy for KMin {
    fn name(&self) -> &'static str {
        "k-min"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        search::gate(pod, signal, |zone| self.accepted(pod, zone, signal))
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        search::run(node, signal, |zone| self.accepted(pod, zone, signal))
    }
}

impl KMin {
    fn accepted(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<f64> {
        let (low, high) = (self.lowest_g_per_kwh, self.highest_g_per_kwh);
        let (slots, position) = search::position(pod, self.slot_minutes)?;
        Range::of(low, high, pod, zone, signal)?.accepted(slots, position, 0.0)
    }
}
