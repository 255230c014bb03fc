//! Worlds and outcomes made by hand, for the tests of the reports.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{
    Bytes, GramsCo2e, KilowattHours, MilliCpu, MilliGpu, Span, Time, UsDollars, Watts, Zone,
};

use crate::outcome::{IntervalRow, Outcome, PodOutcome, PodState, ZoneAccount};
use crate::world::{
    AccountingSettings, Affinity, Disruption, GridZone, Owner, Pod, PodClass, PodRules, Pool,
    ReleaseOrder, Resources, SchedulerSettings, Scoring, World,
};

const ZONES: [&str; 7] = ["US-TX", "US-CA", "US-NY", "US-NE", "EU-DE", "EU-FR", "EU-UK"];

pub(super) const POLICIES: [&str; 10] = [
    "default-scheduler",
    "threshold",
    "percentile",
    "hour-table",
    "plan",
    "lowest-zone",
    "lowest-slot",
    "wait-awhile",
    "carbon-time",
    "tuner",
];

/// `hours` after the start of every world here: 2020-06-01T00:00:00Z.
pub(super) fn at(hours: f64) -> Time {
    Time::from_millis(1_590_969_600_000) + Span::from_hours(hours)
}

fn grams(value: f64) -> GramsCo2e {
    GramsCo2e::from_grams(value)
}

fn watts(value: f64) -> Watts {
    Watts::new(value).unwrap()
}

fn intensity(zone: usize, hour: f64) -> f64 {
    let mean = [420.0, 240.0, 260.0, 300.0, 360.0, 55.0, 210.0][zone];
    let local = hour - 6.0 + zone as f64;
    let weather = (hour / 61.0 * TAU).sin() * 0.2;
    mean * (1.0 + weather + 0.3 * (local / 24.0 * TAU).cos() - 0.08 * (local / 12.0 * TAU).sin())
}

