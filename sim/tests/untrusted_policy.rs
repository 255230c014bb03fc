//! The engine keeps its promises whatever a policy answers.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{JobView, NodeView, PodView};
use carbon_kube_core::{GramsPerKwh, MilliCpu, Span, Time};
use carbon_kube_policies::{
    Adjustment, Gate, Holding, Observation, Policy, Run, Scale, Signal, Verdict,
};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::{Outcome, PodState};
use carbon_kube_sim::world::World;
use support::*;

fn run_with(world: &World, policy: &dyn Policy) -> Outcome {
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, policy, "test", hooks).unwrap()
}

fn small(pods: Vec<carbon_kube_sim::world::Pod>) -> World {
    let zones = vec![zone("US-CA", vec![100.0; 96])];
    world(zones, vec![pool("ca", 0, 2)], vec![class("job")], pods)
}

/// Holds for ever, refuses every node, scores beyond the range, pauses and moves all it can.
#[derive(Debug)]
struct Hostile;

impl Policy for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn gate(&self, _: &PodView, _: &Signal<'_>) -> Gate {
        Gate::Hold { until: Time::MAX }
    }

    fn place(&self, pod: &PodView, _: &[NodeView], signal: &Signal<'_>, verdicts: &mut [Verdict]) {
        for verdict in verdicts {
            let waits = pod.must_run_by.is_some_and(|limit| limit > signal.now);
            *verdict = Verdict { feasible: !waits, score: i64::MAX };
        }
    }

    fn run(&self, _: &PodView, _: &NodeView, _: &Signal<'_>) -> Run {
        Run::Pause { until: Time::MAX }
    }

    fn migrate(&self, _: &PodView, _: &NodeView, _: &[NodeView], _: &Signal<'_>) -> Option<usize> {
        Some(usize::MAX)
    }
}

#[test]
fn a_hostile_policy_delays_a_pod_by_its_maximum_delay_and_no_more() {
    let mut world = small(vec![pod(1.0, 2.0, Some(6.0)), pod(1.5, 2.0, None)]);
    world.classes[0].interruptible = true;
    world.classes[0].migratable = true;
    let outcome = run_with(&world, &Hostile);
    assert_eq!(outcome.pods[0].start, Some(after(7.0)));
    assert_eq!(outcome.pods[0].finish, Some(after(9.0)));
    assert_eq!(outcome.pods[1].start, Some(after(1.5)));
    assert!(outcome.pods.iter().all(|pod| pod.state == PodState::Completed));
}

#[test]
fn in_the_schedulers_queue_a_hostile_policy_has_no_more_power() {
    let mut world = small(vec![pod(1.0, 2.0, Some(6.0)), pod(1.5, 2.0, None)]);
    world.scheduler.holding = Holding::Filter { retry: Span::from_millis(330_000) };
    let outcome = run_with(&world, &Hostile);
    assert_eq!(outcome.pods[1].start, Some(after(1.5)));
    // The first is tried when the second starts and ends, at 3:30, and from then on every 330 s. It
    // is not refused from 6:54:30 on: 12,270 s later, over with the 38th try at 6:59.
    assert_eq!(outcome.pods[0].start, Some(after(3.5) + Span::from_millis(38 * 330_000)));
    assert!(outcome.pods.iter().all(|pod| pod.state == PodState::Completed));
}

/// A threshold of 100 g/kWh, adjusted by whatever the tuner says.
#[derive(Debug)]
struct Tuned(f64);

impl Policy for Tuned {
    fn name(&self) -> &'static str {
        "tuned"
    }

    fn threshold(&self, _: &History<'_>) -> Option<GramsPerKwh> {
        GramsPerKwh::new(100.0)
    }

    fn tunes(&self) -> bool {
        true
    }

    fn tune(&self, observation: &Observation) -> Adjustment {
        assert!((observation.base.get() - 100.0).abs() < 1e-9);
        assert!((0.0..24.0).contains(&observation.local_hour) && observation.weekday < 7);
        Adjustment { grams_per_kwh: self.0, ..Adjustment::default() }
    }
}

