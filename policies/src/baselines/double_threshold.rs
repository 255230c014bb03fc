//! `double-threshold`: the k-min search where stopping and starting cost something.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::{self, Range};
use super::slots::HOURLY;
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// A running pod goes on at most at H(i), a waiting one starts at most at H(i) less twice the cost
/// of a switch: the double threshold of the online pause-and-resume problem (Lechowicz et al.
/// 2023). With no switch cost it is `k-min`; where a switch costs half of the grid's range or more,
/// pausing never pays and there is no opinion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct DoubleThreshold {
    /// The least that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub lowest_g_per_kwh: Option<f64>,
    /// The most that the grid has, in g/kWh; without it, what is expected up to the deadline.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub highest_g_per_kwh: Option<f64>,
    /// Length of a slot in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
    /// What one stop or one start costs, in g/kWh times a slot: the emissions of a switch over the
    /// pod's energy in a slot.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub switch_g_per_kwh: f64,
}

impl Default for DoubleThreshold {
    fn default() -> Self {
        Self {
            lowest_g_per_kwh: None,
            highest_g_per_kwh: None,
            slot_minutes: HOURLY,
            switch_g_per_kwh: 10.0,
        }
    }
}

impl Policy for DoubleThreshold {
    fn name(&self) -> &'static str {
        "double-threshold"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let start = |zone: &ZoneSignal<'_>| {
            Some(self.accepted(pod, zone, signal)? - 2.0 * self.switch_g_per_kwh)
        };
        search::gate(pod, signal, start)
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        search::run(node, signal, |zone| self.accepted(pod, zone, signal))
    }
}

impl DoubleThreshold {
    fn accepted(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<f64> {
        let (low, high) = (self.lowest_g_per_kwh, self.highest_g_per_kwh);
        let (slots, position) = search::position(pod, self.slot_minutes)?;
        let range = Range::of(low, high, pod, zone, signal)?;
        range.accepted(slots, position, self.switch_g_per_kwh)
    }
}
