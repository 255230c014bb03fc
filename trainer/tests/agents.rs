//! Trainings as a whole: they learn, they resume exactly, they stop where numbers mean nothing.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_trainer::agents::{a2c, dqn, sac};
use carbon_kube_trainer::checkpoint::{Store, read_model, weights_sha256};
use carbon_kube_trainer::environment::classic::{CartPole, Pendulum, Start};
use carbon_kube_trainer::environment::{Action, Actions, Environment, RestoreError, Step};
use carbon_kube_trainer::log::{Log, Recorder};
use carbon_kube_trainer::network::Kernel;
use carbon_kube_trainer::training::{Evaluation, Hooks, Settings, Training};

const SMALL: [usize; 2] = [16, 16];

fn settings() -> Settings {
    Settings {
        seed: 5,
        warm_up_steps: 40,
        updates_per_step: 0.75,
        evaluate_every: 130,
        checkpoint_every: 100,
        patience: 0,
    }
}

/// A training of this algorithm: SAC and DQN on the pendulum, A2C on the cart; several environments.
fn training(algorithm: &str) -> Box<dyn Trains> {
    training_with(algorithm, Kernel::Fused)
}

fn training_with(algorithm: &str, kernel: Kernel) -> Box<dyn Trains> {
    let hidden = SMALL.to_vec();
    let (pendulum, cart) = (Pendulum::default(), CartPole::default());
    let swing = |agent, settings: &dyn erased::Serialise| {
        let starts = vec![(1, Start::Random), (2, Start::Random)];
        let environments = vec![pendulum.clone(), pendulum.clone(), pendulum.clone()];
        let judge = pendulum.clone();
        let text = settings.text();
        Box::new(Training::new(
            self::settings(),
            agent,
            &text,
            environments,
            Start::Random,
            judge,
            starts,
        ))
    };
    match algorithm {
        "sac" => {
            let settings = sac::Settings { hidden, batch: 16, kernel, ..Default::default() };
            let agent = sac::Sac::new(settings.clone(), 3, &pendulum.actions(), 5).unwrap();
            swing(Box::new(agent), &settings)
        }
        "dqn" => {
            let settings = dqn::Settings { hidden, batch: 16, kernel, ..Default::default() };
            let agent = dqn::Dqn::new(settings.clone(), 3, &pendulum.actions(), 5).unwrap();
            swing(Box::new(agent), &settings)
        }
        _ => {
            let settings = a2c::Settings { hidden, rollout: 7, kernel, ..Default::default() };
            let agent = a2c::A2c::new(settings.clone(), 4, &cart.actions(), 5).unwrap();
            let environments = vec![cart.clone(), cart.clone(), cart.clone()];
            let starts = vec![(1, ()), (2, ())];
            let agent = Box::new(agent);
            Box::new(Training::new(
                self::settings(),
                agent,
                &settings,
                environments,
                (),
                cart,
                starts,
            ))
        }
    }
}

/// Settings of whatever agent, as text.
mod erased {
    pub trait Serialise {
        fn text(&self) -> String;
    }

    impl<T: serde::Serialize> Serialise for T {
        fn text(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

/// A training in whatever environment.
trait Trains {
    fn until(&mut self, steps: u64, store: Option<&Store>);
    fn resume(&mut self, store: &Store) -> Result<(), String>;
    fn weights(&mut self) -> String;
    fn updates(&self) -> u64;
}

impl<E: Environment> Trains for Training<E>
where
    E::Options: Sync,
{
    fn until(&mut self, steps: u64, store: Option<&Store>) {
        self.run(steps, store, &mut ()).unwrap();
    }

    fn resume(&mut self, store: &Store) -> Result<(), String> {
        let last = store.last().unwrap().unwrap();
        Training::resume(self, &last).map_err(|error| error.to_string())
    }

    fn weights(&mut self) -> String {
        weights_sha256(&self.agent().save().unwrap())
    }

    fn updates(&self) -> u64 {
        self.progress().updates
    }
}

#[test]
fn a_resumed_training_ends_with_the_same_weights() {
    for algorithm in ["sac", "dqn", "a2c"] {
        // 3 environments: 300 and 600 steps end in the middle of episodes, and of A2C's rollouts.
        let mut through = training(algorithm);
        through.until(600, None);
        assert!(through.updates() > 15, "{algorithm}");

        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 2).unwrap();
        let mut first = training(algorithm);
        first.until(300, Some(&store));
        assert_ne!(first.weights(), through.weights());
        drop(first);
        let mut second = training(algorithm);
        second.resume(&store).unwrap();
        second.until(600, Some(&store));
        assert_eq!(second.weights(), through.weights(), "{algorithm}");
        assert_eq!(store.list().unwrap().len(), 2);
    }
}

#[test]
fn one_thread_and_two_give_the_same_weights() {
    for algorithm in ["sac", "dqn", "a2c"] {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut training = training(algorithm);
                training.until(300, None);
                training.weights()
            })
        };
        assert_eq!(on(1), on(2), "{algorithm}");
    }
}

