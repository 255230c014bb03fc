//! Node pools.

use carbon_kube_core::Span;
use carbon_kube_core::power::CurveError;
use carbon_kube_core::zone::nearest_name;

use super::names;
use crate::scenario::cluster::{self, GRID_ZONE};
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::schema::{did_you_mean, quoted};
use crate::scenario::spec::{NodePool, Power, PowerModel, Spec, ZonePue};

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
        gpu(pool, &path, report);
        embodied(pool, &path, report);
        price(pool, &path, report);
        table(pool, &path, report);
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
    let path = format!("{path}.power");
    if let Some(power) = &pool.power {
        ends(power, &path, report);
        parameters(power, &path, report);
        if let Some(Err(error)) = cluster::curve(power) {
            let key = match error {
                CurveError::Order { .. } => "busyWatts",
                CurveError::Exponent(_) => "exponent",
                CurveError::Onset(_) => "onset",
                CurveError::TooFewPoints | CurveError::Falls { .. } => "points",
            };
            report
                .error(Code::PowerOrder, &format!("{path}.{key}"), error.to_string())
                .hint("`busyWatts` includes the idle power, and power never falls with use");
        }
    }
}

/// Either both ends or points.
fn ends(power: &Power, path: &str, report: &mut Report<'_>) {
    for (key, value) in [("idleWatts", power.idle_watts), ("busyWatts", power.busy_watts)] {
        let path = format!("{path}.{key}");
        if power.points.is_empty() && value.is_none() {
            report
                .error(Code::MissingKey, &path, format!("the required key `{key}` is missing"))
                .hint("or give measured `points`");
        } else if !power.points.is_empty() && value.is_some() {
            let message = "the first and the last of `points` say that already";
            report.error(Code::NotOne, &path, message).hint("leave it out");
        }
    }
}

/// A parameter of another model would be silently ignored.
fn parameters(power: &Power, path: &str, report: &mut Report<'_>) {
    let flattens = matches!(power.model, PowerModel::Asymptotic | PowerModel::AsymptoticDvfs);
    for (key, given, used, by) in [
        ("exponent", power.exponent, power.model == PowerModel::Mse, "mse"),
        ("onset", power.onset, flattens, "asymptotic"),
    ] {
        if given.is_some() && !used {
            let message = format!("only `model: {by}` has a use for this key");
            report.error(Code::UnknownKey, &format!("{path}.{key}"), message);
        }
    }
    if !power.points.is_empty() && power.model != PowerModel::Linear {
        let message = "`points` are a curve already";
        report.error(Code::NotOne, &format!("{path}.model"), message).hint("leave it out");
    }
}

fn gpu(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    let Some(gpu) = &pool.gpu else { return };
    match (gpu.idle_watts, gpu.busy_watts) {
        (Some(idle), Some(busy)) if busy < idle => {
            let message =
                format!("a busy GPU draws {busy} W, less than the {idle} W of an idle one");
            report
                .error(Code::PowerOrder, &format!("{path}.gpu.busyWatts"), message)
                .hint("`busyWatts` includes the idle power");
        }
        (Some(_), Some(_)) => {}
        // A model that nobody knows has been reported already.
        _ if gpu.model.is_some() => {}
        _ => {
            let message = "a GPU needs a `model`, or both `idleWatts` and `busyWatts`";
            report.error(Code::MissingKey, &format!("{path}.gpu"), message);
        }
    }
    if pool.instance_table.is_none() && pool.allocatable.gpu.unwrap_or(0) == 0 {
        let message = "the pool has no GPUs that could draw power";
        report
            .warning(Code::IgnoredKey, &format!("{path}.gpu"), message)
            .hint("say how many with `allocatable: {gpu: 8}`");
    }
}

fn embodied(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    if pool.embodied.as_ref().is_some_and(|embodied| embodied.kg_co2e.is_none()) {
        report
            .error(
                Code::MissingKey,
                &format!("{path}.embodied.kgCo2e"),
                "the required key `kgCo2e` is missing",
            )
            .hint("or say what the `server` is made of");
    }
}

fn price(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    let Some(price) = &pool.price else { return };
    if pool.usd_per_hour > 0.0 {
        let message = "the pool has a `price` already";
        report
            .error(Code::NotOne, &format!("{path}.usdPerHour"), message)
            .hint("leave one of the two out");
    }
    if let (None, key) = price.paid() {
        let message = format!("the pool is bought by this price, which is missing: `{key}`");
        report.error(Code::MissingKey, &format!("{path}.price.{key}"), message);
    }
}

fn table(pool: &NodePool, path: &str, report: &mut Report<'_>) {
    if pool.instance_table.is_some() && pool.instance_type.is_none() {
        let message = "`instanceTable` needs the name to look up";
        report.error(Code::MissingKey, &format!("{path}.instanceType"), message);
    }
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
