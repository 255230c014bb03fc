//! No run beats the bound, whatever the policy and the world.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_policies::Settings;
use carbon_kube_sim::bound::job::JobBounds;
use carbon_kube_sim::bound::{BoundError, headroom};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::{Outcome, PodState};
use carbon_kube_sim::world::*;
use proptest::prelude::*;
use support::{START, after, class, hours, pod, pool, resources, world, zone, zone_from};

/// Two days, the first hours dear: 400, then 100 from hour 6 to 9, then 300.
fn two_days() -> GridZone {
    zone(
        "US-CA",
        (0..48).map(|h| {
            if h < 6 {
                400.0
            } else if h < 9 {
                100.0
            } else {
                300.0
            }
        }),
    )
}

fn least(world: &World, until: f64) -> f64 {
    JobBounds::new(world).unwrap().least(0, after(until)).unwrap().get()
}

#[test]
fn a_job_in_one_piece_gets_the_cleanest_window_and_another_the_cleanest_hours() {
    // One core at 50 W: 0.05 kW. Four hours, twelve hours of delay.
    let mut world = world(
        vec![two_days()],
        vec![pool("ca", 0, 1)],
        vec![class("job")],
        vec![pod(1.0, 4.0, Some(12.0))],
    );
    // From 6:00: three hours at 100 and one at 300, 600 g/kWh x h x 0.05 kW = 30 g.
    assert!((least(&world, 17.0) - 30.0).abs() < 1e-9);
    // By 8:00 at the latest: two hours at 400 and two at 100, 1,000 x 0.05 = 50 g.
    assert!((least(&world, 8.0) - 50.0).abs() < 1e-9);
    assert_eq!(JobBounds::new(&world).unwrap().least(0, after(4.9)), None);
    // In pieces the same four hours are the cleanest, as they lie together.
    world.classes[0].interruptible = true;
    assert!((least(&world, 17.0) - 30.0).abs() < 1e-9);
    // A second zone at 150 in hours 9 to 11 takes the hour at 300: 450 x 0.05 = 22.5 g.
    world
        .zones
        .push(zone("EU-FR", (0..48).map(|h| if (9..11).contains(&h) { 150.0 } else { 500.0 })));
    world.pools.push(pool("fr", 1, 1));
    assert!((least(&world, 17.0) - 22.5).abs() < 1e-9);
    // In one piece, four hours in France would be 1,300 x 0.05 = 65 g.
    world.classes[0].interruptible = false;
    assert!((least(&world, 17.0) - 30.0).abs() < 1e-9);
    // On nodes there with 10 W per core they are 13 g.
    world.pools[1].busy = carbon_kube_core::Watts::new(140.0).unwrap();
    assert!((least(&world, 17.0) - 13.0).abs() < 1e-9);
}

#[test]
fn a_curve_has_no_bound_and_says_which_pool() {
    let watts = |value| carbon_kube_core::Watts::new(value).unwrap();
    let curve = carbon_kube_core::power::Curve::new(
        watts(100.0),
        watts(300.0),
        carbon_kube_core::power::Shape::Sqrt,
    );
    let mut curved = pool("bent", 0, 1);
    curved.curve = Some(curve.unwrap());
    let pods = vec![pod(0.0, 1.0, None)];
    let world = world(vec![two_days()], vec![curved], vec![class("job")], pods);
    let error = JobBounds::new(&world).unwrap_err();
    assert_eq!(error, BoundError::Curve { pool: "bent".into() });
}

#[test]
fn windows_that_are_too_many_to_look_at_are_refused() {
    let pods = (0..4_000_000).map(|_| pod(0.0, 1.0, Some(40.0))).collect();
    let world = world(vec![two_days()], vec![pool("ca", 0, 1)], vec![class("job")], pods);
    assert!(matches!(JobBounds::new(&world), Err(BoundError::TooLarge { .. })));
}

prop_compose! {
    fn any_pod()(
        arrival in 0.0..24.0f64,
        duration in 0.05..10.0f64,
        max_delay in prop::option::of(0.0..20.0f64),
        cores in 0.1..4.0f64,
        class in 0u32..4,
    ) -> Pod {
        let mut pod = pod(arrival, duration, max_delay);
        pod.requests = resources(cores, 1);
        pod.class = class;
        pod
    }
}

prop_compose! {
    /// Zones with steps of their own, pools with watts and speeds of their own, spot capacity.
    fn any_world(jobs: usize)(
        grids in prop::collection::vec(
            (prop::collection::vec(10.0..800.0f64, 24 * 12), prop::sample::select(vec![30i64, 60])),
            1..4,
        ),
        machines in prop::collection::vec(
            (1u32..4, 120.0..500.0f64, prop::sample::select(vec![0.5, 1.0, 1.7]), any::<bool>()), 3,
        ),
        overhead in prop::option::of(prop::collection::vec(0.8..1.2f64, 5)),
        mut pods in prop::collection::vec(any_pod(), 1..jobs),
        seed in any::<u64>(),
    ) -> World {
        pods.sort_by_key(|pod| pod.arrival);
        let names = ["US-CA", "EU-DE", "EU-FR"];
        let mut zones: Vec<_> = grids.into_iter().zip(names).map(|((values, minutes), name)| {
            zone_from(name, START - Span::DAY, Span::MINUTE * minutes, values)
        }).collect();
        zones[0].overhead = overhead.map(|factors| Overhead { step: Span::HOUR * 5, factors });
        let pools = zones.iter().zip(machines).enumerate().map(|(i, (_, machine))| {
            let (count, busy, speed, spot) = machine;
            let mut pool = pool(names[i], i, count);
            pool.busy = carbon_kube_core::Watts::new(busy).unwrap();
            pool.speed = speed;
            let outage = Outage {
                kind: OutageKind::Reclaim, mean_between: hours(20.0), away: hours(0.5),
            };
            pool.outages = if spot { vec![outage] } else { Vec::new() };
            pool
        });
        let pools = pools.collect();
        let mut classes = vec![class("plain"), class("pausable"), class("movable"), class("wide")];
        classes[1].interruptible = true;
        classes[1].checkpoint = Span::MINUTE * 3;
        classes[2].migratable = true;
        classes[3].speedup = vec![1.0, 1.8, 2.4];
        let mut world = world(zones, pools, classes, pods);
        world.seed = seed;
        world
    }
}

