//! Whether any node takes a pod: the pools that a class may use, and their sizes.

use std::collections::BTreeSet;

use super::cluster::shown;
use super::diagnostic::{Code, Report};
use super::path::shortened;
use super::schema::quoted;
use crate::affinity::allows;
use crate::world::{PodClass, Pool, Resources, Taint};

/// The pools that pods of one class may run on; at least one.
pub(super) struct Room<'a> {
    pools: Vec<&'a Pool>,
}

impl<'a> Room<'a> {
    /// The pools for the class; where there is none, a hint why.
    pub(super) fn new(class: &PodClass, pools: &'a [Pool]) -> Result<Self, Option<String>> {
        let accepting: Vec<&Pool> = pools.iter().filter(|p| allows(class, p)).collect();
        if accepting.is_empty() {
            return Err(why_not(class, pools));
        }
        Ok(Self { pools: accepting })
    }

    /// Whether a pod fits on an empty node of one of the pools.
    pub(super) fn fits(&self, requests: &Resources) -> bool {
        self.pools.iter().any(|pool| pool.allocatable.holds(requests))
    }

    /// Reports a pod that is too large, or that requests no CPU.
    pub(super) fn check(&self, requests: &Resources, path: &str, report: &mut Report<'_>) {
        if requests.cpu.0 == 0 {
            report
                .error(Code::NoRequest, path, "the pod requests no CPU")
                .hint("give `cpu`, or `resources.requests.cpu` in the template's containers");
        }
        if self.fits(requests) {
            return;
        }
        let message = format!("no node is large enough for a pod of {}", shown(requests));
        report.error(Code::PodTooLarge, path, message).hint(self.largest(requests));
    }

    /// The node that comes nearest, for the hint.
    pub(super) fn largest(&self, requests: &Resources) -> String {
        let size = |pool: &&&Pool| (fitting(requests, &pool.allocatable), pool.allocatable);
        let largest = self.pools.iter().max_by_key(size);
        largest.map_or_else(String::new, |pool| {
            let allocatable = shown(&pool.allocatable);
            format!(
                "the largest node that it may run on, in pool `{}`, has {allocatable}",
                pool.name
            )
        })
    }
}

/// How many of the three resources suffice.
fn fitting(requests: &Resources, allocatable: &Resources) -> usize {
    [
        requests.cpu <= allocatable.cpu,
        requests.memory <= allocatable.memory,
        requests.gpu <= allocatable.gpu,
    ]
    .into_iter()
    .filter(|fits| *fits)
    .count()
}

/// The first of Kubernetes' filters that leaves no pool: selector, affinity, taints.
fn why_not(class: &PodClass, pools: &[Pool]) -> Option<String> {
    let unmet = class
        .node_selector
        .iter()
        .find(|(key, value)| !pools.iter().any(|p| p.labels.get(*key) == Some(*value)));
    if let Some((key, value)) = unmet {
        return Some(no_such_label(key, value, pools));
    }
    if pools.iter().all(|pool| repelling(class, pool).is_none()) {
        return Some("no pool meets the node selector and the required node affinity".to_owned());
    }
    let (pool, taint) = pools.iter().find_map(|pool| Some((pool, repelling(class, pool)?)))?;
    let Taint { key, value, effect } = taint;
    let pool = &pool.name;
    Some(format!("pool `{pool}` would do with a toleration for `{key}={value}:{effect:?}`"))
}

fn no_such_label(key: &str, value: &str, pools: &[Pool]) -> String {
    let values: BTreeSet<&str> =
        pools.iter().filter_map(|pool| pool.labels.get(key).map(String::as_str)).collect();
    let (key, value) = (shortened(key), shortened(value));
    if values.is_empty() {
        format!("no pool has the label `{key}`")
    } else {
        format!("no pool has `{key}: {value}`; the pools have {}", quoted(values))
    }
}

/// A taint that keeps the class away from a pool that would do without taints.
fn repelling<'a>(class: &PodClass, pool: &'a Pool) -> Option<&'a Taint> {
    let only = |taints: Vec<Taint>| Pool { taints, ..pool.clone() };
    if !allows(class, &only(Vec::new())) {
        return None;
    }
    pool.taints.iter().find(|taint| !allows(class, &only(vec![(*taint).clone()])))
}
