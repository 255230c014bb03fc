//! `timeshift`: start in the low hours of the coming day, stop in the high ones.

use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{NodeView, PodView};
use carbon_kube_core::{GramsPerKwh, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots;
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Start while the intensity is among the lowest of the 24 hours to come, a stricter part for
/// short pods than for long ones; without a forecast, while it is under the mean of the last week.
/// Running pods stop in the highest hours (time shifting and the task stopper of OpenDC). Left out:
/// without a forecast OpenDC lets short tasks start only where the intensity has just risen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Timeshift {
    /// The part of the coming hours in which a pod of less than two hours starts.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub short_quantile: f64,
    /// The part of the coming hours in which any other pod starts.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub long_quantile: f64,
    /// The part of the coming hours over which interruptible pods are paused; 1 pauses none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stop_quantile: f64,
}

impl Default for Timeshift {
    fn default() -> Self {
        Self { short_quantile: 0.2, long_quantile: 0.35, stop_quantile: 0.6 }
    }
}

/// A pod of less than this is short.
const SHORT: Span = Span::from_millis(2 * 3_600_000);

/// Hours of the trailing mean.
const WEEK: u32 = 168;

impl Policy for Timeshift {
    fn name(&self) -> &'static str {
        "timeshift"
    }

    fn threshold(&self, history: &History<'_>) -> Option<GramsPerKwh> {
        let known: Vec<f64> = history.hourly(WEEK).collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        (!known.is_empty()).then(|| GramsPerKwh::saturating(mean))
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let is_high = |zone| self.is_high(pod, signal.zone(zone), signal) == Some(true);
        if !pod.zones.is_empty() && pod.zones.iter().all(is_high) {
            Gate::Hold { until: signal.next_update }
        } else {
            Gate::Release
        }
    }

    fn run(&self, _pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        let stop = |zone: &ZoneSignal<'_>| {
            let limit = sorted_at(zone, signal, self.stop_quantile)?;
            Some(slots::rank(zone.intensity?.get()) > slots::rank(limit))
        };
        match node.zone.and_then(|zone| stop(signal.zone(zone))) {
            Some(true) => Run::Pause { until: signal.next_update },
            _ => Run::Continue,
        }
    }
}

impl Timeshift {
    /// Whether the zone is not low now for a pod of this length; `None` where nobody knows.
    fn is_high(&self, pod: &PodView, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<bool> {
        let is_short = pod.remaining.is_some_and(|remaining| remaining < SHORT);
        let part = if is_short { self.short_quantile } else { self.long_quantile };
        let limit = sorted_at(zone, signal, part).or_else(|| Some(zone.threshold?.get()))?;
        Some(slots::rank(zone.intensity?.get()) >= slots::rank(limit))
    }
}

/// The forecast of the next 24 hours in order of size, at position round(24 x part).
fn sorted_at(zone: &ZoneSignal<'_>, signal: &Signal<'_>, part: f64) -> Option<f64> {
    let day = slots::day_from(zone, signal.now, signal)?;
    let mut values: Vec<f64> = day.iter().map(|slot| slot.mean).collect();
    values.sort_by(f64::total_cmp);
    let position = (values.len() as f64 * part.clamp(0.0, 1.0)).round() as usize;
    values.get(position).or(values.last()).copied()
}
