//! A cluster as messy as a real one, in runs whose numbers a reader can check with pencil and paper.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use carbon_kube_core::{MilliGpu, Span, Watts};
use carbon_kube_sim::outcome::PodState;
use carbon_kube_sim::world::*;
use serde_json::json;
use support::*;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
}

fn minutes(m: i64) -> Span {
    Span::MINUTE * m
}

/// One zone of 100 g/kWh, so that grams are a tenth of watt-hours.
fn flat() -> GridZone {
    zone("US-CA", vec![100.0; 240])
}

fn watts(watts: f64) -> Watts {
    Watts::new(watts).unwrap()
}

fn of_class(class: u32, pod: Pod) -> Pod {
    Pod { class, ..pod }
}

fn requesting(cores: f64, pod: Pod) -> Pod {
    Pod { requests: resources(cores, 1), ..pod }
}

fn prioritised(name: &str, priority: i32) -> PodClass {
    PodClass { priority, ..class(name) }
}

#[test]
fn a_higher_priority_takes_the_room_and_the_victim_starts_again() {
    let pods = [pod(0.0, 10.0, None), of_class(1, pod(1.0, 2.0, None))];
    let mut world = world(
        vec![flat()],
        vec![pool("ca", 0, 1)],
        vec![prioritised("low", 0), prioritised("high", 5)],
        pods.map(|pod| requesting(4.0, pod)).to_vec(),
    );
    let outcome = run(&world, json!("default-scheduler"));
    let [low, high] = [outcome.pods[0], outcome.pods[1]];
    assert_eq!((high.start, high.finish), (Some(after(1.0)), Some(after(3.0))));
    // Its hour is lost: ten more from 3 on. 200 W for 1 + 10 h.
    assert_eq!((low.evictions, low.finish), (1, Some(after(13.0))));
    close(low.energy.get(), 2.2);
    // Where pods of the class don't preempt, it waits until 10.
    world.classes[1].disruption.preempts = false;
    assert_eq!(run(&world, json!("default-scheduler")).pods[1].start, Some(after(10.0)));
    // So does it where the scheduler doesn't, and where the priorities are the same.
    world.classes[1].disruption.preempts = true;
    world.scheduler.preemption = false;
    assert_eq!(run(&world, json!("default-scheduler")).pods[1].start, Some(after(10.0)));
}

#[test]
fn preemption_takes_the_least_important_and_spares_whom_it_can() {
    // Node 0 gets the pods of priority 2, node 1 those of priority 1: two cores each.
    let mut pods: Vec<Pod> = [(0.0, 1), (0.1, 0), (0.2, 1), (0.3, 0)]
        .map(|(arrival, class)| of_class(class, requesting(2.0, pod(arrival, 10.0, None))))
        .to_vec();
    pods.push(of_class(2, requesting(2.0, pod(1.0, 1.0, None))));
    let mut world = world(
        vec![flat()],
        vec![pool("ca", 0, 2)],
        vec![prioritised("low", 1), prioritised("middle", 2), prioritised("high", 5)],
        pods,
    );
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[4].start, Some(after(1.0)));
    // Two cores are enough: the younger of the two that matter least goes.
    assert_eq!(outcome.pods.iter().map(|pod| pod.evictions).collect::<Vec<_>>(), [0, 0, 0, 1, 0]);
    // A budget that both must stay up makes those that matter more the better victims.
    world.classes[0].disruption.budget = Some(Budget::MinAvailable(2));
    world.classes[1].disruption.preempts = false;
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods.iter().map(|pod| pod.evictions).collect::<Vec<_>>(), [0, 0, 1, 0, 0]);
}

/// Two pools of one node each, in the topology zones `a` and `b`.
fn two_places() -> Vec<Pool> {
    ["a", "b"]
        .map(|name| {
            let mut pool = pool(name, 0, 1);
            pool.labels.insert("topology.kubernetes.io/zone".into(), name.into());
            pool
        })
        .to_vec()
}

fn labelled(name: &str) -> PodClass {
    let labels = BTreeMap::from([("app".to_owned(), name.to_owned())]);
    PodClass { rules: PodRules { labels, ..PodRules::default() }, ..class(name) }
}

