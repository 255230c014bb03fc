//! Workloads: where their pods come from, and whether any node will take them.

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span};

use super::{names, neighbours};
use crate::scenario::cluster;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::room::Room;
use crate::scenario::schema::quoted;
use crate::scenario::spec::{
    DurationModel, Generated, Operator, PodTemplate, Requirement, Spec, TolerationOperator,
    Workload, WorkloadKind,
};
use crate::world::{Pool, Resources};

/// The most pods of a scenario: about 3 GB of memory.
const MOST_PODS: f64 = 50e6;

pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let all = spec.workloads.iter().map(|workload| workload.name.as_str());
    names::unique("spec.workloads", "name", all, report);
    let pools: Vec<Pool> =
        spec.node_pools.iter().filter_map(|pool| cluster::pool(pool, 0)).collect();
    // Without every pool, "no pool fits" could be wrong; the pool's own error comes first.
    let complete = pools.len() == spec.node_pools.len() && !pools.is_empty();
    for (i, workload) in spec.workloads.iter().enumerate() {
        let path = format!("spec.workloads[{i}]");
        names::dns_label(&workload.name, &format!("{path}.name"), report);
        one_origin(workload, &path, report);
        template(workload.template.as_ref(), &format!("{path}.template"), report);
        pods(workload, spec.duration.0, &path, report);
        if let Some(generated) = &workload.generated {
            check_generated(generated, &format!("{path}.generated"), report);
        }
        trace_columns(workload, &path, report);
        checkpoint(workload, &path, report);
        speedup(workload, &path, report);
        power_ratio(workload, &path, report);
        gpus(workload, &path, report);
        service(workload, &path, report);
        neighbours::check(workload, &pools, complete, &path, report);
    }
    if complete {
        rooms(spec, &pools, report);
    }
    count(spec, report);
}

/// Whether some node takes the pods of each workload.
pub(in crate::scenario) fn rooms(spec: &Spec, pools: &[Pool], report: &mut Report<'_>) {
    for (i, workload) in spec.workloads.iter().enumerate() {
        room(workload, pools, &format!("spec.workloads[{i}]"), report);
    }
}

fn one_origin(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let origins: Vec<&str> = [
        ("generated", workload.generated.is_some()),
        ("trace", workload.trace.is_some()),
        ("pods", workload.pods.is_some()),
        ("replicas", workload.replicas.is_some()),
        ("load", workload.load.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, given)| given.then_some(key))
    .collect();
    let (kind, allowed): (_, &[&str]) = match workload.kind {
        WorkloadKind::Job => ("Job", &["generated", "trace", "pods"]),
        WorkloadKind::Deployment => ("Deployment", &["replicas", "load"]),
    };
    if matches!(origins.as_slice(), [one] if allowed.contains(one)) {
        return;
    }
    let expected = format!("exactly one of {}", quoted(allowed.iter().copied()));
    let found = match origins.as_slice() {
        [] => "none".to_owned(),
        some => quoted(some.iter().copied()),
    };
    let message = format!("a {kind} has {expected}, found {found}");
    let hint = (origins == ["replicas"]).then(|| "did you mean `kind: Deployment`?".to_owned());
    report.error(Code::WorkloadSource, path, message).maybe_hint(hint);
}

fn pods(workload: &Workload, window: Span, path: &str, report: &mut Report<'_>) {
    for (i, pod) in workload.pods.iter().flatten().enumerate() {
        let path = format!("{path}.pods[{i}]");
        if !pod.duration.0.is_positive() {
            let message = "a pod needs a duration above zero";
            report.error(Code::OutOfRange, &format!("{path}.duration"), message);
        }
        if pod.arrival.0 >= window {
            let message = format!("the pod arrives after the window of {window}");
            report
                .error(Code::OutsideWindow, &format!("{path}.arrival"), message)
                .hint("`arrival` counts from `spec.start`");
        }
    }
    if workload.pods.as_ref().is_some_and(Vec::is_empty) {
        let path = format!("{path}.pods");
        report.error(Code::NothingToRun, &path, "the list is empty: nothing would run");
    }
}

