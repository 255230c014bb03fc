//! What a scenario must fulfil beyond its schema: names, references between its parts, sizes.
//! Everything is reported at once. What needs a file to be read is checked in [`super::build`].

mod forecast;
mod grid;
mod names;
mod neighbours;
mod pools;
mod workloads;

pub(super) use workloads::rooms;

use carbon_kube_core::Span;

use super::diagnostic::{Code, Report};
use super::spec::{Holding, PolicyEntry, Scenario, Scheduler, ScoringStrategy, ScoringType, Spec};

/// The longest window: 20 years and their leap days.
const LONGEST: Span = Span::from_millis(20 * 366 * 86_400_000);

/// Reports everything that is wrong.
pub(super) fn check(scenario: &Scenario, report: &mut Report<'_>) {
    let spec = &scenario.spec;
    names::dns_label(&scenario.metadata.name, "metadata.name", report);
    window(spec, report);
    not_empty(spec, report);
    grid::check(&spec.grid, &spec.duration.0, report);
    pools::check(spec, report);
    workloads::check(spec, report);
    scheduler(spec, report);
    policies(spec, report);
    forecast::check(spec, report);
}

fn window(spec: &Spec, report: &mut Report<'_>) {
    let duration = spec.duration.0;
    if !duration.is_positive() {
        report
            .error(Code::BadWindow, "spec.duration", "the window is empty")
            .hint("a week is `7d`");
    } else if duration > LONGEST {
        let message = format!("the window of {duration} is longer than 20 years");
        report.error(Code::BadWindow, "spec.duration", message);
    }
}

fn not_empty(spec: &Spec, report: &mut Report<'_>) {
    let lists = [
        ("spec.grid.zones", spec.grid.zones.len(), "grid zone"),
        ("spec.nodePools", spec.node_pools.len(), "node pool"),
        ("spec.workloads", spec.workloads.len(), "workload"),
        ("spec.policies", spec.policies.len(), "policy"),
    ];
    for (path, count, what) in lists {
        if count == 0 {
            let message = format!("the list is empty: a scenario needs at least one {what}");
            report.error(Code::NothingToRun, path, message);
        }
    }
}

fn scheduler(spec: &Spec, report: &mut Report<'_>) {
    let scheduler = &spec.scheduler;
    let accounting = &spec.accounting;
    for (path, value, least) in [
        ("spec.scheduler.controlInterval", &scheduler.control_interval, Span::SECOND),
        ("spec.scheduler.backoffInitial", &scheduler.backoff_initial, Span::from_millis(1)),
        ("spec.accounting.reportInterval", &accounting.report_interval, Span::MINUTE),
    ] {
        if value.0 < least {
            let message = format!("expected at least {least}, found {value}");
            report.error(Code::OutOfRange, path, message);
        }
    }
    if scheduler.backoff_initial.0 > scheduler.backoff_max.0 {
        let message = format!(
            "the first back-off of {} is longer than `backoffMax` of {}",
            scheduler.backoff_initial, scheduler.backoff_max
        );
        report
            .error(Code::BackoffOrder, "spec.scheduler.backoffInitial", message)
            .hint("kube-scheduler has 1s and 10s");
    }
    if scheduler.latency.0 > Span::HOUR {
        let message = format!("a scheduling cycle of {} is longer than 1h", scheduler.latency);
        report.error(Code::OutOfRange, "spec.scheduler.latency", message);
    }
    retry_interval(scheduler, report);
    scoring(&scheduler.scoring_strategy, report);
}

fn scoring(strategy: &ScoringStrategy, report: &mut Report<'_>) {
    let path = "spec.scheduler.scoringStrategy.requestedToCapacityRatio";
    match (&strategy.requested_to_capacity_ratio, strategy.kind) {
        (None, ScoringType::RequestedToCapacityRatio) => {
            report.error(Code::MissingKey, path, "`RequestedToCapacityRatio` needs this key");
        }
        (Some(_), ScoringType::LeastAllocated | ScoringType::MostAllocated) => {
            let message = "only `type: RequestedToCapacityRatio` uses it";
            report.warning(Code::IgnoredKey, path, message);
        }
        (Some(ratio), _) => {
            let rises =
                ratio.shape.windows(2).all(|pair| pair[0].utilization < pair[1].utilization);
            if !rises {
                let message = "the points are not in the order of rising utilisation";
                report.error(Code::OutOfRange, &format!("{path}.shape"), message);
            }
        }
        (None, _) => {}
    }
}

fn retry_interval(scheduler: &Scheduler, report: &mut Report<'_>) {
    let Some(retry) = &scheduler.retry_interval else {
        return;
    };
    let path = "spec.scheduler.retryInterval";
    if scheduler.holding != Holding::Filter {
        let message = "it has no effect: nothing is refused with `holding: gate`";
        report.warning(Code::RetryInterval, path, message).hint("leave it out");
    } else if retry.0 < scheduler.backoff_max.0 {
        let message = format!("{retry} is shorter than `backoffMax` of {}", scheduler.backoff_max);
        report.error(Code::RetryInterval, path, message).hint("kube-scheduler has 5m30s and 10s");
    }
}

fn policies(spec: &Spec, report: &mut Report<'_>) {
    for (i, policy) in spec.policies.iter().enumerate() {
        let earlier = spec.policies[..i].iter().position(|earlier| earlier == policy);
        if let Some(earlier) = earlier {
            let message = format!("the same `{}` is already `policies[{earlier}]`", policy.name());
            report
                .error(Code::DuplicateName, &format!("spec.policies[{i}]"), message)
                .hint("leave it out, or give it other settings");
        }
    }
    let first = spec.policies.first().map_or("default-scheduler", PolicyEntry::name);
    if first != "default-scheduler" {
        let message = format!("savings will be relative to `{first}`");
        report
            .warning(Code::NotReference, "spec.policies[0]", message)
            .hint("put `default-scheduler` first");
    }
}
