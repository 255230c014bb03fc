//! The worlds that the papers assume: one zone, room for everything, a stated power per worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::{Bytes, GramsCo2e, MilliCpu, MilliGpu, Span, Time, Watts};
use carbon_kube_policies::{Holding, Policy};

use super::ReproduceError;
use super::reference::Trace;
use super::stays::{self, Stay};
use crate::engine::{self, Hooks};
use crate::outcome::{Outcome, PodState};
use crate::world::{
    AccountingSettings, Affinity, Disruption, GridZone, Operator, Owner, Pod, PodClass, PodRules,
    Pool, ReleaseOrder, Requirement, Resources, SchedulerSettings, Scoring, Taint, TaintEffect,
    World,
};

/// Cores of a node without limit.
const WITHOUT_LIMIT: u64 = 1_000_000;

/// The instant that traces without a date begin at, as the hours of LWA's year do: 2020-01-01.
pub(super) const START: Time = Time::from_millis(1_577_836_800_000);

/// A world of one zone in which no pod ever wants for room, with a perfect forecast.
pub(super) fn world(
    trace: &Trace,
    classes: Vec<PodClass>,
    mut pods: Vec<Pod>,
) -> Result<World, ReproduceError> {
    pods.sort_by_key(|pod| pod.arrival);
    let series = trace.series(START)?;
    let end = series.end();
    Ok(World {
        name: trace.name.clone(),
        seed: 0,
        start: START,
        end,
        zones: vec![GridZone {
            zone: series.label().zone.clone(),
            series,
            overhead: None,
            beside: None,
            electricity: None,
        }],
        pools: vec![pool("any", WITHOUT_LIMIT, 1.0)],
        classes,
        pods,
        traces: Vec::new(),
        forecast: ForecastModel::Perfect,
        scheduler: SchedulerSettings {
            holding: Holding::Gate,
            // Forecasts never change, and rules that look at the hour say so.
            control_interval: Span::DAY,
            signal_delay: Span::ZERO,
            percentage_of_nodes_to_score: 100,
            place_weight: 1,
            // The papers know no pacing.
            releases_per_minute: 1e9,
            release_order: ReleaseOrder::Urgency,
            backoff_initial: Span::SECOND,
            backoff_max: Span::SECOND,
            preemption: false,
            latency: Span::ZERO,
            cleanup: Span::ZERO,
            scoring: Scoring::LeastAllocated,
        },
        accounting: AccountingSettings {
            transfer_kwh_per_gb: 0.0,
            egress_usd_per_gb: 0.0,
            report_interval: Span::DAY * 30,
        },
    })
}

/// One node of so many cores, each of which draws `watts` when it is busy and nothing when not.
pub(super) fn pool(name: &str, cores: u64, watts: f64) -> Pool {
    Pool {
        name: name.to_owned(),
        zone: 0,
        count: u32::from(cores > 0),
        allocatable: Resources { memory: Bytes(1 << 50), ..resources(cores) },
        max_pods: u32::MAX / 4,
        labels: BTreeMap::from([("pool".to_owned(), name.to_owned())]),
        taints: Vec::new(),
        idle: Watts::ZERO,
        busy: Watts::ZERO + Watts::new(watts).unwrap_or(Watts::ZERO) * cores as f64,
        curve: None,
        watts_per_gpu: Watts::ZERO,
        pue: 1.0,
        embodied_kg: 0.0,
        lifetime_years: 1.0,
        usd_per_hour: 0.0,
        prepaid: false,
        speed: 1.0,
        autoscaling: None,
        outages: Vec::new(),
    }
}

/// The same without limit.
pub(super) fn endless(name: &str, watts: f64) -> Pool {
    pool(name, WITHOUT_LIMIT, watts)
}

/// A taint that pods avoid where another node will do.
pub(super) fn avoided() -> Taint {
    Taint { key: "last".into(), value: String::new(), effect: TaintEffect::PreferNoSchedule }
}

/// What a node of a pool has: a term of node affinity.
pub(super) fn in_pool(name: &str) -> Vec<Requirement> {
    vec![Requirement { key: "pool".into(), operator: Operator::In, values: vec![name.to_owned()] }]
}

/// Cores, and nothing else.
pub(super) fn resources(cores: u64) -> Resources {
    Resources { cpu: MilliCpu(cores * 1_000), memory: Bytes(0), gpu: MilliGpu(0) }
}

/// Jobs that may be paused for nothing.
pub(super) fn class(name: &str) -> PodClass {
    PodClass {
        name: name.to_owned(),
        owner: Owner::Job,
        priority: 0,
        node_selector: BTreeMap::new(),
        affinity: Affinity::default(),
        tolerations: Vec::new(),
        interruptible: true,
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

/// A pod of one core, of the first class.
pub(super) fn pod(arrival: Time, duration: Span, max_delay: Span) -> Pod {
    Pod { class: 0, arrival, duration, max_delay: Some(max_delay), requests: resources(1) }
}

/// Runs a policy.
pub(super) fn run(
    world: &World,
    policy: &dyn Policy,
    stop: &AtomicBool,
) -> Result<Outcome, ReproduceError> {
    let hooks = Hooks { stop, progress: &|_| {}, events: None, decisions: None };
    whole(world, engine::run(world, policy, policy.name(), hooks)?)
}

/// A run in which each job was done while the trace lasted: anything else would be a wrong number.
fn whole(world: &World, outcome: Outcome) -> Result<Outcome, ReproduceError> {
    let done = outcome.pods.iter().all(|pod| pod.state == PodState::Completed);
    if done && outcome.charged_beyond_trace == 0 {
        return Ok(outcome);
    }
    let why = format!("trace {} ends before the jobs do", world.name);
    Err(ReproduceError::Nothing { why })
}

/// Runs a policy and says when each pod ran where, by its number.
pub(super) fn run_with_stays(
    world: &World,
    policy: &dyn Policy,
    stop: &AtomicBool,
) -> Result<(Outcome, Vec<Stay>), ReproduceError> {
    let mut log = Vec::new();
    let events: Option<Box<dyn std::io::Write + Send + '_>> = Some(Box::new(&mut log));
    let hooks = Hooks { stop, progress: &|_| {}, events, decisions: None };
    let outcome = whole(world, engine::run(world, policy, policy.name(), hooks)?)?;
    let stays = stays::read(&log, world);
    Ok((outcome, stays))
}

/// What all pods together emitted.
pub(super) fn emitted(outcome: &Outcome) -> GramsCo2e {
    outcome.pods.iter().map(|pod| pod.operational).sum()
}

/// Sets the forecast of a world.
pub(super) fn expecting(
    world: World,
    forecast: carbon_kube_core::forecast::StatedForecast,
) -> World {
    World { forecast: ForecastModel::Stated(Arc::new(forecast)), ..world }
}