fn check_generated(generated: &Generated, path: &str, report: &mut Report<'_>) {
    // With a preset that does not exist these are missing too, but that has been reported.
    if generated.preset.is_none() {
        for (key, given) in [
            ("podsPerDay", generated.pods_per_day.is_some()),
            ("duration", generated.duration.is_some()),
            ("shapes", generated.shapes.is_some()),
        ] {
            if !given {
                let path = format!("{path}.{key}");
                report.error(Code::MissingKey, &path, "this key is required without a `preset`");
            }
        }
    }
    let zero = |sum: f64| sum <= 0.0;
    if generated.hourly.is_some_and(|hourly| zero(hourly.iter().sum())) {
        let path = format!("{path}.hourly");
        report.error(Code::NoWeight, &path, "the weights of all hours are zero");
    }
    let shapes = generated.shapes.as_ref();
    if shapes.is_some_and(|shapes| zero(shapes.iter().map(|shape| shape.weight).sum())) {
        let path = format!("{path}.shapes");
        report.error(Code::NoWeight, &path, "the weights of all shapes are zero");
    }
    if let Some(model) = &generated.duration {
        distribution(model, &format!("{path}.duration"), report);
    }
    if let Some(name) = &generated.time_zone {
        names::time_zone(name, &format!("{path}.timeZone"), report);
    }
}

fn distribution(model: &DurationModel, path: &str, report: &mut Report<'_>) {
    for (key, value) in [("median", &model.median), ("min", &model.min)] {
        if !value.0.is_positive() {
            let path = format!("{path}.{key}");
            report.error(Code::BadDistribution, &path, "expected more than 0s");
            return;
        }
    }
    if model.min.0 > model.median.0 || model.median.0 > model.max.0 {
        let message = format!(
            "the median of {} is not between `min` of {} and `max` of {}",
            model.median, model.min, model.max
        );
        report.error(Code::BadDistribution, &format!("{path}.median"), message);
    }
}

fn trace_columns(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let Some(trace) = &workload.trace else { return };
    let columns = &trace.columns;
    if columns.duration.is_some() && columns.end.is_some() {
        let path = format!("{path}.trace.columns");
        let message = "expected one of `duration` and `end`, found both";
        report.error(Code::NotOne, &path, message);
    }
    if columns.max_delay.is_some() && columns.deadline.is_some() {
        let path = format!("{path}.trace.columns");
        let message = "expected one of `maxDelay` and `deadline`, found both";
        report.error(Code::NotOne, &path, message);
    }
    if trace.to.as_ref().is_some_and(|to| to.0 <= trace.from.0) {
        let path = format!("{path}.trace.to");
        report.error(Code::OutOfRange, &path, "it is not after `from`: nothing is left");
    }
    if trace.pod_cpu.as_ref().is_some_and(|cpu| cpu.0.0 == 0) {
        let path = format!("{path}.trace.podCpu");
        report.error(Code::OutOfRange, &path, "pods of no CPU can't share anything");
    }
    if columns.memory.is_some() && trace.memory_per_core.is_some() {
        let path = format!("{path}.trace.memoryPerCore");
        let message = "the trace has a column for memory, so this key is never used";
        report.error(Code::NotOne, &path, message);
    }
}

fn checkpoint(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let pausable = workload.interruptible == Some(true);
    let Some(delay) = workload.max_delay.as_ref().filter(|_| pausable) else {
        return;
    };
    if workload.checkpoint.0 > delay.0 {
        let message = format!(
            "each pause loses {}, more than the `maxDelay` of {delay}: pods are never paused",
            workload.checkpoint
        );
        let path = format!("{path}.checkpoint");
        report.warning(Code::UselessCheckpoint, &path, message);
    }
}

