//! What is kept of an answer: metrics, the last decisions, a log line on request.

use std::sync::Arc;
use std::time::Duration;

use carbon_kube_core::cluster::Mode;
use carbon_kube_core::{Span, Time};
use tracing::info;

use crate::answer::{Answer, PodId};
use crate::decide::{Decision, Neutral};
use crate::explain::{Explanation, Explanations, outcome};
use crate::ledger::{Ledger, METHOD};
use crate::metrics::{Decided, Drawn, Estimate, Metrics, Reason, Request, Verb};

/// Where answers are recorded.
#[derive(Debug)]
pub struct Recorder {
    /// Counters and histograms.
    pub metrics: Metrics,
    /// The last decisions.
    pub explanations: Explanations,
    /// The pods that are followed.
    pub ledger: Arc<Ledger>,
    /// Whether each decision is a log line.
    pub log_decisions: bool,
    /// How long before its limit a pod is let go.
    pub retry: Span,
}

impl Recorder {
    /// Records an answer that took so long.
    pub fn answered(&self, verb: &'static str, answer: &Answer<'_>, now: Time, took: Duration) {
        self.counted(verb, "ok", took);
        let decision = &answer.decision;
        let nodes = decision.offered() as f64;
        self.metrics.nodes.get_or_create(&Verb { verb }).observe(nodes);
        let Some(pod) = &answer.pod else {
            return;
        };
        let mode = if decision.mode == Mode::Enforce { "enforce" } else { "observe" };
        let outcome = outcome(decision);
        self.metrics.decisions.get_or_create(&Decided { verb, mode, outcome }).inc();
        if let Some(neutral) = decision.neutral {
            self.metrics.fallbacks.get_or_create(&Reason { reason: neutral.word() }).inc();
        }
        let explanation = Arc::new(Explanation::of(verb, pod, decision, now));
        if self.log_decisions {
            log(&explanation);
        }
        self.explanations.push(explanation);
        if decision.mode == Mode::Enforce && verb != "preempt" {
            self.follow(verb, pod, decision, now);
        }
    }

    /// Records a request that could not be read.
    pub fn unreadable(&self, verb: &'static str, took: Duration) {
        self.counted(verb, "unreadable", took);
    }

    fn counted(&self, verb: &'static str, result: &'static str, took: Duration) {
        self.metrics.requests.get_or_create(&Request { verb, result }).inc();
        self.metrics.duration.get_or_create(&Verb { verb }).observe(took.as_secs_f64());
    }

    /// Why a pod that waited may run now.
    fn release_reason(&self, decision: &Decision<'_>, now: Time) -> &'static str {
        let let_go = decision.must_run_by.map(|limit| limit - self.retry);
        match decision.neutral {
            Some(Neutral::NoData | Neutral::StaleData | Neutral::NoPolicy) => "failopen",
            _ if let_go.is_none_or(|at| at <= now) => "deadline",
            _ => "clean",
        }
    }

    fn follow(&self, verb: &'static str, pod: &PodId, decision: &Decision<'_>, now: Time) {
        // A scheduler with one node left does not ask for scores.
        let passed = decision.offered() - decision.refused() as usize;
        let last = verb == "prioritize" || passed == 1;
        let entry = self.ledger.follow(pod, decision, last, now);
        if let Some(waited) = entry.waited {
            let reason = self.release_reason(decision, now);
            self.metrics.released.get_or_create(&Reason { reason }).inc();
            self.metrics.waited.observe(waited.seconds());
        }
        if let Some(estimate) = entry.estimate {
            let workload_namespace = pod.namespace.clone();
            let labels =
                Estimate { workload_namespace: workload_namespace.clone(), method: METHOD };
            self.metrics.emissions.get_or_create(&labels).inc_by(estimate.grams);
            self.metrics.counterfactual.get_or_create(&labels).inc_by(estimate.grams_without);
            for (zone, joules) in estimate.joules {
                let workload_namespace = workload_namespace.clone();
                let labels = Drawn { workload_namespace, zone: zone.to_string(), method: METHOD };
                self.metrics.energy.get_or_create(&labels).inc_by(joules);
            }
        }
    }
}

fn log(decision: &Explanation) {
    let nodes = serde_json::to_string(&decision.nodes).unwrap_or_default();
    info!(
        verb = decision.verb,
        workload_namespace = decision.namespace,
        pod = decision.pod,
        uid = decision.uid,
        mode = decision.mode,
        outcome = decision.outcome,
        neutral = decision.neutral,
        policy = decision.policy,
        policy_sha256 = decision.policy_sha256,
        must_run_by = decision.must_run_by.map(|limit| limit.to_string()),
        nodes,
        "decision"
    );
}
