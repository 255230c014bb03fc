//! A world of one zone and one week, drawn at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time, Watts, seed};
use carbon_kube_policies::Holding;
use carbon_kube_sim::world::{
    AccountingSettings, Affinity, Disruption, GridZone, Owner, Pod, PodClass, PodRules, Pool,
    ReleaseOrder, Resources, SchedulerSettings, Scoring, World,
};
use rand::Rng;

use super::config::{LONGEST_JOB, WorldConfig};

/// The world of an episode: the same for the same seed, zone and start.
pub(super) fn world(
    config: &WorldConfig,
    series: &Arc<IntensitySeries>,
    forecast: &ForecastModel,
    root: u64,
    start: Time,
) -> World {
    let end = start + Span::HOUR * i64::from(config.episode_hours);
    let zone = GridZone {
        zone: series.label().zone.clone(),
        series: Arc::clone(series),
        overhead: None,
        beside: None,
        electricity: None,
    };
    World {
        name: "training".to_owned(),
        seed: root,
        start,
        end,
        zones: vec![zone],
        pools: vec![pool(config)],
        classes: vec![class(config, "batch", false), class(config, "in-pieces", true)],
        pods: pods(config, root, start, end),
        traces: Vec::new(),
        forecast: forecast.clone(),
        scheduler: scheduler(config),
        accounting: AccountingSettings {
            transfer_kwh_per_gb: 0.06,
            egress_usd_per_gb: 0.0,
            // Nobody reads the rows.
            report_interval: Span::DAY,
        },
    }
}

/// As in a scenario that says nothing about its scheduler.
fn scheduler(config: &WorldConfig) -> SchedulerSettings {
    SchedulerSettings {
        holding: Holding::Gate,
        control_interval: config.control_interval(),
        signal_delay: Span::ZERO,
        percentage_of_nodes_to_score: 100,
        place_weight: 1,
        releases_per_minute: 600.0,
        release_order: ReleaseOrder::Urgency,
        backoff_initial: Span::SECOND,
        backoff_max: Span::SECOND * 10,
        preemption: false,
        latency: Span::ZERO,
        cleanup: Span::ZERO,
        scoring: Scoring::LeastAllocated,
    }
}

fn pool(config: &WorldConfig) -> Pool {
    let cluster = config.cluster;
    // The configuration was checked.
    let watts = |watts: f64| Watts::new(watts).unwrap_or(Watts::ZERO);
    Pool {
        name: "nodes".to_owned(),
        zone: 0,
        count: cluster.nodes,
        allocatable: resources(cluster.cores),
        max_pods: 10_000,
        labels: BTreeMap::new(),
        taints: Vec::new(),
        idle: watts(cluster.idle_watts),
        busy: watts(cluster.busy_watts),
        curve: None,
        watts_per_gpu: Watts::ZERO,
        pue: 1.0,
        embodied_kg: 0.0,
        lifetime_years: 4.0,
        usd_per_hour: 0.0,
        prepaid: false,
        speed: 1.0,
        autoscaling: None,
        outages: Vec::new(),
    }
}

fn resources(cores: u32) -> Resources {
    Resources {
        cpu: MilliCpu(u64::from(cores) * 1_000),
        // As on most machines: memory is not what runs out.
        memory: Bytes(u64::from(cores) << 32),
        gpu: MilliGpu(0),
    }
}

fn class(config: &WorldConfig, name: &str, interruptible: bool) -> PodClass {
    PodClass {
        name: name.to_owned(),
        owner: Owner::Job,
        priority: 0,
        node_selector: BTreeMap::new(),
        affinity: Affinity::default(),
        tolerations: Vec::new(),
        interruptible,
        migratable: false,
        checkpoint: Span::from_hours(config.workload.checkpoint_minutes / 60.0),
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

/// Jobs from `start` to `end`, by arrival.
fn pods(config: &WorldConfig, root: u64, start: Time, end: Time) -> Vec<Pod> {
    let workload = &config.workload;
    let mut arrivals = seed::stream(root, "arrivals");
    let mut jobs = seed::stream(root, "jobs");
    let between = 24.0 / workload.jobs_per_day;
    let mut pods = Vec::with_capacity((workload.jobs_per_day * 8.0) as usize);
    let mut at = start;
    loop {
        at += Span::from_hours(exponential(&mut arrivals, between));
        if at >= end {
            return pods;
        }
        let hours = exponential(&mut jobs, workload.mean_hours);
        let interruptible = uniform(&mut jobs) < workload.interruptible;
        let cores = pick(&mut jobs, &workload.cores);
        let max_delay = Span::from_hours(pick(&mut jobs, &workload.max_delay_hours));
        pods.push(Pod {
            class: u32::from(interruptible),
            arrival: at,
            duration: Span::from_hours(hours).max(Span::MINUTE).min(LONGEST_JOB),
            max_delay: Some(max_delay),
            requests: resources(cores),
        });
    }
}

/// A number of an exponential distribution, by inversion.
fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -mean * libm::log(1.0 - uniform(rng))
}

/// A number of [0, 1) with 53 random bits.
#[must_use]
pub fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    choices[(uniform(rng) * choices.len() as f64) as usize]
}
