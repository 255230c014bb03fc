//! What holds for every world and every policy.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::power::{Curve, Shape};
use carbon_kube_core::price::PriceSeries;
use carbon_kube_core::view::{NodeView, PodView};
use carbon_kube_core::{Bytes, Span, Time, Watts};
use carbon_kube_policies::cycle::SCHEDULER_RETRY;
use carbon_kube_policies::{Gate, Holding, Policy, Settings, Signal, Verdict};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::{IntervalRow, Outcome, PodState, ZoneAccount};
use carbon_kube_sim::world::*;
use proptest::prelude::*;
use serde_json::Value;
use support::*;

prop_compose! {
    fn any_pod()(
        arrival in 0.0..24.0f64,
        duration in 0.01..10.0f64,
        max_delay in prop::option::of(0.0..20.0f64),
        cores in 0.1..4.0f64,
        memory in 1u64..16,
        class in 0u32..3,
    ) -> carbon_kube_sim::world::Pod {
        let mut pod = pod(arrival, duration, max_delay);
        pod.requests = resources(cores, memory);
        pod.class = class;
        pod
    }
}

fn any_curve() -> impl Strategy<Value = Curve> {
    let watts = |value: f64| Watts::new(value).unwrap();
    let points = prop::collection::vec(0.0..400.0f64, 2..12).prop_map(move |mut points| {
        points.sort_by(f64::total_cmp);
        Shape::Points(points.into_iter().map(watts).collect())
    });
    let shape = prop_oneof![Just(Shape::Sqrt), Just(Shape::Cubic), points];
    (shape, any::<bool>()).prop_map(move |(shape, sleeps)| {
        let curve = Curve::new(watts(100.0), watts(300.0), shape).unwrap();
        if sleeps { curve.zero_when_idle() } else { curve }
    })
}

prop_compose! {
    fn any_world()(
        grids in prop::collection::vec(prop::collection::vec(10.0..800.0f64, 24 * 14), 1..4),
        nodes in prop::collection::vec(1u32..5, 3),
        mut pods in prop::collection::vec(any_pod(), 1..80),
        forecast in prop::sample::select(vec![
            ForecastModel::Perfect, ForecastModel::Persistence, ForecastModel::Noisy,
            ForecastModel::Seasonal { period: Span::DAY },
        ]),
        control in prop::sample::select(vec![Span::HOUR, Span::MINUTE * 5]),
        holding in prop::sample::select(vec![
            Holding::Gate, Holding::Filter { retry: SCHEDULER_RETRY },
        ]),
        curves in prop::collection::vec(prop::option::of(any_curve()), 3),
        prices in prop::option::of(prop::collection::vec(-0.1..0.5f64, 24)),
    ) -> World {
        pods.sort_by_key(|pod| pod.arrival);
        let names = ["US-CA", "EU-DE", "EU-FR"];
        let zones = grids.into_iter().enumerate()
            .map(|(i, values)| zone_from(names[i], START - Span::DAY * 7, Span::HOUR, values))
            .collect::<Vec<_>>();
        let mut pools: Vec<_> = zones.iter().enumerate()
            .map(|(i, _)| pool(names[i], i, nodes[i]))
            .collect();
        for (pool, curve) in pools.iter_mut().zip(curves) {
            pool.idle = curve.as_ref().map_or(pool.idle, |curve| curve.watts(0.0));
            pool.curve = curve;
        }
        let mut classes = vec![class("plain"), class("pausable"), class("movable")];
        classes[1].interruptible = true;
        classes[1].checkpoint = Span::MINUTE * 3;
        classes[2].migratable = true;
        classes[2].interruptible = true;
        classes[2].checkpoint = Span::MINUTE;
        classes[2].data = Bytes(50_000_000);
        let mut world = world(zones, pools, classes, pods);
        let steps = |prices: Vec<f64>| (0..).map(|hour| START + Span::HOUR * hour).zip(prices);
        world.zones[0].electricity =
            prices.map(|prices| Arc::new(PriceSeries::new(steps(prices)).unwrap()));
        world.forecast = forecast;
        world.scheduler.control_interval = control;
        world.scheduler.holding = holding;
        world
    }
}

