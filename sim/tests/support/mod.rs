//! Small worlds for tests and benchmarks.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    reason = "test code; each test binary uses its part"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time, Watts};
use carbon_kube_policies::{Holding, Settings};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::world::*;

/// 2020-06-01T00:00:00Z, a Monday.
pub const START: Time = Time::from_millis(1_590_969_600_000);

pub fn hours(h: f64) -> Span {
    Span::from_hours(h)
}

pub fn after(h: f64) -> Time {
    START + hours(h)
}

/// A zone with these hourly values from [`START`] on.
pub fn zone(name: &str, values: impl IntoIterator<Item = f64>) -> GridZone {
    zone_from(name, START, Span::HOUR, values)
}

pub fn zone_from(
    name: &str,
    start: Time,
    step: Span,
    values: impl IntoIterator<Item = f64>,
) -> GridZone {
    let zone: carbon_kube_core::Zone = name.parse().unwrap();
    let label = Label {
        zone: zone.clone(),
        area: "test".into(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let series = IntensitySeries::new(label, start, step, values.into_iter().map(Some)).unwrap();
    GridZone { zone, series: Arc::new(series), overhead: None, beside: None, electricity: None }
}

/// Nodes of 4 cores and 16 GiB, 100 W idle and 300 W busy, no overhead: 50 W per busy core.
pub fn pool(name: &str, zone: usize, count: u32) -> Pool {
    Pool {
        name: name.into(),
        zone,
        count,
        allocatable: resources(4.0, 16),
        max_pods: 110,
        labels: BTreeMap::from([("pool".to_owned(), name.to_owned())]),
        taints: Vec::new(),
        idle: Watts::new(100.0).unwrap(),
        busy: Watts::new(300.0).unwrap(),
        curve: None,
        watts_per_gpu: Watts::ZERO,
        pue: 1.0,
        embodied_kg: 0.0,
        lifetime_years: 4.0,
        usd_per_hour: 0.4,
        prepaid: false,
        speed: 1.0,
        autoscaling: None,
        outages: Vec::new(),
    }
}

pub fn resources(cores: f64, gibibytes: u64) -> Resources {
    Resources {
        cpu: MilliCpu((cores * 1_000.0) as u64),
        memory: Bytes(gibibytes << 30),
        gpu: MilliGpu(0),
    }
}

pub fn class(name: &str) -> PodClass {
    PodClass {
        name: name.into(),
        owner: Owner::Job,
        priority: 0,
        node_selector: BTreeMap::new(),
        affinity: Affinity::default(),
        tolerations: Vec::new(),
        interruptible: false,
        migratable: false,
        checkpoint: Span::ZERO,
        data: Bytes(0),
        cpu_utilisation: 1.0,
        gpu_utilisation: 1.0,
        speedup: vec![1.0],
        draw: vec![1.0],
        expected_duration: None,
        rules: PodRules::default(),
        disruption: Disruption::default(),
        load: None,
    }
}

/// A pod of class 0 with one core and 1 GiB.
pub fn pod(arrival: f64, duration: f64, max_delay: Option<f64>) -> Pod {
    Pod {
        class: 0,
        arrival: after(arrival),
        duration: hours(duration),
        max_delay: max_delay.map(hours),
        requests: resources(1.0, 1),
    }
}

/// A world of a day with these parts.
pub fn world(
    zones: Vec<GridZone>,
    pools: Vec<Pool>,
    classes: Vec<PodClass>,
    pods: Vec<Pod>,
) -> World {
    World {
        name: "test".into(),
        seed: 7,
        start: START,
        end: after(24.0),
        zones,
        pools,
        classes,
        pods,
        traces: Vec::new(),
        forecast: ForecastModel::Perfect,
        scheduler: SchedulerSettings {
            holding: Holding::Gate,
            control_interval: Span::HOUR,
            signal_delay: Span::ZERO,
            percentage_of_nodes_to_score: 100,
            place_weight: 1,
            releases_per_minute: 600.0,
            release_order: ReleaseOrder::Urgency,
            backoff_initial: Span::SECOND,
            backoff_max: Span::from_millis(10_000),
            preemption: true,
            latency: Span::ZERO,
            cleanup: Span::ZERO,
            scoring: Scoring::LeastAllocated,
        },
        accounting: AccountingSettings {
            transfer_kwh_per_gb: 0.06,
            egress_usd_per_gb: 0.02,
            report_interval: Span::HOUR,
        },
    }
}

/// Runs a policy by its scenario notation, `"threshold"` or `{"threshold": {...}}`.
pub fn run(world: &World, policy: serde_json::Value) -> Outcome {
    let settings: Settings = serde_json::from_value(policy).unwrap();
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, settings.policy(), settings.name(), hooks).unwrap()
}
