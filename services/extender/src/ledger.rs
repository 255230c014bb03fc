//! Pods that are followed from their first refusal to their placement, for metrics alone.
//!
//! What is forgotten, at a restart or for want of room, is missing from the metrics and changes no
//! decision: a pod's limit follows from its own annotations and its creation.
//!
//! **The estimate of savings.** The scheduler does not tell an extender which node it took, so it
//! is taken to be one of the best score. Energy is requested cores x watts per core x expected
//! duration, emissions are that x intensity now. Without the policy the pod would have run when it was first
//! offered nodes, on the mean of these. Both are rough; `method` names them
//! (`best-score-first-offer`), and pods without an expected duration are left out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use carbon_kube_core::view::NodeView;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_policies::cycle::SCHEDULER_RETRY;

use crate::answer::PodId;
use crate::decide::{Class, Decision};

/// How estimates are made.
pub const METHOD: &str = "best-score-first-offer";

/// The pods that are followed.
#[derive(Debug)]
pub struct Ledger {
    capacity: usize,
    pods: Mutex<Pods>,
}

#[derive(Debug, Default)]
struct Pods {
    by_uid: HashMap<String, Followed>,
    /// In order of first sight, for forgetting.
    order: VecDeque<String>,
}

/// What is remembered of a pod.
#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    /// First refusal of every node, while it lasts.
    refused_since: Option<Time>,
    /// Last request about it.
    seen: Time,
    /// Mean grams per hour of the nodes that it was offered first.
    first_offer: Option<f64>,
    /// Whether its estimate was counted.
    counted: bool,
}

/// What came of a decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The pod waited so long, and does not any more.
    pub waited: Option<Span>,
    /// What it is going to cost the climate.
    pub estimate: Option<Estimate>,
}

/// What a placed pod is going to draw and emit.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Grams that it is going to emit.
    pub grams: f64,
    /// Grams that it would have emitted without the policy.
    pub grams_without: f64,
    /// Joules that it is going to draw. Nodes of the best score may be in several zones: each has
    /// the share of its nodes.
    pub joules: Vec<(Zone, f64)>,
}

impl Ledger {
    /// A ledger of at most so many pods.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, pods: Mutex::default() }
    }

    /// Follows an enforced decision. `last` where the scheduler asks nothing more after it.
    pub fn follow(&self, pod: &PodId, decision: &Decision<'_>, last: bool, now: Time) -> Entry {
        if self.capacity == 0 {
            return Entry::default();
        }
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = pods.get(&pod.uid, self.capacity);
        followed.seen = now;
        let offer = mean_grams_per_hour(decision);
        followed.first_offer = followed.first_offer.or(offer);
        if decision.refused() > 0 && decision.refused() as usize == decision.offered() {
            followed.refused_since.get_or_insert(now);
            return Entry::default();
        }
        let waited = followed.refused_since.take().map(|since| now - since);
        let estimate = (last && !followed.counted).then(|| estimate(followed, decision)).flatten();
        followed.counted |= estimate.is_some();
        Entry { waited, estimate }
    }

    /// How many pods wait. One that the scheduler has not asked about for two retries is gone.
    #[must_use]
    pub fn waiting(&self, now: Time) -> usize {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let waits =
            |pod: &&Followed| pod.refused_since.is_some() && now - pod.seen <= SCHEDULER_RETRY * 2;
        pods.by_uid.values().filter(waits).count()
    }
}

impl Pods {
    fn get(&mut self, uid: &str, capacity: usize) -> &mut Followed {
        if !self.by_uid.contains_key(uid) {
            if self.order.len() >= capacity
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_uid.remove(&oldest);
            }
            self.order.push_back(uid.to_owned());
        }
        self.by_uid.entry(uid.to_owned()).or_default()
    }
}

fn estimate(followed: &Followed, decision: &Decision<'_>) -> Option<Estimate> {
    let hours = decision.pod?.remaining?.hours();
    let feasible = || decision.classes.iter().filter(|class| class.verdict.feasible);
    let best = feasible().map(|class| class.verdict.score).max()?;
    let taken: Vec<&Class> = feasible().filter(|class| class.verdict.score == best).collect();
    let grams_per_hour = mean(
        taken.iter().map(|class| Some((grams_per_hour(decision, &class.view)?, class.count))),
    )?;
    let nodes: u32 = taken.iter().map(|class| class.count).sum();
    let mut joules: Vec<(Zone, f64)> = Vec::new();
    for class in taken {
        let (zone, _) = decision.zone(class.view.zone?)?;
        let share = f64::from(class.count) / f64::from(nodes);
        let drawn = watts(decision, &class.view)? * hours * 3_600.0 * share;
        match joules.iter_mut().find(|(known, _)| known == zone) {
            Some((_, sum)) => *sum += drawn,
            None => joules.push((zone.clone(), drawn)),
        }
    }
    Some(Estimate {
        grams: grams_per_hour * hours,
        grams_without: followed.first_offer? * hours,
        joules,
    })
}

fn mean_grams_per_hour(decision: &Decision<'_>) -> Option<f64> {
    let classes = decision.classes.iter();
    mean(classes.map(|class| Some((grams_per_hour(decision, &class.view)?, class.count))))
}

/// The weighted mean; `None` where a value is missing or there is none.
fn mean(values: impl Iterator<Item = Option<(f64, u32)>>) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0u32);
    for value in values {
        let (value, weight) = value?;
        sum += value * f64::from(weight);
        weights += weight;
    }
    (weights > 0).then(|| sum / f64::from(weights))
}

fn grams_per_hour(decision: &Decision<'_>, node: &NodeView) -> Option<f64> {
    let (_, signal) = decision.zone(node.zone?)?;
    Some(watts(decision, node)? / 1_000.0 * signal.intensity?.get())
}

/// What the pod's requested cores draw on a node.
fn watts(decision: &Decision<'_>, node: &NodeView) -> Option<f64> {
    Some(decision.pod?.cpu.0 as f64 / 1_000.0 * node.watts_per_core.get())
}
