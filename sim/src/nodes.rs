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
//!
//! The other strategies of `NodeResourcesFit` have no such bound: there the best node is found by
//! a loop over those that fit.

use carbon_kube_core::MilliGpu;

use crate::gpus::Gpus;
use crate::world::{Pool, Resources, Scoring};

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

    fn remove(&mut self, each: &Resources, workers: u32) {
        self.cpu -= each.cpu.0 * u64::from(workers);
        self.memory -= each.memory.0 * u64::from(workers);
        self.gpu -= each.gpu.0 * workers;
        self.pods -= workers;
    }
}

/// The nodes of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    allocatable: Resources,
    max_pods: u32,
    count: u32,
    scoring: Scoring,
    /// `None` where every pod has whole GPUs.
    gpus: Option<Gpus>,
    /// Position of the first leaf; the tree is an implicit binary heap with the root at 1.
    first_leaf: usize,
    tree: Vec<Usage>,
}

impl Nodes {
    /// The nodes that are on as the window starts are free, the others closed. `shared`: some pod
    /// asks for a part of a GPU.
    pub(crate) fn new(pool: &Pool, scoring: &Scoring, shared: bool) -> Self {
        let first_leaf = (pool.count.max(1) as usize).next_power_of_two();
        let mut tree = vec![FULL; 2 * first_leaf];
        tree[first_leaf..first_leaf + pool.initial() as usize].fill(Usage::default());
        for parent in (1..first_leaf).rev() {
            tree[parent] = tree[2 * parent].min(tree[2 * parent + 1]);
        }
        let has_gpus = pool.allocatable.gpu > MilliGpu(0);
        Self {
            allocatable: pool.allocatable,
            max_pods: pool.max_pods,
            count: pool.count,
            scoring: scoring.clone(),
            gpus: (shared && has_gpus).then(|| Gpus::new(pool.count, pool.allocatable.gpu)),
            first_leaf,
            tree,
        }
    }

    /// Takes an empty node away.
    pub(crate) fn close(&mut self, node: u32) {
        self.update(node, |used| *used = FULL);
    }

    /// Brings an empty node.
    pub(crate) fn open(&mut self, node: u32) {
        self.update(node, |used| *used = Usage::default());
    }

    /// Whether the node is there and has no pod.
    pub(crate) fn is_empty(&self, node: u32) -> bool {
        self.tree[self.first_leaf + node as usize].pods == 0
    }

    /// The nodes that have room.
    pub(crate) fn fitting(&self, requests: &Resources) -> impl Iterator<Item = u32> {
        (0..self.count).filter(move |&node| self.may_fit(Some(node), requests))
    }

    /// The node that the two resource scores prefer, the first of equals; `None` where none fits.
    pub(crate) fn best(&self, requests: &Resources) -> Option<u32> {
        if self.scoring != Scoring::LeastAllocated {
            let rank = |node: &u32| self.rank(*node, requests);
            return self.fitting(requests).min_by(|a, b| rank(a).total_cmp(&rank(b)));
        }
        let mut best = (f64::INFINITY, None);
        self.search(1, self.bound(1, requests), requests, &mut best);
        best.1.map(|leaf| (leaf - self.first_leaf) as u32)
    }

    /// How good a node of the pool is for a pod: the least is best.
    pub(crate) fn rank(&self, node: u32, requests: &Resources) -> f64 {
        let (score, share) = self.resource_scores(node, requests);
        if self.scoring == Scoring::LeastAllocated { share } else { -score as f64 }
    }

    /// Looks below `at`, whose bound is worked out already: each is once, and no sooner than needed.
    fn search(&self, at: usize, bound: f64, requests: &Resources, best: &mut (f64, Option<usize>)) {
        if bound >= best.0 {
            return;
        }
        if at >= self.first_leaf {
            *best = (bound, Some(at));
            return;
        }
        let (left, right) = (2 * at, 2 * at + 1);
        let (of_left, of_right) = (self.bound(left, requests), self.bound(right, requests));
        if of_right < of_left {
            self.search(right, of_right, requests, best);
            self.search(left, of_left, requests, best);
        } else {
            self.search(left, of_left, requests, best);
            self.search(right, of_right, requests, best);
        }
    }

    /// The least share that a node below `at` can have; infinite where none has room.
    #[inline]
    fn bound(&self, at: usize, requests: &Resources) -> f64 {
        if self.fits(at, requests) { self.share(at, requests) } else { f64::INFINITY }
    }

    /// Whether the node has room; `true` for any that may have when asked for none in particular.
    pub(crate) fn may_fit(&self, node: Option<u32>, requests: &Resources) -> bool {
        self.fits(node.map_or(1, |node| self.first_leaf + node as usize), requests)
    }

    fn fits(&self, at: usize, requests: &Resources) -> bool {
        self.holds(&self.tree[at], requests) && self.devices_fit(at, requests)
    }

