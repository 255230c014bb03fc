//! The free room of a pool of equal nodes, and the best node for a pod without a loop over them.
//!
//! kube-scheduler's two resource scores add up to something simple. With x and y the used parts of
//! CPU and memory after placement, LeastAllocated gives 100 (1 - (x + y) / 2) and
//! BalancedAllocation 100 (1 - |x - y| / 2); since (x + y) + |x - y| = 2 max(x, y), their sum is
//! 200 - 100 max(x, y). So the best of equal nodes is the one whose *dominant share* after
//! placement is least. A tree of minima finds it by branch and bound:
//!
//! ```text
//!                min of all nodes              a branch is skipped when even its
//!              /                  \            minima don't fit, or can't beat the
//!        min of half          min of half      best node found so far
//!         /      \             /      \
//!      node 0  node 1       node 2  node 3
//! ```

use crate::world::{Pool, Resources};

/// What is in use on one node, or the least of each over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    cpu: u64,
    memory: u64,
    gpu: u32,
    pods: u32,
}

/// More than any node has: a leaf that pads the tree.
const FULL: Usage =
    Usage { cpu: u64::MAX / 2, memory: u64::MAX / 2, gpu: u32::MAX / 2, pods: u32::MAX / 2 };

impl Usage {
    fn min(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.min(other.cpu),
            memory: self.memory.min(other.memory),
            gpu: self.gpu.min(other.gpu),
            pods: self.pods.min(other.pods),
        }
    }
}

/// The nodes of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    allocatable: Resources,
    max_pods: u32,
    /// Position of the first leaf; the tree is an implicit binary heap with the root at 1.
    first_leaf: usize,
    tree: Vec<Usage>,
}

impl Nodes {
    pub(crate) fn new(pool: &Pool) -> Self {
        let first_leaf = (pool.count.max(1) as usize).next_power_of_two();
        let mut tree = vec![FULL; 2 * first_leaf];
        tree[first_leaf..first_leaf + pool.count as usize].fill(Usage::default());
        for parent in (1..first_leaf).rev() {
            tree[parent] = tree[2 * parent].min(tree[2 * parent + 1]);
        }
        Self { allocatable: pool.allocatable, max_pods: pool.max_pods, first_leaf, tree }
    }

    /// The node that the two resource scores prefer, the first of equals; `None` where none fits.
    pub(crate) fn best(&self, requests: &Resources) -> Option<u32> {
        let mut best = (f64::INFINITY, None);
        self.search(1, requests, &mut best);
        best.1.map(|leaf| (leaf - self.first_leaf) as u32)
    }

    fn search(&self, at: usize, requests: &Resources, best: &mut (f64, Option<usize>)) {
        let bound = self.share(at, requests);
        if !self.fits(at, requests) || bound >= best.0 {
            return;
        }
        if at >= self.first_leaf {
            *best = (bound, Some(at));
            return;
        }
        let (left, right) = (2 * at, 2 * at + 1);
        let right_first = self.share(right, requests) < self.share(left, requests);
        let (first, second) = if right_first { (right, left) } else { (left, right) };
        self.search(first, requests, best);
        self.search(second, requests, best);
    }

    /// Whether the node has room; `true` for any that may have when asked for none in particular.
    pub(crate) fn may_fit(&self, node: Option<u32>, requests: &Resources) -> bool {
        self.fits(node.map_or(1, |node| self.first_leaf + node as usize), requests)
    }

    fn fits(&self, at: usize, requests: &Resources) -> bool {
        let used = &self.tree[at];
        used.cpu + requests.cpu.0 <= self.allocatable.cpu.0
            && used.memory + requests.memory.0 <= self.allocatable.memory.0
            && used.gpu + requests.gpu <= self.allocatable.gpu
            && used.pods < self.max_pods
    }

    /// The dominant share after placement.
    fn share(&self, at: usize, requests: &Resources) -> f64 {
        let (cpu, memory) = self.shares(at, requests);
        cpu.max(memory)
    }

    fn shares(&self, at: usize, requests: &Resources) -> (f64, f64) {
        let used = &self.tree[at];
        let part = |used: u64, of: u64| {
            if of == 0 { 0.0 } else { used as f64 / of as f64 }
        };
        (
            part(used.cpu + requests.cpu.0, self.allocatable.cpu.0),
            part(used.memory + requests.memory.0, self.allocatable.memory.0),
        )
    }

    /// LeastAllocated plus BalancedAllocation as kube-scheduler computes them, in whole numbers
    /// (`pkg/scheduler/framework/plugins/noderesources`), and the dominant share to tell nodes
    /// apart that those leave equal.
    pub(crate) fn resource_scores(&self, node: u32, requests: &Resources) -> (i64, f64) {
        let at = self.first_leaf + node as usize;
        let (cpu, memory) = self.shares(at, requests);
        let used = &self.tree[at];
        let least = |used: u64, of: u64| {
            (of.saturating_sub(used) * 100).checked_div(of).unwrap_or(0) as i64
        };
        let least_allocated = (least(used.cpu + requests.cpu.0, self.allocatable.cpu.0)
            + least(used.memory + requests.memory.0, self.allocatable.memory.0))
            / 2;
        let balanced = ((1.0 - (cpu.min(1.0) - memory.min(1.0)).abs() / 2.0) * 100.0) as i64;
        (least_allocated + balanced, cpu.max(memory))
    }

