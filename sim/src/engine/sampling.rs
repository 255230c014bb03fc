//! Schedulers that don't look at every node: `percentageOfNodesToScore`.
//!
//! kube-scheduler stops looking once it has found enough nodes that fit, and starts each cycle
//! where the last one stopped (`numFeasibleNodesToFind` and `findNodesThatPassFilters` in
//! `pkg/scheduler/schedule_one.go`). Its order of nodes takes one of each topology zone in turn
//! (`pkg/scheduler/backend/cache/node_tree.go`). So a policy chooses among what was found, and the
//! cleanest node may not be there.
//!
//! ```text
//!   a-0 b-0 a-1 b-1 a-2 a-3 ...      zones a and b in turn, a has more nodes
//!       |-----------|------->
//!       last cycle   this one starts here
//! ```

use std::collections::BTreeMap;

use super::{ClassInfo, Scratch, Simulation};
use crate::nodes::Nodes;
use crate::world::{Pool, Resources, World};

/// Fewer nodes than this are all looked at, and at least so many are looked for
/// (`minFeasibleNodesToFind`).
const LEAST_NODES: usize = 100;
/// The adaptive rule goes down to this (`minFeasibleNodesPercentageToFind`).
const LEAST_PERCENTAGE: usize = 5;

/// Which nodes a cycle looks at.
pub(super) struct Sampling {
    /// Pool and number of every node, in the order of looking.
    order: Vec<(u32, u32)>,
    /// How many that fit are enough.
    enough: usize,
    /// Where the next cycle starts.
    start: usize,
    /// The best node found per pool that the class may use, and how good it is; less is better.
    best: Vec<Option<(f64, u32)>>,
    /// Every node found, by position of its pool, for classes to which nodes of a pool differ.
    found: Vec<(usize, u32)>,
}

impl Sampling {
    /// `None` where each cycle looks at every node.
    pub(super) fn new(world: &World) -> Option<Self> {
        let nodes = world.pools.iter().map(|pool| pool.count as usize).sum();
        let enough = enough(world.scheduler.percentage_of_nodes_to_score, nodes);
        let sampling = || Self {
            order: order(&world.pools),
            enough,
            start: 0,
            best: Vec::new(),
            found: Vec::new(),
        };
        (enough < nodes).then(sampling)
    }

    /// Looks at nodes until enough fit. The next cycle starts behind the last one looked at.
    fn walk(
        &mut self,
        class: &ClassInfo,
        requests: &Resources,
        nodes: &[Nodes],
        allowed: impl Fn(u32, u32) -> bool,
    ) {
        self.best.clear();
        self.best.resize(class.eligible.len(), None);
        self.found.clear();
        let mut looked_at = 0;
        while looked_at < self.order.len() && self.found.len() < self.enough {
            let (pool, node) = self.order[(self.start + looked_at) % self.order.len()];
            looked_at += 1;
            let Ok(position) = class.eligible.binary_search_by_key(&pool, |e| e.pool) else {
                continue;
            };
            let nodes = &nodes[pool as usize];
            if !nodes.may_fit(Some(node), requests) || !allowed(pool, node) {
                continue;
            }
            self.found.push((position, node));
            let rank = nodes.rank(node, requests);
            let best = &mut self.best[position];
            if best.is_none_or(|(least, _)| rank < least) {
                *best = Some((rank, node));
            }
        }
        self.start = (self.start + looked_at) % self.order.len();
    }
}

impl Simulation<'_> {
    /// The best node of each pool among those that this cycle looks at; each of them, where they
    /// differ to the pod.
    pub(super) fn sample(&self, pod: u32, sampling: &mut Sampling, scratch: &mut Scratch) {
        let spec = &self.world.pods[pod as usize];
        let class = &self.classes[spec.class as usize];
        let allowed = |pool, node| {
            let neighbours = self.neighbours.as_ref();
            neighbours.is_none_or(|neighbours| neighbours.allows(spec.class, pool, node))
        };
        sampling.walk(class, &spec.requests, &self.nodes, allowed);
        if self.differ(spec.class) {
            for &(position, node) in &sampling.found {
                scratch.add(&self.nodes, class, position, node, &spec.requests);
            }
        } else {
            for (position, best) in sampling.best.iter().enumerate() {
                if let Some((_, node)) = *best {
                    scratch.add(&self.nodes, class, position, node, &spec.requests);
                }
            }
        }
        self.ask_neighbours(spec.class, scratch);
    }
}

/// How many nodes that fit are enough; at 0 per cent by the adaptive rule.
fn enough(percentage: u32, nodes: usize) -> usize {
    if nodes < LEAST_NODES {
        return nodes;
    }
    let percentage = match percentage {
        0 => 50usize.saturating_sub(nodes / 125).max(LEAST_PERCENTAGE),
        given => given as usize,
    };
    (nodes * percentage / 100).max(LEAST_NODES)
}

/// Every node: the first of each topology zone, then the second of each that has one, and so on.
fn order(pools: &[Pool]) -> Vec<(u32, u32)> {
    let mut zones: Vec<Vec<(u32, u32)>> = Vec::new();
    let mut known = BTreeMap::new();
    for (number, pool) in pools.iter().enumerate() {
        let label = |key: &str| pool.labels.get(&format!("topology.kubernetes.io/{key}"));
        // Zones are in the order in which their first node came.
        let next = known.len();
        let zone = *known.entry((label("region"), label("zone"))).or_insert(next);
        if zone == zones.len() {
            zones.push(Vec::new());
        }
        zones[zone].extend((0..pool.count).map(|node| (number as u32, node)));
    }
    let longest = zones.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|row| zones.iter().filter_map(move |zone| zone.get(row)))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::{MilliCpu, Watts};

    use super::*;

    #[test]
    fn the_adaptive_rule_is_that_of_kube_scheduler() {
        // 50 - 1000/125 = 42 %; 50 - 5000/125 = 10 %; from 5,625 nodes on 5 %; never under 100.
        for (nodes, expected) in
            [(99, 99), (100, 100), (180, 100), (1_000, 420), (5_000, 500), (8_000, 400)]
        {
            assert_eq!(enough(0, nodes), expected, "{nodes} nodes");
        }
        assert_eq!((enough(30, 1_000), enough(1, 1_000), enough(100, 1_000)), (300, 100, 1_000));
    }

    #[test]
    fn zones_take_turns_until_they_have_no_more_nodes() {
        let pool = |zone: &str, count| Pool {
            name: zone.into(),
            zone: 0,
            count,
            allocatable: Resources { cpu: MilliCpu(1_000), ..Resources::default() },
            max_pods: 110,
            labels: BTreeMap::from([("topology.kubernetes.io/zone".to_owned(), zone.to_owned())]),
            taints: Vec::new(),
            idle: Watts::ZERO,
            busy: Watts::ZERO,
            curve: None,
            watts_per_gpu: Watts::ZERO,
            pue: 1.0,
            embodied_kg: 0.0,
            lifetime_years: 4.0,
            usd_per_hour: 0.0,
            prepaid: false,
            speed: 1.0,
            autoscaling: None,
            outages: Vec::new(),
        };
        // The first and the last pool are in one zone.
        let pools = [pool("a", 2), pool("b", 1), pool("a", 1)];
        assert_eq!(order(&pools), [(0, 0), (1, 0), (0, 1), (2, 0)]);
    }
}