#[test]
fn the_reference_kernel_learns_too() {
    for algorithm in ["sac", "dqn", "a2c"] {
        let mut training = training_with(algorithm, Kernel::Reference);
        let before = training.weights();
        training.until(120, None);
        assert_ne!(training.weights(), before, "{algorithm}");
    }
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1).unwrap();
    training("sac").until(60, Some(&store));
    let error = training("dqn").resume(&store).unwrap_err();
    assert!(error.ends_with("a training of `sac`, not of `dqn`"), "{error}");
    let error = training_with("sac", Kernel::Reference).resume(&store).unwrap_err();
    assert!(error.ends_with("a training with other settings"), "{error}");
}

/// A pendulum whose rewards are no numbers from a step on.
#[derive(Clone, Debug, Default)]
struct Broken(Pendulum, u32);

impl Environment for Broken {
    type Options = Start;
    type Info = ();

    fn observation_len(&self) -> usize {
        self.0.observation_len()
    }

    fn actions(&self) -> Actions {
        self.0.actions()
    }

    fn reset(&mut self, seed: u64, start: &Start) -> Vec<f32> {
        self.0.reset(seed, start)
    }

    fn step(&mut self, action: Action<'_>) -> Step<()> {
        self.1 += 1;
        let step = self.0.step(action);
        Step { reward: if self.1 > 150 { f32::NAN } else { step.reward }, ..step }
    }

    fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.0.restore(state)
    }
}

fn sac_training<E: Environment<Options = Start>>(
    settings: Settings,
    agent_settings: &sac::Settings,
    environment: E,
    judge: E,
) -> Training<E> {
    let (len, actions) = (environment.observation_len(), environment.actions());
    let agent = sac::Sac::new(agent_settings.clone(), len, &actions, settings.seed).unwrap();
    let agent = Box::new(agent);
    let starts = (0..10).map(|seed| (seed, Start::Random)).collect();
    let environments = vec![environment];
    Training::new(settings, agent, agent_settings, environments, Start::Random, judge, starts)
}

#[test]
fn what_is_no_number_stops_it_and_names_the_last_good_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1).unwrap();
    let settings = Settings { evaluate_every: 0, ..settings() };
    let small = sac::Settings { hidden: SMALL.to_vec(), batch: 8, ..Default::default() };
    let mut training = sac_training(settings, &small, Broken::default(), Broken::default());
    let error = training.run(500, Some(&store), &mut ()).unwrap_err().to_string();
    let expected = "training stopped at step 151: reward is NaN after ";
    assert!(error.starts_with(expected), "{error}");
    let expected = format!("checkpoint is {}/step-000000000100", directory.path().display());
    assert!(error.ends_with(&expected), "{error}");
}

#[test]
fn losses_that_explode_stop_it() {
    // A learning rate of a million.
    let wild = sac::Settings {
        hidden: SMALL.to_vec(),
        batch: 8,
        learning_rate: 1e6,
        ..Default::default()
    };
    let mut training = sac_training(settings(), &wild, Pendulum::default(), Pendulum::default());
    let error = training.run(500, None, &mut ()).unwrap_err().to_string();
    assert!(error.contains("after") && error.ends_with("no checkpoint to go on from"), "{error}");
}

#[test]
fn the_best_policy_has_the_return_that_was_logged() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1).unwrap();
    let small = sac::Settings { hidden: SMALL.to_vec(), batch: 8, ..Default::default() };
    let make = || sac_training(settings(), &small, Pendulum::default(), Pendulum::default());
    let mut recorder = Recorder::new(Log::open(directory.path(), None, 0).unwrap(), 50);
    make().run(700, Some(&store), &mut recorder).unwrap();
    recorder.finish().unwrap();

    let (model, progress) = read_model(&store.best().unwrap()).unwrap();
    let best = progress.best.unwrap();
    let mut other = make();
    let mut saved = other.agent().save().unwrap();
    saved.model = model;
    other.agent().restore(&saved).unwrap();
    assert_eq!(other.evaluate().unwrap().mean().to_bits(), best.mean_return.to_bits());
    let csv = std::fs::read_to_string(directory.path().join("metrics.csv")).unwrap();
    let line = format!("{},evaluation_return,{}\n", best.steps, best.mean_return);
    assert!(csv.contains(&line), "{line} in {csv}");
    assert!(csv.contains("\n50,critic_loss,") && csv.contains("\n200,episode_return,"), "{csv}");
}

#[derive(Default)]
struct Means(Vec<f64>);

impl Hooks for Means {
    fn evaluated(&mut self, evaluation: &Evaluation, _: bool) {
        self.0.push(evaluation.mean());
    }
}

/// `benches/agents.rs` has the proof over ten seeds and 20,000 steps.
#[test]
fn sac_learns_to_swing_a_pendulum_up() {
    let settings = Settings { evaluate_every: 1_000, ..Settings::default() };
    let agent = sac::Settings { hidden: vec![32, 32], learning_rate: 2e-3, ..Default::default() };
    let mut training = sac_training(settings, &agent, Pendulum::default(), Pendulum::default());
    let mut means = Means::default();
    training.run(6_000, None, &mut means).unwrap();
    // Whoever does nothing has -1,200; a pendulum that is swung up and held -150.
    assert!(means.0[0] < -600.0, "{means:?}", means = means.0);
    assert!(means.0[4..].iter().any(|mean| *mean > -250.0), "{means:?}", means = means.0);
}
