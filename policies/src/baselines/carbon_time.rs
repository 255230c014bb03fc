//! `carbon-time`: the best saving per hour until the pod is done.

use carbon_kube_core::view::PodView;
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots::{self, HOURLY};
use crate::decision::Gate;
use crate::policy::Policy;
use crate::signal::Signal;

/// Start at the `s` that maximises (C(now) - C(s)) / ((s - now) + length), C(s) being the forecast
/// intensity over the pod's length from `s` on: most of the saving of `lowest-window` for less
/// delay (GAIA's `carbon-time`, Hanafy et al. 2024). Planned once: planned again later, the same
/// formula would put off a start that it has waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CarbonTime {
    /// Minutes between two starts that are considered.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
    /// Start as soon as a node that is paid for anyway has room.
    pub prepaid_first: bool,
}

impl Default for CarbonTime {
    fn default() -> Self {
        Self { slot_minutes: HOURLY, prepaid_first: false }
    }
}

impl Policy for CarbonTime {
    fn name(&self) -> &'static str {
        "carbon-time"
    }

    fn takes_prepaid_room(&self) -> bool {
        self.prepaid_first
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match self.best_start(pod, signal) {
            Some(at) if at > signal.now => Gate::Start { at },
            _ => Gate::Release,
        }
    }
}

impl CarbonTime {
    fn best_start(&self, pod: &PodView, signal: &Signal<'_>) -> Option<Time> {
        let (limit, length) = (pod.must_run_by?, pod.remaining?.max(Span::from_millis(1)));
        let grams = |start: Time| slots::cleanest(pod, signal, start, start + length);
        let at_once = grams(signal.now)?;
        let starts = slots::starts(signal.now, limit, self.slot_minutes);
        slots::first_least(starts.filter_map(|start| {
            let hours = (start - signal.now + length).hours();
            Some(((grams(start)? - at_once) / hours, start))
        }))
    }
}
