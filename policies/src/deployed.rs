//! A rule as a policy file puts it in force: within bounds, and shifted by a tuner if it has one.

use std::sync::Arc;

use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{JobView, NodeView, PodView};
use carbon_kube_core::{GramsPerKwh, MilliCpu, Span};

use crate::decision::{Gate, Run, Scale, Verdict};
use crate::file::Bounds;
use crate::observation::Observation;
use crate::policy::Policy;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::tuner::{Adjustment, Tuner};

/// A rule, the bounds of its thresholds, and what shifts them.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// The rule: it decides, under the threshold in force.
    pub rule: Settings,
    /// What a threshold may be.
    pub bounds: Bounds,
    /// What shifts the rule's threshold; `None` of a plain rule.
    pub tuner: Option<Arc<Tuner>>,
}

/// A rule as a scenario names it, which has no bounds.
impl From<Settings> for Deployed {
    fn from(rule: Settings) -> Self {
        Self { rule, bounds: Bounds::NONE, tuner: None }
    }
}

impl Policy for Deployed {
    fn name(&self) -> &'static str {
        if self.tuner.is_some() { "tuner" } else { self.rule.name() }
    }

    fn threshold(&self, history: &History<'_>) -> Option<GramsPerKwh> {
        self.rule.policy().threshold(history)
    }

    fn prices_windows(&self) -> bool {
        self.rule.policy().prices_windows()
    }

    fn tunes(&self) -> bool {
        self.tuner.is_some()
    }

    fn tune(&self, observation: &Observation) -> Adjustment {
        self.tuner.as_ref().map(|tuner| tuner.adjust(observation)).unwrap_or_default()
    }

    fn tuning_interval(&self) -> Option<Span> {
        self.tuner.as_ref().map(|tuner| tuner.control_interval)
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        self.rule.policy().gate(pod, signal)
    }

    fn takes_prepaid_room(&self) -> bool {
        self.rule.policy().takes_prepaid_room()
    }

    fn place(
        &self,
        pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        self.rule.policy().place(pod, nodes, signal, verdicts);
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        self.rule.policy().run(pod, node, signal)
    }

    fn scale(&self, job: &JobView<'_>, signal: &Signal<'_>) -> Option<Scale> {
        self.rule.policy().scale(job, signal)
    }

    fn migrate(
        &self,
        pod: &PodView,
        from: &NodeView,
        candidates: &[NodeView],
        signal: &Signal<'_>,
    ) -> Option<usize> {
        self.rule.policy().migrate(pod, from, candidates, signal)
    }

    fn quota(&self, signal: &Signal<'_>) -> Option<MilliCpu> {
        self.rule.policy().quota(signal)
    }
}
