//! Node pools.

use carbon_kube_core::Span;
use carbon_kube_core::zone::nearest_name;

use super::names;
use crate::scenario::cluster::GRID_ZONE;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::schema::{did_you_mean, quoted};
use crate::scenario::spec::{NodePool, Spec, ZonePue};

pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let pool_names = spec.node_pools.iter().map(|pool| pool.name.as_str());
    names::unique("spec.nodePools", "name", pool_names, report);
    let zones: Vec<&str> = spec.grid.zones.iter().map(|z| z.zone.0.as_str()).collect();
    for (i, pool) in spec.node_pools.iter().enumerate() {
        let path = format!("spec.nodePools[{i}]");
        names::dns_label(&pool.name, &format!("{path}.name"), report);
        known_zone(pool, &zones, &path, report);
        complete(pool, &path, report);
        power(pool, &path, report);
        count(pool, &path, report);
        one_pue(pool, spec, &path, report);
        away(pool, &path, report);
        labels(pool, &path, report);
    }
}

fn known_zone(pool: &NodePool, zones: &[&str], path: &str, report: &mut Report<'_>) {
    let zone = pool.zone.0.as_str();
    if zones.contains(&zone) {
        return;
    }
    let near = did_you_mean(nearest_name(zone, zones.iter().copied()));
    let listed = || format!("the scenario's grid has {}", quoted(zones.iter().copied()));
    report
        .error(
            Code::NoIntensity,
            &format!("{path}.zone"),
            format!("no carbon intensity for zone `{zone}`"),
        )
        .hint(near.map_or_else(listed, |near| format!("{}; {near}", listed())));
}

fn complete(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    // An unknown instance type has been reported already, and would bring these.
    if pool.instance_type.is_some() {
        return;
    }
    let missing = [
        ("allocatable.cpu", pool.allocatable.cpu.is_none()),
        ("allocatable.memory", pool.allocatable.memory.is_none()),
        ("power", pool.power.is_none()),
    ];
    for (key, _) in missing.into_iter().filter(|(_, missing)| *missing) {
        report
            .error(Code::IncompletePool, &format!("{path}.{key}"), "a pool needs this key")
            .hint("or an `instanceType` that brings it, such as `m5.4xlarge`");
    }
    let nothing = pool.allocatable.cpu.as_ref().is_some_and(|cpu| cpu.0.0 == 0);
    if nothing {
        let path = format!("{path}.allocatable.cpu");
        report.error(Code::OutOfRange, &path, "a node needs CPU above zero");
    }
}

fn power(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    let Some(power) = pool.power.as_ref().filter(|p| p.busy_watts < p.idle_watts) else {
        return;
    };
    let message = format!(
        "a busy node draws {} W, less than the {} W of an idle one",
        power.busy_watts, power.idle_watts
    );
    report
        .error(Code::PowerOrder, &format!("{path}.power.busyWatts"), message)
        .hint("`busyWatts` includes the idle power");
}

fn count(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    let path = format!("{path}.count");
    let Some(scaling) = &pool.autoscaling else {
        if pool.count == 0 {
            report
                .error(Code::OutOfRange, &path, "a pool needs at least one node")
                .hint("with `autoscaling` it may start with none");
        }
        return;
    };
    if !(scaling.min..=scaling.max).contains(&pool.count) {
        let message = format!(
            "{} nodes are not between `autoscaling.min` of {} and `max` of {}",
            pool.count, scaling.min, scaling.max
        );
        report.error(Code::OutOfRange, &path, message);
    }
}

/// A zone's changing PUE is that of all of its pools.
fn one_pue(pool: &NodePool, spec: &Spec, path: &str, report: &mut Report<'_>) {
    let zone = spec.grid.zones.iter().find(|zone| zone.zone == pool.zone);
    let Some(mean) = zone.and_then(|zone| zone.pue.as_ref()).map(ZonePue::mean) else {
        return;
    };
    if pool.pue.is_some_and(|own| (own - mean).abs() > 1e-9) {
        let message = format!("zone `{}` has a `pue` of its own, {mean:.3} in the mean", pool.zone);
        report
            .error(Code::NotOne, &format!("{path}.pue"), message)
            .hint("leave one of the two out");
    }
}

/// Shorter than this between two outages and a run would be nothing else.
const SHORTEST_UPTIME: Span = Span::MINUTE;

fn away(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    let failures = pool.failures.as_ref().map(|failures| ("failures", &failures.mean_between));
    let spot = pool.spot.as_ref().map(|spot| ("spot", &spot.mean_between));
    for (key, between) in failures.into_iter().chain(spot) {
        if between.0 < SHORTEST_UPTIME {
            let message = format!("expected at least {SHORTEST_UPTIME}, found {between}");
            report.error(Code::OutOfRange, &format!("{path}.{key}.meanBetween"), message);
        }
    }
}

fn labels(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    names::labels(&pool.labels, &format!("{path}.labels"), report);
    for (key, value) in [
        ("instanceType", &pool.instance_type),
        ("region", &pool.region),
        ("topologyZone", &pool.topology_zone),
    ] {
        if let Some(value) = value {
            names::label_value(value, &format!("{path}.{key}"), report);
        }
    }
    let own = pool.labels.get(GRID_ZONE);
    if own.is_some_and(|own| own.as_str() != pool.zone.0.as_str()) {
        let path = format!("{path}.labels[\"{GRID_ZONE}\"]");
        let message = format!("the label contradicts the pool's zone `{}`", pool.zone);
        report.error(Code::BadLabel, &path, message).hint("leave it out: it is set from `zone`");
    }
    for (i, taint) in pool.taints.iter().enumerate() {
        let path = format!("{path}.taints[{i}]");
        names::label_key(&taint.key, &format!("{path}.key"), report);
        names::label_value(&taint.value, &format!("{path}.value"), report);
    }
}
