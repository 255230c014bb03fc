//! What pods ask of each other: topology spread and pod affinity.
//!
//! Each question is about a number: how many running pods of certain classes are in one value of a
//! node label. Such numbers are kept up to date as pods come and go; a class's rules only read them.
//!
//! ```text
//! rule of a class            count it reads                 allows where
//! spread, maxSkew s          pods that match, per value     n + self - least <= s
//! affinity                   pods that match, per value     n > 0, or nobody matches anywhere yet
//! anti-affinity              pods that match, per value     n = 0
//! another's anti-affinity    pods that own it, per value    n = 0
//! ```
//!
//! Selectors are compared with classes once, since all pods of a class have the same labels.
//! Preferences are scored as in kube-scheduler (`podtopologyspread/scoring.go`,
//! `interpodaffinity/scoring.go`), but for the preferences of pods that run already.

use std::collections::{BTreeMap, BTreeSet};

use super::ClassInfo;
use crate::affinity;
use crate::world::{HOSTNAME, PodClass, Requirement, World};

/// The counts, and what each class reads of them.
pub(super) struct Neighbours {
    counts: Vec<Count>,
    classes: Vec<Rules>,
}

/// Running pods of some classes, per value of a label.
struct Count {
    domains: Domains,
    /// The classes that are counted.
    classes: BTreeSet<u32>,
    pods: Vec<u32>,
    total: u64,
}

/// Which value of a label a node has, as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Domains {
    /// Each node is a value of its own; the number of nodes before each pool.
    Nodes(Vec<usize>),
    /// The value of each pool, `None` where the label is missing.
    Pools(Vec<Option<usize>>),
}

impl Domains {
    fn new(world: &World, key: &str) -> Self {
        if key == HOSTNAME {
            let mut before = 0;
            let pools = world.pools.iter().map(|pool| {
                before += pool.count as usize;
                before - pool.count as usize
            });
            return Self::Nodes(pools.collect());
        }
        let mut values = BTreeMap::new();
        let pools = world.pools.iter().map(|pool| {
            let value = pool.labels.get(key)?;
            let next = values.len();
            Some(*values.entry(value).or_insert(next))
        });
        Self::Pools(pools.collect())
    }

    fn of(&self, pool: u32, node: u32) -> Option<usize> {
        match self {
            Self::Nodes(before) => Some(before[pool as usize] + node as usize),
            Self::Pools(values) => values[pool as usize],
        }
    }

    /// How many values there are.
    fn len(&self, world: &World) -> usize {
        match self {
            Self::Nodes(_) => world.pools.iter().map(|pool| pool.count as usize).sum(),
            Self::Pools(values) => values.iter().flatten().max().map_or(0, |last| last + 1),
        }
    }
}

/// A class's rules; numbers are positions of counts.
#[derive(Default)]
struct Rules {
    spread: Vec<SpreadRule>,
    /// Required, and whether the class itself matches.
    together: Vec<(usize, bool)>,
    /// Required, its own and the other side's.
    apart: Vec<usize>,
    preferred: Vec<(usize, i64)>,
    /// Counts that its pods are part of.
    counted: Vec<usize>,
    /// Whether single nodes differ.
    by_node: bool,
}

struct SpreadRule {
    count: usize,
    max_skew: u32,
    counts_itself: bool,
    required: bool,
    /// The values that the class could use.
    reachable: Vec<usize>,
}

impl Neighbours {
    /// `None` where no class has such rules.
    pub(super) fn new(world: &World, infos: &[ClassInfo]) -> Option<Self> {
        let rules =
            |class: &PodClass| !class.rules.spread.is_empty() || !class.rules.affinity.is_empty();
        if !world.classes.iter().any(rules) {
            return None;
        }
        let mut this = Self {
            counts: Vec::new(),
            classes: world.classes.iter().map(|_| Rules::default()).collect(),
        };
        for (number, class) in (0u32..).zip(&world.classes) {
            this.add_spread(world, number, class, &infos[number as usize]);
            this.add_affinity(world, number, class);
        }
        for (position, count) in this.counts.iter().enumerate() {
            for &class in &count.classes {
                this.classes[class as usize].counted.push(position);
            }
        }
        Some(this)
    }

    fn add_spread(&mut self, world: &World, number: u32, class: &PodClass, info: &ClassInfo) {
        for spread in &class.rules.spread {
            let matching = matching(world, &spread.selector);
            let counts_itself = matching.contains(&number);
            let count = self.count(world, &spread.topology_key, matching);
            let domains = &self.counts[count].domains;
            let reachable: BTreeSet<usize> = info
                .eligible
                .iter()
                .flat_map(|e| {
                    (0..world.pools[e.pool as usize].count).map(move |node| (e.pool, node))
                })
                .filter_map(|(pool, node)| domains.of(pool, node))
                .collect();
            let by_node = matches!(domains, Domains::Nodes(_));
            let rules = &mut self.classes[number as usize];
            rules.by_node |= by_node;
            rules.spread.push(SpreadRule {
                count,
                max_skew: spread.max_skew,
                counts_itself,
                required: spread.required,
                reachable: reachable.into_iter().collect(),
            });
        }
    }