/// A device gives out parts of itself, but nobody gets one and a half.
fn gpus(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let shapes = workload.generated.iter().flat_map(|g| g.shapes.iter().flatten());
    let shapes = shapes.enumerate().map(|(i, s)| (format!("{path}.generated.shapes[{i}]"), s.gpu));
    let pods = workload.pods.iter().flatten().enumerate();
    let pods = pods.filter_map(|(i, pod)| Some((format!("{path}.pods[{i}]"), pod.gpu?)));
    for (path, gpu) in shapes.chain(pods).filter(|(_, gpu)| MilliGpu::new(*gpu).is_none()) {
        let message = format!("{gpu} is neither a whole number of GPUs nor thousandths of one");
        report
            .error(Code::OutOfRange, &format!("{path}.gpu"), message)
            .hint("such as 2, or 0.25 for a quarter of a shared device");
    }
}

fn service(workload: &Workload, path: &str, report: &mut Report<'_>) {
    if workload.kind == WorkloadKind::Deployment && workload.retries.is_some() {
        let message = "the pods of a Deployment are always replaced";
        report.warning(Code::IgnoredKey, &format!("{path}.retries"), message);
    }
    let Some(load) = &workload.load else {
        return;
    };
    let path = format!("{path}.load");
    if load.step.0 < Span::MINUTE {
        let message = format!("expected at least 1m, found {}", load.step);
        report.error(Code::OutOfRange, &format!("{path}.step"), message);
    }
    if load.min_replicas > load.max_replicas {
        let message = format!("more than `maxReplicas` of {}", load.max_replicas);
        report.error(Code::OutOfRange, &format!("{path}.minReplicas"), message);
    }
}

/// What more workers draw goes with what more workers do.
fn power_ratio(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let ratio = &workload.power_ratio;
    let path = format!("{path}.powerRatio");
    let rises = ratio.windows(2).all(|pair| pair[0] <= pair[1]);
    let from_one = ratio.first().is_none_or(|first| (first - 1.0).abs() < 1e-9);
    if !rises || !from_one {
        let message = "the power of workers starts with 1, for one worker, and never falls";
        report.error(Code::OutOfRange, &path, message).hint("such as `[1, 2, 2.9]`");
    }
    if !ratio.is_empty() && ratio.len() != workload.speedup.len() {
        let message =
            format!("{} numbers, where `speedup` has {}", ratio.len(), workload.speedup.len());
        report.error(Code::OutOfRange, &path, message);
    }
}

/// A profile says how much more workers do: it starts with one worker and never falls.
fn speedup(workload: &Workload, path: &str, report: &mut Report<'_>) {
    let path = format!("{path}.speedup");
    let rises = workload.speedup.windows(2).all(|pair| pair[0] <= pair[1]);
    let from_one = workload.speedup.first().is_some_and(|first| (first - 1.0).abs() < 1e-9);
    if !rises || !from_one {
        let message = "a scaling profile starts with 1, for one worker, and never falls";
        report.error(Code::OutOfRange, &path, message).hint("such as `[1, 1.9, 2.7]`");
    }
    if workload.kind == WorkloadKind::Deployment && workload.speedup.len() > 1 {
        let message = "a service has no work to finish, so its profile is never used";
        report.warning(Code::IgnoredKey, &path, message);
    }
}

fn template(template: Option<&PodTemplate>, path: &str, report: &mut Report<'_>) {
    let Some(template) = template else { return };
    let pod = &template.spec;
    names::labels(&template.metadata.labels, &format!("{path}.metadata.labels"), report);
    names::labels(&pod.node_selector, &format!("{path}.spec.nodeSelector"), report);
    for (i, toleration) in pod.tolerations.iter().enumerate() {
        let path = format!("{path}.spec.tolerations[{i}]");
        let exists = toleration.operator == TolerationOperator::Exists;
        if toleration.key.is_none() && !exists {
            let message = "a toleration without a key has the operator `Exists`";
            report.error(Code::BadLabel, &path, message);
        }
        if exists && !toleration.value.is_empty() {
            let message = "`Exists` accepts any value, so it has none";
            report.error(Code::BadLabel, &format!("{path}.value"), message);
        }
    }
    let rules = pod.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let Some(rules) = rules else { return };
    let path = format!("{path}.spec.affinity.nodeAffinity");
    for (i, term) in rules.required.iter().flat_map(|r| &r.node_selector_terms).enumerate() {
        let path =
            format!("{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}]");
        requirements(&term.match_expressions, &path, report);
    }
    for (i, preferred) in rules.preferred.iter().enumerate() {
        let path =
            format!("{path}.preferredDuringSchedulingIgnoredDuringExecution[{i}].preference");
        requirements(&preferred.preference.match_expressions, &path, report);
    }
}

