//! Taking the room of pods with lower priority, after kube-scheduler's `DefaultPreemption`.
//!
//! Where no node has room, each node is looked at as if its pods of lower priority were gone. If
//! the pod fits then, as many of them as possible are spared, those of the highest priority and
//! the oldest first. The node is the one where (in this order) fewest disruption budgets break,
//! the highest priority among the victims is least, the sum of their priorities is least, their
//! number is least, and the most important of them started last
//! (`pkg/scheduler/framework/preemption`). The pod takes the node at once: victims have no grace
//! period here.

use std::cmp::Reverse;

use carbon_kube_core::Time;
use carbon_kube_policies::{Verdict, judge};

use super::Simulation;
use crate::world::Resources;

/// A node and who would have to go.
struct Candidate {
    pool: u32,
    node: u32,
    victims: Vec<u32>,
}

/// What makes a candidate better, in kube-scheduler's order; less is better.
type Cost = (usize, i32, i64, usize, Reverse<Time>);

impl Simulation<'_> {
    /// Frees a node for a pod, and says whose owners have to replace them once it is taken. `None`
    /// where there is no such node, or the pod may not.
    pub(super) fn preempt(&mut self, pod: u32) -> Option<((u32, u32), Vec<u32>)> {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let least = self.priorities.keys().next().copied();
        let may = class.disruption.preempts && least.is_some_and(|least| least < class.priority);
        if !may || !self.world.scheduler.preemption {
            return None;
        }
        let Candidate { pool, node, victims } = self.least_costly(pod)?;
        for &victim in &victims {
            self.leave_node(victim);
        }
        Some(((pool, node), victims))
    }

    fn least_costly(&self, pod: u32) -> Option<Candidate> {
        let residents = self.residents.as_ref()?;
        let mut best: Option<(Cost, Candidate)> = None;
        for pool in self.allowed_pools(pod) {
            for node in 0..self.world.pools[pool as usize].count {
                let victims = self.victims(pod, pool, node, residents.of(pool, node));
                let Some(victims) = victims else {
                    continue;
                };
                let cost = self.cost(&victims);
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Candidate { pool, node, victims }));
                }
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// The pools in which the policy would take a free node for the pod.
    fn allowed_pools(&self, pod: u32) -> Vec<u32> {
        let class = &self.classes[self.world.pods[pod as usize].class as usize];
        let mut verdicts = vec![Verdict::NO_OPINION; class.views.len()];
        let signal = self.control.signal(self.now);
        let holding = self.world.scheduler.holding;
        judge(self.policy, holding, &self.view(pod), &class.views, &signal, &mut verdicts);
        let allowed = class.eligible.iter().zip(verdicts).filter(|(_, verdict)| verdict.feasible);
        allowed.map(|(eligible, _)| eligible.pool).collect()
    }

    /// Who has to go from a node; `None` where that isn't enough, or nobody does.
    fn victims(&self, pod: u32, pool: u32, node: u32, residents: Vec<u32>) -> Option<Vec<u32>> {
        let class = self.world.pods[pod as usize].class;
        let priority = self.world.classes[class as usize].priority;
        let mut lower: Vec<u32> =
            residents.into_iter().filter(|&r| self.priority(r) < priority).collect();
        let rules = self.neighbours.as_ref();
        if lower.is_empty() || rules.is_some_and(|rules| !rules.allows(class, pool, node)) {
            return None;
        }
        // The most important first: it is spared first.
        lower.sort_by_key(|&r| (Reverse(self.priority(r)), self.live[r as usize].since, r));
        let nodes = &self.nodes[pool as usize];
        let requests = &self.world.pods[pod as usize].requests;
        let fits = |gone: &[u32]| {
            let freed: Vec<(u32, Resources, u32)> =
                gone.iter().map(|&victim| self.occupied(victim)).collect();
            nodes.fits_without(node, requests, &freed)
        };
        if !fits(&lower) {
            return None;
        }
        let mut position = 0;
        while position < lower.len() {
            let spared = lower.remove(position);
            if !fits(&lower) {
                lower.insert(position, spared);
                position += 1;
            }
        }
        Some(lower)
    }

    fn cost(&self, victims: &[u32]) -> Cost {
        let broken = victims.iter().filter(|&&victim| !self.may_disrupt(victim)).count();
        let highest = victims.iter().map(|&victim| self.priority(victim)).max().unwrap_or(i32::MIN);
        let sum = victims.iter().map(|&victim| i64::from(self.priority(victim))).sum();
        let latest = victims
            .iter()
            .filter(|&&victim| self.priority(victim) == highest)
            .map(|&victim| self.live[victim as usize].since)
            .min();
        (broken, highest, sum, victims.len(), Reverse(latest.unwrap_or(Time::MAX)))
    }

    fn priority(&self, pod: u32) -> i32 {
        self.world.classes[self.world.pods[pod as usize].class as usize].priority
    }

    /// A running pod, what each of its workers has of the node, and how many there are.
    fn occupied(&self, pod: u32) -> (u32, Resources, u32) {
        (pod, self.world.pods[pod as usize].requests, self.live[pod as usize].workers)
    }
}
