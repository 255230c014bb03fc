//! Small runs whose numbers a reader can check with pencil and paper.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::Arc;

use carbon_kube_core::power::{Curve, Shape};
use carbon_kube_core::price::PriceSeries;
use carbon_kube_core::{Bytes, MilliGpu, Span};
use carbon_kube_policies::Holding;
use carbon_kube_sim::outcome::PodState;
use carbon_kube_sim::world::{Affinity, Operator, Owner, Requirement, Taint, TaintEffect};
use serde_json::json;
use support::*;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
}

/// 400 g/kWh for six hours, 100 for six, and so on for four days.
fn day_and_night() -> Vec<f64> {
    (0..96).map(|hour| if hour / 6 % 2 == 0 { 400.0 } else { 100.0 }).collect()
}

#[test]
fn a_pod_adds_its_share_of_the_power_between_idle_and_busy() {
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 2)],
        vec![class("job")],
        vec![pod(5.0, 2.0, None)],
    );
    world.pools[0].pue = 1.5;
    world.pools[0].embodied_kg = 876.6;
    let outcome = run(&world, json!("default-scheduler"));
    // One core of four: (300 - 100) W / 4 x PUE 1.5 = 75 W. An hour at 400 g/kWh and one at 100:
    // 0.075 kW x (400 + 100) = 37.5 g, 0.15 kWh.
    let account = outcome.zones[0];
    close(account.operational.get(), 37.5);
    close(outcome.pods[0].energy.get(), 0.15);
    // Two idle nodes: 2 x 0.1 kW x 1.5 = 0.3 kW for 24 h with a mean of 250 g/kWh: 1,800 g, 7.2 kWh.
    close(account.idle.get(), 1_800.0);
    close(account.energy.get(), 7.35);
    // Embodied: 2 x 876,600 g over 4 x 8,766 h = 50 g/h, for 24 h: 1,200 g.
    close(account.embodied.get(), 1_200.0);
    close(account.emissions().get(), 3_037.5);
    // The pod holds a quarter of a node's cores for 2 h: 25 W x 1.5 idle, 500 g/kWh x h: 18.75 g;
    // 25 g/h / 4 x 2 h = 12.5 g embodied; 0.4 USD/h x 1/4 x 2 h = 0.2 USD.
    close(outcome.pods[0].idle_share.get(), 18.75);
    close(outcome.pods[0].embodied_share.get(), 12.5);
    close(account.cost.get(), 0.2);
    // The rows per interval add up to the accounts without embodied.
    let rows: f64 = outcome.intervals.iter().map(|row| row.grams).sum();
    close(rows, 1_837.5);
}

#[test]
fn pods_on_a_curved_node_share_its_power_by_their_busy_cpu() {
    let watts = |value| carbon_kube_core::Watts::new(value).unwrap();
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 1)],
        vec![class("job"), class("half-busy")],
        vec![pod(0.0, 4.0, None), pod(1.0, 2.0, None), pod(10.0, 4.0, None)],
    );
    world.pools[0].curve = Some(Curve::new(watts(100.0), watts(300.0), Shape::Square).unwrap());
    world.pools[0].pue = 2.0;
    world.classes[1].cpu_utilisation = 0.25;
    world.pods[1].class = 1;
    world.pods[1].requests = resources(2.0, 1);
    let outcome = run(&world, json!("default-scheduler"));
    // 200 W u^2 over idle. Alone, the first pod's core is u = 1/4: 12.5 W. With the half core of the
    // second it is u = 3/8: 28.125 W, of which the first has two thirds, 18.75 W, and the second
    // 9.375 W. At PUE 2 over 1 + 2 + 1 hours: 2 x (12.5 + 37.5 + 12.5) = 125 Wh and 37.5 Wh.
    close(outcome.pods[0].energy.get(), 0.125);
    close(outcome.pods[1].energy.get(), 0.0375);
    // All at 400 g/kWh; the third at 100 for two hours and at 400 for two: 25 W x 1 kg/kWh.
    close(outcome.pods[0].operational.get(), 50.0);
    close(outcome.pods[1].operational.get(), 15.0);
    close(outcome.pods[2].operational.get(), 25.0);
    close(outcome.zones[0].operational.get(), 90.0);
    // Idle stays what it was: 0.1 kW x 2 x 24 h.
    close(outcome.zones[0].energy.get(), 4.8 + 0.125 + 0.0375 + 0.1);
    // The mean of the second hour: 2 x 28.125 W.
    close(outcome.intervals[1].pod_watts, 56.25);
}