prop_compose! {
    /// The same with nodes that come and go, and pods that matter differently and mind each other.
    fn any_messy_world()(
        mut world in any_world(),
        scales in any::<bool>(),
        fails in any::<bool>(),
        apart in any::<bool>(),
        latency in prop::sample::select(vec![Span::ZERO, Span::SECOND]),
        scoring in prop::sample::select(vec![Scoring::LeastAllocated, Scoring::MostAllocated]),
        seed in any::<u64>(),
    ) -> World {
        world.seed = seed;
        for pool in &mut world.pools {
            pool.autoscaling = scales.then(|| Autoscaling {
                min: 0,
                initial: 1,
                boot_time: Span::MINUTE * 2,
                boot: pool.idle,
                scale_down_delay: Span::MINUTE * 10,
            });
            let outage = |kind| Outage { kind, mean_between: hours(12.0), away: hours(0.5) };
            pool.outages = match fails {
                true => vec![outage(OutageKind::Failure), outage(OutageKind::Reclaim)],
                false => Vec::new(),
            };
        }
        world.pools[0].speed = 0.8;
        for (priority, class) in (0..).zip(&mut world.classes) {
            class.priority = priority;
            class.rules.labels.insert("app".into(), class.name.clone());
        }
        world.classes[0].disruption.retries = Some(2);
        world.classes[1].disruption.budget = Some(Budget::MaxUnavailable(1));
        if apart {
            let selector = vec![Requirement {
                key: "app".into(), operator: Operator::In, values: vec!["movable".into()],
            }];
            world.classes[2].rules.affinity = vec![PodAffinity {
                topology_key: HOSTNAME.into(), selector, anti: true, weight: None,
            }];
        }
        world.scheduler.latency = latency;
        world.scheduler.scoring = scoring;
        world
    }
}

/// Holds every pod and refuses every node, for ever.
#[derive(Debug)]
struct Refuses;

impl Policy for Refuses {
    fn name(&self) -> &'static str {
        "refuses"
    }

    fn gate(&self, _: &PodView, _: &Signal<'_>) -> Gate {
        Gate::Hold { until: Time::MAX }
    }

    fn place(&self, _: &PodView, _: &[NodeView], _: &Signal<'_>, verdicts: &mut [Verdict]) {
        verdicts.fill(Verdict { feasible: false, score: 0 });
    }
}

