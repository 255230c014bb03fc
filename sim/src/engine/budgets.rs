//! PodDisruptionBudgets: how many pods of a class may be down by choice.

use std::collections::VecDeque;

use carbon_kube_core::Time;

use super::{Phase, Simulation};
use crate::world::{Budget, World};

/// The pods of one class with a budget.
#[derive(Default)]
pub(super) struct Availability {
    /// Pods of the class, by number.
    pods: Vec<u32>,
    /// When pods that were moved are up again, soonest first: a move has the same downtime for
    /// each pod of a class.
    down_until: VecDeque<Time>,
}

impl Availability {
    /// One per class; empty where the class has no budget.
    pub(super) fn new(world: &World) -> Vec<Self> {
        let mut classes: Vec<Self> = world.classes.iter().map(|_| Self::default()).collect();
        for (pod, spec) in (0u32..).zip(&world.pods) {
            if world.classes[spec.class as usize].disruption.budget.is_some() {
                classes[spec.class as usize].pods.push(pod);
            }
        }
        classes
    }
}

impl Simulation<'_> {
    /// Whether one more running pod of the class may go down by choice.
    pub(super) fn may_disrupt(&self, pod: u32) -> bool {
        let class = self.world.pods[pod as usize].class as usize;
        let Some(budget) = self.world.classes[class].disruption.budget else {
            return true;
        };
        let Availability { pods, down_until } = &self.availability[class];
        let in_phase = |phase: &dyn Fn(Phase) -> bool| {
            pods.iter().filter(|&&pod| phase(self.live[pod as usize].phase)).count() as u64
        };
        let down = down_until.iter().filter(|&&until| until > self.now).count() as u64;
        let up = in_phase(&|phase| phase == Phase::Running).saturating_sub(down);
        let wanted = in_phase(&|phase| !matches!(phase, Phase::Done | Phase::Future));
        let least = match budget {
            Budget::MinAvailable(pods) => u64::from(pods),
            Budget::MaxUnavailable(pods) => wanted.saturating_sub(pods.into()),
        };
        up > least
    }

    /// A pod is being moved: it is down until its checkpoint is restored.
    pub(super) fn count_downtime(&mut self, pod: u32) {
        let class = self.world.pods[pod as usize].class as usize;
        let down = &mut self.availability[class].down_until;
        let spec = &self.world.classes[class];
        if spec.disruption.budget.is_some() {
            while down.front().is_some_and(|&until| until <= self.now) {
                down.pop_front();
            }
            down.push_back(self.now + spec.checkpoint);
        }
    }
}