    fn add_affinity(&mut self, world: &World, number: u32, class: &PodClass) {
        for term in &class.rules.affinity {
            let matching = matching(world, &term.selector);
            let count = self.count(world, &term.topology_key, matching.clone());
            let sign = if term.anti { -1 } else { 1 };
            let by_node = term.topology_key == HOSTNAME;
            let rules = &mut self.classes[number as usize];
            rules.by_node |= by_node;
            match term.weight {
                Some(weight) => rules.preferred.push((count, sign * i64::from(weight))),
                None if term.anti => {
                    rules.apart.push(count);
                    self.add_other_side(world, number, &term.topology_key, &matching);
                }
                None => rules.together.push((count, matching.contains(&number))),
            }
        }
    }

    /// Those whom a class keeps away from must keep away from it.
    fn add_other_side(&mut self, world: &World, owner: u32, key: &str, matching: &BTreeSet<u32>) {
        let owners = self.count(world, key, BTreeSet::from([owner]));
        for &class in matching {
            let rules = &mut self.classes[class as usize];
            rules.apart.push(owners);
            rules.by_node |= key == HOSTNAME;
        }
    }

    /// The position of a count, which is made where there is none.
    fn count(&mut self, world: &World, key: &str, classes: BTreeSet<u32>) -> usize {
        let domains = Domains::new(world, key);
        let known = |count: &Count| count.domains == domains && count.classes == classes;
        if let Some(position) = self.counts.iter().position(known) {
            return position;
        }
        let pods = vec![0; domains.len(world)];
        self.counts.push(Count { domains, classes, pods, total: 0 });
        self.counts.len() - 1
    }

    /// Whether a class may have to wait for other pods to come or go.
    pub(super) fn has_rules(&self, class: u32) -> bool {
        let Rules { spread, together, apart, .. } = &self.classes[class as usize];
        !(spread.is_empty() && together.is_empty() && apart.is_empty())
    }

    /// Whether nodes of one pool differ to a class.
    pub(super) fn by_node(&self, class: u32) -> bool {
        self.classes[class as usize].by_node
    }

    /// A pod has come to a node.
    pub(super) fn add(&mut self, class: u32, pool: u32, node: u32) {
        for &count in &self.classes[class as usize].counted {
            let count = &mut self.counts[count];
            if let Some(domain) = count.domains.of(pool, node) {
                count.pods[domain] += 1;
                count.total += 1;
            }
        }
    }

    /// A pod has left a node.
    pub(super) fn remove(&mut self, class: u32, pool: u32, node: u32) {
        for &count in &self.classes[class as usize].counted {
            let count = &mut self.counts[count];
            if let Some(domain) = count.domains.of(pool, node) {
                count.pods[domain] -= 1;
                count.total -= 1;
            }
        }
    }

    /// Whether the required rules let a pod of the class onto a node.
    pub(super) fn allows(&self, class: u32, pool: u32, node: u32) -> bool {
        let rules = &self.classes[class as usize];
        let pods = |count: usize| {
            let count = &self.counts[count];
            count.domains.of(pool, node).map(|domain| count.pods[domain])
        };
        let spreads = rules.spread.iter().filter(|rule| rule.required).all(|rule| {
            let counts = &self.counts[rule.count].pods;
            let least = rule.reachable.iter().map(|&domain| counts[domain]).min().unwrap_or(0);
            pods(rule.count)
                .is_some_and(|here| here + u32::from(rule.counts_itself) <= least + rule.max_skew)
        });
        // The first pod of a group that wants to be together may go anywhere.
        let first = |count: usize, itself: bool| itself && self.counts[count].total == 0;
        spreads
            && rules.together.iter().all(|&(count, itself)| {
                pods(count).is_some_and(|here| here > 0 || first(count, itself))
            })
            && rules.apart.iter().all(|&count| pods(count).is_none_or(|here| here == 0))
    }

    /// What the preferences say of a node, to be normalised over the candidates: crowding by the
    /// spread rules (less is better), and the sum of the affinity's weights (more is better).
    pub(super) fn preferences(&self, class: u32, pool: u32, node: u32) -> (f64, i64) {
        let rules = &self.classes[class as usize];
        let pods = |count: usize| {
            let count = &self.counts[count];
            count.domains.of(pool, node).map_or(0, |domain| count.pods[domain])
        };
        let crowding = rules.spread.iter().filter(|rule| !rule.required).map(|rule| {
            let weight = (rule.reachable.len() as f64 + 2.0).ln();
            f64::from(pods(rule.count)) * weight + f64::from(rule.max_skew - 1)
        });
        let affinity = rules.preferred.iter();
        let affinity = affinity.map(|&(count, weight)| weight * i64::from(pods(count)));
        (crowding.sum(), affinity.sum())
    }
}

/// The classes whose labels a selector matches.
fn matching(world: &World, selector: &[Requirement]) -> BTreeSet<u32> {
    let classes = (0u32..).zip(&world.classes);
    classes
        .filter(|(_, class)| affinity::matches(selector, &class.rules.labels))
        .map(|(number, _)| number)
        .collect()
}
