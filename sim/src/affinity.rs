//! Which pools a class of pods may use, and which it prefers: taints, selector and affinity.
//!
//! Nodes of a pool are equal in all of these, so the answer is worked out once per class and pool.

use std::collections::BTreeMap;

use crate::world::{
    Affinity, Operator, PodClass, Pool, Requirement, Taint, TaintEffect, Toleration,
};

/// A pool that a class may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eligible {
    /// Position of the pool.
    pub(crate) pool: u32,
    /// Taints with `PreferNoSchedule` that the pods don't tolerate.
    pub(crate) avoided: i64,
    /// Sum of the weights of the preferred terms that hold.
    pub(crate) preferred: i64,
}

/// The pools that pods of the class may run in, by position.
pub(crate) fn eligible(class: &PodClass, pools: &[Pool]) -> Vec<Eligible> {
    pools
        .iter()
        .enumerate()
        .filter(|(_, pool)| allows(class, pool))
        .map(|(i, pool)| Eligible {
            pool: i as u32,
            avoided: untolerated(class, pool, TaintEffect::PreferNoSchedule) as i64,
            preferred: preference(&class.affinity, pool),
        })
        .collect()
}

/// Whether pods of the class may run in the pool at all, whatever room there is.
#[must_use]
pub fn allows(class: &PodClass, pool: &Pool) -> bool {
    let selected =
        class.node_selector.iter().all(|(key, value)| pool.labels.get(key) == Some(value));
    let required = &class.affinity.required;
    selected
        && (required.is_empty() || required.iter().any(|term| holds(term, pool)))
        && untolerated(class, pool, TaintEffect::NoSchedule) == 0
        && untolerated(class, pool, TaintEffect::NoExecute) == 0
}

fn preference(affinity: &Affinity, pool: &Pool) -> i64 {
    affinity
        .preferred
        .iter()
        .filter(|(_, term)| holds(term, pool))
        .map(|(weight, _)| i64::from(*weight))
        .sum()
}

fn untolerated(class: &PodClass, pool: &Pool, effect: TaintEffect) -> usize {
    pool.taints
        .iter()
        .filter(|taint| taint.effect == effect)
        .filter(|taint| !class.tolerations.iter().any(|toleration| tolerates(toleration, taint)))
        .count()
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    toleration.effect.is_none_or(|effect| effect == taint.effect)
        && toleration.key.as_ref().is_none_or(|key| *key == taint.key)
        && (toleration.exists || toleration.value == taint.value)
}

/// An empty term holds nowhere, as in Kubernetes.
fn holds(term: &[Requirement], pool: &Pool) -> bool {
    !term.is_empty() && matches(term, &pool.labels)
}

/// Whether labels fulfil every requirement; an empty selector matches everything.
pub(crate) fn matches(selector: &[Requirement], labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|requirement| is_met(requirement, labels))
}

fn is_met(requirement: &Requirement, labels: &BTreeMap<String, String>) -> bool {
    let label = labels.get(&requirement.key);
    let listed = label.is_some_and(|label| requirement.values.contains(label));
    // `Gt` and `Lt` compare whole numbers; a label that is none never matches.
    let compared = || {
        let bound: i64 = requirement.values.first()?.parse().ok()?;
        let number: i64 = label?.parse().ok()?;
        Some(number.cmp(&bound))
    };
    match requirement.operator {
        Operator::In => listed,
        Operator::NotIn => !listed,
        Operator::Exists => label.is_some(),
        Operator::DoesNotExist => label.is_none(),
        Operator::Gt => compared() == Some(std::cmp::Ordering::Greater),
        Operator::Lt => compared() == Some(std::cmp::Ordering::Less),
    }
}
