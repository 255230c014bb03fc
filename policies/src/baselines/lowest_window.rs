//! `lowest-window`: start at the cleanest forecast window that the limit allows.

use carbon_kube_core::Time;
use carbon_kube_core::view::PodView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots::{self, HOURLY};
use crate::decision::Gate;
use crate::policy::Policy;
use crate::signal::Signal;

/// Start at the `s` in {now, now + one slot, ..., limit} with the least forecast intensity over
/// the pod's length; the first wins ties (GAIA's `lowest window`, the non-interruptible scenario of
/// Wiesner et al. 2021). Planned again when the planned start comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LowestWindow {
    /// Minutes between two starts that are considered.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
    /// Start as soon as a node that is paid for anyway has room.
    pub prepaid_first: bool,
}

impl Default for LowestWindow {
    fn default() -> Self {
        Self { slot_minutes: HOURLY, prepaid_first: false }
    }
}

impl Policy for LowestWindow {
    fn name(&self) -> &'static str {
        "lowest-window"
    }

    fn takes_prepaid_room(&self) -> bool {
        self.prepaid_first
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match self.best_start(pod, signal) {
            Some(start) if start > signal.now => Gate::Hold { until: start },
            _ => Gate::Release,
        }
    }
}

impl LowestWindow {
    /// The start with the least forecast grams in the pod's cleanest zone. Without a length, a
    /// limit or an outlook there is none. The last candidate is the limit itself.
    fn best_start(&self, pod: &PodView, signal: &Signal<'_>) -> Option<Time> {
        let (limit, length) = (pod.must_run_by?, pod.remaining?);
        let starts = slots::starts(signal.now, limit, self.slot_minutes);
        slots::first_least(starts.filter_map(|start| {
            let grams = slots::cleanest(pod, signal, start, start + length)?;
            Some((grams, start))
        }))
    }
}