pub(super) fn requirements(requirements: &[Requirement], path: &str, report: &mut Report<'_>) {
    for (i, requirement) in requirements.iter().enumerate() {
        let path = format!("{path}.matchExpressions[{i}]");
        names::label_key(&requirement.key, &format!("{path}.key"), report);
        let values = &requirement.values;
        let problem = match requirement.operator {
            Operator::In | Operator::NotIn if values.is_empty() => "needs at least one value",
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => "has no values",
            Operator::Gt | Operator::Lt if !is_one_number(values) => "needs one whole number",
            _ => continue,
        };
        let message = format!("`{:?}` {problem}", requirement.operator);
        report.error(Code::BadLabel, &format!("{path}.values"), message);
    }
}

fn is_one_number(values: &[String]) -> bool {
    matches!(values, [value] if value.parse::<i64>().is_ok())
}

/// Whether any node takes the pods, as far as their requests are written in the scenario.
fn room(workload: &Workload, pools: &[Pool], path: &str, report: &mut Report<'_>) {
    let class = cluster::class(workload);
    let room = match Room::new(&class, pools) {
        Ok(room) => room,
        Err(hint) => {
            let message = format!("no node pool accepts the pods of `{}`", workload.name);
            report.error(Code::NoPoolMatches, path, message).maybe_hint(hint);
            return;
        }
    };
    let own = cluster::requests(workload);
    let mut check = |requests: Resources, path: &str| room.check(&requests, path, report);
    if workload.replicas.is_some() || workload.load.is_some() {
        let cpu = own.cpu.unwrap_or_default();
        check(with(cpu, own.memory, own.gpu), &format!("{path}.template"));
    }
    let shapes = workload.generated.iter().flat_map(|g| g.shapes.iter().flatten());
    for (i, shape) in shapes.enumerate() {
        let path = format!("{path}.generated.shapes[{i}]");
        let gpu = MilliGpu::new(shape.gpu).unwrap_or_default();
        check(with(shape.cpu.0, shape.memory.0, gpu), &path);
    }
    for (i, pod) in workload.pods.iter().flatten().enumerate() {
        let path = format!("{path}.pods[{i}]");
        check(cluster::pod_requests(pod, &own), &path);
    }
    // The pods of a trace are seen when it is read.
}

fn with(cpu: MilliCpu, memory: Bytes, gpu: MilliGpu) -> Resources {
    Resources { cpu, memory, gpu }
}

/// Refuses a scenario whose pods would not fit into memory, before they are drawn.
fn count(spec: &Spec, report: &mut Report<'_>) {
    let days = spec.duration.0.hours() / 24.0;
    let pods: f64 = spec.workloads.iter().map(|w| expected_pods(w, days)).sum();
    if pods > MOST_PODS {
        let message = format!("about {pods:.0} pods; a run holds 50 million at most");
        report
            .error(Code::TooManyPods, "spec.workloads", message)
            .hint("lower `podsPerDay`, `count` or `duration`");
    }
}

fn expected_pods(workload: &Workload, days: f64) -> f64 {
    // Up to 7/5 of the mean of a week fall on a working day.
    let generated = workload.generated.as_ref();
    let per_day = generated.and_then(|g| g.pods_per_day).unwrap_or(0.0) * 1.4;
    let listed = workload.pods.iter().flatten();
    let listed: f64 = listed.map(|pod| f64::from(pod.count)).sum();
    let most = workload.load.as_ref().map(|load| load.max_replicas);
    per_day * days + listed + workload.replicas.or(most).map_or(0.0, f64::from)
}
