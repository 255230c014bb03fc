//! `percentile`: hold while the grid is over a percentile of its own trailing days.

use carbon_kube_core::GramsPerKwh;
use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::holding;
use crate::decision::{Gate, Run, Verdict};
use crate::policy::Policy;
use crate::signal::Signal;

/// Hold deferrable pods while the cleanest of their zones is over a percentile of its trailing
/// days; pause interruptible ones. Needs no number per zone and follows the seasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Percentile {
    /// Which percentile of the trailing hourly means is the threshold, 0 to 100. Lower waits for
    /// cleaner hours, and longer.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percentile: f64,
    /// How many trailing days count.
    #[schemars(range(min = 1, max = 365))]
    pub trailing_days: u32,
}

impl Default for Percentile {
    fn default() -> Self {
        Self { percentile: 30.0, trailing_days: 7 }
    }
}

/// With less of the window known than this part, there is no threshold: the first hours of a
/// trace, or a grid that just came back, would make one of a handful of values.
const LEAST_KNOWN: f64 = 0.25;

impl Percentile {
    /// The percentile of the hourly means that are known, by linear interpolation between ranks
    /// (Hyndman and Fan's type 7, what numpy and Excel do). Hourly means make it independent of
    /// the resolution of the trace.
    pub(super) fn of(&self, history: &History<'_>) -> Option<GramsPerKwh> {
        let hours = self.trailing_days * 24;
        let mut values: Vec<f64> = history.hourly(hours).collect();
        if (values.len() as f64) < f64::from(hours) * LEAST_KNOWN {
            return None;
        }
        let rank = (self.percentile / 100.0).clamp(0.0, 1.0) * (values.len() - 1) as f64;
        let (low, weight) = (rank as usize, rank.fract());
        let (_, &mut at, above) = values.select_nth_unstable_by(low, f64::total_cmp);
        let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(at);
        GramsPerKwh::new(at + weight * (next - at))
    }
}

impl Policy for Percentile {
    fn name(&self) -> &'static str {
        "percentile"
    }

    fn threshold(&self, history: &History<'_>) -> Option<GramsPerKwh> {
        self.of(history)
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
