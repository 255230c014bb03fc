//! The simulated world as an environment: what it pays for, and that it is the simulator.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time};
use carbon_kube_datasets::bundled;
use carbon_kube_policies::baselines::Threshold;
use carbon_kube_policies::network::Network;
use carbon_kube_policies::{Deployed, Policy, Tuner};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::world::World;
use carbon_kube_trainer::environment::world::*;
use carbon_kube_trainer::environment::{Action, Environment, Step};
use proptest::prelude::*;

const START: Time = Time::from_millis(1_590_969_600_000);

fn series(values: impl IntoIterator<Item = f64>) -> Arc<IntensitySeries> {
    let label = Label {
        zone: "EU-DE".parse().unwrap(),
        area: "test".into(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let values = values.into_iter().map(Some);
    Arc::new(IntensitySeries::new(label, START, Span::HOUR, values).unwrap())
}

fn environment(config: WorldConfig, series: Arc<IntensitySeries>) -> WorldEnvironment {
    let ranges = vec![(START + Span::DAY * 7, series.end())];
    let forecast = ForecastModel::Seasonal { period: Span::DAY };
    WorldEnvironment::new(config, vec![ZoneSource { series, ranges }], forecast).unwrap()
}

fn act(environment: &mut WorldEnvironment, action: f32) -> Step<WorldInfo> {
    environment.step(Action::Continuous(&[action]))
}

/// Every step of an episode with these actions, over and over.
fn episode(environment: &mut WorldEnvironment, seed: u64, actions: &[f32]) -> Vec<Step<WorldInfo>> {
    environment.reset(seed, &WorldOptions::default());
    let mut steps = Vec::new();
    for action in actions.iter().cycle() {
        steps.push(act(environment, *action));
        if steps.last().unwrap().truncated {
            break;
        }
    }
    steps
}

fn total(steps: &[Step<WorldInfo>]) -> f64 {
    steps.iter().map(|step| f64::from(step.reward)).sum()
}

fn simulated(world: &World, policy: &dyn Policy) -> Outcome {
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, policy, "", hooks).unwrap()
}

fn operational(outcome: &Outcome) -> f64 {
    outcome.pods.iter().map(|pod| pod.operational.get()).sum()
}

fn germany() -> WorldEnvironment {
    let zone = "EU-DE".parse().unwrap();
    let series = Arc::new(bundled::series(&zone, FactorSet::Local).unwrap().unwrap());
    let ranges = vec![("2020-01-08".parse().unwrap(), "2020-12-24".parse().unwrap())];
    let zones = vec![ZoneSource { series, ranges }];
    WorldEnvironment::new(WorldConfig::default(), zones, ForecastModel::Noisy).unwrap()
}

#[test]
fn a_network_decides_in_the_environment_as_in_the_simulator() {
    let mut environment = germany();
    let config = environment.config().clone();
    let inputs = config.observation.len();
    let weight = |at: usize| ((at * 29 % 23) as f32 - 11.0) / 15.0;
    let layers = [
        ((0..inputs * 16).map(weight).collect(), vec![0.05; 16]),
        ((0..16).map(weight).collect(), vec![-0.1]),
    ];
    let network = Network::new(inputs, &layers).unwrap();
    let tuner = Tuner {
        observation: config.observation.clone(),
        network: network.clone(),
        action: config.action,
        control_interval: config.control_interval(),
    };
    for seed in 0..3 {
        let (_, world) = environment.world(seed, &WorldOptions::default());
        let policy = Deployed {
            rule: config.base.clone(),
            bounds: config.bounds,
            tuner: Some(Arc::new(tuner.clone())),
        };
        let expected = simulated(&world, &policy);
        assert!(expected.tuning.asked > 100 && expected.tuning.out_of_range == 0);

        let mut observation = environment.reset(seed, &WorldOptions::default());
        let (mut emitted, mut saved, mut steps) = (0.0, 0.0, 0);
        loop {
            let action = 50.0 * network.forward(&observation);
            let step = act(&mut environment, action);
            emitted += step.info.terms.emitted_grams;
            saved += step.info.terms.saved_grams();
            observation = step.observation;
            steps += 1;
            if step.truncated {
                break;
            }
        }
        // The action crosses as a 32-bit float: thresholds differ by a millionth of a gram at most.
        let grams = operational(&expected);
        assert!((emitted - grams).abs() < 1e-6 * grams, "{emitted} {grams}");
        let blind = carbon_kube_policies::baselines::DefaultScheduler::default();
        let reference = operational(&simulated(&world, &blind));
        assert!((saved - (reference - grams)).abs() < 1e-6 * grams, "{saved} of {reference}");
        assert!(steps >= 168);
    }
}

#[test]
fn a_saved_state_goes_on_as_it_would_have() {
    let mut environment = germany();
    environment.reset(3, &WorldOptions::default());
    (0..50).for_each(|n| drop(act(&mut environment, (n % 7) as f32 * 13.0 - 45.0)));
    let state = environment.save();
    let onward = |environment: &mut WorldEnvironment| -> Vec<Step<WorldInfo>> {
        (0..60).map(|n| act(environment, (n % 5) as f32 * 20.0 - 40.0)).collect()
    };
    let expected = onward(&mut environment);
    let mut other = germany();
    other.restore(&state).unwrap();
    assert_eq!(onward(&mut other), expected);
    // Before the first reset there is a state too, and another environment's is refused.
    let fresh = germany().save();
    other.restore(&fresh).unwrap();
    assert_eq!(other.save(), fresh);
    let config = WorldConfig { drain: false, ..WorldConfig::default() };
    let mut different = self::environment(config, series((0..1_200).map(|_| 100.0)));
    assert!(different.restore(&state).unwrap_err().to_string().contains("other settings"));
    assert!(different.restore(b"{}").is_err());
}

#[test]
fn the_same_seed_gives_the_same_episode_and_another_seed_another() {
    let mut environment = germany();
    let first = episode(&mut environment, 1, &[10.0, -20.0]);
    assert_eq!(episode(&mut environment, 1, &[10.0, -20.0]), first);
    assert_ne!(episode(&mut environment, 2, &[10.0, -20.0]), first);
}

#[test]
fn an_episode_stays_within_its_range_and_takes_what_a_reset_says() {
    let environment = germany();
    let (from, to): (Time, Time) = ("2020-01-08".parse().unwrap(), "2020-12-24".parse().unwrap());
    for seed in 0..200 {
        let (_, world) = environment.world(seed, &WorldOptions::default());
        assert!(world.start >= from && world.horizon() <= to);
    }
    let start: Time = "2020-05-01".parse().unwrap();
    let options = WorldOptions { zone: Some(0), start: Some(start) };
    assert_eq!(environment.world(9, &options).1.start, start);
}

#[test]
fn ranges_that_hold_no_episode_and_wrong_settings_are_refused() {
    let series = series((0..24 * 20).map(|_| 100.0));
    let zones =
        vec![ZoneSource { ranges: vec![(START + Span::DAY * 7, START + Span::DAY * 15)], series }];
    let new = |config| {
        WorldEnvironment::new(config, zones.clone(), ForecastModel::Persistence)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    // A week, a day of waiting and a day of work.
    let error = new(WorldConfig::default()).unwrap_err();
    assert!(error.contains("9d") || error.contains("216"), "{error}");
    let short = WorldConfig { episode_hours: 6 * 24, ..WorldConfig::default() };
    assert_eq!(new(short.clone()), Ok(()));
    let error = new(WorldConfig { control_minutes: 7, ..short }).unwrap_err();
    assert!(error.contains("controlMinutes"), "{error}");
}

/// An environment whose rule says nothing but a threshold.
fn fixed(threshold: f64, config: WorldConfig, values: &[f64]) -> WorldEnvironment {
    let base = Threshold { grams_per_kwh: threshold }.into();
    environment(WorldConfig { base, ..config }, series(values.iter().copied()))
}

/// Rewards that add up to the grams saved.
fn exact() -> WorldConfig {
    WorldConfig { episode_hours: 48, credit: Credit::Reference, ..WorldConfig::default() }
}

/// Episodes of two days in which nothing has to start before the end.
fn endless() -> WorldConfig {
    let workload = Workload { max_delay_hours: vec![100.0], ..Workload::default() };
    WorldConfig { drain: false, workload, ..exact() }
}

fn grid() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(5.0..900.0f64, 24 * 7 + 200..24 * 7 + 400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn holding_everything_for_ever_never_beats_releasing_at_once(values in grid(), seed in 0u64..99) {
        let released = episode(&mut fixed(5_000.0, endless(), &values), seed, &[0.0]);
        let held = episode(&mut fixed(0.0, endless(), &values), seed, &[0.0]);
        prop_assert!(held.last().unwrap().info.progress.running == 0);
        // What goes at once is the reference itself.
        prop_assert!(total(&released).abs() < 1e-3, "{}", total(&released));
        prop_assert!(total(&held) <= total(&released) + 1e-6, "{}", total(&held));
        // Nothing runs; at the end undone work is charged.
        let emits = |step: &Step<WorldInfo>| step.info.terms.emitted_grams > 0.0;
        prop_assert!(!held[..held.len() - 1].iter().any(emits));
        let usual = || WorldConfig { credit: Credit::WeekBefore, ..endless() };
        let released = total(&episode(&mut fixed(5_000.0, usual(), &values), seed, &[0.0]));
        let held = total(&episode(&mut fixed(0.0, usual(), &values), seed, &[0.0]));
        prop_assert!(held <= released + 1e-3, "{held} against {released}");
    }

    #[test]
    fn where_the_grid_never_changes_nothing_pays(
        level in 5.0..900.0f64,
        seed in 0u64..99,
        actions in prop::collection::vec(-50.0f32..50.0, 1..20),
    ) {
        let config = WorldConfig { episode_hours: 48, ..WorldConfig::default() };
        let values = vec![level; 24 * 20];
        let steps = episode(&mut fixed(level, config, &values), seed, &actions);
        prop_assert!(total(&steps) <= 1e-3);
        // Steps that hold pay nothing either: no reward for emitting nothing.
        prop_assert!(steps.iter().all(|step| step.reward <= 1e-4));
    }

    #[test]
    fn the_savings_of_the_steps_are_those_of_the_run(
        values in grid(),
        seed in 0u64..99,
        actions in prop::collection::vec(-50.0f32..50.0, 1..20),
    ) {
        let mut environment = fixed(300.0, exact(), &values);
        let steps = episode(&mut environment, seed, &actions);
        let (_, world) = environment.world(seed, &WorldOptions::default());
        let blind = carbon_kube_policies::baselines::DefaultScheduler::default();
        let reference = operational(&simulated(&world, &blind));
        let sum = |of: fn(&Terms) -> f64| -> f64 { steps.iter().map(|s| of(&s.info.terms)).sum() };
        prop_assert!((sum(|terms| terms.reference_grams) - reference).abs() < 1e-6 * reference.max(1.0));
        prop_assert!(sum(|terms| terms.undone_core_hours) == 0.0);
        let saved = sum(Terms::saved_grams);
        let emitted = sum(|terms| terms.emitted_grams);
        prop_assert!((saved - (reference - emitted)).abs() < 1e-6 * reference.max(1.0));
        prop_assert!(steps.iter().all(|step| !step.terminated));
    }

    #[test]
    fn what_work_is_credited_changes_a_return_by_what_no_action_changes(
        values in grid(),
        seed in 0u64..99,
        actions in prop::collection::vec(-50.0f32..50.0, 1..20),
    ) {
        let gap = |actions: &[f32]| {
            let usual = WorldConfig { credit: Credit::WeekBefore, ..exact() };
            total(&episode(&mut fixed(300.0, usual, &values), seed, actions))
                - total(&episode(&mut fixed(300.0, exact(), &values), seed, actions))
        };
        prop_assert!((gap(&actions) - gap(&[0.0])).abs() < 1e-2);
    }

    #[test]
    fn credited_by_the_rule_a_return_is_what_is_saved_over_it_and_no_shift_earns_nothing(
        values in grid(),
        seed in 0u64..99,
        actions in prop::collection::vec(-50.0f32..50.0, 1..20),
    ) {
        let by = |credit: Credit, actions: &[f32]| {
            episode(&mut fixed(300.0, WorldConfig { credit, ..exact() }, &values), seed, actions)
        };
        let over_rule =
            total(&by(Credit::Reference, &actions)) - total(&by(Credit::Reference, &[0.0]));
        prop_assert!((total(&by(Credit::Rule, &actions)) - over_rule).abs() < 1e-2);
        prop_assert!(by(Credit::Rule, &[0.0]).iter().all(|step| step.reward.abs() < 1e-6));
    }

    #[test]
    fn waiting_is_paid_for_by_the_hour(values in grid(), seed in 0u64..99) {
        let weights = Weights { saving: 0.0, delay: 0.01, ..Weights::default() };
        let config = WorldConfig { episode_hours: 48, weights, ..WorldConfig::default() };
        let at_once = episode(&mut fixed(5_000.0, config.clone(), &values), seed, &[0.0]);
        let held = episode(&mut fixed(0.0, config, &values), seed, &[0.0]);
        prop_assert!(total(&at_once).abs() < 1e-4);
        prop_assert!(total(&held) < -0.1);
    }
}
