//! Nodes whose power is no straight line: what they draw over idle belongs to all of their pods.
//!
//! A node with utilisation u = (busy CPU of its pods) / (allocatable CPU) draws P(u) over idle, and
//! each pod is charged P(u) by its part of the busy CPU. So the pods of a node add up to the node
//! whatever the curve, and what a pod costs depends on who else is there.
//!
//! Between two events every busy core of a node pays the same, R = P(u) / (busy CPU). The node adds
//! up R over time, and R weighted by intensity and by price, once per event:
//!
//! ```text
//!  R  |_____                       a pod pays its busy CPU x the area under R
//!     |     |______        ____    while it was there: the running total at its
//!     |            |______|        end less that at its start. Two look-ups, not a
//!     t0   t1     t2      t3       loop over the pods of the node.
//! ```
//!
//! A pool with straight lines has none of this: its pods are charged one by one.

use carbon_kube_core::power::Curve;
use carbon_kube_core::price::PriceSeries;
use carbon_kube_core::{GramsCo2e, KilowattHours, Time, UsDollars};

use super::Simulation;
use crate::carbon::Carbon;
use crate::world::{Pool, World};

/// Busy CPU in millionths of a core, whole, so that pods that come and go leave exactly zero.
type MicroCpu = u64;

/// Energy, emissions and price of some power over some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bill {
    pub(super) energy: KilowattHours,
    pub(super) emitted: GramsCo2e,
    pub(super) electricity: UsDollars,
}

impl Bill {
    /// Adds so much power over the time whose hours and areas are given.
    pub(super) fn add(&mut self, kilowatts: f64, over: &Areas) {
        self.energy += KilowattHours::from_kwh(kilowatts * over.hours);
        self.emitted += GramsCo2e::from_grams(kilowatts * over.intensity);
        self.electricity += UsDollars::from_dollars(kilowatts * over.price);
    }

    /// `units` times what was added since `start`.
    fn since(&self, start: &Self, units: f64) -> Self {
        Self {
            energy: (self.energy - start.energy) * units,
            emitted: (self.emitted - start.emitted) * units,
            electricity: (self.electricity - start.electricity) * units,
        }
    }
}

/// What a kilowatt makes of an interval.
pub(super) struct Areas {
    hours: f64,
    /// g/kWh x hours.
    pub(super) intensity: f64,
    /// USD/kWh x hours; 0 where electricity has no price.
    price: f64,
}

impl Areas {
    pub(super) fn new(
        from: Time,
        to: Time,
        carbon: &Carbon,
        electricity: Option<&PriceSeries>,
    ) -> Self {
        Self {
            hours: carbon.hours(from, to),
            intensity: carbon.integral(from, to),
            price: electricity.map_or(0.0, |prices| {
                carbon.weighed(from, to, |from, to| prices.integral(from, to))
            }),
        }
    }
}

/// The curves of a world, and what their nodes draw.
#[derive(Default)]
pub(super) struct Curves {
    /// By pool; `None` where power is a straight line.
    pools: Vec<Option<CurvedPool>>,
    /// By pod. Empty where no pool has a curve.
    stays: Vec<Stay>,
}

/// What a pod brought to its node: it takes the same away, whatever has become of its class.
#[derive(Clone, Copy, Default)]
struct Stay {
    busy: MicroCpu,
    /// The running total of its node when it came.
    start: Bill,
}

struct CurvedPool {
    curve: Curve,
    pue: f64,
    capacity: f64,
    nodes: Vec<CurvedNode>,
}

#[derive(Clone, Copy, Default)]
struct CurvedNode {
    busy: MicroCpu,
    /// Power over idle at the meter, as whole as the meter's.
    microwatts: i64,
    since: Time,
    /// Running total of one millionth of a busy core.
    total: Bill,
}