#[test]
fn an_adjustment_is_kept_within_fifty_grams() {
    let world = small(vec![pod(1.0, 2.0, None)]);
    for (adjustment, threshold) in
        [(20.0, 120.0), (1e9, 150.0), (f64::NEG_INFINITY, 50.0), (f64::NAN, 100.0)]
    {
        let outcome = run_with(&world, &Tuned(adjustment));
        let set = outcome.intervals[0].threshold;
        assert!((set - threshold).abs() < 1e-9, "{adjustment}: {set} is not {threshold}");
    }
}

/// Lets deferrable pods have one core between them, and holds them until hour 2.
#[derive(Debug)]
struct OneCore;

impl Policy for OneCore {
    fn name(&self) -> &'static str {
        "one-core"
    }

    fn gate(&self, _: &PodView, signal: &Signal<'_>) -> Gate {
        if signal.now < after(2.0) { Gate::Hold { until: after(2.0) } } else { Gate::Release }
    }

    fn quota(&self, _: &Signal<'_>) -> Option<MilliCpu> {
        Some(MilliCpu(1_000))
    }
}

#[test]
fn a_quota_lets_held_pods_out_one_after_the_other() {
    let world = small((0..3).map(|_| pod(1.0, 1.0, Some(20.0))).collect());
    let outcome = run_with(&world, &OneCore);
    let mut starts: Vec<Time> = outcome.pods.iter().filter_map(|pod| pod.start).collect();
    starts.sort();
    assert!(starts[0] >= after(2.0) && starts[1] >= after(3.0) && starts[2] >= after(4.0));
    // The pacer looks every ten seconds, so a pod starts that late at most.
    assert!(starts[2] <= after(4.01));
}

/// As many workers as there are in clean hours, none in dirty ones.
#[derive(Debug)]
struct Elastic;

impl Policy for Elastic {
    fn name(&self) -> &'static str {
        "elastic"
    }

    fn scale(&self, _: &JobView<'_>, signal: &Signal<'_>) -> Option<Scale> {
        let clean = signal.zone(0).intensity.is_some_and(|g| g.get() < 150.0);
        Some(Scale { workers: if clean { u32::MAX } else { 0 }, until: signal.next_update })
    }
}

#[test]
fn a_job_with_a_profile_has_the_workers_that_its_node_has_room_for() {
    let mut world = small(vec![pod(1.0, 7.0, Some(20.0)), pod(0.0, 24.0, None)]);
    world.zones = vec![zone("US-CA", (0..96).map(|h| if h < 3 { 400.0 } else { 100.0 }))];
    world.pools[0].count = 1;
    world.classes[0].speedup = vec![1.0, 1.8, 2.5, 3.0];
    world.classes[0].draw = vec![1.0, 2.0, 3.0, 4.0];
    world.classes.push(class("service"));
    world.pods[1].class = 1;
    world.pods.swap(0, 1);
    let outcome = run_with(&world, &Elastic);
    // Held until hour 3. The node has room for three, beside the service: 7 h of work at 2.5
    // times the speed take 2.8 h.
    assert_eq!(outcome.pods[1].start, Some(after(3.0)));
    assert_eq!(outcome.pods[1].finish, Some(after(5.8)));
    // 50 W each: 2.8 h x 3 x 100 g x 0.05 kW = 42 g.
    assert!((outcome.pods[1].operational.get() - 42.0).abs() < 1e-9);
}

#[test]
fn a_job_that_may_not_be_paused_keeps_a_worker_and_one_that_may_has_none_until_it_must() {
    let run = |interruptible| {
        let mut world = small(vec![pod(1.0, 4.0, Some(4.0))]);
        world.zones = vec![zone("US-CA", (0..96).map(|h| if h < 2 { 100.0 } else { 400.0 }))];
        world.classes[0].speedup = vec![1.0, 2.0];
        world.classes[0].draw = vec![1.0, 1.5];
        world.classes[0].interruptible = interruptible;
        run_with(&world, &Elastic).pods[0]
    };
    // Two hours' work in the first hour, then one worker to the end: 50 W x (1.5 x 100 + 2 x 400).
    let kept = run(false);
    assert_eq!((kept.finish, kept.pauses), (Some(after(4.0)), 0));
    assert!((kept.operational.get() - 47.5).abs() < 1e-9);
    // The deadline is hour 9: with two workers the other two hours' work must start at hour 8.
    let paused = run(true);
    assert_eq!((paused.finish, paused.pauses), (Some(after(9.0)), 1));
}
