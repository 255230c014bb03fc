//! `lowest-slot`: start in the cleanest slot, however long the pod runs.

use carbon_kube_core::view::PodView;
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots::{self, HOURLY};
use crate::decision::Gate;
use crate::policy::Policy;
use crate::signal::Signal;

/// Start in the slot of least forecast intensity between now and the limit, the first on ties;
/// needs no length and pays for that (GAIA's `lowest slot`, Hanafy et al. 2024).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LowestSlot {
    /// Length of a slot in minutes; slots begin at its multiples on the clock.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
    /// Start as soon as a node that is paid for anyway has room.
    pub prepaid_first: bool,
}

impl Default for LowestSlot {
    fn default() -> Self {
        Self { slot_minutes: HOURLY, prepaid_first: false }
    }
}

impl Policy for LowestSlot {
    fn name(&self) -> &'static str {
        "lowest-slot"
    }

    fn takes_prepaid_room(&self) -> bool {
        self.prepaid_first
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match self.cleanest_slot(pod, signal) {
            Some(start) if start > signal.now => Gate::Hold { until: start },
            _ => Gate::Release,
        }
    }
}

impl LowestSlot {
    /// When the cleanest slot begins: the one that now is in, or a full one from its start on.
    fn cleanest_slot(&self, pod: &PodView, signal: &Signal<'_>) -> Option<Time> {
        let limit = pod.must_run_by?;
        let step = Span::MINUTE * i64::from(self.slot_minutes.max(1));
        let next = signal.now.floor(step) + step;
        let full = slots::starts(next, limit, self.slot_minutes);
        // The limit itself counts where a slot begins there.
        let full = full.filter(|start| start.floor(step) == *start);
        slots::first_least(std::iter::once(signal.now).chain(full).filter_map(|start| {
            let end = start.floor(step) + step;
            let area = slots::cleanest(pod, signal, start, end)?;
            Some((area / (end - start).hours(), start))
        }))
    }
}
