//! Pods that are followed from their first refusal to their placement, for metrics alone.
//!
//! What is forgotten, at a restart or for want of room, is missing from the metrics and changes no
//! decision: a pod's limit follows from its own annotations and its creation.
//!
//! **The estimate of savings.** The scheduler does not tell an extender which node it took, so it
//! is taken to be one of the best score. Emissions are requested cores x watts per core x
//! intensity now x expected duration. Without the policy the pod would have run when it was first
//! offered nodes, on the mean of these. Both are rough; `method` names them
//! (`best-score-first-offer`), and pods without an expected duration are left out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use carbon_kube_core::view::NodeView;
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::cycle::SCHEDULER_RETRY;

use crate::answer::PodId;
use crate::decide::Decision;

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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entry {
    /// The pod waited so long, and does not any more.
    pub waited: Option<Span>,
    /// Grams that it is going to emit, and would have emitted without the policy.
    pub estimate: Option<(f64, f64)>,
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

fn estimate(followed: &Followed, decision: &Decision<'_>) -> Option<(f64, f64)> {
    let hours = decision.pod?.remaining?.hours();
    let best = decision
        .classes
        .iter()
        .filter(|class| class.verdict.feasible)
        .map(|class| class.verdict.score)
        .max()?;
    let taken = mean(decision.classes.iter().filter_map(|class| {
        let is_best = class.verdict.feasible && class.verdict.score == best;
        is_best.then(|| Some((grams_per_hour(decision, &class.view)?, class.count)))
    }))?;
    Some((taken * hours, followed.first_offer? * hours))
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
    let cores = decision.pod?.cpu.0 as f64 / 1_000.0;
    Some(cores * node.watts_per_core.get() / 1_000.0 * signal.intensity?.get())
}
