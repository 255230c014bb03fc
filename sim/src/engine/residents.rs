//! Which pods are on which node, for what happens to a node as a whole.

use crate::world::World;

/// The pods of every node of every pool; kept only where something asks.
pub(super) struct Residents {
    pods: Vec<Vec<Vec<u32>>>,
}

impl Residents {
    /// `None` where no node goes away and no pod can be preempted.
    pub(super) fn new(world: &World) -> Option<Self> {
        let outages = world.pools.iter().any(|pool| !pool.outages.is_empty());
        (outages || world.may_preempt()).then(|| Self {
            pods: world.pools.iter().map(|pool| vec![Vec::new(); pool.count as usize]).collect(),
        })
    }

    pub(super) fn add(&mut self, pool: u32, node: u32, pod: u32) {
        self.pods[pool as usize][node as usize].push(pod);
    }

    pub(super) fn remove(&mut self, pool: u32, node: u32, pod: u32) {
        let pods = &mut self.pods[pool as usize][node as usize];
        if let Some(position) = pods.iter().position(|&resident| resident == pod) {
            pods.swap_remove(position);
        }
    }

    /// The pods of a node, by number: the order of the list depends on who left when.
    pub(super) fn of(&self, pool: u32, node: u32) -> Vec<u32> {
        let mut pods = self.pods[pool as usize][node as usize].clone();
        pods.sort_unstable();
        pods
    }
}

impl World {
    /// Whether a pod may ever take another's room: some pods have a higher priority than others.
    pub(super) fn may_preempt(&self) -> bool {
        let lowest = self.classes.iter().map(|class| class.priority).min();
        let above = |class: &crate::world::PodClass| {
            class.disruption.preempts && Some(class.priority) > lowest
        };
        self.scheduler.preemption && self.classes.iter().any(above)
    }
}