/// A run with its event log.
fn logged(world: &World, settings: &Settings) -> (Outcome, Vec<Value>) {
    let lines = Mutex::new(Vec::<u8>::new());
    struct Lines<'a>(&'a Mutex<Vec<u8>>);
    impl std::io::Write for Lines<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let hooks = Hooks {
        stop: &AtomicBool::new(false),
        progress: &|_| {},
        events: Some(Box::new(Lines(&lines))),
        decisions: None,
    };
    let outcome = engine::run(world, settings.policy(), settings.name(), hooks).unwrap();
    let text = String::from_utf8(lines.into_inner().unwrap()).unwrap();
    (outcome, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn ends_once(world: &World, outcome: &Outcome, events: &[Value]) -> Result<(), TestCaseError> {
    prop_assert_eq!(outcome.events as usize, events.len());
    let last = ["finished", "unfinished", "failed"];
    let ends = events.iter().filter(|event| last.contains(&event["event"].as_str().unwrap()));
    prop_assert_eq!(ends.count(), world.pods.len());
    Ok(())
}

fn add_up(world: &World, outcome: &Outcome) -> Result<(), TestCaseError> {
    let sum = |zone: fn(&ZoneAccount) -> f64| outcome.zones.iter().map(zone).sum::<f64>();
    let rows: f64 = outcome.intervals.iter().map(|row| row.grams).sum();
    let accounts = sum(|zone| (zone.operational + zone.idle + zone.transfer).get());
    prop_assert!((rows - accounts).abs() < 1e-6 * accounts.max(1.0));
    let of_pods: f64 = outcome.pods.iter().map(|pod| (pod.operational + pod.transfer).get()).sum();
    let of_zones = sum(|zone| (zone.operational + zone.transfer).get());
    prop_assert!((of_pods - of_zones).abs() < 1e-6 * of_zones.max(1.0));
    let paid = sum(|zone| zone.electricity.get());
    let by_pods: f64 = outcome.pods.iter().map(|pod| pod.electricity.get()).sum();
    prop_assert!((by_pods + idle_electricity(world, outcome) - paid).abs() < 1e-6, "{paid}");
    let shares: f64 = outcome.pods.iter().map(|pod| pod.idle_share.get()).sum();
    let idle = sum(|zone| zone.idle.get());
    prop_assert!(shares <= idle * (1.0 + 1e-9), "pods share the idle power, they don't add to it");
    let cost: f64 = outcome.pods.iter().map(|pod| pod.cost.get()).sum();
    prop_assert!((cost - sum(|zone| zone.cost.get())).abs() < 1e-6 * cost.max(1.0));
    Ok(())
}

/// The price of idle power by the rows: prices are constant within each of them.
fn idle_electricity(world: &World, outcome: &Outcome) -> f64 {
    let Some(prices) = &world.zones[0].electricity else {
        return 0.0;
    };
    let rows: Vec<&IntervalRow> = outcome.intervals.iter().filter(|row| row.zone == 0).collect();
    let ends = rows.iter().skip(1).map(|row| row.start).chain([outcome.end]);
    rows.iter().zip(ends).map(|(r, end)| r.idle_watts / 1e3 * prices.integral(r.start, end)).sum()
}

/// Replays the log with a ledger per node.
fn nobody_is_over(world: &World, events: &[Value]) -> Result<(), TestCaseError> {
    let numbers = world.pod_numbers();
    let names: BTreeMap<String, Resources> = world
        .pods
        .iter()
        .zip(&numbers)
        .map(|(pod, number)| {
            (format!("{}-{number}", world.classes[pod.class as usize].name), pod.requests)
        })
        .collect();
    let mut on: BTreeMap<String, String> = BTreeMap::new();
    let mut used: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for event in events {
        let pod = event["pod"].as_str().unwrap().to_owned();
        let leaves = ["paused", "migrated", "evicted", "finished"];
        let request = names[&pod];
        if leaves.contains(&event["event"].as_str().unwrap())
            && let Some(node) = on.remove(&pod)
        {
            let used = used.get_mut(&node).unwrap();
            used.0 -= request.cpu.0;
            used.1 -= request.memory.0;
        }
        if let Some(node) = event["node"].as_str() {
            let used = used.entry(node.to_owned()).or_default();
            used.0 += request.cpu.0;
            used.1 += request.memory.0;
            let allocatable = world.pools[0].allocatable;
            prop_assert!(used.0 <= allocatable.cpu.0 && used.1 <= allocatable.memory.0);
            on.insert(pod, node.to_owned());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

    #[test]
    fn every_pod_ends_once_and_the_accounts_add_up(world in any_world()) {
        for settings in Settings::all() {
            let (outcome, events) = logged(&world, &settings);
            ends_once(&world, &outcome, &events)?;
            prop_assert!(outcome.pods.iter().all(|pod| pod.state == PodState::Completed));
            add_up(&world, &outcome)?;
        }
    }

    /// Nodes break, vanish and come; pods lose their nodes and push each other aside.
    #[test]
    fn in_a_messy_cluster_too(world in any_messy_world()) {
        for settings in Settings::all() {
            let (outcome, events) = logged(&world, &settings);
            ends_once(&world, &outcome, &events)?;
            add_up(&world, &outcome)?;
            nobody_is_over(&world, &events)?;
            prop_assert_eq!(logged(&world, &settings).0.digest, outcome.digest);
            for (spec, pod) in world.pods.iter().zip(&outcome.pods) {
                prop_assert!(pod.held <= spec.max_delay.unwrap_or_default());
            }
        }
    }

    #[test]
    fn no_pod_is_held_beyond_its_maximum_delay(world in any_world()) {
        for settings in Settings::all() {
            let (outcome, _) = logged(&world, &settings);
            for (spec, pod) in world.pods.iter().zip(&outcome.pods) {
                prop_assert!(pod.held <= spec.max_delay.unwrap_or_default(), "{}: {:?}", settings.name(), pod);
                let class = &world.classes[spec.class as usize];
                prop_assert!(class.interruptible || pod.pauses == 0);
                prop_assert!(class.migratable || pod.migrations == 0);
                let gate = world.scheduler.holding == Holding::Gate;
                prop_assert!(gate || pod.pauses + pod.migrations == 0);
            }
        }
    }

    /// Whatever the policy says, and however few of the nodes the scheduler looks at.
    #[test]
    fn where_there_is_room_every_pod_starts_by_its_limit(mut world in any_world()) {
        for pool in &mut world.pools {
            pool.count = 100;
        }
        world.scheduler.percentage_of_nodes_to_score = 0;
        let stop = AtomicBool::new(false);
        let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
        let outcome = engine::run(&world, &Refuses, "refuses", hooks).unwrap();
        for (spec, pod) in world.pods.iter().zip(&outcome.pods) {
            let delay = spec.max_delay.unwrap_or_default();
            prop_assert!(pod.start.unwrap() <= spec.arrival + delay, "{spec:?}: {pod:?}");
            prop_assert!(pod.held <= delay);
        }
    }

    #[test]
    fn no_node_is_ever_over_its_allocatable(world in any_world()) {
        for settings in Settings::all() {
            let (_, events) = logged(&world, &settings);
            nobody_is_over(&world, &events)?;
        }
    }

    /// Changing the grid after an instant changes nothing that happened before it, for every
    /// policy and every forecast that does not start from the truth.
    #[test]
    fn no_policy_looks_ahead(world in any_world(), other in 10.0..800.0f64) {
        let blind = matches!(world.forecast, ForecastModel::Persistence | ForecastModel::Seasonal { .. });
        prop_assume!(blind);
        let cut = after(12.0);
        let mut changed = world.clone();
        for zone in &mut changed.zones {
            let values: Vec<f64> = zone.series.steps()
                .map(|(at, value)| if at < cut { value.unwrap().get() } else { other })
                .collect();
            *zone = zone_from(zone.zone.as_str(), zone.series.start(), zone.series.step(), values);
        }
        for settings in Settings::all() {
            let before = |events: Vec<Value>| {
                let earlier = |event: &Value| {
                    event["at"].as_str().unwrap().parse::<Time>().unwrap() < cut
                };
                events.into_iter().filter(earlier).collect::<Vec<_>>()
            };
            prop_assert_eq!(before(logged(&world, &settings).1), before(logged(&changed, &settings).1));
        }
    }

    #[test]
    fn the_step_of_the_trace_changes_nothing(world in any_world()) {
        let mut fine = world.clone();
        for zone in &mut fine.zones {
            zone.series = zone.series.refine(12).into();
        }
        // A percentile of hourly means, a fixed threshold, a place: all the same on both. Sums of a
        // forecast differ in their last digits, and so does which of equal sums is the least.
        for settings in Settings::all().iter().filter(|s| s.name() != "lowest-window") {
            let (coarse, fine) = (logged(&world, settings).0, logged(&fine, settings).0);
            let total = |o: &Outcome| o.zones.iter().map(|zone| zone.emissions().get()).sum::<f64>();
            if world.forecast == ForecastModel::Perfect {
                prop_assert_eq!(coarse.digest, fine.digest, "{}", settings.name());
                prop_assert!((total(&coarse) - total(&fine)).abs() < 1e-6 * total(&coarse));
            }
        }
    }
}
