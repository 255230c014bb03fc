//! Pools that grow when pods find no room, and shrink when nodes stay empty: Kubernetes' Cluster
//! Autoscaler.
//!
//! Ten seconds after a pod found no room, and as often as that while nodes are ordered, the pending
//! pods are packed onto the free room and the nodes that are booting. A pod that a policy keeps off
//! nodes with room therefore orders none. For those left over nodes are ordered, in the pool where
//! the first of them wastes least (the expander `least-waste`: the smallest part of a new
//! node's CPU left idle, then the smallest part of its memory; of equal pools the first).
//!
//! Only empty nodes are switched off. The real autoscaler also drains nodes that are half empty;
//! with a scheduler that spreads (`scoring: least-allocated`) that matters more than with one that
//! packs.

use std::collections::BTreeMap;

use carbon_kube_core::{Span, Time};

use super::fleet::NodeState;
use super::{Due, Simulation};
use crate::nodes::Nodes;
use crate::world::Resources;

/// How often the autoscaler looks (`--scan-interval`).
const SCAN_INTERVAL: Span = Span::from_millis(10_000);
/// The most pending pods that one look packs; the rest waits for the next.
const LOOKED_AT: usize = 10_000;

/// What the autoscaler remembers.
#[derive(Default)]
pub(super) struct Autoscaler {
    /// Whether any pool scales.
    active: bool,
    /// Whether a look is due already.
    due: bool,
    /// Since when nodes have been empty, by pool and node.
    empty: BTreeMap<(u32, u32), Time>,
}

impl Autoscaler {
    pub(super) fn new(world: &crate::world::World) -> Self {
        let active = world.pools.iter().any(|pool| pool.autoscaling.is_some());
        Self { active, ..Self::default() }
    }
}