#[test]
fn a_node_that_sleeps_when_idle_is_paid_by_the_pods_that_wake_it() {
    let watts = |value| carbon_kube_core::Watts::new(value).unwrap();
    let mut world = world(
        vec![zone("US-CA", vec![100.0; 48])],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(5.0, 2.0, None)],
    );
    let curve = Curve::new(watts(100.0), watts(300.0), Shape::Linear).unwrap();
    world.pools[0].curve = Some(curve.zero_when_idle());
    world.pools[0].idle = watts(0.0);
    let outcome = run(&world, json!("default-scheduler"));
    // Two hours of 100 W and a quarter of 200 W: 0.3 kWh, and nothing in the other 22.
    close(outcome.pods[0].energy.get(), 0.3);
    close(outcome.zones[0].energy.get(), 0.3);
    close(outcome.zones[0].idle.get(), 0.0);
}

#[test]
fn a_straight_curve_gives_the_numbers_of_a_straight_line() {
    let watts = |value| carbon_kube_core::Watts::new(value).unwrap();
    let pods = (0..40).map(|i| pod(f64::from(i) / 3.0, 1.0 + f64::from(i % 7), Some(9.0)));
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 3)],
        vec![class("job")],
        pods.collect(),
    );
    world.classes[0].interruptible = true;
    world.classes[0].checkpoint = hours(0.1);
    let line = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    let points = Shape::Points(vec![watts(100.0), watts(200.0), watts(300.0)]);
    world.pools[0].curve = Some(Curve::new(watts(0.0), watts(0.0), points).unwrap());
    let curve = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    assert_eq!(line.digest, curve.digest);
    for (line, curve) in line.pods.iter().zip(&curve.pods) {
        close(curve.operational.get(), line.operational.get());
        close(curve.energy.get(), line.energy.get());
    }
    close(curve.zones[0].operational.get(), line.zones[0].operational.get());
}

#[test]
fn a_busy_gpu_draws_by_its_own_use() {
    let watts = |value| carbon_kube_core::Watts::new(value).unwrap();
    let mut world = world(
        vec![zone("US-CA", vec![100.0; 48])],
        vec![pool("ca", 0, 1)],
        vec![class("training")],
        vec![pod(0.0, 2.0, None)],
    );
    world.pools[0].allocatable.gpu = MilliGpu::whole(4);
    world.pools[0].watts_per_gpu = watts(350.0);
    world.pools[0].pue = 1.5;
    world.classes[0].gpu_utilisation = 0.8;
    world.pods[0].requests.gpu = MilliGpu::whole(2);
    let outcome = run(&world, json!("default-scheduler"));
    // (50 W for its core + 2 x 350 W x 0.8) x 1.5 = 915 W for two hours.
    close(outcome.pods[0].energy.get(), 1.83);
    close(outcome.zones[0].operational.get(), 183.0);
}

