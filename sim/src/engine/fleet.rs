//! Which nodes are on, and what that costs.
//!
//! ```text
//!         order                boot time over
//!   off --------> booting -------------------> on <---------------.
//!    ^                                          |  \               \ repaired, replaced
//!    '------ empty for the scale-down delay ----'   '--> away ------'
//!                                                 outage
//! ```
//!
//! A node is charged while it boots and while it is on: power, hardware and price. Off or away it
//! costs nothing here: the capacity belongs to somebody else, or to nobody. Pools whose nodes are
//! always on have no states at all.

use carbon_kube_core::Time;

use super::Simulation;
use crate::world::{Pool, World};

/// What a node of a pool that changes is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NodeState {
    #[default]
    Off,
    Booting,
    On,
    /// Broken, or taken back.
    Away,
}

/// The nodes of one pool.
pub(super) struct Fleet {
    /// A state per node; empty where they never change.
    states: Vec<NodeState>,
    /// Nodes that are charged now.
    charged: u32,
    /// Up to when `node_hours` are counted.
    since: Time,
    node_hours: f64,
}

impl Fleet {
    pub(super) fn new(pool: &Pool, start: Time) -> Self {
        let mut states = Vec::new();
        if pool.changes() {
            states.resize(pool.count as usize, NodeState::Off);
            states[..pool.initial() as usize].fill(NodeState::On);
        }
        Self { states, charged: pool.initial(), since: start, node_hours: 0.0 }
    }

    pub(super) fn state(&self, node: u32) -> NodeState {
        self.states.get(node as usize).copied().unwrap_or(NodeState::On)
    }

    /// Nodes that boot or are on.
    pub(super) fn charged(&self) -> u32 {
        self.charged
    }

    /// Nodes in a state, in order.
    pub(super) fn in_state(&self, state: NodeState) -> impl Iterator<Item = u32> {
        let matching = self.states.iter().zip(0u32..).filter(move |(s, _)| **s == state);
        matching.map(|(_, node)| node)
    }

    /// Hours that nodes were charged, up to now.
    pub(super) fn node_hours(&self, now: Time) -> f64 {
        self.node_hours + f64::from(self.charged) * (now - self.since).hours()
    }
}

/// The power of one node at the meter while it is on, in microwatts.
pub(super) fn idle_microwatts(pool: &Pool) -> i64 {
    (pool.idle.get() * pool.pue * 1e6).round() as i64
}

/// The power of one node at the meter while it boots, in microwatts.
fn boot_microwatts(pool: &Pool) -> i64 {
    let boot = pool.autoscaling.as_ref().map_or(pool.idle, |scaling| scaling.boot);
    (boot.get() * pool.pue * 1e6).round() as i64
}

fn microwatts(pool: &Pool, state: NodeState) -> i64 {
    match state {
        NodeState::On => idle_microwatts(pool),
        NodeState::Booting => boot_microwatts(pool),
        NodeState::Off | NodeState::Away => 0,
    }
}

impl World {
    /// Power at the meter of a zone's nodes without load as the window starts, in microwatts.
    pub(super) fn idle_microwatts(&self, zone: usize) -> i64 {
        let pools = self.pools.iter().filter(|pool| pool.zone == zone);
        pools.map(|pool| idle_microwatts(pool) * i64::from(pool.initial())).sum()
    }
}

impl Simulation<'_> {
    /// A node has booted, is repaired or replaced: the pods that wait for room are tried.
    pub(super) fn node_up(&mut self, pool: u32, node: u32) {
        self.set_node(pool, node, NodeState::On);
        self.watch_if_empty(pool, node);
        self.wake_refused();
        self.room_on(pool, node);
    }

    /// A node enters a state. It has no pods.
    pub(super) fn set_node(&mut self, pool: u32, node: u32, state: NodeState) {
        let spec = &self.world.pools[pool as usize];
        let fleet = &mut self.fleets[pool as usize];
        let before = std::mem::replace(&mut fleet.states[node as usize], state);
        fleet.node_hours = fleet.node_hours(self.now);
        fleet.since = self.now;
        let charged = |state| matches!(state, NodeState::On | NodeState::Booting);
        fleet.charged = fleet.charged + u32::from(charged(state)) - u32::from(charged(before));
        let change = microwatts(spec, state) - microwatts(spec, before);
        self.meters[spec.zone].change_idle(self.now, change, &self.carbon[spec.zone]);
        match (before == NodeState::On, state == NodeState::On) {
            (false, true) => self.nodes[pool as usize].open(node),
            (true, false) => self.nodes[pool as usize].close(node),
            _ => {}
        }
    }
}
