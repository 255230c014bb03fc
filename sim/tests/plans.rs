//! What the engine does for policies that plan: one plan, looks between the hours, prepaid room,
//! stated lengths, quotas. Worked out by hand.

#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "test code; whole hours are exact")]

mod support;

use carbon_kube_core::Span;
use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::world::World;
use serde_json::json;
use support::*;

/// One zone with these hourly values for a day, then 500 g/kWh; two nodes of four cores.
fn with_hours(hours: &[f64]) -> World {
    let value = |h: usize| hours.get(h).copied().unwrap_or(500.0);
    let zones = vec![zone("US-CA", (0..96).map(value))];
    let mut class = class("job");
    class.interruptible = true;
    world(zones, vec![pool("a", 0, 2)], vec![class], Vec::new())
}

fn starts(outcome: &Outcome) -> Vec<f64> {
    outcome.pods.iter().map(|pod| (pod.start.unwrap() - START).hours()).collect()
}

#[test]
fn wait_awhile_runs_in_the_cleanest_hours_and_the_last_of_them_in_part() {
    let mut world = with_hours(&[300.0, 100.0, 300.0, 200.0, 300.0]);
    // A look at the grid a day: the pod has to be paused in between.
    world.scheduler.control_interval = Span::DAY;
    world.pods = vec![pod(0.0, 1.5, Some(3.5))];
    let outcome = run(&world, json!("wait-awhile"));
    let ran = outcome.pods[0];
    assert_eq!(starts(&outcome), [1.0]);
    assert_eq!((ran.finish, ran.pauses), (Some(after(3.5)), 1));
    // 50 W over idle: an hour at 100, half an hour at 200.
    assert!((ran.operational.get() - 0.05 * (100.0 + 0.5 * 200.0)).abs() < 1e-9);
}

#[test]
fn carbon_time_plans_once() {
    // From hour 0: two hours later the hour costs 200 less, 66 per hour until it is done; six hours
    // later 280 less, 40 per hour. From hour 2 on, hour 6 would win.
    let mut world = with_hours(&[300.0, 300.0, 100.0, 300.0, 300.0, 300.0, 20.0]);
    world.pods = vec![pod(0.0, 1.0, Some(8.0))];
    assert_eq!(starts(&run(&world, json!("carbon-time"))), [2.0]);
    world.pods = vec![pod(2.0, 1.0, Some(8.0))];
    assert_eq!(starts(&run(&world, json!("carbon-time"))), [6.0]);
}

#[test]
fn a_pod_takes_prepaid_room_as_it_comes_free_and_only_where_its_policy_wants_it() {
    let mut world = with_hours(&[300.0, 300.0, 300.0, 300.0, 300.0, 300.0, 100.0]);
    world.pools[0].count = 1;
    world.pools[0].prepaid = true;
    // A service's worth of four cores until hour 2, then room for the one that waits.
    let mut first = pod(0.0, 2.0, None);
    first.requests = resources(4.0, 1);
    world.pods = vec![first, pod(0.5, 1.0, Some(8.0))];
    let start = |policy| starts(&run(&world, policy))[1];
    assert_eq!(start(json!({"lowest-slot": {"prepaidFirst": true}})), 2.0);
    assert_eq!(start(json!("lowest-slot")), 6.0);
    assert_eq!(start(json!("all-wait")), 2.0);
    // A place that isn't prepaid is no reason to go early.
    world.pools[0].prepaid = false;
    assert_eq!(starts(&run(&world, json!("all-wait")))[1], 8.5);
}

#[test]
fn prepaid_nodes_cost_their_price_used_or_not() {
    let mut world = with_hours(&[300.0]);
    world.pods = vec![pod(0.0, 1.0, None)];
    let cost = |world: &World| run(world, json!("default-scheduler")).zones[0].cost.get();
    // A quarter of a node for an hour at 0.40 dollars; then two nodes for 24 hours.
    assert!((cost(&world) - 0.1).abs() < 1e-9);
    world.pools[0].prepaid = true;
    assert!((cost(&world) - 2.0 * 24.0 * 0.4).abs() < 1e-9);
}

