//! From a template's rules about other pods, and a workload's about disruption, to those of
//! [`World`](crate::world::World).

use super::cluster::requirement;
use super::spec::{
    self, DisruptionBudget, LabelSelector, PodTemplate, PreemptionPolicy, WhenUnsatisfiable,
    Workload,
};
use crate::world::{
    Budget, Disruption, Load, Operator, PodAffinity, PodRules, Requirement, Spread,
};

/// What the pods of a template ask of other pods.
pub(super) fn rules(template: &PodTemplate) -> PodRules {
    let spread = template.spec.topology_spread_constraints.iter().map(|constraint| Spread {
        max_skew: constraint.max_skew,
        topology_key: constraint.topology_key.clone(),
        required: constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule,
        selector: selector(&constraint.label_selector),
    });
    let affinity = template.spec.affinity.as_ref();
    let to = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let from = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let terms = to.into_iter().flat_map(|terms| terms_of(terms, false));
    let terms = terms.chain(from.into_iter().flat_map(|terms| terms_of(terms, true)));
    PodRules {
        labels: template.metadata.labels.clone(),
        spread: spread.collect(),
        affinity: terms.collect(),
    }
}

fn terms_of(terms: &spec::PodAffinity, anti: bool) -> impl Iterator<Item = PodAffinity> + '_ {
    let term = move |term: &spec::PodAffinityTerm, weight| PodAffinity {
        topology_key: term.topology_key.clone(),
        selector: selector(&term.label_selector),
        anti,
        weight,
    };
    let required = terms.required.iter().map(move |required| term(required, None));
    let preferred = terms.preferred.iter();
    required.chain(preferred.map(move |p| term(&p.pod_affinity_term, Some(p.weight))))
}

fn selector(selector: &LabelSelector) -> Vec<Requirement> {
    let labels = selector.match_labels.iter().map(|(key, value)| Requirement {
        key: key.clone(),
        operator: Operator::In,
        values: vec![value.clone()],
    });
    labels.chain(selector.match_expressions.iter().map(requirement)).collect()
}

/// What may be done to the running pods of a workload.
pub(super) fn disruption(workload: &Workload) -> Disruption {
    let template = workload.template.as_ref();
    let policy = template.map(|template| template.spec.preemption_policy).unwrap_or_default();
    Disruption {
        preempts: policy == PreemptionPolicy::PreemptLowerPriority,
        retries: workload.retries,
        budget: workload.disruption_budget.map(|budget| match budget {
            DisruptionBudget::MinAvailable(pods) => Budget::MinAvailable(pods),
            DisruptionBudget::MaxUnavailable(pods) => Budget::MaxUnavailable(pods),
        }),
    }
}

/// The load of a Deployment.
pub(super) fn load(load: &spec::Load) -> Load {
    Load {
        step: load.step.0,
        cores: load.cores.clone(),
        target: load.target_utilisation,
        min: load.min_replicas,
        max: load.max_replicas,
    }
}
