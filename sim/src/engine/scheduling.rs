//! The scheduling cycle, after kube-scheduler: filter, score, bind; or wait with back-off.

use std::cmp::Reverse;

use carbon_kube_core::view::NodeView;
use carbon_kube_core::{Time, seed};
use carbon_kube_policies::{Holding, Verdict, judge};

use super::{ClassInfo, Due, Phase, Scratch, Simulation};
use crate::affinity::Eligible;
use crate::event::EventKind;
use crate::nodes::Nodes;
use crate::recorder::Offer;
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
    /// Pods of the same spread nearby, weighed; and what pod affinity says.
    crowding: f64,
    affinity: i64,
}

impl Scratch {
    /// Adds the best node of an eligible pool.
    pub(super) fn add(
        &mut self,
        nodes: &[Nodes],
        class: &ClassInfo,
        position: usize,
        node: u32,
        requests: &Resources,
    ) {
        let Eligible { pool, avoided, preferred } = class.eligible[position];
        let (resources, share) = nodes[pool as usize].resource_scores(node, requests);
        self.candidates.push(Candidate {
            pool,
            node,
            resources,
            share,
            avoided,
            preferred,
            crowding: 0.0,
            affinity: 0,
        });
        let free = Some(1.0 - share).filter(|_| class.knows_room);
        self.views.push(NodeView { free, ..class.views[position] });
    }
}

/// Why a scheduling cycle found no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// None has room; or, where a gate holds, the policy refuses each that has.
    NoRoom,
    /// The policy refuses each that has room.
    Refused {
        /// Until when the pod is held, where that is why.
        held: Option<Time>,
    },
}

/// Weights of `PodTopologySpread` and `InterPodAffinity` in kube-scheduler's default profile.
const SPREAD_WEIGHT: i64 = 2;
const POD_AFFINITY_WEIGHT: i64 = 2;

/// The normalised scores of the two plugins that look at other pods.
#[derive(Default)]
struct NeighbourScores {
    crowding: (f64, f64),
    affinity: (i64, i64),
}

impl NeighbourScores {
    /// Least and most over the candidates.
    fn over<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Self {
        let first = Self { crowding: (f64::INFINITY, 0.0), affinity: (i64::MAX, i64::MIN) };
        candidates.fold(first, |range, candidate| Self {
            crowding: (
                range.crowding.0.min(candidate.crowding),
                range.crowding.1.max(candidate.crowding),
            ),
            affinity: (
                range.affinity.0.min(candidate.affinity),
                range.affinity.1.max(candidate.affinity),
            ),
        })
    }

    fn of(&self, candidate: &Candidate) -> i64 {
        let (least, most) = self.crowding;
        let spread = if most > 0.0 {
            (100.0 * (most + least - candidate.crowding) / most).round() as i64
        } else {
            100
        };
        let (least, most) = self.affinity;
        let affinity = (candidate.affinity - least).saturating_mul(100) / (most - least).max(1);
        SPREAD_WEIGHT * spread + POD_AFFINITY_WEIGHT * affinity
    }
}