impl Curves {
    pub(super) fn new(world: &World) -> Self {
        let pools: Vec<_> =
            world.pools.iter().map(|pool| CurvedPool::new(pool, world.start)).collect();
        let pods = if pools.iter().any(Option::is_some) { world.pods.len() } else { 0 };
        Self { pools, stays: vec![Stay::default(); pods] }
    }

    /// Whether no pool has a curve, so that there is nothing to keep.
    fn are_straight(&self) -> bool {
        self.stays.is_empty()
    }
}

impl CurvedPool {
    fn new(pool: &Pool, start: Time) -> Option<Self> {
        let node = CurvedNode { since: start, ..Default::default() };
        Some(Self {
            curve: pool.curve.clone()?,
            pue: pool.pue,
            capacity: pool.allocatable.cpu.0 as f64 * 1e3,
            nodes: vec![node; pool.count as usize],
        })
    }

    /// Brings a node's total up to now, changes what is busy, and returns the change of its power
    /// in microwatts, and the total.
    fn change(
        &mut self,
        node: u32,
        now: Time,
        areas: impl FnOnce(Time) -> Areas,
        busy: impl FnOnce(MicroCpu) -> MicroCpu,
    ) -> (i64, Bill) {
        let state = &mut self.nodes[node as usize];
        if state.busy > 0 && state.since < now {
            let kilowatts = state.microwatts as f64 / 1e9 / state.busy as f64;
            state.total.add(kilowatts, &areas(state.since));
        }
        let (before, total) = (state.microwatts, state.total);
        state.since = now;
        state.busy = busy(state.busy);
        let over_idle = self.curve.over_idle(state.busy as f64 / self.capacity);
        state.microwatts = (over_idle.get() * self.pue * 1e6).round() as i64;
        if state.busy == 0 {
            // Nobody has come before this: totals stay as small, and as exact, as they can.
            state.total = Bill::default();
        }
        (state.microwatts - before, total)
    }
}

impl Simulation<'_> {
    /// A pod comes to a node: by how many microwatts at the meter the node's power rises. Zero where
    /// power is a straight line.
    pub(super) fn join_curve(&mut self, pod: u32) -> i64 {
        if self.accounts.curves.are_straight() {
            return 0;
        }
        let own = self.busy(pod);
        let (change, start) = self.bend(pod, |before| before + own);
        if let Some(stay) = self.accounts.curves.stays.get_mut(pod as usize) {
            *stay = Stay { busy: own, start };
        }
        change
    }

    /// A pod leaves its node: by how many microwatts the node's power falls, and the pod's part of
    /// what it drew meanwhile.
    pub(super) fn leave_curve(&mut self, pod: u32) -> (i64, Bill) {
        if self.accounts.curves.are_straight() {
            return Default::default();
        }
        let stay = self.accounts.curves.stays.get(pod as usize).copied().unwrap_or_default();
        let (change, total) = self.bend(pod, |before| before - stay.busy);
        (-change, total.since(&stay.start, stay.busy as f64))
    }

    /// The busy CPU of a running pod.
    fn busy(&self, pod: u32) -> MicroCpu {
        let spec = &self.world.pods[pod as usize];
        let utilisation = self.accounts.utilisation[spec.class as usize];
        let each = (spec.requests.cpu.0 as f64 * utilisation * 1e3).round() as MicroCpu;
        each * u64::from(self.live[pod as usize].workers)
    }

    fn bend(&mut self, pod: u32, busy: impl FnOnce(MicroCpu) -> MicroCpu) -> (i64, Bill) {
        let live = &self.live[pod as usize];
        let Some(pool) = &mut self.accounts.curves.pools[live.pool as usize] else {
            return Default::default();
        };
        let zone = self.world.pools[live.pool as usize].zone;
        let (carbon, now) = (&self.carbon[zone], self.now);
        let electricity = self.world.zones[zone].electricity.as_deref();
        let areas = |since| Areas::new(since, now, carbon, electricity);
        pool.change(live.node, now, areas, busy)
    }
}