#[test]
fn electricity_is_paid_by_the_hour_beside_the_price_of_capacity() {
    let mut world = world(
        vec![zone("EU-DE", vec![100.0; 48]), zone("EU-FR", vec![100.0; 48])],
        vec![pool("de", 0, 1), pool("fr", 1, 1)],
        vec![class("job")],
        vec![pod(5.0, 2.0, None)],
    );
    let steps = [(START, 0.30), (after(6.0), -0.10), (after(12.0), 0.20)];
    world.zones[0].electricity = Some(Arc::new(PriceSeries::new(steps).unwrap()));
    world.pools[1].count = 0;
    let outcome = run(&world, json!("default-scheduler"));
    // The pod: 0.05 kW x (1 h x 0.30 - 1 h x 0.10) = 0.01 USD.
    close(outcome.pods[0].electricity.get(), 0.01);
    // The idle node: 0.1 kW x (6 x 0.30 - 6 x 0.10 + 12 x 0.20) = 0.36 USD.
    close(outcome.zones[0].electricity.get(), 0.37);
    // Capacity is apart: 0.4 USD/h x 1/4 x 2 h. The other zone has no price.
    close(outcome.zones[0].cost.get(), 0.2);
    close(outcome.zones[1].electricity.get(), 0.0);
}

#[test]
fn a_fixed_threshold_waits_for_the_clean_hours_and_never_longer_than_allowed() {
    let world = |max_delay| {
        world(
            vec![zone("US-CA", day_and_night())],
            vec![pool("ca", 0, 1)],
            vec![class("job")],
            vec![pod(1.0, 2.0, max_delay)],
        )
    };
    let outcome = run(&world(Some(12.0)), json!({"threshold": {"gramsPerKwh": 250.0}}));
    // Clean from hour 6: 0.05 kW x 2 h x 100 g = 10 g; at once it would have been 40 g.
    assert_eq!(outcome.pods[0].start, Some(after(6.0)));
    assert_eq!(outcome.pods[0].held, hours(5.0));
    close(outcome.zones[0].operational.get(), 10.0);
    // Three hours of patience end at hour 4, in the dirt.
    let outcome = run(&world(Some(3.0)), json!({"threshold": {"gramsPerKwh": 250.0}}));
    assert_eq!(outcome.pods[0].start, Some(after(4.0)));
    close(outcome.zones[0].operational.get(), 40.0);
    let outcome = run(&world(None), json!({"threshold": {"gramsPerKwh": 250.0}}));
    assert_eq!(outcome.pods[0].start, Some(after(1.0)));
}

#[test]
fn an_interruptible_pod_pauses_in_the_dirt_and_repeats_its_checkpoint() {
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(10.0, 4.0, Some(20.0))],
    );
    world.classes[0].interruptible = true;
    world.classes[0].checkpoint = hours(0.25);
    let outcome = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    // It runs from 10 to 12, pauses in the dirt from 12 to 18, and then repeats a quarter of an hour:
    // 18 to 20.25. All 4.25 h at 100 g/kWh x 0.05 kW: 21.25 g.
    let pod = outcome.pods[0];
    assert_eq!((pod.pauses, pod.held), (1, hours(6.0)));
    assert_eq!(pod.finish, Some(after(20.25)));
    close(outcome.zones[0].operational.get(), 21.25);
}

#[test]
fn a_move_pays_with_transfer_energy_downtime_and_egress() {
    // DE turns from 100 to 500 g/kWh at hour 2, FR stays at 50.
    let germany = (0..48).map(|hour| if hour < 2 { 40.0 } else { 500.0 });
    let zones = vec![zone("EU-DE", germany), zone("EU-FR", vec![50.0; 48])];
    let mut world = world(
        zones,
        vec![pool("de", 0, 1), pool("fr", 1, 1)],
        vec![class("job")],
        vec![pod(0.0, 6.0, Some(6.0))],
    );
    world.classes[0].migratable = true;
    world.classes[0].checkpoint = hours(0.25);
    world.classes[0].data = Bytes(10_000_000);
    world.forecast = carbon_kube_core::forecast::ForecastModel::Persistence;
    let outcome = run(&world, json!("lowest-zone"));
    let pod = outcome.pods[0];
    // 2 h in DE at 40, then 0.25 h of downtime and 4 h in FR: 0.05 x (2 x 40 + 4.25 x 50) = 14.625 g.
    assert_eq!((pod.migrations, pod.finish), (1, Some(after(6.25))));
    close(pod.operational.get(), 14.625);
    // 0.01 GB x 0.06 kWh at both ends: 0.0006 kWh x (500 + 50) = 0.33 g; egress 0.01 x 0.02 USD,
    // and a quarter of a node at 0.4 USD/h for 6.25 h.
    close(pod.transfer.get(), 0.33);
    close(outcome.zones[0].transfer.get(), 0.3);
    close(pod.cost.get(), 0.0002 + 0.625);
}

