//! Pods that the policy refused every node, where the scheduler's own queue holds them.
//!
//! ```text
//!                          a pod bound or ended            back-off over
//!  refused --> asleep --------------------------> awake -----------------> cycle
//!                |                                                           ^
//!                '------- the retry interval over, or the pod's limit -------'
//! ```
//!
//! That is kube-scheduler's unschedulable queue with what moves pods out of it
//! (`pkg/scheduler/backend/queue/scheduling_queue.go`). New carbon data doesn't: a cycle that has
//! another reason finds it. A pod wakes once per attempt, and is tried at most once per back-off,
//! however much happens around it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::Holding;

use super::{Due, Phase, Simulation};
use crate::event::EventKind;

/// The pods that wait for the policy's word.
pub(super) struct Refused {
    /// The longest that one is left alone.
    retry: Span,
    /// By when each is tried if nothing happens.
    asleep: BTreeSet<(Time, u32)>,
    /// By when each is tried; at one instant by priority, then by age.
    awake: BTreeSet<(Time, Reverse<i32>, Time, u32)>,
    /// When they are looked at next; [`Time::MAX`] while there is no need.
    due: Time,
}

impl Refused {
    pub(super) fn new(holding: Holding) -> Self {
        let retry = match holding {
            Holding::Filter { retry } => retry,
            Holding::Gate => Span::ZERO,
        };
        Self { retry, asleep: BTreeSet::new(), awake: BTreeSet::new(), due: Time::MAX }
    }
}

impl Simulation<'_> {
    /// Puts a pod to sleep after a cycle in which every node was refused. The first time that the
    /// policy holds it, it counts as held.
    pub(super) fn wait_refused(&mut self, pod: u32, held: Option<Time>) {
        let live = &mut self.live[pod as usize];
        if let Some(until) = held
            && live.phase != Phase::Held
        {
            live.phase = Phase::Held;
            live.since = self.now;
            self.record(pod, EventKind::Held { until });
        }
        self.refused.asleep.insert((self.no_later(pod, self.now + self.refused.retry), pod));
        self.schedule_refused();
    }

    /// Something happened that makes kube-scheduler try refused pods again.
    pub(super) fn wake_refused(&mut self) {
        if self.refused.asleep.is_empty() {
            return;
        }
        for (_, pod) in std::mem::take(&mut self.refused.asleep) {
            // Not before its back-off is over.
            let due = self.no_later(pod, self.ready(pod)).max(self.now);
            self.wake(pod, due);
        }
        self.schedule_refused();
    }

    fn wake(&mut self, pod: u32, due: Time) {
        let spec = &self.world.pods[pod as usize];
        let priority = Reverse(self.world.classes[spec.class as usize].priority);
        self.refused.awake.insert((due, priority, spec.arrival, pod));
    }

    /// An instant, or the pod's limit where that comes first: from then on it can't be refused.
    fn no_later(&self, pod: u32, at: Time) -> Time {
        let limit = self.view(pod).must_run_by.filter(|&limit| limit > self.now);
        limit.map_or(at, |limit| limit.min(at))
    }

    /// Tries the pods whose time has come.
    pub(super) fn try_refused(&mut self) {
        if self.refused.due != self.now {
            return;
        }
        self.refused.due = Time::MAX;
        while let Some(&(at, pod)) = self.refused.asleep.first()
            && at <= self.now
        {
            self.refused.asleep.pop_first();
            self.wake(pod, self.now);
        }
        while let Some(&(at, _, _, pod)) = self.refused.awake.first()
            && at <= self.now
        {
            self.refused.awake.pop_first();
            if let Err(failure) = self.try_to_bind(pod) {
                self.wait(pod, failure);
            }
        }
        self.schedule_refused();
    }

    /// Makes sure that the next pod is tried in time.
    fn schedule_refused(&mut self) {
        let asleep = self.refused.asleep.first().map(|&(at, _)| at);
        let awake = self.refused.awake.first().map(|&(at, ..)| at);
        let next = asleep.into_iter().chain(awake).min().unwrap_or(Time::MAX);
        if next < self.refused.due {
            self.refused.due = next;
            self.schedule(next, Due::Refused);
        }
    }
}
