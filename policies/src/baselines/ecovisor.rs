//! `ecovisor`: run under a threshold that is set when the pod is created.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots;
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Run while the intensity is under a percentile of what is forecast for the day from the pod's
/// creation on, and wait or pause else, until the pod's patience is used up (the threshold policy
/// of Ecovisor, Souza et al. 2023, as GAIA compares with it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Ecovisor {
    /// Which percentile of the forecast day is the threshold, 0 to 100.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percentile: f64,
}

impl Default for Ecovisor {
    fn default() -> Self {
        Self { percentile: 30.0 }
    }
}

impl Policy for Ecovisor {
    fn name(&self) -> &'static str {
        "ecovisor"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let is_dirty = |zone| self.is_dirty(pod, signal.zone(zone), signal) == Some(true);
        if !pod.zones.is_empty() && pod.zones.iter().all(is_dirty) {
            Gate::Hold { until: signal.next_update }
        } else {
            Gate::Release
        }
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        let zone = node.zone.map(|zone| signal.zone(zone));
        match zone.and_then(|zone| self.is_dirty(pod, zone, signal)) {
            Some(true) => Run::Pause { until: signal.next_update },
            _ => Run::Continue,
        }
    }
}

impl Ecovisor {
    /// Whether the zone is not under the pod's threshold; `None` where either is unknown.
    fn is_dirty(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<bool> {
        let day = slots::day_from(zone, pod.created, signal)?;
        let threshold = slots::quantile(day, self.percentile / 100.0)?;
        Some(slots::rank(zone.intensity?.get()) >= slots::rank(threshold))
    }
}