#[test]
fn policies_plan_with_the_length_that_pods_are_said_to_have() {
    // The best single hour is 1, the best four hours begin at 3.
    let mut world = with_hours(&[300.0, 50.0, 400.0, 100.0, 100.0, 100.0, 100.0]);
    world.pods = vec![pod(0.0, 4.0, Some(8.0))];
    assert_eq!(starts(&run(&world, json!("lowest-window"))), [3.0]);
    world.classes[0].expected_duration = Some(Span::HOUR);
    assert_eq!(starts(&run(&world, json!("lowest-window"))), [1.0]);
    // Said to be short, it still may not be late: its limit is that of its true length.
    assert_eq!(run(&world, json!("lowest-window")).pods[0].finish, Some(after(5.0)));
}

#[test]
fn workers_draw_what_the_profile_says() {
    let mut world = with_hours(&[300.0, 300.0, 100.0, 300.0]);
    world.classes[0].speedup = vec![1.0, 2.0];
    world.classes[0].draw = vec![1.0, 1.6];
    world.pods = vec![pod(0.0, 2.0, Some(2.0))];
    let outcome = run(&world, json!("carbonscaler"));
    assert_eq!(starts(&outcome), [2.0]);
    assert_eq!(outcome.pods[0].finish, Some(after(3.0)));
    // Two workers for an hour at 100 g/kWh: 1.6 x 50 W.
    assert!((outcome.pods[0].operational.get() - 0.05 * 1.6 * 100.0).abs() < 1e-9);
}

#[test]
fn carbonscaler_stops_within_a_slot_when_the_rest_is_cleaner() {
    // Three hours of work: two workers in the hours of 100, and of the rest what is missing.
    let mut world = with_hours(&[200.0, 100.0, 400.0, 400.0]);
    world.classes[0].speedup = vec![1.0, 1.5];
    world.classes[0].draw = vec![1.0, 2.0];
    world.pods = vec![pod(0.0, 2.0, Some(2.0))];
    let outcome = run(&world, json!("carbonscaler"));
    // 1 h of one worker at 200 is worth 1/200, the second worker at 100 0.5/100, equal, and the
    // earlier slot is taken first: hour 0 and hour 1 with one worker each.
    assert_eq!(starts(&outcome), [0.0]);
    assert_eq!(outcome.pods[0].finish, Some(after(2.0)));
    assert!((outcome.pods[0].operational.get() - 0.05 * 300.0).abs() < 1e-9);
}

#[test]
fn a_job_that_scales_is_done_in_time_whatever_a_pause_costs() {
    let swing = |h: usize| 300.0 + 200.0 * (h as f64 * std::f64::consts::TAU / 24.0).sin();
    let values: Vec<f64> = (0..96).map(swing).collect();
    for (checkpoint, latency, replan) in
        [(0.0, 0, true), (1.0, 0, true), (1.0, 0, false), (0.5, 20, true), (0.5, 20, false)]
    {
        let mut world = with_hours(&values);
        world.pools[0].count = 40;
        world.scheduler.latency = Span::SECOND * latency;
        let class = &mut world.classes[0];
        class.checkpoint = hours(checkpoint);
        // Of a node of 16 GiB three take up all: the fourth is on paper only.
        class.speedup = vec![1.0, 1.9, 2.7, 3.4];
        class.draw = vec![1.0, 2.0, 3.0, 4.0];
        let one = |i: u32| {
            let mut pod = pod(f64::from(i) * 0.7, 1.0 + f64::from(i % 7), Some(f64::from(i % 11)));
            pod.requests = resources(1.0, 5);
            pod
        };
        world.pods = (0..30).map(one).collect();
        let outcome = run(&world, json!({"carbonscaler": {"replan": replan}}));
        for (spec, pod) in world.pods.iter().zip(&outcome.pods) {
            let due = spec.arrival + spec.max_delay.unwrap() + spec.duration;
            let late = pod.finish.unwrap() - due;
            assert!(late <= Span::MINUTE, "{checkpoint} {latency} {replan}: {late} {pod:?}");
        }
        assert!(outcome.pods.iter().any(|pod| pod.start > Some(after(0.0))));
    }
}

