//! The last decisions, for `GET /v1/explain?namespace=&pod=`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use carbon_kube_core::Time;
use serde::Serialize;

use crate::answer::PodId;
use crate::decide::Decision;
use crate::reason::refusal;

/// One decision, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// When.
    pub at: Time,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Unique among all pods of all times.
    pub uid: String,
    /// `filter`, `prioritize` or `preempt`.
    pub verb: &'static str,
    /// `observe`: this is what would have been answered. `enforce`: it was.
    pub mode: String,
    /// `passed`, `refused-some`, `refused-all` or `neutral`.
    pub outcome: &'static str,
    /// Why there is no opinion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neutral: Option<&'static str>,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Checksum of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// From then on nothing is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_run_by: Option<Time>,
    /// What was known of the nodes, by class.
    pub nodes: Vec<ExplainedNodes>,
}

/// Equal nodes, and what the policy says of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedNodes {
    /// How many.
    pub count: u32,
    /// Their grid zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its intensity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grams_per_kwh: Option<f64>,
    /// Its threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_grams_per_kwh: Option<f64>,
    /// What one more busy core draws there.
    pub watts_per_core: f64,
    /// Whether the pod may run there.
    pub feasible: bool,
    /// 0 to 10.
    pub score: i64,
    /// Why it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The last decisions, in order.
#[derive(Debug)]
pub struct Explanations {
    capacity: usize,
    last: Mutex<VecDeque<Arc<Explanation>>>,
}

/// What came of a decision, in a word.
#[must_use]
pub fn outcome(decision: &Decision<'_>) -> &'static str {
    match (decision.neutral, decision.refused()) {
        (Some(_), _) => "neutral",
        (None, 0) => "passed",
        (None, refused) if refused as usize == decision.offered() => "refused-all",
        (None, _) => "refused-some",
    }
}

impl Explanation {
    /// Puts a decision into words.
    #[must_use]
    pub fn of(verb: &'static str, pod: &PodId, decision: &Decision<'_>, now: Time) -> Self {
        let nodes = decision.classes.iter().map(|class| {
            let zone = class.view.zone.and_then(|zone| decision.zone(zone));
            let grams = |value: Option<carbon_kube_core::GramsPerKwh>| value.map(|g| g.get());
            ExplainedNodes {
                count: class.count,
                zone: zone.map(|(name, _)| name.to_string()),
                grams_per_kwh: zone.and_then(|(_, signal)| grams(signal.intensity)),
                threshold_grams_per_kwh: zone.and_then(|(_, signal)| grams(signal.threshold)),
                watts_per_core: class.view.watts_per_core.get(),
                feasible: class.verdict.feasible,
                score: class.verdict.score,
                reason: (!class.verdict.feasible).then(|| refusal(decision, class.view.zone, now)),
            }
        });
        Self {
            at: now,
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            verb,
            mode: decision.mode.to_string(),
            outcome: outcome(decision),
            neutral: decision.neutral.map(|neutral| neutral.word()),
            policy: decision.policy.map(|policy| policy.file.name.clone()),
            policy_sha256: decision.policy.map(|policy| policy.sha256.clone()),
            must_run_by: decision.must_run_by,
            nodes: nodes.collect(),
        }
    }
}

impl Explanations {
    /// Room for so many.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, last: Mutex::default() }
    }

    /// Adds one; the oldest goes where there is no room.
    pub fn push(&self, explanation: Arc<Explanation>) {
        if self.capacity == 0 {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == self.capacity {
            last.pop_front();
        }
        last.push_back(explanation);
    }

    /// Those of a namespace and a pod, the newest first; an empty name stands for any.
    #[must_use]
    pub fn find(&self, namespace: &str, pod: &str, most: usize) -> Vec<Arc<Explanation>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |name: &str, of: &str| name.is_empty() || name == of;
        last.iter()
            .rev()
            .filter(|e| wanted(namespace, &e.namespace) && wanted(pod, &e.pod))
            .take(most)
            .cloned()
            .collect()
    }
}