#[test]
fn lowest_zone_places_where_the_pod_emits_least_not_where_the_grid_is_cleanest() {
    // FR has half the intensity, but its nodes draw four times the power per core.
    let zones = vec![zone("EU-DE", vec![200.0; 48]), zone("EU-FR", vec![100.0; 48])];
    let mut world = world(
        zones,
        vec![pool("de", 0, 1), pool("fr", 1, 1)],
        vec![class("job")],
        vec![pod(0.0, 1.0, None)],
    );
    world.pools[1].busy = carbon_kube_core::Watts::new(900.0).unwrap();
    assert_eq!(run(&world, json!("lowest-zone")).pods[0].pool, Some(0));
    world.pools[1].busy = world.pools[0].busy;
    assert_eq!(run(&world, json!("lowest-zone")).pods[0].pool, Some(1));
}

#[test]
fn lowest_window_takes_the_cleanest_forecast_window() {
    let mut intensity = vec![300.0; 48];
    (intensity[5], intensity[9], intensity[10]) = (90.0, 150.0, 150.0);
    let world = world(
        vec![zone("US-CA", intensity)],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(0.0, 2.0, Some(12.0))],
    );
    // Two hours: 9 and 10 have 150 + 150 = 300, less than 300 + 90 around hour 5.
    assert_eq!(run(&world, json!("lowest-window")).pods[0].start, Some(after(9.0)));
}

#[test]
fn percentile_holds_over_the_trailing_week_and_has_no_threshold_without_one() {
    // A week of 100..=267, then the same again: the 50th percentile of 168 values is 183.5.
    let week = || (0..168).map(|hour| 100.0 + f64::from(hour));
    let values: Vec<f64> = week().chain(week()).chain(week()).collect();
    let history = zone_from("US-CA", START - Span::DAY * 7, Span::HOUR, values);
    let mut world = world(
        vec![history],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(2.0, 1.0, Some(24.0))],
    );
    let outcome = run(&world, json!({"percentile": {"percentile": 50.0}}));
    close(outcome.intervals[0].threshold, 183.5);
    assert_eq!(outcome.pods[0].start, Some(after(2.0)));
    // Without history nothing is held.
    world.zones = vec![zone("US-CA", day_and_night())];
    let outcome = run(&world, json!("percentile"));
    assert!(outcome.intervals[0].threshold.is_nan());
    assert_eq!(outcome.pods[0].start, Some(after(2.0)));
}

#[test]
fn a_pod_without_room_waits_with_back_off_until_a_node_is_free() {
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(0.0, 1.0, None), pod(0.5, 1.0, None)],
    );
    world.pods[0].requests = resources(4.0, 1);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[1].start, Some(after(1.0)));
    // One second before the room is free its back-off of 1 s still runs.
    world.pods[1].arrival = after(1.0) - Span::from_millis(400);
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[1].start, Some(after(1.0) + Span::from_millis(600)));
}

#[test]
fn the_higher_priority_gets_the_room_first() {
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 1)],
        vec![class("low"), class("high")],
        vec![pod(0.0, 1.0, None), pod(0.1, 1.0, None), pod(0.2, 1.0, None)],
    );
    for pod in &mut world.pods {
        pod.requests = resources(4.0, 1);
    }
    world.pods[2].class = 1;
    world.classes[1].priority = 1_000;
    world.scheduler.preemption = false;
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[2].start, Some(after(1.0)));
    assert_eq!(outcome.pods[1].start, Some(after(2.0)));
}