fn app(name: &str) -> Vec<Requirement> {
    vec![Requirement { key: "app".into(), operator: Operator::In, values: vec![name.into()] }]
}

#[test]
fn pods_spread_over_topology_zones_and_wait_where_they_cannot() {
    let mut web = labelled("web");
    web.rules.spread = vec![Spread {
        max_skew: 1,
        topology_key: "topology.kubernetes.io/zone".into(),
        required: true,
        selector: app("web"),
    }];
    // The node of `a` has four cores, that of `b` one.
    let mut pools = two_places();
    pools[1].allocatable = resources(1.0, 16);
    let pods =
        vec![pod(0.0, 5.0, None), pod(0.1, 1.0, None), pod(0.2, 1.0, None), pod(0.3, 1.0, None)];
    let mut world = world(vec![flat()], pools, vec![web], pods);
    let outcome = run(&world, json!("default-scheduler"));
    let pool_of = |i: usize| outcome.pods[i].pool.unwrap();
    // One each, then one more in `a`; a third there would be two ahead of `b`, which is full until
    // 1.1 h.
    assert_eq!(outcome.pods[2].start, Some(after(0.2)));
    assert_eq!((pool_of(0) == pool_of(1), pool_of(2)), (false, 0));
    let full = if pool_of(1) == 1 { 1.1 } else { 1.2 };
    assert_eq!(outcome.pods[3].start, Some(after(full)));
    // As a preference it starts at once.
    world.classes[0].rules.spread[0].required = false;
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[3].start, Some(after(0.3)));
}

#[test]
fn one_pod_per_node_where_pods_keep_apart() {
    let mut web = labelled("web");
    web.rules.affinity = vec![PodAffinity {
        topology_key: HOSTNAME.into(),
        selector: app("web"),
        anti: true,
        weight: None,
    }];
    let pods = vec![pod(0.0, 1.0, None), pod(0.1, 4.0, None), pod(0.2, 1.0, None)];
    let mut world = world(vec![flat()], vec![pool("ca", 0, 2)], vec![web, labelled("other")], pods);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[1].start, Some(after(0.1)));
    assert_eq!(outcome.pods[2].start, Some(after(1.0)));
    // Others don't mind; but they mind where `web` keeps away from them.
    world.pods[2].class = 1;
    assert_eq!(run(&world, json!("default-scheduler")).pods[2].start, Some(after(0.2)));
    world.classes[0].rules.affinity[0].selector = app("other");
    world.pods[1].class = 1;
    world.pods[2].requests = resources(4.0, 1);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[2].start, Some(after(1.0)), "the node of `other` has three cores left");
}

#[test]
fn pods_follow_those_they_want_to_be_with() {
    let mut worker = labelled("worker");
    worker.rules.affinity = vec![PodAffinity {
        topology_key: "topology.kubernetes.io/zone".into(),
        selector: app("leader"),
        anti: false,
        weight: None,
    }];
    let pods = vec![
        of_class(1, pod(0.0, 1.0, None)),
        pod(1.5, 5.0, None),
        of_class(1, pod(2.0, 1.0, None)),
    ];
    let mut world = world(vec![flat()], two_places(), vec![labelled("leader"), worker], pods);
    let outcome = run(&world, json!("default-scheduler"));
    // Nobody to be with until 1.5 h.
    assert_eq!(outcome.pods[0].start, Some(after(1.5)));
    assert_eq!(outcome.pods[2].pool, outcome.pods[1].pool);
    // As a preference it outweighs the emptier node, and lets the first pod start.
    world.classes[1].rules.affinity[0].weight = Some(100);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[0].start, Some(after(0.0)));
    assert_eq!(outcome.pods[2].pool, outcome.pods[1].pool);
}

