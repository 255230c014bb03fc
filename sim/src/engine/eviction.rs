//! Pods that lose their node without being asked, and what replaces them.
//!
//! A pod of a Deployment is replaced at once. A pod of a job comes again after the Job
//! controller's back-off (10 s, 20 s, ... 6 min), as often as its class allows. Work is lost: an
//! interruptible pod goes on from its last checkpoint and repeats `checkpoint`, any other starts
//! from nothing.

use carbon_kube_core::Span;

use super::{Due, Phase, Simulation};
use crate::event::EventKind;
use crate::outcome::PodState;
use crate::world::Owner;

/// The Job controller's back-off (`pkg/controller/job`): 10 s, doubling, at most 6 minutes.
const FIRST_BACKOFF: Span = Span::from_millis(10_000);
const LONGEST_BACKOFF: Span = Span::from_millis(360_000);

impl Simulation<'_> {
    /// A running pod is gone from its node, with the work since its checkpoint.
    pub(super) fn leave_node(&mut self, pod: u32) {
        self.vacate(pod);
        self.delist(pod);
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let live = &mut self.live[pod as usize];
        live.phase = Phase::Evicted;
        live.workers = 0;
        if class.interruptible {
            live.overhead = class.checkpoint;
        } else {
            live.done = Span::ZERO;
            live.overhead = Span::ZERO;
        }
        self.outcomes[pod as usize].evictions += 1;
        self.record(pod, EventKind::Evicted);
        self.spread_load(self.world.pods[pod as usize].class);
        self.wake_refused();
    }

    /// What the pod's owner does about it.
    pub(super) fn replace(&mut self, pod: u32) {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        if class.owner == Owner::Deployment {
            return self.admit(pod);
        }
        let evictions = self.outcomes[pod as usize].evictions;
        if class.disruption.retries.is_some_and(|retries| evictions > retries) {
            self.live[pod as usize].phase = Phase::Done;
            self.open -= 1;
            self.outcomes[pod as usize].state = PodState::Failed;
            return self.record(pod, EventKind::Failed);
        }
        let doublings = (evictions - 1).min(10);
        let backoff = (FIRST_BACKOFF * (1 << doublings)).min(LONGEST_BACKOFF);
        self.schedule(self.now + backoff, Due::Replaced { pod });
    }
}
