//! Holding before the scheduler, and paced releases.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::release::RELEASE_INTERVAL;
use carbon_kube_policies::{Gate, Scale};

use super::{Due, Phase, Simulation};
use crate::event::EventKind;
use crate::world::ReleaseOrder;

/// How many released pods without room are passed over before the pacer waits for the next round.
const PASSED_OVER: usize = 32;

impl Simulation<'_> {
    /// A pod is created: it goes to the scheduler at once, or is held.
    pub(super) fn arrive(&mut self, pod: u32) {
        if self.world.classes[self.world.pods[pod as usize].class as usize].load.is_some() {
            // A replica is created when the load calls for it.
            return;
        }
        self.record(pod, EventKind::Submitted);
        self.admit(pod);
    }

    /// A pod that was created just now, for the first time or again.
    pub(super) fn admit(&mut self, pod: u32) {
        self.live[pod as usize].since = self.now;
        if self.holds_by_filter() {
            return self.submit(pod);
        }
        match self.ask(pod) {
            Gate::Release => self.submit(pod),
            wait => self.hold_as(pod, wait),
        }
    }

    /// Asks the policy, and keeps its answer within the pod's limit.
    fn ask(&self, pod: u32) -> Gate {
        let view = self.view(pod);
        let scale = self.scale(pod);
        let limit = if scale.is_some() { self.fastest_limit(pod) } else { view.must_run_by };
        let Some(limit) = limit.filter(|&limit| limit > self.now) else {
            return Gate::Release;
        };
        let signal = self.control.signal(self.now);
        let answer = match scale {
            _ if self.has_prepaid_room(pod) => Gate::Release,
            Some(Scale { workers: 0, until }) => Gate::Hold { until },
            Some(_) => Gate::Release,
            None => self.policy.gate(&view, &signal),
        };
        // An answer in the past would ask for ever.
        let within = |at: Time| at.clamp(self.now + Span::from_millis(1), limit);
        match answer {
            Gate::Release if self.is_over_quota(pod) => {
                Gate::Hold { until: within(signal.next_update) }
            }
            Gate::Release => Gate::Release,
            Gate::Hold { until } => Gate::Hold { until: within(until) },
            Gate::Start { at } => Gate::Start { at: within(at) },
        }
    }

    /// Whether the pod would make deferrable pods hold more CPU than the policy allows.
    fn is_over_quota(&self, pod: u32) -> bool {
        let cpu = self.world.pods[pod as usize].requests.cpu.0;
        let quota = self.policy.quota(&self.control.signal(self.now));
        quota.is_some_and(|quota| self.deferrable_milli_cpu.saturating_add(cpu) > quota.0)
    }

    /// Holds a pod as the policy answered.
    fn hold_as(&mut self, pod: u32, wait: Gate) {
        if let Gate::Hold { until } | Gate::Start { at: until } = wait {
            self.live[pod as usize].planned = matches!(wait, Gate::Start { .. });
            self.hold(pod, until);
        }
    }

    /// Holds a pod until it is asked again. `since` stays when it was held before.
    pub(super) fn hold(&mut self, pod: u32, until: Time) {
        self.record(pod, EventKind::Held { until });
        self.live[pod as usize].phase = Phase::Held;
        let due = self.held.entry(until).or_default();
        due.push(pod);
        if due.len() == 1 {
            self.schedule(until, Due::Ask);
        }
    }

    /// Asks the held pods whose time has come.
    pub(super) fn ask_held(&mut self) {
        for pod in self.held.remove(&self.now).unwrap_or_default() {
            match self.ask_unless_planned(pod) {
                Gate::Release => self.queue_for_release(pod),
                wait => self.hold_as(pod, wait),
            }
        }
    }

    /// A pod whose plan was made once goes when its time has come.
    fn ask_unless_planned(&self, pod: u32) -> Gate {
        if self.live[pod as usize].planned { Gate::Release } else { self.ask(pod) }
    }

    /// Asks held pods, the first to arrive first, while prepaid nodes have room for them. They go at
    /// once: it is the room that paces them.
    pub(super) fn offer_prepaid_room(&mut self) {
        let mut held: Vec<u32> = self.held.values().flatten().copied().collect();
        held.sort_unstable();
        for pod in held {
            if self.has_prepaid_room(pod) && self.ask(pod) == Gate::Release {
                self.held.values_mut().for_each(|due| due.retain(|&other| other != pod));
                self.record(pod, EventKind::Released);
                self.submit(pod);
            }
        }
    }

    /// A pod at its limit goes at once; any other waits for the pacer.
    fn queue_for_release(&mut self, pod: u32) {
        self.record(pod, EventKind::Released);
        let limit = self.view(pod).must_run_by.filter(|&limit| limit > self.now);
        let is_urgent = limit.is_none() && self.releases_by(ReleaseOrder::Urgency);
        if is_urgent {
            return self.submit(pod);
        }
        let limit = limit.unwrap_or(self.now);
        self.live[pod as usize].phase = Phase::Released;
        self.released.insert((limit, pod));
        let due = if self.release_due == Time::MAX { self.now } else { limit };
        self.schedule_release(due);
    }

    fn releases_by(&self, order: ReleaseOrder) -> bool {
        self.world.scheduler.release_order == order
    }

    /// Makes sure that released pods are looked at by `at`.
    fn schedule_release(&mut self, at: Time) {
        if at < self.release_due {
            self.release_due = at;
            self.schedule(at, Due::Release);
        }
    }

    /// Lets released pods out: those at their limit at once, the others at the pacer's rate.
    pub(super) fn release(&mut self) {
        self.release_due = Time::MAX;
        if self.releases_by(ReleaseOrder::Arrival) {
            self.release_paced();
        }
        while let Some(&(limit, pod)) = self.released.first()
            && limit <= self.now
        {
            self.released.pop_first();
            self.submit(pod);
        }
        self.release_paced();
        if let Some(&(limit, _)) = self.released.first() {
            self.schedule_release(limit.min(self.now + RELEASE_INTERVAL));
        }
    }

    /// Lets pods out by urgency, where the quota and a node have room for them.
    fn release_paced(&mut self) {
        let quota = self.policy.quota(&self.control.signal(self.now));
        let quota = quota.map_or(u64::MAX, |quota| quota.0);
        let mut allowance = self.pacer.allowance(self.now);
        let mut passed_over = 0;
        let released = self.released.iter().copied();
        let mut candidates: Vec<(Time, u32)> = match self.world.scheduler.release_order {
            ReleaseOrder::Urgency => released.take(allowance + PASSED_OVER).collect(),
            ReleaseOrder::Arrival => released.collect(),
        };
        if self.releases_by(ReleaseOrder::Arrival) {
            candidates.sort_unstable_by_key(|&(_, pod)| pod);
        }
        for (limit, pod) in candidates {
            if allowance == 0 || passed_over == PASSED_OVER {
                break;
            }
            let cpu = self.world.pods[pod as usize].requests.cpu.0;
            let allowed = self.deferrable_milli_cpu.saturating_add(cpu) <= quota;
            if allowed && self.try_to_bind(pod).is_ok() {
                self.released.remove(&(limit, pod));
                self.pacer.spend();
                allowance -= 1;
            } else {
                passed_over += 1;
            }
        }
    }

    /// Charges the time since the pod was held to its account.
    pub(super) fn end_hold(&mut self, pod: u32) {
        let live = &self.live[pod as usize];
        if !matches!(live.phase, Phase::Held | Phase::Released) {
            return;
        }
        let since = live.since;
        // In the scheduler's queue, what comes after the limit is want of room.
        let limit = self.view(pod).must_run_by.filter(|_| self.holds_by_filter());
        let until = limit.map_or(self.now, |limit| limit.min(self.now));
        self.outcomes[pod as usize].held += until - since;
    }

    /// The grid has changed: released pods that still wait are asked again.
    pub(super) fn ask_released(&mut self) {
        for (limit, pod) in std::mem::take(&mut self.released) {
            match self.ask_unless_planned(pod) {
                Gate::Release => {
                    self.released.insert((limit, pod));
                }
                wait => self.hold_as(pod, wait),
            }
        }
    }
}