fn run(world: &World, settings: &Settings) -> Outcome {
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, settings.policy(), settings.name(), hooks).unwrap()
}

fn runs(world: &World) -> Vec<Outcome> {
    Settings::all().iter().map(|settings| run(world, settings)).collect()
}

/// Instants are whole milliseconds, also on a node of another speed: half of one per piece.
fn holds(emitted: f64, bound: f64) -> bool {
    emitted >= bound * (1.0 - 1e-5) - 1e-9
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn no_job_emits_less_than_its_bound(world in any_world(40)) {
        let bounds = JobBounds::new(&world).unwrap();
        let runs = runs(&world);
        for run in &runs {
            for (i, (spec, pod)) in world.pods.iter().zip(&run.pods).enumerate() {
                if pod.state != PodState::Completed {
                    continue;
                }
                let deadline = spec.arrival + spec.duration + spec.max_delay.unwrap_or_default();
                let latest = deadline.max(pod.finish.unwrap());
                let bound = bounds.least(i, latest).expect("it ran, so there is a place").get();
                prop_assert!(holds(pod.operational.get(), bound), "{}: {pod:?} {bound}", run.policy);
            }
            let headroom = headroom(&bounds, &runs[0], run);
            prop_assert!(holds(headroom.run.get(), headroom.bound.get()));
        }
    }

    #[cfg(feature = "bound")]
    #[test]
    fn all_jobs_together_emit_no_less_than_the_bound_with_capacity(world in any_world(8)) {
        let bounds = JobBounds::new(&world).unwrap();
        let runs = runs(&world);
        let runs: Vec<&Outcome> = runs.iter().collect();
        let capacity = carbon_kube_sim::bound::with_capacity(&bounds, &runs).unwrap();
        for (outcome, run) in runs.iter().zip(&capacity.runs) {
            prop_assert!(holds(run.get(), capacity.bound.get()), "{}: {capacity:?}", outcome.policy);
        }
    }
}

#[cfg(feature = "bound")]
mod with_capacity {
    use carbon_kube_sim::bound::with_capacity;

    use super::*;

    /// Four cores, two clean hours: eight core-hours of eighty fit there.
    #[test]
    fn what_does_not_fit_into_the_clean_hours_is_done_in_others() {
        let pods = (0..4).map(|_| pod(0.0, 2.0, Some(8.0)));
        let values = (0..48).map(|h| if (2..4).contains(&h) { 100.0 } else { 300.0 });
        let mut pods: Vec<Pod> = pods.collect();
        pods.iter_mut().for_each(|pod| pod.requests = resources(2.0, 1));
        let world =
            world(vec![zone("US-CA", values)], vec![pool("ca", 0, 1)], vec![class("job")], pods);
        let bounds = JobBounds::new(&world).unwrap();
        let outcome = run(&world, &Settings::all()[0]);
        let bound = with_capacity(&bounds, &[&outcome]).unwrap();
        // Alone each takes 0.1 kW x 2 h at 100: 20 g. Together two must wait: 20 + 20 + 60 + 60 g.
        assert_eq!(bound.jobs, 4);
        assert!((bound.bound.get() - 160.0).abs() < 1e-3, "{bound:?}");
        let alone: f64 = (0..4).map(|i| bounds.least(i, after(10.0)).unwrap().get()).sum();
        assert!((alone - 80.0).abs() < 1e-9);
    }

    #[test]
    fn too_many_jobs_are_refused_with_the_number() {
        let pods = (0..2_000).map(|_| pod(0.0, 1.0, Some(20.0))).collect();
        let world = world(vec![two_days()], vec![pool("ca", 0, 500)], vec![class("job")], pods);
        let bounds = JobBounds::new(&world).unwrap();
        let outcome = run(&world, &Settings::all()[0]);
        let error = with_capacity(&bounds, &[&outcome]).unwrap_err();
        assert!(matches!(error, BoundError::TooLarge { .. }), "{error}");
    }
}

#[cfg(not(feature = "bound"))]
#[test]
fn without_the_solver_it_says_so() {
    let pods = vec![pod(0.0, 1.0, None)];
    let world = world(vec![two_days()], vec![pool("ca", 0, 1)], vec![class("job")], pods);
    let bounds = JobBounds::new(&world).unwrap();
    let error = carbon_kube_sim::bound::with_capacity(&bounds, &[]).unwrap_err();
    assert_eq!(error, BoundError::NotBuilt);
}