#[test]
fn a_pod_that_went_early_for_prepaid_room_takes_it() {
    let mut world = with_hours(&[300.0; 12]);
    world.pools.push(carbon_kube_sim::world::Pool { prepaid: true, count: 1, ..pool("b", 0, 1) });
    // The prepaid node is half full, so the scheduler's own choice would be an empty one.
    let mut first = pod(0.0, 9.0, Some(0.0));
    first.requests = resources(2.0, 1);
    world.pods = vec![first, pod(1.0, 1.0, Some(8.0)), pod(1.5, 1.0, Some(8.0))];
    world.classes.push(class("first"));
    world.pods[0].class = 1;
    world.classes[1].node_selector = [("pool".to_owned(), "b".to_owned())].into();
    let outcome = run(&world, json!("all-wait"));
    assert_eq!(starts(&outcome), [0.0, 1.0, 1.5]);
    assert!(outcome.pods.iter().all(|pod| pod.pool == Some(1)));
}

#[test]
fn a_quota_makes_new_pods_wait_and_leaves_running_ones() {
    // At the day's most, 400, CAP lets deferrable pods hold `alwaysCores` alone; at 100 all.
    let hours: Vec<f64> = (0..24).map(|h| if h < 3 { 400.0 } else { 100.0 }).collect();
    let mut world = with_hours(&hours);
    let waits = |at| pod(at, 6.0, Some(10.0));
    world.pods = vec![waits(0.0), waits(0.1), waits(0.2), pod(0.3, 6.0, None)];
    let outcome = run(&world, json!({"cap": {"cores": 6, "alwaysCores": 2}}));
    let starts = starts(&outcome);
    assert_eq!((starts[0], starts[1], starts[3]), (0.0, 0.1, 0.3));
    assert!((3.0..3.1).contains(&starts[2]), "{starts:?}");
    assert_eq!(outcome.pods.iter().map(|pod| pod.pauses).sum::<u32>(), 0);
}

#[test]
fn room_is_free_after_the_cleanup() {
    let mut world = with_hours(&[300.0]);
    world.pools[0].count = 1;
    world.scheduler.cleanup = Span::MINUTE;
    let mut all = pod(0.0, 1.0, None);
    all.requests = resources(4.0, 1);
    world.pods = vec![all, carbon_kube_sim::world::Pod { arrival: after(0.5), ..all }];
    let minute = Span::MINUTE.hours();
    assert_eq!(starts(&run(&world, json!("default-scheduler"))), [0.0, 1.0 + minute]);
}

#[test]
fn a_stated_forecast_is_believed_though_it_is_wrong() {
    let mut world = with_hours(&[300.0, 100.0, 300.0]);
    let expected = [300.0, 300.0, 10.0].into_iter().chain(std::iter::repeat_n(300.0, 90));
    let stated = carbon_kube_core::forecast::StatedForecast::new(START, Span::HOUR, expected);
    world.forecast = ForecastModel::Stated(std::sync::Arc::new(stated));
    world.pods = vec![pod(0.0, 1.0, Some(4.0))];
    assert_eq!(starts(&run(&world, json!("lowest-slot"))), [2.0]);
}

#[test]
fn a_search_takes_what_it_is_given_at_the_end() {
    // Between 100 and 400, one-min accepts 200. Nothing comes under it, so the last two hours.
    let mut world = with_hours(&[300.0; 12]);
    world.pods = vec![pod(0.0, 2.0, Some(4.0))];
    let bounds = json!({"lowestGPerKwh": 100, "highestGPerKwh": 400});
    for policy in ["one-min", "k-min", "double-threshold"] {
        assert_eq!(starts(&run(&world, json!({policy: bounds}))), [4.0], "{policy}");
    }
    let mut clean = with_hours(&[300.0, 150.0, 300.0, 150.0, 300.0]);
    clean.pods = world.pods;
    let outcome = run(&clean, json!({"one-min": bounds}));
    assert_eq!((starts(&outcome)[0], outcome.pods[0].pauses), (1.0, 1));
}