fn world(zones: usize, hours: usize) -> World {
    let zone = |i: usize| {
        let zone: Zone = ZONES[i].parse().unwrap();
        let label = Label {
            zone: zone.clone(),
            area: ["ERCOT", "EIA region CAL"].get(i).unwrap_or(&ZONES[i]).to_string(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: "local".into(),
            provenance: if i.is_multiple_of(2) && i < 3 {
                Provenance::Modelled
            } else {
                Provenance::Measured
            },
            source: ["typical-year model", "US EIA form 930"][usize::from(i == 1)].into(),
        };
        let values = (0..hours.max(1)).map(|hour| Some(intensity(i, hour as f64)));
        let series = IntensitySeries::new(label, at(0.0), Span::HOUR, values).unwrap();
        GridZone { zone, series: Arc::new(series), overhead: None, beside: None, electricity: None }
    };
    let pool = |i: usize| Pool {
        name: format!("pool-{i}"),
        zone: i,
        count: 1,
        allocatable: Resources::default(),
        max_pods: 110,
        labels: BTreeMap::new(),
        taints: Vec::new(),
        idle: watts(100.0),
        busy: watts(300.0),
        curve: None,
        watts_per_gpu: Watts::ZERO,
        pue: 1.0,
        embodied_kg: 1_000.0,
        lifetime_years: 4.0,
        usd_per_hour: 1.0,
        prepaid: false,
        speed: 1.0,
        autoscaling: None,
        outages: Vec::new(),
    };
    let class = |name: &str, owner: Owner| PodClass {
        name: name.into(),
        owner,
        priority: 0,
        node_selector: BTreeMap::new(),
        affinity: Affinity::default(),
        tolerations: Vec::new(),
        interruptible: true,
        migratable: true,
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
    };
    World {
        name: "tiny".into(),
        seed: 7,
        start: at(0.0),
        end: at(hours as f64),
        zones: (0..zones).map(zone).collect(),
        pools: (0..zones).map(pool).collect(),
        classes: vec![class("train", Owner::Job), class("web", Owner::Deployment)],
        pods: Vec::new(),
        traces: Vec::new(),
        forecast: ForecastModel::Persistence,
        scheduler: SchedulerSettings {
            holding: carbon_kube_policies::Holding::Gate,
            control_interval: Span::HOUR,
            signal_delay: Span::ZERO,
            percentage_of_nodes_to_score: 100,
            place_weight: 1,
            releases_per_minute: 60.0,
            release_order: ReleaseOrder::Urgency,
            backoff_initial: Span::SECOND,
            backoff_max: Span::from_seconds(10.0),
            preemption: true,
            latency: Span::ZERO,
            cleanup: Span::ZERO,
            scoring: Scoring::LeastAllocated,
        },
        accounting: AccountingSettings {
            transfer_kwh_per_gb: 0.06,
            egress_usd_per_gb: 0.09,
            report_interval: Span::HOUR,
        },
    }
}

fn pod(class: u32, arrival: f64, hours: f64, max_delay: Option<f64>) -> Pod {
    Pod {
        class,
        arrival: at(arrival),
        duration: Span::from_hours(hours),
        max_delay: max_delay.map(Span::from_hours),
        requests: Resources { cpu: MilliCpu(2_500), memory: Bytes(1 << 30), gpu: MilliGpu(0) },
    }
}

/// Two zones, four hours, four pods, two policies; every expected number can be checked by hand.
///
/// The reference, `default-scheduler`, in grams:
///
/// | zone  | operational | idle | embodied | transfer | sum | kWh | USD |
/// |-------|-------------|------|----------|----------|-----|-----|-----|
/// | US-TX |         800 |  400 |       50 |        0 | 1250|  3  |  4  |
/// | US-CA |         200 |  200 |       50 |        0 |  450|  2  |  4  |
/// | sum   |        1000 |  600 |      100 |        0 | 1700|  5  |  8  |
///
/// `threshold` moves half of US-TX's work and one pod to US-CA:
///
/// | zone  | operational | idle | embodied | transfer | sum | kWh | USD |
/// |-------|-------------|------|----------|----------|-----|-----|-----|
/// | US-TX |         400 |  400 |       50 |       30 |  880|  2  |  4  |
/// | US-CA |         300 |  200 |       50 |       20 |  570| 2.5 | 4.5 |
/// | sum   |         700 |  600 |      100 |       50 | 1450| 4.5 | 8.5 |
///
/// Saving: 1 - 1450/1700 = 14.705... %.
///
/// Delay of the three Jobs, finish - arrival - length, under `threshold`:
/// train-0: 3 - 0 - 1 = 2 h, equal to its maximum: kept; train-1: 2 - 1 - 0.5 = 0.5 h, above its
/// maximum of 0.25 h: missed; train-2 never ends: missed, and no delay. Mean 1.25, p50 is the
/// 1st of two (0.5), p95 the 2nd (2). The service counts as completed, but has no delay.
pub(crate) fn tiny() -> (World, Vec<Outcome>) {
    let mut world = world(2, 4);
    world.pods = vec![
        pod(0, 0.0, 1.0, Some(2.0)),
        pod(1, 0.0, 4.0, None),
        pod(0, 1.0, 0.5, Some(0.25)),
        pod(0, 2.0, 1.0, Some(1.0)),
    ];
    let account = |parts: [f64; 4], kwh: f64, usd: f64| ZoneAccount {
        operational: grams(parts[0]),
        idle: grams(parts[1]),
        embodied: grams(parts[2]),
        transfer: grams(parts[3]),
        energy: KilowattHours::from_kwh(kwh),
        cost: UsDollars::from_dollars(usd),
        node_hours: 4.0,
        electricity: UsDollars::ZERO,
    };
    let done = |start: f64, finish: f64, pool: u32, operational: f64| PodOutcome {
        state: PodState::Completed,
        start: Some(at(start)),
        finish: Some(at(finish)),
        pool: Some(pool),
        operational: grams(operational),
        energy: KilowattHours::from_kwh(operational / 400.0),
        cost: UsDollars::from_dollars(1.0),
        ..PodOutcome::default()
    };
    let rows = |rows: [[f64; 2]; 4], threshold: f64| {
        let row = |(i, watts): (usize, f64)| IntervalRow {
            start: at((i / 2) as f64),
            zone: (i % 2) as u32,
            // The trace of the second zone ends an hour early.
            intensity: if i == 7 { f64::NAN } else { [400.0, 200.0][i % 2] },
            threshold,
            pod_watts: watts,
            idle_watts: 100.0,
            grams: (watts + 100.0) / 1e3 * [400.0, 200.0][i % 2],
            running: watts / 100.0,
        };
        rows.into_iter().flatten().enumerate().map(row).collect()
    };
    let reference = Outcome {
        policy: POLICIES[0].into(),
        end: at(4.0),
        zones: vec![
            account([800.0, 400.0, 50.0, 0.0], 3.0, 4.0),
            account([200.0, 200.0, 50.0, 0.0], 2.0, 4.0),
        ],
        intervals: rows([[500.0, 250.0]; 4], f64::NAN),
        pods: vec![
            done(0.0, 1.0, 0, 400.0),
            done(0.0, 4.0, 1, 200.0),
            done(1.0, 1.5, 0, 200.0),
            done(2.0, 3.0, 0, 200.0),
        ],
        events: 21,
        digest: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        charged_beyond_trace: 0,
        unserved_core_hours: 0.0,
        tuning: Default::default(),
    };
    let mut held = done(2.0, 3.0, 1, 300.0);
    held.held = Span::from_hours(2.0);
    held.migrations = 1;
    held.transfer = grams(50.0);
    let mut late = done(1.5, 2.0, 0, 200.0);
    late.pauses = 1;
    late.evictions = 2;
    let threshold = Outcome {
        policy: POLICIES[1].into(),
        end: at(4.0),
        zones: vec![
            account([400.0, 400.0, 50.0, 30.0], 2.0, 4.0),
            account([300.0, 200.0, 50.0, 20.0], 2.5, 4.5),
        ],
        intervals: rows([[100.0, 200.0], [250.0, 300.0], [400.0, 500.0], [250.0, 500.0]], 300.0),
        pods: vec![held, done(0.0, 4.0, 1, 200.0), late, PodOutcome::default()],
        events: 34,
        digest: 0xfe,
        charged_beyond_trace: 0,
        unserved_core_hours: 0.0,
        tuning: Default::default(),
    };
    (world, vec![reference, threshold])
}

/// A likely-looking run of `days` days: daily shapes, policies that shift more and more work, and
/// accounts that agree with the rows.
pub(super) fn many(policies: usize, zones: usize, days: usize) -> (World, Vec<Outcome>) {
    let mut world = world(zones, days * 24);
    world.name = "week-of-training".into();
    world.pods = (0..days * 60)
        .map(|i| {
            let length = 0.25 + (i * 7 % 11) as f64 * 0.5;
            pod(u32::from(i % 20 == 0), i as f64 * 0.4, length, Some(12.0))
        })
        .collect();
    let outcomes = (0..policies).map(|p| outcome(&world, p, days * 24)).collect();
    (world, outcomes)
}

fn outcome(world: &World, policy: usize, hours: usize) -> Outcome {
    let shift = policy as f64 / 12.0;
    let mut accounts = vec![ZoneAccount::default(); world.zones.len()];
    let mut intervals = Vec::new();
    for hour in 0..hours {
        for (zone, account) in accounts.iter_mut().enumerate() {
            let now = intensity(zone, hour as f64);
            let mean = world.zones[zone].series.overall_mean().get();
            let load = 9_000.0 * (1.0 + 0.4 * ((hour % 24) as f64 / 24.0 * TAU).sin());
            let wobble = (hour * (policy + 3) * 7919 % 101) as f64 * 12.0;
            let pod_watts = (load * (1.0 + 3.0 * shift * (1.0 - now / mean)) + wobble).max(0.0);
            let idle_watts = 3_000.0;
            let grams_of = |watts: f64| grams(watts / 1e3 * now);
            account.operational += grams_of(pod_watts);
            account.idle += grams_of(idle_watts);
            account.embodied += grams(28.5);
            account.energy += KilowattHours::from_kwh((pod_watts + idle_watts) / 1e3);
            account.cost += UsDollars::from_dollars(0.01 * (pod_watts / 100.0).round());
            intervals.push(IntervalRow {
                start: at(hour as f64),
                zone: zone as u32,
                intensity: now,
                threshold: if policy == 0 { f64::NAN } else { mean },
                pod_watts,
                idle_watts,
                grams: (pod_watts + idle_watts) / 1e3 * now,
                running: (pod_watts / 100.0).round(),
            });
        }
    }
    let pods = world.pods.iter().enumerate().map(|(i, pod)| {
        let wait = match i * 31 % 10 {
            0..4 => 0.01,
            r => shift * r as f64 * (1.0 + (i % 17) as f64 / 8.0),
        };
        let held = Span::from_hours(if policy == 0 { 0.002 * (i % 5) as f64 } else { wait });
        PodOutcome {
            state: PodState::Completed,
            start: Some(pod.arrival + held),
            finish: Some(pod.arrival + held + pod.duration),
            pool: Some((i % world.pools.len().max(1)) as u32),
            held,
            migrations: u32::from(policy > 4 && i % 9 == 0),
            energy: KilowattHours::from_kwh(0.1 * i as f64),
            operational: grams(i as f64 / 3.0),
            ..PodOutcome::default()
        }
    });
    Outcome {
        policy: POLICIES[policy % 10].into(),
        end: at(hours as f64),
        zones: accounts,
        intervals,
        pods: pods.collect(),
        events: 1_000,
        digest: policy as u128,
        charged_beyond_trace: 0,
        unserved_core_hours: 0.0,
        tuning: Default::default(),
    }
}
