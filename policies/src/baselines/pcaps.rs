//! `pcaps`: the more a pod matters, the dirtier an hour it may start in.

use carbon_kube_core::Span;
use carbon_kube_core::view::PodView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::Range;
use super::slots;
use crate::decision::Gate;
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// A pod of relative importance r, 0 to 1, may start at most at V + (U - V)(e^(g r) - 1)/(e^g - 1),
/// V = g L + (1 - g) U, g being the weight of carbon and L and U what the coming day is expected to
/// have (after PCAPS, Lechowicz et al. 2025).
///
/// *Uncertain*: the formula is from memory of the paper, not checked against its code. There r comes
/// from the probabilities of a learned scheduler of data-processing graphs, which a cluster lacks;
/// here it is the part of the pod's patience that is used up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Pcaps {
    /// Weight of carbon, g: 0 starts everything at once, 1 waits for the least.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub carbon_weight: f64,
}

impl Default for Pcaps {
    fn default() -> Self {
        Self { carbon_weight: 0.5 }
    }
}

impl Policy for Pcaps {
    fn name(&self) -> &'static str {
        "pcaps"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let waits = |zone| self.waits(pod, signal.zone(zone), signal) == Some(true);
        if !pod.zones.is_empty() && pod.zones.iter().all(waits) {
            Gate::Hold { until: signal.next_update }
        } else {
            Gate::Release
        }
    }
}

impl Pcaps {
    fn waits(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<bool> {
        let day = slots::day_from(zone, signal.now, signal)?;
        let range = Range::over(&day)?;
        let limit = self.limit(range, importance(pod, signal)?);
        Some(slots::rank(zone.intensity?.get()) > slots::rank(limit))
    }

    fn limit(&self, range: Range, importance: f64) -> f64 {
        let Range { low, high } = range;
        let weight = self.carbon_weight.clamp(0.0, 1.0);
        let least = weight * low + (1.0 - weight) * high;
        // The limit of the fraction as the weight goes to 0 is the importance itself.
        let part = if weight < 1e-9 {
            importance
        } else {
            (weight * importance).exp_m1() / weight.exp_m1()
        };
        least + (high - least) * part
    }
}

/// The part of the pod's patience that is used up, 0 to 1.
fn importance(pod: &PodView, signal: &Signal<'_>) -> Option<f64> {
    let waited = (signal.now - pod.created - pod.done).max(Span::ZERO).hours();
    let left = (pod.must_run_by? - signal.now).max(Span::ZERO).hours();
    Some(if left > 0.0 { waited / (waited + left) } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_rises_from_the_weighted_least_to_the_most() {
        let range = Range { low: 100.0, high: 300.0 };
        let limit = |carbon_weight, importance| Pcaps { carbon_weight }.limit(range, importance);
        for (weight, importance, expected) in
            [(1.0, 0.0, 100.0), (0.5, 0.0, 200.0), (0.0, 0.5, 300.0), (1.0, 1.0, 300.0)]
        {
            assert!((limit(weight, importance) - expected).abs() < 1e-9);
        }
        assert!(limit(1.0, 0.5) < 200.0, "convex");
    }
}