#[test]
fn moves_keep_the_disruption_budget() {
    // DE turns dirty at hour 2; a move has 15 minutes of downtime.
    let germany = (0..240).map(|hour| if hour < 2 { 40.0 } else { 500.0 });
    let zones = vec![zone("EU-DE", germany), zone("EU-FR", vec![50.0; 240])];
    let pools = vec![pool("de", 0, 1), pool("fr", 1, 1)];
    let service = PodClass {
        migratable: true,
        checkpoint: hours(0.25),
        owner: Owner::Deployment,
        ..class("web")
    };
    let pods = vec![pod(0.0, 24.0, None); 2];
    let mut world = world(zones, pools, vec![service], pods);
    world.forecast = carbon_kube_core::forecast::ForecastModel::Persistence;
    let in_germany = |world: &World, hour: usize| {
        let rows = run(world, json!("lowest-zone")).intervals;
        rows.iter().filter(|row| row.zone == 0).nth(hour).unwrap().running
    };
    close(in_germany(&world, 2), 0.0);
    // With a budget of one pod down, the second moves an hour later.
    world.classes[0].disruption.budget = Some(Budget::MinAvailable(1));
    close(in_germany(&world, 2), 1.0);
    close(in_germany(&world, 3), 0.0);
    world.classes[0].disruption.budget = Some(Budget::MaxUnavailable(0));
    close(in_germany(&world, 9), 2.0);
}

#[test]
fn spot_capacity_comes_back_after_a_fixed_time_and_a_job_starts_again() {
    let reclaim = Outage { kind: OutageKind::Reclaim, mean_between: hours(8.0), away: minutes(5) };
    let spot = Pool { outages: vec![reclaim], ..pool("spot", 0, 1) };
    let mut world = world(vec![flat()], vec![spot], vec![class("job")], vec![pod(0.0, 6.0, None)]);
    let outcome = run(&world, json!("default-scheduler"));
    let lost = outcome.pods[0];
    assert!(lost.evictions > 0, "another seed would show nothing");
    // It ran from zero each time, with five minutes between; nothing else can stop it.
    let ran = lost.energy.get() / 0.05;
    let elapsed = (lost.finish.unwrap() - after(0.0)).hours();
    close(elapsed, ran + f64::from(lost.evictions) / 12.0);
    // The node is charged while it is there.
    let node_hours = outcome.zones[0].node_hours;
    close(outcome.zones[0].idle.get(), node_hours * 0.1 * 100.0);
    assert!(node_hours < (outcome.end - after(0.0)).hours());
    // With checkpoints only those are repeated.
    world.classes[0].interruptible = true;
    world.classes[0].checkpoint = hours(0.25);
    let kept = run(&world, json!("default-scheduler")).pods[0];
    close(kept.energy.get() / 0.05, 6.0 + 0.25 * f64::from(kept.evictions));
    // Nobody starts it again after its last retry.
    world.classes[0].disruption.retries = Some(0);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!((outcome.pods[0].state, outcome.pods[0].evictions), (PodState::Failed, 1));
    assert_eq!(outcome.pods[0].finish, None);
}

#[test]
fn every_policy_meets_the_same_failures() {
    let failure = Outage { kind: OutageKind::Failure, mean_between: hours(5.0), away: hours(1.0) };
    let nodes = Pool { outages: vec![failure], ..pool("old", 0, 2) };
    let dirty_then_clean = (0..240).map(|hour| if hour < 3 { 400.0 } else { 100.0 });
    let pods = vec![pod(0.0, 1.0, Some(12.0)), pod(12.0, 1.0, Some(12.0))];
    let world = world(vec![zone("US-CA", dirty_then_clean)], vec![nodes], vec![class("job")], pods);
    let at_once = run(&world, json!("default-scheduler"));
    let waiting = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    assert_ne!(at_once.pods[0].start, waiting.pods[0].start);
    assert_eq!(at_once.end, waiting.end);
    close(at_once.zones[0].node_hours, waiting.zones[0].node_hours);
    // Two nodes are there 5 of 6 hours in the mean; the draws of a day or two are far from it.
    let share = at_once.zones[0].node_hours / 2.0 / (at_once.end - after(0.0)).hours();
    assert!((0.5..1.0).contains(&share), "{share}");
}

