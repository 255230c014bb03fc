//! Same world, same policies: the same bytes on any number of threads.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::atomic::AtomicBool;

use carbon_kube_policies::cycle::SCHEDULER_RETRY;
use carbon_kube_policies::{Holding, Settings};
use carbon_kube_sim::comparison::{self, Watch};
use carbon_kube_sim::engine::RunError;
use support::*;

fn busy_world() -> carbon_kube_sim::world::World {
    let values =
        |phase: f64| (0..24 * 12).map(move |h| 200.0 + 100.0 * (f64::from(h) / 3.8 + phase).sin());
    let start = START - carbon_kube_core::Span::DAY * 7;
    let zones = [("US-CA", 0.0), ("EU-DE", 1.0)]
        .map(|(name, phase)| zone_from(name, start, carbon_kube_core::Span::HOUR, values(phase)));
    let pods =
        (0..500).map(|i| pod(f64::from(i) * 0.04, 0.3 + f64::from(i % 7), Some(f64::from(i % 11))));
    world(
        zones.into(),
        vec![pool("ca", 0, 20), pool("de", 1, 20)],
        vec![class("job")],
        pods.collect(),
    )
}

#[test]
fn one_and_two_threads_give_the_same_outcomes() {
    threads_do_not_matter(&busy_world());
    let mut world = busy_world();
    world.scheduler.holding = Holding::Filter { retry: SCHEDULER_RETRY };
    world.scheduler.percentage_of_nodes_to_score = 0;
    for pool in &mut world.pools {
        pool.count = 60;
    }
    threads_do_not_matter(&world);
}

fn threads_do_not_matter(world: &carbon_kube_sim::world::World) {
    let entries = comparison::entries(Settings::all());
    let stop = AtomicBool::new(false);
    let watch = Watch { stop: &stop, progress: &|_, _| {}, events: None, decisions: None };
    let run = |threads| {
        let outcomes = comparison::compare(world, &entries, threads, &watch).unwrap();
        outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let (one, two) = (run(1), run(2));
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one.digest, two.digest, "{}", one.policy);
        // NaN thresholds are not equal to themselves: compare the bytes of a print.
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
    let blind = one.iter().find(|outcome| outcome.policy == "default-scheduler").unwrap().digest;
    let mut digests: std::collections::BTreeMap<u128, Vec<&str>> =
        std::collections::BTreeMap::new();
    for outcome in &one {
        digests.entry(outcome.digest).or_default().push(&outcome.policy);
    }
    eprintln!("{digests:?}");
    // Only who has no opinion here may do as another does: this world has no scaling profiles.
    let others = digests.iter().filter(|(digest, _)| **digest != blind);
    assert!(others.clone().all(|(_, policies)| policies.len() == 1), "{digests:?}");
    assert!(digests.len() > one.len() / 2, "{digests:?}");
}

#[test]
fn a_run_that_is_told_to_stop_stops() {
    let world = busy_world();
    let stop = AtomicBool::new(true);
    let watch = Watch { stop: &stop, progress: &|_, _| {}, events: None, decisions: None };
    let outcomes =
        comparison::compare(&world, &comparison::entries(Settings::all()), 1, &watch).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(RunError::Interrupted))));
}

#[test]
fn a_policy_that_is_listed_twice_has_two_names() {
    let twice = [Settings::all()[1].clone(), Settings::all()[1].clone()];
    let names: Vec<String> =
        comparison::entries(twice).into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["threshold", "threshold-2"]);
}
