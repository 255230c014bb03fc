//! `lowest-window`: start at the cleanest forecast window that the limit allows.

use carbon_kube_core::view::PodView;
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::Gate;
use crate::policy::Policy;
use crate::signal::Signal;

/// Start at the `s` in {now, now + 1 h, ..., limit} with the least forecast intensity over the
/// pod's length; the first wins ties (GAIA's `lowest window`, the non-interruptible scenario of
/// Wiesner et al. 2021). Planned again when the planned start comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LowestWindow {}

impl Policy for LowestWindow {
    fn name(&self) -> &'static str {
        "lowest-window"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match best_start(pod, signal) {
            Some(start) if start > signal.now => Gate::Hold { until: start },
            _ => Gate::Release,
        }
    }
}

/// The start with the least forecast grams in the pod's cleanest zone. Without a length, a limit
/// or an outlook there is none. The last candidate is the limit itself.
fn best_start(pod: &PodView, signal: &Signal<'_>) -> Option<Time> {
    let (limit, length) = (pod.must_run_by?, pod.remaining?);
    let mut best: Option<(f64, Time)> = None;
    let mut start = signal.now;
    while start <= limit {
        let cleanest = pod
            .zones
            .iter()
            .filter_map(|zone| {
                signal.zone(zone).outlook.as_ref()?.integral_hours(start, start + length)
            })
            .min_by(f64::total_cmp);
        if let Some(grams) = cleanest
            && best.is_none_or(|(least, _)| grams < least)
        {
            best = Some((grams, start));
        }
        start = if start == limit { limit + Span::HOUR } else { (start + Span::HOUR).min(limit) };
    }
    best.map(|(_, start)| start)
}
