//! A run that is stepped from outside is the run of a policy that gives the same adjustments.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::{GramsPerKwh, Span};
use carbon_kube_policies::baselines::Percentile;
use carbon_kube_policies::file::Bounds;
use carbon_kube_policies::network::Network;
use carbon_kube_policies::observation::ObservationSpec;
use carbon_kube_policies::tuner::Action;
use carbon_kube_policies::{Deployed, Policy, Settings, Tuner};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::stepping::Episode;
use carbon_kube_sim::world::World;
use proptest::prelude::*;
use support::*;

/// Two zones of two weeks, and pods from the eighth day on.
fn two_zones(pods: &[(f64, f64, f64)]) -> World {
    let values = |shift: f64| {
        (0..21 * 24).map(move |hour| {
            let day = (f64::from(hour) * std::f64::consts::TAU / 24.0 + shift).sin();
            200.0 + 90.0 * day + f64::from(hour % 7)
        })
    };
    let mut batch = class("batch");
    (batch.interruptible, batch.migratable) = (true, true);
    batch.checkpoint = Span::MINUTE * 2;
    let mut pods: Vec<_> = pods
        .iter()
        .map(|&(arrival, duration, delay)| pod(7.0 * 24.0 + arrival, duration, Some(delay)))
        .collect();
    pods.sort_by_key(|pod| pod.arrival);
    let zones = vec![zone("EU-DE", values(0.0)), zone("EU-FR", values(2.0))];
    let mut world = world(zones, vec![pool("a", 0, 2), pool("b", 1, 2)], vec![batch], pods);
    world.end = after(14.0 * 24.0);
    world.forecast = ForecastModel::Noisy;
    world
}

/// A small network with weights that make it say something everywhere.
fn tuned(bounds: Bounds) -> Deployed {
    let observation = ObservationSpec::default();
    let inputs = observation.len();
    let weight = |at: usize| ((at * 37 % 19) as f32 - 9.0) / 12.0;
    let layers = [
        ((0..inputs * 8).map(weight).collect(), vec![0.1; 8]),
        ((0..8).map(weight).collect(), vec![0.05]),
    ];
    let tuner = Tuner {
        network: Network::new(inputs, &layers).unwrap(),
        observation,
        action: Action::default(),
        control_interval: Span::HOUR,
    };
    let rule = Settings::from(Percentile::default());
    Deployed { rule, bounds, tuner: Some(Arc::new(tuner)) }
}

fn simulated(world: &World, policy: &dyn Policy) -> Outcome {
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, policy, "", hooks).unwrap()
}

/// The outcome of a run whose adjustments are asked of the policy's own tuner, from outside.
fn stepped(world: &World, policy: &Deployed) -> (Outcome, Vec<f64>) {
    let rule = Deployed { tuner: None, ..policy.clone() };
    let mut episode = Episode::new(Arc::new(world.clone()), Arc::new(rule));
    let mut emitted = Vec::new();
    while !episode.is_over() {
        let adjust = |zone| {
            episode.observation(zone).map_or(f64::NAN, |seen| policy.tune(&seen).grams_per_kwh)
        };
        let adjustments: Vec<f64> = (0..world.zones.len()).map(adjust).collect();
        episode.advance(&adjustments);
        emitted.push(episode.progress().operational.get());
    }
    (episode.finish().unwrap(), emitted)
}

fn pods() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
    prop::collection::vec((0.0..100.0f64, 0.1..8.0f64, 0.0..30.0f64), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stepping_is_running(pods in pods()) {
        let world = two_zones(&pods);
        let policy = tuned(Bounds::NONE);
        let expected = simulated(&world, &policy);
        let (outcome, emitted) = stepped(&world, &policy);
        prop_assert!(emitted.windows(2).all(|pair| pair[0] <= pair[1]));
        let total: f64 = expected.zones.iter().map(|zone| zone.operational.get()).sum();
        prop_assert!((emitted.last().unwrap() - total).abs() < 1e-6 * total.max(1.0));
        prop_assert!(expected.tuning.asked > 0 && expected.tuning.out_of_range == 0);
        let outcome = Outcome { tuning: expected.tuning, ..outcome };
        prop_assert_eq!(outcome.digest, expected.digest);
        // As text: the rows have NaN where there is no threshold.
        prop_assert_eq!(format!("{outcome:?}"), format!("{expected:?}"));
    }
}

#[test]
fn the_bounds_of_a_policy_hold_in_the_simulator_too() {
    let world = two_zones(&[(1.0, 2.0, 12.0)]);
    let bounds = Bounds { min_grams_per_kwh: 150.0, max_grams_per_kwh: 160.0 };
    let outcome = simulated(&world, &tuned(bounds));
    let set: Vec<f64> =
        outcome.intervals.iter().map(|row| row.threshold).filter(|set| !set.is_nan()).collect();
    assert!(!set.is_empty() && set.iter().all(|set| (150.0..=160.0).contains(set)), "{set:?}");
    let free = simulated(&world, &tuned(Bounds::NONE));
    assert!(free.intervals.iter().any(|row| row.threshold < 150.0 || row.threshold > 160.0));
}

#[test]
fn an_observation_tells_what_is_held_and_what_was_added() {
    // One hour of work on one of eight cores, due to start within 12 hours.
    let mut world = two_zones(&[(0.5, 1.0, 12.0)]);
    world.zones.truncate(1);
    world.pools.truncate(1);
    let threshold = serde_json::json!({ "threshold": { "gramsPerKwh": 50 } });
    let rule: Settings = serde_json::from_value(threshold).unwrap();
    let mut episode = Episode::new(Arc::new(world), Arc::new(Deployed::from(rule)));
    while episode.now() < after(7.0 * 24.0 + 1.0) {
        episode.advance(&[7.0]);
    }
    let seen = episode.observation(0).unwrap();
    assert_eq!(seen.held_hours, Some(1.0 / 8.0));
    assert_eq!(seen.slack, Some(hours(11.5)));
    assert_eq!(
        (seen.base, seen.previous_adjustment.to_bits()),
        (GramsPerKwh::saturating(50.0), 7.0f64.to_bits())
    );
    assert_eq!((episode.progress().held, episode.progress().open), (1, 1));
    assert_eq!(episode.pod(0).waited, hours(0.5));
    // Two idle nodes of 100 W, of 300 W each at full load.
    assert!((seen.power_ratio.unwrap() - 200.0 / 600.0).abs() < 1e-9);
    // Beyond a threshold of 100 it goes, and takes an hour.
    let mut before = episode.progress();
    while !episode.is_over() {
        before = episode.progress();
        let power = episode.observation(0).unwrap().power_ratio.unwrap();
        // One core for a part of the hour adds less than its 50 W.
        assert!((200.0 / 600.0 - 1e-9..=250.0 / 600.0 + 1e-9).contains(&power), "{power}");
        episode.advance(&[f64::INFINITY]);
    }
    assert!(before.open == 1 && episode.progress().open == 0);
    assert!(episode.pod(0).is_over && episode.pod(0).done == hours(1.0));
}