impl Simulation<'_> {
    /// A pod found no room, or a node went away.
    pub(super) fn ask_for_nodes(&mut self) {
        if self.autoscaler.active && !self.autoscaler.due {
            self.autoscaler.due = true;
            self.schedule(self.now + SCAN_INTERVAL, Due::Scan);
        }
    }

    /// Orders nodes for the pods that wait.
    pub(super) fn scan(&mut self) {
        self.autoscaler.due = false;
        let mut ordered = self.order_minimum();
        let mut nodes = self.nodes_to_come();
        for (class, requests) in self.waiting() {
            if !self.pack(class, &requests, &mut nodes) {
                ordered |= self.order_for(class, &requests, &mut nodes);
            }
        }
        // A pod that no pool can grow for finds that out once; with an order more may follow.
        if ordered {
            self.ask_for_nodes();
        }
    }

    /// Class and requests of the pods that wait for room, by priority and age.
    fn waiting(&self) -> Vec<(u32, Resources)> {
        let each = self
            .pending
            .iter()
            .flat_map(|(shape, pods)| std::iter::repeat_n((shape.1, shape.2), pods.len()));
        each.take(LOOKED_AT).collect()
    }

    /// The pools as they will be when every ordered node is there.
    fn nodes_to_come(&self) -> Vec<Nodes> {
        let mut nodes = self.nodes.clone();
        for (nodes, fleet) in nodes.iter_mut().zip(&self.fleets) {
            fleet.in_state(NodeState::Booting).for_each(|node| nodes.open(node));
        }
        nodes
    }

    /// Puts a pod where there is or will be room for it.
    fn pack(&self, class: u32, requests: &Resources, nodes: &mut [Nodes]) -> bool {
        for eligible in &self.classes[class as usize].eligible {
            let nodes = &mut nodes[eligible.pool as usize];
            if let Some(node) = nodes.best(requests) {
                nodes.bind(node, VIRTUAL, requests, 1);
                return true;
            }
        }
        false
    }

    /// Orders a node for a pod; whether there was one to order.
    fn order_for(&mut self, class: u32, requests: &Resources, nodes: &mut [Nodes]) -> bool {
        let Some((pool, node)) = self.expand(class, requests) else {
            return false;
        };
        self.order(pool, node);
        let nodes = &mut nodes[pool as usize];
        nodes.open(node);
        nodes.bind(node, VIRTUAL, requests, 1);
        true
    }

    /// The pool that wastes least, and its first node that is off.
    fn expand(&self, class: u32, requests: &Resources) -> Option<(u32, u32)> {
        let eligible = self.classes[class as usize].eligible.iter();
        let candidates = eligible.filter_map(|eligible| {
            let pool = &self.world.pools[eligible.pool as usize];
            let scales = pool.autoscaling.is_some() && pool.allocatable.holds(requests);
            let node = self.fleets[eligible.pool as usize].in_state(NodeState::Off).next();
            let waste = pool.allocatable.waste(requests);
            node.filter(|_| scales).map(|node| (waste, eligible.pool, node))
        });
        let least = candidates
            .min_by(|(a, ..), (b, ..)| a.0.total_cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
        least.map(|(_, pool, node)| (pool, node))
    }

    /// Orders what pools lack to their minimum; whether any lacked something.
    fn order_minimum(&mut self) -> bool {
        let mut ordered = false;
        for pool in 0..self.world.pools.len() as u32 {
            let min = self.world.pools[pool as usize].autoscaling.as_ref().map_or(0, |s| s.min);
            while self.fleets[pool as usize].charged() < min {
                let Some(node) = self.fleets[pool as usize].in_state(NodeState::Off).next() else {
                    break;
                };
                self.order(pool, node);
                ordered = true;
            }
        }
        ordered
    }

    fn order(&mut self, pool: u32, node: u32) {
        let scaling = self.world.pools[pool as usize].autoscaling.as_ref();
        let boot_time = scaling.map_or(Span::ZERO, |scaling| scaling.boot_time);
        self.set_node(pool, node, NodeState::Booting);
        self.schedule(self.now + boot_time, Due::NodeUp { pool, node });
    }

    /// Notes that a node of a pool that scales has become empty.
    pub(super) fn watch_if_empty(&mut self, pool: u32, node: u32) {
        if !self.autoscaler.active {
            return;
        }
        let Some(scaling) = &self.world.pools[pool as usize].autoscaling else {
            return;
        };
        if self.nodes[pool as usize].is_empty(node) {
            self.autoscaler.empty.insert((pool, node), self.now);
            self.schedule(self.now + scaling.scale_down_delay, Due::Idle { pool, node });
        }
    }

    /// Switches a node off that has been empty for the whole delay.
    pub(super) fn switch_off_if_idle(&mut self, pool: u32, node: u32) {
        let Some(scaling) = &self.world.pools[pool as usize].autoscaling else {
            return;
        };
        let since = self.autoscaler.empty.get(&(pool, node)).copied();
        let idle = since.is_some_and(|since| self.now - since >= scaling.scale_down_delay)
            && self.fleets[pool as usize].state(node) == NodeState::On
            && self.nodes[pool as usize].is_empty(node);
        if idle && self.fleets[pool as usize].charged() > scaling.min {
            self.autoscaler.empty.remove(&(pool, node));
            self.set_node(pool, node, NodeState::Off);
        }
    }

    /// Notes that a node has a pod.
    pub(super) fn is_in_use(&mut self, pool: u32, node: u32) {
        if self.autoscaler.active {
            self.autoscaler.empty.remove(&(pool, node));
        }
    }

    /// Nodes that are empty as the window starts may be switched off too.
    pub(super) fn watch_all(&mut self) {
        if !self.autoscaler.active {
            return;
        }
        for pool in 0..self.world.pools.len() as u32 {
            for node in 0..self.world.pools[pool as usize].initial() {
                self.watch_if_empty(pool, node);
            }
        }
    }
}

/// The pod that stands for all in the packing: it is never taken off again.
const VIRTUAL: u32 = u32::MAX;

impl Resources {
    /// The parts of CPU and memory that would be left idle.
    fn waste(&self, requests: &Self) -> (f64, f64) {
        let part = |used: u64, of: u64| 1.0 - used as f64 / of.max(1) as f64;
        (part(requests.cpu.0, self.cpu.0), part(requests.memory.0, self.memory.0))
    }
}