#[test]
fn a_pool_grows_when_a_pod_waits_and_vanishes_when_it_is_empty() {
    let scaling = Autoscaling {
        min: 0,
        initial: 0,
        boot_time: minutes(2),
        boot: watts(150.0),
        scale_down_delay: minutes(10),
    };
    let mut elastic = Pool { autoscaling: Some(scaling), embodied_kg: 350.64, ..pool("e", 0, 2) };
    elastic.pue = 1.0;
    let mut world =
        world(vec![flat()], vec![elastic], vec![class("job")], vec![pod(1.0, 1.0, None)]);
    let outcome = run(&world, json!("default-scheduler"));
    // Seen 10 s after 1:00, there 2 minutes later: 1:02:10 to 2:02:10; off at 2:12:10.
    let start = after(1.0) + Span::SECOND * 130;
    assert_eq!(
        (outcome.pods[0].start, outcome.pods[0].finish),
        (Some(start), Some(start + hours(1.0)))
    );
    let account = outcome.zones[0];
    close(account.node_hours, (2.0 + 60.0 + 10.0) / 60.0);
    // 150 W for 2 minutes, 100 W for 70: 0.005 + 0.116667 kWh; 0.05 kWh of the pod; 100 g/kWh.
    close(account.idle.get(), (0.005 + 0.1 * 70.0 / 60.0) * 100.0);
    close(account.energy.get(), 0.005 + 0.1 * 70.0 / 60.0 + 0.05);
    // 350,640 g over 4 x 8,766 h = 10 g/h, for the hours that the node was there.
    close(account.embodied.get(), 12.0);
    // Four pods of two cores: two fit on a node, so two nodes are ordered and no third.
    world.pods = vec![requesting(2.0, pod(1.0, 1.0, None)); 5];
    let outcome = run(&world, json!("default-scheduler"));
    let starts: Vec<_> = outcome.pods.iter().map(|pod| pod.start.unwrap()).collect();
    assert_eq!(starts[..2], [start; 2]);
    // The third was tried when the first node came, and has two seconds of back-off.
    assert_eq!(starts[2..4], [start + Span::SECOND * 2; 2]);
    assert_eq!(starts[4], start + hours(1.0));
    // One node stays for the fifth pod; the other goes ten minutes after the first four.
    close(outcome.zones[0].node_hours, 2.0 * 72.0 / 60.0 + 1.0 + 2.0 / 3_600.0);
    // A pool with a minimum keeps it to the end of the day.
    let scaling = world.pools[0].autoscaling.as_mut().unwrap();
    (scaling.min, scaling.initial) = (1, 1);
    world.pods.truncate(1);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[0].start, Some(after(1.0)));
    close(outcome.zones[0].node_hours, 24.0);
}

#[test]
fn a_pod_that_the_policy_keeps_off_free_nodes_orders_none() {
    let scaling = Autoscaling {
        min: 1,
        initial: 1,
        boot_time: minutes(2),
        boot: watts(100.0),
        scale_down_delay: minutes(10),
    };
    let elastic = Pool { autoscaling: Some(scaling), ..pool("e", 0, 5) };
    let dirty = (0..240).map(|hour| if hour < 6 { 400.0 } else { 100.0 });
    let mut world = world(
        vec![zone("US-CA", dirty)],
        vec![elastic],
        vec![class("job")],
        vec![pod(0.0, 1.0, Some(12.0))],
    );
    for holding in [
        carbon_kube_policies::Holding::Gate,
        carbon_kube_policies::Holding::Filter { retry: minutes(5) },
    ] {
        world.scheduler.holding = holding;
        let outcome = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
        assert!(outcome.pods[0].start.unwrap() >= after(6.0));
        close(outcome.zones[0].node_hours, 24.0);
    }
}