    /// Whether a node with so much in use has room.
    fn holds(&self, used: &Usage, requests: &Resources) -> bool {
        used.cpu + requests.cpu.0 <= self.allocatable.cpu.0
            && used.memory + requests.memory.0 <= self.allocatable.memory.0
            && used.gpu + requests.gpu.0 <= self.allocatable.gpu.0
            && used.pods < self.max_pods
    }

    /// Whether one device, or enough whole ones, are free on the node of a leaf.
    fn devices_fit(&self, at: usize, requests: &Resources) -> bool {
        match &self.gpus {
            Some(gpus) if at >= self.first_leaf => {
                gpus.room_for((at - self.first_leaf) as u32, requests.gpu) > 0
            }
            _ => true,
        }
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

    /// The strategy's score plus BalancedAllocation as kube-scheduler computes them, in whole
    /// numbers (`pkg/scheduler/framework/plugins/noderesources`), and the dominant share to tell
    /// nodes apart that those leave equal.
    pub(crate) fn resource_scores(&self, node: u32, requests: &Resources) -> (i64, f64) {
        let at = self.first_leaf + node as usize;
        let (cpu, memory) = self.shares(at, requests);
        let used = &self.tree[at];
        let amounts = [
            (used.cpu + requests.cpu.0, self.allocatable.cpu.0),
            (used.memory + requests.memory.0, self.allocatable.memory.0),
        ];
        let balanced = ((1.0 - (cpu.min(1.0) - memory.min(1.0)).abs() / 2.0) * 100.0) as i64;
        (self.scoring.score(amounts) + balanced, cpu.max(memory))
    }

    /// How many pods of these requests the node has room for, `most` at most.
    pub(crate) fn room_for(&self, node: u32, requests: &Resources, most: u32) -> u32 {
        let devices = self.gpus.as_ref().map_or(u64::MAX, |gpus| gpus.room_for(node, requests.gpu));
        let used = &self.tree[self.first_leaf + node as usize];
        let times = |free: u64, each: u64| free.checked_div(each).unwrap_or(u64::MAX);
        times(self.allocatable.cpu.0 - used.cpu, requests.cpu.0)
            .min(times(self.allocatable.memory.0 - used.memory, requests.memory.0))
            .min(times((self.allocatable.gpu.0 - used.gpu).into(), requests.gpu.0.into()))
            .min(devices)
            .min((self.max_pods - used.pods).into())
            .min(most.into()) as u32
    }

    /// Whether a node would have room if these pods were gone: number, requests, workers.
    pub(crate) fn fits_without(
        &self,
        node: u32,
        requests: &Resources,
        gone: &[(u32, Resources, u32)],
    ) -> bool {
        let mut used = self.tree[self.first_leaf + node as usize];
        let mut gpus = self.gpus.clone();
        for (pod, each, workers) in gone {
            used.remove(each, *workers);
            if let Some(gpus) = &mut gpus {
                gpus.give_back(*pod);
            }
        }
        self.holds(&used, requests) && gpus.is_none_or(|gpus| gpus.room_for(node, requests.gpu) > 0)
    }

    /// Takes the room of a pod with so many workers of these requests.
    pub(crate) fn bind(&mut self, node: u32, pod: u32, requests: &Resources, workers: u32) {
        self.update(node, |used| {
            used.cpu += requests.cpu.0 * u64::from(workers);
            used.memory += requests.memory.0 * u64::from(workers);
            used.gpu += requests.gpu.0 * workers;
            used.pods += workers;
        });
        if let Some(gpus) = &mut self.gpus {
            gpus.take(node, pod, requests.gpu, workers);
        }
        let used = &self.tree[self.first_leaf + node as usize];
        debug_assert!(
            used.cpu <= self.allocatable.cpu.0 && used.memory <= self.allocatable.memory.0
        );
        debug_assert!(used.gpu <= self.allocatable.gpu.0 && used.pods <= self.max_pods);
    }

    /// Gives back the room of a pod with so many workers of these requests.
    pub(crate) fn unbind(&mut self, node: u32, pod: u32, requests: &Resources, workers: u32) {
        self.update(node, |used| used.remove(requests, workers));
        if let Some(gpus) = &mut self.gpus {
            gpus.give_back(pod);
        }
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

impl Scoring {
    /// The strategy's score, 0 to 100, of a node with these used and allocatable amounts of CPU and
    /// memory.
    fn score(&self, amounts: [(u64, u64); 2]) -> i64 {
        let per_cent = |part: u64, of: u64| (part * 100).checked_div(of).unwrap_or(0) as i64;
        let mean = |scores: [i64; 2]| (scores[0] + scores[1]) / 2;
        match self {
            Self::LeastAllocated => {
                mean(amounts.map(|(used, of)| per_cent(of.saturating_sub(used), of)))
            }
            Self::MostAllocated => mean(amounts.map(|(used, of)| per_cent(used.min(of), of))),
            Self::RequestedToCapacityRatio(points) => {
                // A resource that scores 0 doesn't count in the mean, as in kube-scheduler.
                let scores =
                    amounts.map(|(used, of)| broken_linear(points, per_cent(used.min(of), of)));
                let counted = scores.iter().filter(|&&score| score > 0).count().max(1);
                (scores.iter().sum::<i64>() as f64 / counted as f64).round() as i64
            }
        }
    }
}

/// The score at a utilisation in per cent, in hundredths of the highest: linear between points, in
/// whole numbers (`BuildBrokenLinearFunction`).
fn broken_linear(points: &[(i64, i64)], at: i64) -> i64 {
    const SCALE: i64 = 10;
    let next = points.partition_point(|&(utilisation, _)| utilisation < at);
    let score = |index: usize| points[index].1 * SCALE;
    match next {
        _ if points.is_empty() => 0,
        0 => score(0),
        next if next == points.len() => score(next - 1),
        next => {
            let (from, to) = (points[next - 1].0, points[next].0);
            score(next - 1) + (score(next) - score(next - 1)) * (at - from) / (to - from).max(1)
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
            allocatable: request(16_000, 64_000, 2),
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
            prepaid: false,
            speed: 1.0,
            autoscaling: None,
            outages: Vec::new(),
        }
    }

    fn nodes(count: u32) -> Nodes {
        Nodes::new(&pool(count), &Scoring::LeastAllocated, false)
    }

    fn request(cpu: u64, memory: u64, gpu: u32) -> Resources {
        Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), gpu: MilliGpu::whole(gpu) }
    }

    #[test]
    fn the_resource_scores_are_those_of_kube_scheduler() {
        // 4 of 16 cores and 32,000 of 64,000 bytes after placement: LeastAllocated is
        // (75 + 50) / 2 = 62; BalancedAllocation is 100 (1 - |0.25 - 0.5| / 2) = 87.
        let nodes = nodes(1);
        let (score, share) = nodes.resource_scores(0, &request(4_000, 32_000, 0));
        assert_eq!(score, 62 + 87);
        assert!((share - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_other_strategies_are_those_of_kube_scheduler() {
        // 4 of 16 cores and 32,000 of 64,000 bytes: 25 and 50 per cent.
        let amounts = [(4_000, 16_000), (32_000, 64_000)];
        assert_eq!(Scoring::MostAllocated.score(amounts), (25 + 50) / 2);
        // From 0 at 0 % to 10 at 100 %: 25 and 50, mean 37.5, rounded away from zero.
        let rising = Scoring::RequestedToCapacityRatio(vec![(0, 0), (100, 10)]);
        assert_eq!(rising.score(amounts), 38);
        // Flat until 40 %: CPU scores 0 and doesn't count; memory has 10 x (50 - 40) / 60 of 10.
        let late = Scoring::RequestedToCapacityRatio(vec![(40, 0), (100, 10)]);
        assert_eq!(late.score(amounts), 16);
    }

    #[test]
    fn most_allocated_fills_one_node_before_the_next() {
        let mut nodes = Nodes::new(&pool(3), &Scoring::MostAllocated, false);
        nodes.bind(1, 0, &request(4_000, 16_000, 0), 1);
        assert_eq!(nodes.best(&request(2_000, 8_000, 0)), Some(1));
        assert_eq!(nodes.best(&request(16_000, 8_000, 0)), Some(0));
    }

    #[test]
    fn a_closed_node_takes_nothing() {
        let mut nodes = nodes(2);
        nodes.close(0);
        assert_eq!(nodes.best(&request(1, 1, 0)), Some(1));
        nodes.close(1);
        assert_eq!((nodes.best(&request(0, 0, 0)), nodes.is_empty(0)), (None, false));
        nodes.open(0);
        assert_eq!((nodes.best(&request(1, 1, 0)), nodes.is_empty(0)), (Some(0), true));
    }

    proptest! {
        /// The tree against the loop that it replaces.
        #[test]
        fn the_best_node_is_the_one_a_loop_over_all_nodes_finds(
            count in 1u32..40,
            steps in prop::collection::vec((0u64..6_000, 0u64..24_000, 0u32..2, any::<bool>()), 1..150),
        ) {
            let mut nodes = nodes(count);
            let mut bound: Vec<(u32, Resources)> = Vec::new();
            for (cpu, memory, gpu, free) in steps {
                if free && !bound.is_empty() {
                    let (node, requests) = bound.swap_remove(cpu as usize % bound.len());
                    nodes.unbind(node, 0, &requests, 1);
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
                    nodes.bind(node, 0, &requests, 1);
                    bound.push((node, requests));
                }
            }
        }
    }
}
