//! A scheduler whose cycles take time: one pod after the other, by priority, then in order of
//! arrival.
//!
//! It slows the first attempt of each pod, which is what a burst of arrivals waits for. Attempts
//! after a failure and paced releases are not slowed further: they are spread already.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use carbon_kube_core::Span;
use carbon_kube_policies::Holding;

use super::{Due, Phase, Simulation};
use crate::world::SchedulerSettings;

/// As many pods may be at their limit together without one of them starting after it.
const AT_ONCE: i64 = 100;

/// How long before its limit a gate lets a pod go. A filter lets go a retry interval earlier.
pub(super) fn lead(scheduler: &SchedulerSettings) -> Span {
    match scheduler.holding {
        Holding::Gate => scheduler.latency * AT_ONCE,
        Holding::Filter { .. } => Span::ZERO,
    }
}

/// The scheduler's active queue.
#[derive(Default)]
pub(super) struct ActiveQueue {
    /// Priority, order of coming, pod.
    pods: BTreeSet<(Reverse<i32>, u64, u32)>,
    came: u64,
    /// Whether a cycle is under way.
    busy: bool,
}

impl Simulation<'_> {
    /// A pod's first attempt: at once, or when the scheduler gets to it.
    pub(super) fn attempt_in_turn(&mut self, pod: u32) {
        let latency = self.world.scheduler.latency;
        if latency == Span::ZERO {
            return self.attempt(pod);
        }
        let class = self.world.pods[pod as usize].class as usize;
        let queue = &mut self.active;
        queue.pods.insert((Reverse(self.world.classes[class].priority), queue.came, pod));
        queue.came += 1;
        if !queue.busy {
            queue.busy = true;
            self.schedule(self.now + latency, Due::Cycle);
        }
    }

    /// A cycle ends: its pod has a node, or waits.
    pub(super) fn end_cycle(&mut self) {
        if let Some((_, _, pod)) = self.active.pods.pop_first()
            && self.live[pod as usize].phase == Phase::Pending
        {
            self.attempt(pod);
        }
        self.active.busy = !self.active.pods.is_empty();
        if self.active.busy {
            self.schedule(self.now + self.world.scheduler.latency, Due::Cycle);
        }
    }
}