#[test]
fn parts_of_a_gpu_share_one_device() {
    let mut node = pool("gpu", 0, 1);
    node.allocatable.gpu = MilliGpu::whole(2);
    let part = |arrival: f64, milli: u32| {
        let mut pod = pod(arrival, 1.0, None);
        pod.requests.gpu = MilliGpu(milli);
        pod
    };
    // 0.5 and 0.4 share the first device; 0.7 takes the second; 0.2 has to wait for the first two.
    let pods = vec![part(0.0, 500), part(0.1, 400), part(0.2, 700), part(0.3, 400), part(0.4, 300)];
    let world = world(vec![flat()], vec![node], vec![class("job")], pods);
    let outcome = run(&world, json!("default-scheduler"));
    let starts: Vec<f64> =
        outcome.pods.iter().map(|pod| (pod.start.unwrap() - after(0.0)).hours()).collect();
    // 0.4 doesn't fit into 0.1 and 0.3, though both together would do; 0.3 does.
    assert_eq!(starts, [0.0, 0.1, 0.2, 1.0, 0.4]);
}

/// 2 busy cores for twelve hours, then 6.
fn service(target: f64, max: u32) -> PodClass {
    let load = Load { step: hours(12.0), cores: vec![2.0, 6.0], target, min: 1, max };
    PodClass { owner: Owner::Deployment, load: Some(load), ..class("web") }
}

#[test]
fn replicas_follow_the_load_and_draw_what_they_serve() {
    let replica = pod(0.0, 24.0, None);
    let run_with = |target: f64, max: u32| {
        let replicas = vec![replica; max as usize];
        let nodes = vec![pool("ca", 0, 4)];
        run(
            &world(vec![flat()], nodes, vec![service(target, max)], replicas),
            json!("default-scheduler"),
        )
    };
    let running =
        |outcome: &carbon_kube_sim::outcome::Outcome, hour: usize| outcome.intervals[hour].running;
    // Fully used: 2 and 6 replicas; the energy is that of the load: 50 W x (2 + 6) x 12 h.
    let outcome = run_with(1.0, 8);
    assert_eq!((running(&outcome, 3), running(&outcome, 15)), (2.0, 6.0));
    close(outcome.pods.iter().map(|pod| pod.energy.get()).sum(), 4.8);
    assert_eq!(outcome.pods[7].state, PodState::NotNeeded);
    // Half used: 4 and 12 replicas, the same energy.
    let outcome = run_with(0.5, 16);
    assert_eq!((running(&outcome, 3), running(&outcome, 15)), (4.0, 12.0));
    close(outcome.pods.iter().map(|pod| pod.energy.get()).sum(), 4.8);
    // Four at most: 2 of 6 cores are not served for 12 h, and their energy is not drawn.
    let outcome = run_with(1.0, 4);
    close(outcome.unserved_core_hours, 24.0);
    close(outcome.pods.iter().map(|pod| pod.energy.get()).sum(), 0.05 * (2.0 + 4.0) * 12.0);
}

#[test]
fn a_scheduler_that_takes_time_starts_one_pod_after_the_other() {
    let pods = vec![pod(1.0, 1.0, None), pod(1.0, 1.0, None), of_class(1, pod(1.0, 1.0, None))];
    let classes = vec![prioritised("low", 0), prioritised("high", 1)];
    let mut world = world(vec![flat()], vec![pool("ca", 0, 1)], classes, pods);
    world.scheduler.latency = Span::SECOND;
    let outcome = run(&world, json!("default-scheduler"));
    let starts: Vec<f64> =
        outcome.pods.iter().map(|pod| (pod.start.unwrap() - after(1.0)).seconds()).collect();
    assert_eq!(starts, [2.0, 3.0, 1.0]);
    // A pod that the grid never suits is let go in time for it, and for a hundred others.
    world.pods = vec![pod(1.0, 1.0, Some(2.0))];
    let outcome = run(&world, json!({"threshold": {"gramsPerKwh": 50.0}}));
    assert_eq!(outcome.pods[0].start, Some(after(3.0) - Span::SECOND * 99));
}