    /// How many pods of these requests the node has room for, `most` at most.
    pub(crate) fn room_for(&self, node: u32, requests: &Resources, most: u32) -> u32 {
        let used = &self.tree[self.first_leaf + node as usize];
        let times = |free: u64, each: u64| free.checked_div(each).unwrap_or(u64::MAX);
        times(self.allocatable.cpu.0 - used.cpu, requests.cpu.0)
            .min(times(self.allocatable.memory.0 - used.memory, requests.memory.0))
            .min(times((self.allocatable.gpu - used.gpu).into(), requests.gpu.into()))
            .min((self.max_pods - used.pods).into())
            .min(most.into()) as u32
    }

    /// Takes the room of `count` pods of these requests.
    pub(crate) fn bind(&mut self, node: u32, requests: &Resources, count: u32) {
        self.update(node, |used| {
            used.cpu += requests.cpu.0 * u64::from(count);
            used.memory += requests.memory.0 * u64::from(count);
            used.gpu += requests.gpu * count;
            used.pods += count;
        });
        let used = &self.tree[self.first_leaf + node as usize];
        debug_assert!(
            used.cpu <= self.allocatable.cpu.0 && used.memory <= self.allocatable.memory.0
        );
        debug_assert!(used.gpu <= self.allocatable.gpu && used.pods <= self.max_pods);
    }

    /// Gives back the room of `count` pods of these requests.
    pub(crate) fn unbind(&mut self, node: u32, requests: &Resources, count: u32) {
        self.update(node, |used| {
            used.cpu -= requests.cpu.0 * u64::from(count);
            used.memory -= requests.memory.0 * u64::from(count);
            used.gpu -= requests.gpu * count;
            used.pods -= count;
        });
    }

    fn update(&mut self, node: u32, change: impl FnOnce(&mut Usage)) {
        let mut at = self.first_leaf + node as usize;
        change(&mut self.tree[at]);
        while at > 1 {
            at /= 2;
            let least = self.tree[2 * at].min(self.tree[2 * at + 1]);
            // Minima above can't have moved if this one didn't.
            if self.tree[at] == least {
                break;
            }
            self.tree[at] = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::{Bytes, MilliCpu, Watts};
    use proptest::prelude::*;

    use super::*;

    fn pool(count: u32) -> Pool {
        Pool {
            name: "p".into(),
            zone: 0,
            count,
            allocatable: Resources { cpu: MilliCpu(16_000), memory: Bytes(64_000), gpu: 2 },
            max_pods: 5,
            labels: Default::default(),
            taints: Vec::new(),
            idle: Watts::ZERO,
            busy: Watts::ZERO,
            curve: None,
            watts_per_gpu: Watts::ZERO,
            pue: 1.0,
            embodied_kg: 0.0,
            lifetime_years: 4.0,
            usd_per_hour: 0.0,
        }
    }

    fn request(cpu: u64, memory: u64, gpu: u32) -> Resources {
        Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), gpu }
    }

    #[test]
    fn the_resource_scores_are_those_of_kube_scheduler() {
        // 4 of 16 cores and 32,000 of 64,000 bytes after placement: LeastAllocated is
        // (75 + 50) / 2 = 62; BalancedAllocation is 100 (1 - |0.25 - 0.5| / 2) = 87.
        let nodes = Nodes::new(&pool(1));
        let (score, share) = nodes.resource_scores(0, &request(4_000, 32_000, 0));
        assert_eq!(score, 62 + 87);
        assert!((share - 0.5).abs() < 1e-12);
    }

    proptest! {
        /// The tree against the loop that it replaces.
        #[test]
        fn the_best_node_is_the_one_a_loop_over_all_nodes_finds(
            count in 1u32..40,
            steps in prop::collection::vec((0u64..6_000, 0u64..24_000, 0u32..2, any::<bool>()), 1..150),
        ) {
            let mut nodes = Nodes::new(&pool(count));
            let mut bound: Vec<(u32, Resources)> = Vec::new();
            for (cpu, memory, gpu, free) in steps {
                if free && !bound.is_empty() {
                    let (node, requests) = bound.swap_remove(cpu as usize % bound.len());
                    nodes.unbind(node, &requests, 1);
                }
                let requests = request(cpu, memory, gpu);
                let by_loop = (0..count)
                    .filter(|&node| nodes.may_fit(Some(node), &requests))
                    .map(|node| nodes.share(nodes.first_leaf + node as usize, &requests))
                    .min_by(f64::total_cmp);
                let by_tree = nodes.best(&requests);
                let share = by_tree.map(|node| nodes.share(nodes.first_leaf + node as usize, &requests));
                prop_assert_eq!(share, by_loop);
                if let Some(node) = by_tree {
                    prop_assert!(nodes.may_fit(Some(node), &requests));
                    nodes.bind(node, &requests, 1);
                    bound.push((node, requests));
                }
            }
        }
    }
}
