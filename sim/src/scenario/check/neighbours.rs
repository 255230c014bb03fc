//! What pods ask of other pods: labels that some node has, selectors that say something.

use super::{names, workloads};
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::path::shortened;
use crate::scenario::spec::{
    LabelSelector, Operator, PodAffinity, PodAffinityTerm, WhenUnsatisfiable, Workload,
};
use crate::world::{HOSTNAME, Pool};

/// Checks a workload's rules; whether a node has their labels only where the pools are `complete`.
pub(super) fn check(
    workload: &Workload,
    pools: &[Pool],
    complete: bool,
    path: &str,
    report: &mut Report<'_>,
) {
    let Some(template) = &workload.template else {
        return;
    };
    let path = format!("{path}.template.spec");
    let known = |key: &str| {
        !complete || key == HOSTNAME || pools.iter().any(|pool| pool.labels.contains_key(key))
    };
    let mut term = |key: &str, needed: bool, selects: &LabelSelector, path: &str| {
        let key_path = format!("{path}.topologyKey");
        names::label_key(key, &key_path, report);
        if needed && !known(key) {
            let message = format!("no pool has the label `{}`: no pod would start", shortened(key));
            report.error(Code::NoPoolMatches, &key_path, message);
        }
        selector(selects, &format!("{path}.labelSelector"), report);
    };
    for (i, constraint) in template.spec.topology_spread_constraints.iter().enumerate() {
        let needed = constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
        let path = format!("{path}.topologySpreadConstraints[{i}]");
        term(&constraint.topology_key, needed, &constraint.label_selector, &path);
    }
    let affinity = template.spec.affinity.as_ref();
    let to = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let from = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    for (name, rules) in [("podAffinity", to), ("podAntiAffinity", from)] {
        for (place, PodAffinityTerm { label_selector, topology_key }) in
            rules.map(terms).unwrap_or_default()
        {
            let needed = name == "podAffinity" && place.starts_with("required");
            term(topology_key, needed, label_selector, &format!("{path}.affinity.{name}.{place}"));
        }
    }
}

/// Each term and where it is.
fn terms(rules: &PodAffinity) -> Vec<(String, &PodAffinityTerm)> {
    let required = rules.required.iter().enumerate();
    let required = required
        .map(|(i, term)| (format!("requiredDuringSchedulingIgnoredDuringExecution[{i}]"), term));
    let preferred = rules.preferred.iter().enumerate().map(|(i, preferred)| {
        let place = format!("preferredDuringSchedulingIgnoredDuringExecution[{i}].podAffinityTerm");
        (place, &preferred.pod_affinity_term)
    });
    required.chain(preferred).collect()
}

fn selector(selector: &LabelSelector, path: &str, report: &mut Report<'_>) {
    names::labels(&selector.match_labels, &format!("{path}.matchLabels"), report);
    workloads::requirements(&selector.match_expressions, path, report);
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        if matches!(requirement.operator, Operator::Gt | Operator::Lt) {
            let path = format!("{path}.matchExpressions[{i}].operator");
            report.error(Code::BadLabel, &path, "a selector of pods knows no `Gt` and no `Lt`");
        }
    }
}