impl Simulation<'_> {
    /// Hands a pod to the scheduler: a node, or one of its queues.
    pub(super) fn submit(&mut self, pod: u32) {
        self.end_hold(pod);
        self.live[pod as usize].phase = Phase::Pending;
        self.attempt_in_turn(pod);
    }

    /// The first scheduling cycle of a pod.
    pub(super) fn attempt(&mut self, pod: u32) {
        let Err(failure) = self.try_to_bind(pod) else {
            return;
        };
        self.wait(pod, failure);
        if self.live[pod as usize].phase == Phase::Pending {
            self.record(pod, EventKind::Pending);
        }
        // The policy may have refused nodes that it can't refuse past the pod's limit.
        if let Some(limit) = self.view(pod).must_run_by.filter(|&limit| limit > self.now) {
            self.schedule(limit, Due::Retry { pod });
        }
    }

    /// A pod without a node waits: for room with those of its shape, for the policy's word alone.
    pub(super) fn wait(&mut self, pod: u32, failure: Failure) {
        self.fail(pod);
        match failure {
            Failure::Refused { held } => self.wait_refused(pod, held),
            Failure::NoRoom => {
                let shape = self.shape(pod);
                let arrival = self.world.pods[pod as usize].arrival;
                self.pending.entry(shape).or_default().insert((arrival, pod));
                self.ask_for_nodes();
            }
        }
    }

    fn fail(&mut self, pod: u32) {
        let live = &mut self.live[pod as usize];
        live.attempts = live.attempts.saturating_add(1);
        live.tried = self.now;
    }

    /// One scheduling cycle.
    pub(super) fn try_to_bind(&mut self, pod: u32) -> Result<(), Failure> {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.find_candidates(pod, &mut scratch);
        let selected = self.select(pod, &mut scratch);
        self.record_cycle(pod, &scratch);
        let full = scratch.candidates.is_empty();
        self.scratch = scratch;
        let ((pool, node), victims) = match selected {
            Err(_) if full => self.preempt(pod).ok_or(Failure::NoRoom)?,
            selected => (selected?, Vec::new()),
        };
        self.end_hold(pod);
        self.start(pod, pool, node);
        for victim in victims {
            self.replace(victim);
        }
        Ok(())
    }

    /// Filter: the best node of each pool that has room, among those that the scheduler looks at.
    fn find_candidates(&mut self, pod: u32, scratch: &mut Scratch) {
        scratch.candidates.clear();
        scratch.views.clear();
        if let Some(mut sampling) = self.sampling.take() {
            self.sample(pod, &mut sampling, scratch);
            self.sampling = Some(sampling);
            return;
        }
        let spec = &self.world.pods[pod as usize];
        let class = &self.classes[spec.class as usize];
        for (position, eligible) in class.eligible.iter().enumerate() {
            let nodes = &self.nodes[eligible.pool as usize];
            if self.differ(spec.class) {
                for node in nodes.fitting(&spec.requests) {
                    scratch.add(&self.nodes, class, position, node, &spec.requests);
                }
            } else if let Some(node) = nodes.best(&spec.requests) {
                scratch.add(&self.nodes, class, position, node, &spec.requests);
            }
        }
        self.ask_neighbours(spec.class, scratch);
    }

    /// Whether rules between pods make nodes of one pool differ to a class.
    pub(super) fn differ(&self, class: u32) -> bool {
        self.neighbours.as_ref().is_some_and(|neighbours| neighbours.by_node(class))
    }

    /// Leaves the candidates that the rules between pods allow, with what they prefer.
    pub(super) fn ask_neighbours(&self, class: u32, scratch: &mut Scratch) {
        let Some(neighbours) = &self.neighbours else {
            return;
        };
        let allowed: Vec<bool> =
            scratch.candidates.iter().map(|c| neighbours.allows(class, c.pool, c.node)).collect();
        let mut keep = allowed.iter();
        scratch.candidates.retain(|_| keep.next().copied().unwrap_or(false));
        let mut keep = allowed.iter();
        scratch.views.retain(|_| keep.next().copied().unwrap_or(false));
        for candidate in &mut scratch.candidates {
            (candidate.crowding, candidate.affinity) =
                neighbours.preferences(class, candidate.pool, candidate.node);
        }
    }

    /// Writes the cycle down, where somebody wants it.
    fn record_cycle(&mut self, pod: u32, scratch: &Scratch) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        if scratch.candidates.is_empty() || self.live[pod as usize].started {
            return;
        }
        let candidates = scratch.candidates.iter().zip(&scratch.verdicts);
        let offers: Vec<Offer> = candidates
            .map(|(candidate, verdict)| Offer {
                pool: candidate.pool,
                node: candidate.node,
                verdict: *verdict,
            })
            .collect();
        recorder.cycle(self.world, self.now, pod, &offers);
    }

    /// The policy's word on the candidates, then the sum of scores.
    fn select(&self, pod: u32, scratch: &mut Scratch) -> Result<(u32, u32), Failure> {
        let Scratch { candidates, views, verdicts } = scratch;
        if candidates.is_empty() {
            return Err(Failure::NoRoom);
        }
        verdicts.resize(views.len(), Verdict::NO_OPINION);
        let view = self.view(pod);
        let signal = self.control.signal(self.now);
        let holding = self.world.scheduler.holding;
        let held = judge(self.policy, holding, &view, views, &signal, verdicts);
        if self.takes_prepaid_room && view.must_run_by.is_some_and(|limit| limit > self.now) {
            self.keep_to_prepaid(candidates, verdicts);
        }
        self.best_of(pod, candidates, verdicts).ok_or(match holding {
            Holding::Gate => Failure::NoRoom,
            Holding::Filter { .. } => Failure::Refused { held },
        })
    }

    /// Leaves the prepaid nodes alone, where there are some.
    fn keep_to_prepaid(&self, candidates: &[Candidate], verdicts: &mut [Verdict]) {
        let is_prepaid = |candidate: &Candidate| self.world.pools[candidate.pool as usize].prepaid;
        if candidates.iter().any(is_prepaid) {
            for (candidate, verdict) in candidates.iter().zip(verdicts) {
                verdict.feasible &= is_prepaid(candidate);
            }
        }
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
        let rules = NeighbourScores::over(feasible().map(|(candidate, _)| candidate));
        // NormalizeScore of the two plugins: 0 to 100 relative to the feasible nodes.
        let part = |value: i64, most: i64| if most == 0 { 0 } else { 100 * value / most };
        feasible()
            .max_by(|a, b| {
                let total = |(candidate, verdict): &(&Candidate, &Verdict)| {
                    let score = verdict.score.clamp(0, Verdict::MAX_SCORE);
                    candidate.resources
                        + TAINT_TOLERATION_WEIGHT * (100 - part(candidate.avoided, most_avoided))
                        + NODE_AFFINITY_WEIGHT * part(candidate.preferred, most_preferred)
                        + rules.of(candidate)
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
                    .then_with(|| b.0.node.cmp(&a.0.node))
            })
            .map(|(candidate, _)| (candidate.pool, candidate.node))
    }

    fn shape(&self, pod: u32) -> Shape {
        let spec = &self.world.pods[pod as usize];
        (Reverse(self.world.classes[spec.class as usize].priority), spec.class, spec.requests)
    }

    /// When the back-off of a pod's last attempt is over: 1 s, 2 s, 4 s, ... up to the longest.
    pub(super) fn ready(&self, pod: u32) -> Time {
        let live = &self.live[pod as usize];
        let doublings = u32::from(live.attempts.saturating_sub(1)).min(30);
        let settings = &self.world.scheduler;
        live.tried + (settings.backoff_initial * (1 << doublings)).min(settings.backoff_max)
    }

    /// A node has room again: pending pods that fit on it are tried, by priority, then by age.
    pub(super) fn room_on(&mut self, pool: u32, node: u32) {
        let is_prepaid = self.world.pools[pool as usize].prepaid;
        if is_prepaid && self.takes_prepaid_room && !self.held.is_empty() {
            self.schedule(self.now, Due::Prepaid);
        }
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

    /// A pod has come or gone: those that ask something of others may fit now.
    pub(super) fn try_neighbours(&mut self) {
        let Some(neighbours) = &self.neighbours else {
            return;
        };
        let asking = self.pending.iter().filter(|(shape, _)| neighbours.has_rules(shape.1));
        let first: Vec<u32> =
            asking.filter_map(|(_, pods)| pods.first()).map(|&(_, pod)| pod).collect();
        for pod in first {
            self.schedule(self.ready(pod).max(self.now), Due::Retry { pod });
        }
    }

    /// Tries every shape: the policy's word has changed.
    pub(super) fn try_all_pending(&mut self) {
        let shapes: Vec<Shape> = self.pending.keys().copied().collect();
        for shape in shapes {
            self.drain(shape);
        }
    }

    /// A pod that waits for room is not wanted any more.
    pub(super) fn forget_pending(&mut self, pod: u32) {
        let shape = self.shape(pod);
        if let Some(pods) = self.pending.get_mut(&shape) {
            pods.remove(&(self.world.pods[pod as usize].arrival, pod));
            if pods.is_empty() {
                self.pending.remove(&shape);
            }
        }
    }

    /// Tries the pods of a shape from the oldest on, until one must wait.
    fn drain(&mut self, shape: Shape) {
        while let Some(&(_, pod)) = self.pending.get(&shape).and_then(|pods| pods.first()) {
            let ready = self.ready(pod);
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
        if self.waits_for_room(pod) && self.try_pending(pod) {
            self.drain(self.shape(pod));
        }
    }

    fn waits_for_room(&self, pod: u32) -> bool {
        let arrival = self.world.pods[pod as usize].arrival;
        self.pending.get(&self.shape(pod)).is_some_and(|pods| pods.contains(&(arrival, pod)))
    }

    /// A cycle of a pod that waits for room; whether that is over. Pods of a shape differ in
    /// their limit and their length: what the policy says of one tells nothing of the next.
    fn try_pending(&mut self, pod: u32) -> bool {
        let tried = self.try_to_bind(pod);
        if tried == Err(Failure::NoRoom) {
            self.fail(pod);
            return false;
        }
        self.forget_pending(pod);
        if let Err(failure) = tried {
            self.wait(pod, failure);
        }
        true
    }
}