#[test]
fn the_packing_strategy_leaves_nodes_empty() {
    let mut world = world(
        vec![flat()],
        vec![pool("ca", 0, 2)],
        vec![class("job")],
        vec![pod(0.0, 1.0, None), pod(0.1, 1.0, None), requesting(4.0, pod(0.2, 1.0, None))],
    );
    let start = |world: &World| run(world, json!("default-scheduler")).pods[2].start.unwrap();
    assert_eq!(start(&world), after(1.0), "one small pod on each node");
    world.scheduler.scoring = Scoring::MostAllocated;
    assert_eq!(start(&world), after(0.2));
    world.scheduler.scoring = Scoring::RequestedToCapacityRatio(vec![(0, 0), (100, 10)]);
    assert_eq!(start(&world), after(0.2));
}

#[test]
fn a_changing_overhead_is_charged_as_it_is() {
    // PUE 1 for six hours, then 3, and so on: 2 in the mean. 400 g/kWh for six hours, then 100.
    let overhead = Overhead { step: hours(6.0), factors: vec![0.5, 1.5] };
    let series = (0..96).map(|hour| if hour / 6 % 2 == 0 { 400.0 } else { 100.0 });
    let zone = GridZone { overhead: Some(overhead), ..zone("US-CA", series) };
    let nodes = Pool { pue: 2.0, ..pool("ca", 0, 1) };
    let world = world(vec![zone], vec![nodes], vec![class("job")], vec![pod(3.0, 6.0, None)]);
    let outcome = run(&world, json!("default-scheduler"));
    // 50 W for 3 h at PUE 1 and 400, 3 h at PUE 3 and 100: 0.05 x (1,200 + 900) = 105 g.
    close(outcome.zones[0].operational.get(), 105.0);
    close(outcome.pods[0].operational.get(), 105.0);
    close(outcome.pods[0].energy.get(), 0.05 * (3.0 + 9.0));
    // 100 W for a day: 2 x (6 x 400 + 6 x 3 x 100) x 0.1 = 840 g, 0.1 x 2 x (6 + 18) = 4.8 kWh.
    close(outcome.zones[0].idle.get(), 840.0);
    close(outcome.zones[0].energy.get(), 4.8 + 0.6);
    // Rows have the intensity as the grid has it, and the power as the meter has it.
    close(outcome.intervals[0].intensity, 400.0);
    close(outcome.intervals[7].idle_watts, 300.0);
    let rows: f64 = outcome.intervals.iter().map(|row| row.grams).sum();
    close(rows, 945.0);
}

#[test]
fn a_slower_node_takes_longer_and_its_work_emits_more() {
    let zones = || vec![flat(), zone("EU-FR", vec![60.0; 240])];
    let slow = Pool { speed: 0.5, ..pool("fr", 1, 1) };
    let mut world =
        world(zones(), vec![slow, pool("ca", 0, 1)], vec![class("job")], vec![pod(0.0, 2.0, None)]);
    // Twice the time at 60 g/kWh is more than once at 100.
    let outcome = run(&world, json!("lowest-zone"));
    assert_eq!((outcome.pods[0].pool, outcome.pods[0].finish), (Some(1), Some(after(2.0))));
    world.pools[0].speed = 0.75;
    let outcome = run(&world, json!("lowest-zone"));
    assert_eq!(outcome.pods[0].pool, Some(0));
    assert_eq!(outcome.pods[0].finish, Some(after(2.0 / 0.75)));
    close(outcome.pods[0].operational.get(), 0.05 * 60.0 * 2.0 / 0.75);
    // That isn't a delay: it didn't wait.
    let summary = carbon_kube_sim::report::summary(&world, &[&outcome], true);
    assert_eq!(summary.runs[0].delay_hours.max, Some(0.0));
}