#[test]
fn taints_selectors_and_affinity_decide_where_a_pod_may_run() {
    let zones = vec![zone("EU-DE", vec![200.0; 48]), zone("EU-FR", vec![100.0; 48])];
    let mut world = world(
        zones,
        vec![pool("de", 0, 1), pool("fr", 1, 1)],
        vec![class("job")],
        vec![pod(0.0, 1.0, None)],
    );
    world.pools[0].taints =
        vec![Taint { key: "gpu".into(), value: "yes".into(), effect: TaintEffect::NoSchedule }];
    assert_eq!(run(&world, json!("default-scheduler")).pods[0].pool, Some(1));
    world.pools[0].taints.clear();
    world.classes[0].node_selector.insert("pool".into(), "fr".into());
    assert_eq!(run(&world, json!("default-scheduler")).pods[0].pool, Some(1));
    world.classes[0].node_selector.clear();
    let only = |name: &str| {
        vec![Requirement { key: "pool".into(), operator: Operator::In, values: vec![name.into()] }]
    };
    world.classes[0].affinity = Affinity { required: vec![only("de")], preferred: vec![] };
    assert_eq!(run(&world, json!("default-scheduler")).pods[0].pool, Some(0));
    world.classes[0].affinity = Affinity { required: vec![], preferred: vec![(10, only("fr"))] };
    assert_eq!(run(&world, json!("default-scheduler")).pods[0].pool, Some(1));
    world.classes[0].affinity = Affinity::default();
    world.pools[1].taints = vec![Taint {
        key: "spot".into(),
        value: String::new(),
        effect: TaintEffect::PreferNoSchedule,
    }];
    assert_eq!(run(&world, json!("default-scheduler")).pods[0].pool, Some(0));
}

#[test]
fn a_service_runs_to_the_end_of_the_window() {
    let mut world = world(
        vec![zone("US-CA", vec![100.0; 48])],
        vec![pool("ca", 0, 1)],
        vec![class("web")],
        vec![pod(0.0, 24.0, None)],
    );
    world.classes[0].owner = Owner::Deployment;
    let outcome = run(&world, json!({"threshold": {"gramsPerKwh": 1.0}}));
    assert_eq!(outcome.pods[0].finish, Some(after(24.0)));
    close(outcome.zones[0].operational.get(), 0.05 * 24.0 * 100.0);
}

#[test]
fn work_beyond_the_trace_is_charged_at_the_mean_and_counted() {
    // The trace ends with the window; the pod runs two hours over it, at the mean of 250.
    let world = world(
        vec![zone("US-CA", (0..24).map(|h| if h % 2 == 0 { 200.0 } else { 300.0 }))],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(23.0, 3.0, None)],
    );
    let outcome = run(&world, json!("default-scheduler"));
    close(outcome.zones[0].operational.get(), 0.05 * (300.0 + 2.0 * 250.0));
    assert_eq!(outcome.charged_beyond_trace, 1);
}

#[test]
fn a_pod_that_never_gets_a_node_ends_unfinished() {
    let mut world = world(
        vec![zone("US-CA", vec![100.0; 48])],
        vec![pool("ca", 0, 1)],
        vec![class("web"), class("job")],
        vec![pod(0.0, 24.0, None), pod(1.0, 1.0, None)],
    );
    world.classes[0].owner = Owner::Deployment;
    world.pods[0].requests = resources(4.0, 1);
    world.pods[1].class = 0;
    let outcome = run(&world, json!("default-scheduler"));
    assert_eq!(outcome.pods[0].state, PodState::Completed);
    assert_eq!(outcome.pods[1].state, PodState::Unfinished);
}

