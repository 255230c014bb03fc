//! `wait-awhile`: run in the cleanest slots until the deadline, pause in between.

use carbon_kube_core::Time;
use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots::{self, HOURLY};
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::Signal;

/// Run in the slots of least forecast intensity from now to the deadline, as many as the work
/// needs, the first of equals; the last one in part. With a perfect forecast, no cost of pausing
/// and no want of room this is the least that a pod can emit ("Let's Wait Awhile", Wiesner et al.
/// 2021). A pod that can't be paused is left to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct WaitAwhile {
    /// Length of a slot in minutes; slots begin at its multiples on the clock.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
}

impl Default for WaitAwhile {
    fn default() -> Self {
        Self { slot_minutes: HOURLY }
    }
}

impl Policy for WaitAwhile {
    fn name(&self) -> &'static str {
        "wait-awhile"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        if !pod.interruptible {
            return Gate::Release;
        }
        let plans = pod.zones.iter().filter_map(|zone| {
            let outlook = signal.zone(zone).outlook.as_deref()?;
            let plan = self.plan(outlook, pod, signal.now)?;
            Some((plan.grams, plan))
        });
        match slots::first_least(plans) {
            Some(plan) if plan.start > signal.now => Gate::Hold { until: plan.start },
            _ => Gate::Release,
        }
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        let outlook = node.zone.and_then(|zone| signal.zone(zone).outlook.as_deref());
        match outlook.and_then(|outlook| self.plan(outlook, pod, signal.now)) {
            None => Run::Continue,
            Some(plan) if plan.start > signal.now => Run::Pause { until: plan.start },
            Some(plan) => Run::Until { at: plan.end },
        }
    }
}

/// The next stretch in which the pod runs.
struct Plan {
    start: Time,
    end: Time,
    /// What all stretches emit, in g/kWh x hours.
    grams: f64,
}

impl WaitAwhile {
    fn plan(&self, outlook: &dyn Outlook, pod: &PodView, now: Time) -> Option<Plan> {
        let need = pod.remaining?;
        let deadline = pod.must_run_by? + need;
        let mut slots = slots::between(outlook, now, deadline, self.slot_minutes)?;
        slots.sort_by_key(|slot| (slots::rank(slot.mean), slot.start));
        let (mut left, mut grams) = (need, 0.0);
        slots.retain_mut(|slot| {
            let length = slot.length().min(left);
            slot.end = slot.start + length;
            left = left - length;
            grams += slot.mean * length.hours();
            length.is_positive()
        });
        slots.sort_by_key(|slot| slot.start);
        let first = *slots.first()?;
        let end = slots.iter().fold(
            first.end,
            |end, slot| {
                if slot.start == end { slot.end } else { end }
            },
        );
        Some(Plan { start: first.start, end, grams })
    }
}