#[test]
fn one_decision_is_counted_by_two_signals() {
    let average = zone("US-CA", (0..96).map(|hour| if hour < 6 { 400.0 } else { 100.0 }));
    let marginal = zone("US-CA", (0..96).map(|hour| if hour < 6 { 300.0 } else { 500.0 }));
    let both = GridZone { beside: Some(marginal.series), ..average };
    let mut world = world(
        vec![both],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(0.5, 2.0, Some(12.0))],
    );
    world.pools[0].idle = watts(0.0);
    world.pools[0].busy = watts(200.0);
    let at_once = run(&world, json!("default-scheduler"));
    let waiting = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    let summary = carbon_kube_sim::report::summary(&world, &[&at_once, &waiting], true);
    // 0.1 kWh: at once 40 g by the average and 30 g by the marginal signal; after hour 6 it is
    // 10 g by the one, and 50 g by the other: a saving that is none.
    let grams = |run: usize| {
        let run = &summary.runs[run];
        (run.emissions_grams.operational, run.beside.as_ref().unwrap().operational)
    };
    for (counted, expected) in [(grams(0), (40.0, 30.0)), (grams(1), (10.0, 50.0))] {
        close(counted.0, expected.0);
        close(counted.1, expected.1);
    }
    let saving = summary.runs[1].beside.as_ref().unwrap().saving_percent.unwrap();
    close(saving, (1.0 - 50.0 / 30.0) * 100.0);
}

#[test]
fn electricity_costs_what_the_meter_counts() {
    // PUE 1 for six hours, then 3; 0.1 USD/kWh for twelve hours, then 0.3.
    let overhead = Overhead { step: hours(6.0), factors: vec![0.5, 1.5] };
    let prices = [(after(0.0), 0.1), (after(12.0), 0.3)];
    let prices = carbon_kube_core::price::PriceSeries::new(prices).unwrap();
    let zone = GridZone {
        overhead: Some(overhead),
        electricity: Some(std::sync::Arc::new(prices)),
        ..flat()
    };
    let nodes = Pool { pue: 2.0, ..pool("ca", 0, 1) };
    let world = world(vec![zone], vec![nodes], vec![class("job")], vec![pod(9.0, 6.0, None)]);
    let outcome = run(&world, json!("default-scheduler"));
    // 50 W for 3 h at PUE 3 and 0.1, 3 h at PUE 1 and 0.3.
    close(outcome.pods[0].electricity.get(), 0.05 * (9.0 * 0.1 + 3.0 * 0.3));
    // 100 W: 6 + 18 kWh/kW at 0.1, the same at 0.3.
    close(outcome.zones[0].electricity.get(), 0.1 * 24.0 * (0.1 + 0.3) + 0.09);
}

#[test]
fn replicas_on_a_curve_add_up_to_their_node() {
    use carbon_kube_core::power::{Curve, Shape};
    let curve = Curve::new(watts(100.0), watts(300.0), Shape::Square).unwrap();
    let nodes = Pool { curve: Some(curve), ..pool("ca", 0, 1) };
    let load = Load { step: hours(12.0), cores: vec![1.0, 2.0], target: 0.5, min: 1, max: 4 };
    let web = PodClass { owner: Owner::Deployment, load: Some(load), ..class("web") };
    let world = world(vec![flat()], vec![nodes], vec![web], vec![pod(0.0, 24.0, None); 4]);
    let outcome = run(&world, json!("default-scheduler"));
    // A quarter of the node busy: 200 W / 16 = 12.5 W over idle; half of it: 50 W.
    close(outcome.zones[0].energy.get(), 2.4 + 0.0125 * 12.0 + 0.05 * 12.0);
    close(outcome.pods.iter().map(|pod| pod.energy.get()).sum(), 0.75);
}

#[test]
fn nodes_come_and_go_up_to_the_horizon_however_soon_the_last_pod_ended() {
    let failure = Outage { kind: OutageKind::Failure, mean_between: hours(3.0), away: hours(1.0) };
    let nodes = Pool { outages: vec![failure], ..pool("old", 0, 5) };
    // One pod may wait 40 h: the nodes are charged until then, whenever it runs.
    let pods = vec![pod(0.0, 0.1, Some(40.0))];
    let world = world(vec![flat()], vec![nodes], vec![class("job")], pods);
    let at_once = run(&world, json!("default-scheduler"));
    let late = run(&world, json!({"threshold": {"gramsPerKwh": 50.0}}));
    assert!(
        at_once.pods[0].finish.unwrap() < after(1.0) && late.pods[0].start.unwrap() > after(39.0)
    );
    close(at_once.zones[0].node_hours, late.zones[0].node_hours);
    close(at_once.zones[0].idle.get(), late.zones[0].idle.get());
}