/// Found by `no_pod_is_held_beyond_its_maximum_delay`: a pod at its limit was put in line behind
/// others that had no room, and left up to ten seconds late with the pacer's next round.
#[test]
fn a_pod_at_its_limit_does_not_wait_for_the_next_round_of_the_pacer() {
    let seconds = |s: i64| Span::from_millis(1_000 * s);
    let intensity = (0..48).map(|hour| [400.0, 300.0, 200.0, 100.0, 50.0, 10.0][hour.min(5)]);
    let mut world = world(
        vec![zone("US-CA", intensity)],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(0.0, 10.0, None), pod(0.0, 0.5, Some(4.0)), pod(0.0, 1.0, Some(4.0))],
    );
    world.pods[0].requests = resources(4.0, 1);
    // Released at hour 4 and without room, this one is looked at again at its limit, 7 s later.
    world.pods[1].max_delay = Some(hours(4.0) + seconds(7));
    // Its best window starts at its limit, 5 s after hour 4.
    world.pods[2].max_delay = Some(hours(4.0) + seconds(5));
    let outcome = run(&world, json!("lowest-window"));
    assert_eq!(outcome.pods[2].held, hours(4.0) + seconds(5));
}

/// Nothing but an extender: a refused pod is left alone for 330 s at most.
fn extender_only(pods: Vec<carbon_kube_sim::world::Pod>) -> carbon_kube_sim::world::World {
    let mut world = world(
        vec![zone("US-CA", day_and_night())],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        pods,
    );
    world.scheduler.holding = Holding::Filter { retry: seconds(330) };
    world
}

fn seconds(s: i64) -> Span {
    Span::from_millis(1_000 * s)
}

#[test]
fn a_refused_pod_starts_with_the_first_try_after_the_grid_turned_clean() {
    let threshold = || json!({"threshold": {"gramsPerKwh": 250.0}});
    // Clean from hour 6, five hours after its creation; 18,000 s are over at the 55th try, after
    // 55 x 330 s = 18,150 s. The control loop, which looks at the grid at hour 6, wakes nobody.
    let outcome = run(&extender_only(vec![pod(1.0, 2.0, Some(12.0))]), threshold());
    assert_eq!(outcome.pods[0].start, Some(after(1.0) + seconds(18_150)));
    assert_eq!(outcome.pods[0].held, seconds(18_150));
    // Another pod that ends half a minute after hour 6 wakes it.
    let pods = vec![pod(1.0, 2.0, Some(12.0)), pod(5.5, 0.51, None)];
    let outcome = run(&extender_only(pods), threshold());
    assert_eq!(outcome.pods[0].start, Some(after(6.01)));
    // Another pod that is bound wakes it too.
    let pods = vec![pod(1.0, 2.0, Some(12.0)), pod(6.005, 1.0, None)];
    let outcome = run(&extender_only(pods), threshold());
    assert_eq!(outcome.pods[0].start, Some(after(6.005)));
}

#[test]
fn a_refused_pod_is_let_go_one_retry_before_its_limit() {
    // Its limit is hour 4. From 3:54:30 on it is not refused: 10,470 s after its creation, over at
    // the 32nd try after 32 x 330 s = 10,560 s, at 3:56.
    let outcome = run(
        &extender_only(vec![pod(1.0, 2.0, Some(3.0))]),
        json!({"threshold": {"gramsPerKwh": 250.0}}),
    );
    assert_eq!(outcome.pods[0].start, Some(after(1.0) + seconds(10_560)));
    // With less patience than one retry it is not refused at all.
    let outcome = run(
        &extender_only(vec![pod(1.0, 2.0, Some(0.09))]),
        json!({"threshold": {"gramsPerKwh": 250.0}}),
    );
    assert_eq!((outcome.pods[0].start, outcome.pods[0].held), (Some(after(1.0)), Span::ZERO));
}

