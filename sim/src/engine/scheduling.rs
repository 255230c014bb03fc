//! The scheduling cycle, after kube-scheduler: filter, score, bind; or wait with back-off.

use std::cmp::Reverse;

use carbon_kube_core::{Span, seed};
use carbon_kube_policies::Verdict;

use super::{Due, Phase, Simulation};
use crate::event::EventKind;
use crate::world::Resources;

/// Weights of kube-scheduler's default profile; the two resource scores weigh 1.
const TAINT_TOLERATION_WEIGHT: i64 = 3;
const NODE_AFFINITY_WEIGHT: i64 = 2;
/// 100 (the framework's highest score) over 10 (the extender's).
const EXTENDER_SCALE: i64 = 10;

/// Pending pods that only differ in age: if one doesn't fit, none does. Higher priority first.
pub(super) type Shape = (Reverse<i32>, u32, Resources);

/// The best node of one pool in a scheduling cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pool: u32,
    node: u32,
    resources: i64,
    share: f64,
    avoided: i64,
    preferred: i64,
}

impl Simulation<'_> {
    /// Hands a pod to the scheduler: a node, or the pending queue.
    pub(super) fn submit(&mut self, pod: u32) {
        self.end_hold(pod);
        self.live[pod as usize].phase = Phase::Pending;
        if !self.try_to_bind(pod) {
            self.fail(pod);
            let shape = self.shape(pod);
            let arrival = self.world.pods[pod as usize].arrival;
            self.pending.entry(shape).or_default().insert((arrival, pod));
            self.record(pod, EventKind::Pending);
            // The policy may have refused nodes that it can't refuse past the pod's limit.
            if let Some(limit) = self.view(pod).must_run_by.filter(|&limit| limit > self.now) {
                self.schedule(limit, Due::Retry { pod });
            }
        }
    }

    /// One scheduling cycle; whether the pod got a node.
    pub(super) fn try_to_bind(&mut self, pod: u32) -> bool {
        let Some((pool, node)) = self.select(pod) else {
            return false;
        };
        self.end_hold(pod);
        self.start(pod, pool, node);
        true
    }

    /// Filter and score: the best node of each pool that has room, then the policy's word on
    /// those, then the sum of scores.
    fn select(&mut self, pod: u32) -> Option<(u32, u32)> {
        let spec = &self.world.pods[pod as usize];
        let class = &self.classes[spec.class as usize];
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.candidates.clear();
        scratch.views.clear();
        for (eligible, view) in class.eligible.iter().zip(&class.views) {
            let nodes = &self.nodes[eligible.pool as usize];
            if let Some(node) = nodes.best(&spec.requests) {
                let (resources, share) = nodes.resource_scores(node, &spec.requests);
                let &crate::affinity::Eligible { pool, avoided, preferred } = eligible;
                scratch.candidates.push(Candidate {
                    pool,
                    node,
                    resources,
                    share,
                    avoided,
                    preferred,
                });
                scratch.views.push(*view);
            }
        }
        scratch.verdicts.clear();
        scratch.verdicts.resize(scratch.views.len(), Verdict::NO_OPINION);
        let signal = self.control.signal(self.now);
        self.policy.place(&self.view(pod), &scratch.views, &signal, &mut scratch.verdicts);
        let selected = self.best_of(pod, &scratch.candidates, &scratch.verdicts);
        self.scratch = scratch;
        selected
    }

    fn best_of(
        &self,
        pod: u32,
        candidates: &[Candidate],
        verdicts: &[Verdict],
    ) -> Option<(u32, u32)> {
        let feasible = || candidates.iter().zip(verdicts).filter(|(_, verdict)| verdict.feasible);
        let most_avoided = feasible().map(|(candidate, _)| candidate.avoided).max()?;
        let most_preferred = feasible().map(|(candidate, _)| candidate.preferred).max()?;
        // NormalizeScore of the two plugins: 0 to 100 relative to the feasible nodes.
        let part = |value: i64, most: i64| if most == 0 { 0 } else { 100 * value / most };
        feasible()
            .max_by(|a, b| {
                let total = |(candidate, verdict): &(&Candidate, &Verdict)| {
                    let score = verdict.score.clamp(0, Verdict::MAX_SCORE);
                    candidate.resources
                        + TAINT_TOLERATION_WEIGHT * (100 - part(candidate.avoided, most_avoided))
                        + NODE_AFFINITY_WEIGHT * part(candidate.preferred, most_preferred)
                        + score * self.world.scheduler.place_weight * EXTENDER_SCALE
                };
                // kube-scheduler takes any of the nodes with the best total. Ours: the emptier
                // one, and between equally empty ones a draw that depends on the pod alone.
                let draw = |candidate: &Candidate| {
                    seed::hash(self.world.seed, u64::from(pod), u64::from(candidate.pool))
                };
                total(a)
                    .cmp(&total(b))
                    .then_with(|| b.0.share.total_cmp(&a.0.share))
                    .then_with(|| draw(a.0).cmp(&draw(b.0)))
            })
            .map(|(candidate, _)| (candidate.pool, candidate.node))
    }

    fn shape(&self, pod: u32) -> Shape {
        let spec = &self.world.pods[pod as usize];
        (Reverse(self.world.classes[spec.class as usize].priority), spec.class, spec.requests)
    }

    fn fail(&mut self, pod: u32) {
        let live = &mut self.live[pod as usize];
        live.attempts = live.attempts.saturating_add(1);
        live.tried = self.now;
    }

    /// 1 s, 2 s, 4 s, ... up to the longest.
    fn backoff(&self, attempts: u8) -> Span {
        let doublings = u32::from(attempts.saturating_sub(1)).min(30);
        let settings = &self.world.scheduler;
        (settings.backoff_initial * (1 << doublings)).min(settings.backoff_max)
    }

    /// A node has room again: pending pods that fit on it are tried, by priority, then by age.
    pub(super) fn room_on(&mut self, pool: u32, node: u32) {
        if self.pending.is_empty() {
            return;
        }
        let nodes = &self.nodes[pool as usize];
        let mut shapes: Vec<_> = self
            .pending
            .iter()
            .filter(|((_, class, requests), _)| {
                nodes.may_fit(Some(node), requests)
                    && self.classes[*class as usize].eligible.iter().any(|e| e.pool == pool)
            })
            .filter_map(|(shape, pods)| {
                pods.first().map(|&(arrival, _)| (shape.0, arrival, *shape))
            })
            .collect();
        shapes.sort_unstable();
        for (_, _, shape) in shapes {
            self.drain(shape);
        }
    }

    /// Tries every shape: the policy's word has changed.
    pub(super) fn try_all_pending(&mut self) {
        let shapes: Vec<Shape> = self.pending.keys().copied().collect();
        for shape in shapes {
            self.drain(shape);
        }
    }

    /// Tries the pods of a shape from the oldest on, until one must wait.
    fn drain(&mut self, shape: Shape) {
        while let Some(&(_, pod)) = self.pending.get(&shape).and_then(|pods| pods.first()) {
            let ready =
                self.live[pod as usize].tried + self.backoff(self.live[pod as usize].attempts);
            if ready > self.now {
                self.schedule(ready, Due::Retry { pod });
                return;
            }
            if !self.try_pending(pod) {
                return;
            }
        }
    }

    /// A pending pod's time has come; behind it, others of its shape may fit too.
    pub(super) fn retry(&mut self, pod: u32) {
        if self.live[pod as usize].phase == Phase::Pending && self.try_pending(pod) {
            self.drain(self.shape(pod));
        }
    }

    fn try_pending(&mut self, pod: u32) -> bool {
        if !self.try_to_bind(pod) {
            self.fail(pod);
            return false;
        }
        let shape = self.shape(pod);
        if let Some(pods) = self.pending.get_mut(&shape) {
            pods.remove(&(self.world.pods[pod as usize].arrival, pod));
            if pods.is_empty() {
                self.pending.remove(&shape);
            }
        }
        true
    }
}