#[test]
fn a_refused_pod_is_not_tried_before_its_back_off_is_over() {
    // Refused 300 ms before the grid turns clean; the pod that is bound 200 ms after it wakes it,
    // and it is tried one second after its first attempt.
    let millis = Span::from_millis;
    let mut pods = vec![pod(6.0, 2.0, Some(12.0)), pod(6.0, 1.0, None)];
    pods[0].arrival = after(6.0) - millis(300);
    pods[1].arrival = after(6.0) + millis(200);
    let outcome = run(&extender_only(pods), json!({"threshold": {"gramsPerKwh": 250.0}}));
    assert_eq!(outcome.pods[0].start, Some(after(6.0) + millis(700)));
}

#[test]
fn a_pod_that_the_policy_refuses_does_not_stand_in_the_way_of_the_next_of_its_shape() {
    let mut pods = vec![pod(0.0, 2.0, None), pod(0.5, 1.0, Some(12.0)), pod(0.6, 1.0, None)];
    for pod in &mut pods {
        pod.requests = resources(4.0, 1);
    }
    let outcome = run(&extender_only(pods), json!({"threshold": {"gramsPerKwh": 250.0}}));
    // The node is free at hour 2: the second pod finds room and is refused, the third takes it.
    assert_eq!(outcome.pods[2].start, Some(after(2.0)));
    // Held from then on. Tried when the third ends at hour 3, and 33 x 330 s = 10,890 s later.
    assert_eq!(outcome.pods[1].start, Some(after(3.0) + seconds(10_890)));
    assert_eq!(outcome.pods[1].held, hours(1.0) + seconds(10_890));
}

#[test]
fn a_cluster_with_only_an_extender_pauses_and_moves_nothing() {
    let mut world = extender_only(vec![pod(10.0, 4.0, Some(20.0))]);
    world.classes[0].interruptible = true;
    world.classes[0].migratable = true;
    let outcome = run(&world, json!({"threshold": {"gramsPerKwh": 250.0}}));
    // Two clean hours, then two dirty ones: 0.05 kW x (2 x 100 + 2 x 400) = 50 g.
    assert_eq!((outcome.pods[0].pauses, outcome.pods[0].finish), (0, Some(after(14.0))));
    close(outcome.zones[0].operational.get(), 50.0);
}

#[test]
fn a_scheduler_that_samples_nodes_may_not_show_the_cleanest_one() {
    // 249 nodes in Germany and one in France, which comes last in the order of looking.
    let zones = vec![zone("EU-DE", vec![500.0; 48]), zone("EU-FR", vec![50.0; 48])];
    let mut world = world(
        zones,
        vec![pool("de", 0, 249), pool("fr", 1, 1)],
        vec![class("job")],
        (0..3).map(|i| pod(f64::from(i), 1.0, None)).collect(),
    );
    let pools = |world: &carbon_kube_sim::world::World| {
        let pods = run(world, json!("lowest-zone")).pods;
        pods.iter().map(|pod| pod.pool.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(pools(&world), [1, 1, 1]);
    // 40 % are 100 nodes: the first cycle looks at 0 to 99, the second at 100 to 199, the third at
    // 200 to 249 and, from the front again, at 0 to 49.
    world.scheduler.percentage_of_nodes_to_score = 40;
    assert_eq!(pools(&world), [0, 0, 1]);
    // In topology zones of their own the two pools take turns: the node in France is the second
    // of all. The next cycles start at 100 and 200; the third comes round to it.
    for pool in &mut world.pools {
        pool.labels.insert("topology.kubernetes.io/zone".into(), pool.name.clone());
    }
    assert_eq!(pools(&world), [1, 0, 1]);
    // A node that has no room is looked at, but not counted: each cycle goes one further.
    world.pods.iter_mut().for_each(|pod| pod.duration = hours(10.0));
    world.pools[1].allocatable = resources(1.0, 16);
    assert_eq!(pools(&world), [1, 0, 0]);
}
