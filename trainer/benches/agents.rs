//! What the agents reach on tasks that everybody knows, and what it costs. See `docs/training.md`.
//!
//! ```text
//! cargo bench -p carbon-kube-trainer --bench agents -- speed [WIDTH BATCH]
//! cargo bench -p carbon-kube-trainer --bench agents -- pendulum [SEEDS [RATE [TEMPERATURE]]]
//! cargo bench -p carbon-kube-trainer --bench agents -- mountain-car [SEEDS]
//! cargo bench -p carbon-kube-trainer --bench agents -- cart-pole [SEEDS]
//! ```
//!
//! Times are CPU seconds of the process: on a machine that others use too, a clock says little.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use carbon_kube_trainer::agents::{Agent, Mode, a2c, dqn, sac};
use carbon_kube_trainer::environment::Environment;
use carbon_kube_trainer::environment::classic::{CartPole, MountainCarContinuous, Pendulum, Start};
use carbon_kube_trainer::network::Kernel;
use carbon_kube_trainer::replay::Transition;
use carbon_kube_trainer::training::{Evaluation, Hooks, Settings, Training};

/// Episodes of an evaluation, with the same starts for every seed.
const STARTS: u64 = 20;

/// Where Gymnasium's Pendulum-v1 begins with the seeds 10,000 to 10,019, by which `peers.py` judges
/// Stable-Baselines3: angle and speed.
const PENDULUM_STARTS: [(f64, f64); STARTS as usize] = [
    (0.104868890, -0.152601694),
    (1.349668561, 0.258940466),
    (0.849398057, -0.499970063),
    (1.182255869, 0.476248549),
    (2.132529735, -0.395966892),
    (-1.814089303, -0.343323468),
    (-2.264583582, 0.432584318),
    (2.031371156, -0.896004845),
    (0.479991867, -0.096305094),
    (0.140364650, 0.122368745),
    (-2.350740983, -0.917138742),
    (-0.005094470, 0.733326675),
    (-2.565853793, -0.600847076),
    (-0.353487615, 0.135895344),
    (-2.353731415, 0.738326465),
    (-0.105496769, -0.382847218),
    (-2.439590469, -0.211128825),
    (0.630071683, -0.445491809),
    (-0.369402299, -0.371457804),
    (1.072408441, 0.052563784),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let seeds = |default| arguments.get(1).map_or(default, |seeds| seeds.parse().unwrap());
    match arguments.first().map(String::as_str) {
        None | Some("speed") => speed(&arguments),
        Some("pendulum") => {
            let number = |at: usize| arguments.get(at).map(|number| number.parse::<f64>().unwrap());
            let defaults = sac::Settings::default();
            let settings = sac::Settings {
                learning_rate: number(2).unwrap_or(defaults.learning_rate),
                initial_temperature: number(3).unwrap_or(defaults.initial_temperature),
                ..defaults
            };
            pendulum(seeds(10), &settings);
        }
        Some("mountain-car") => mountain_car(seeds(3)),
        Some("cart-pole") => cart_pole(seeds(5)),
        Some(other) => panic!("no such benchmark: {other}"),
    }
}

/// CPU seconds of all threads so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 14 and 15 are ticks of 10 ms; the name in field 2 may hold spaces.
    let after_name = stat.rsplit(") ").next().unwrap();
    let ticks = after_name.split(' ').skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// How often a second of CPU time is enough for this, the best of three times.
fn per_cpu_second(mut work: impl FnMut()) -> f64 {
    let mut best = 0f64;
    for _ in 0..3 {
        let start = cpu_seconds();
        let mut count = 0.0;
        while cpu_seconds() - start < 1.0 {
            (0..20).for_each(|_| work());
            count += 20.0;
        }
        best = best.max(count / (cpu_seconds() - start));
    }
    best
}

fn speed(arguments: &[String]) {
    if let [_, width, batch] = arguments {
        return speed_of(width.parse().unwrap(), batch.parse().unwrap(), Kernel::Fused);
    }
    for (width, batch) in [(256, 256), (64, 64), (64, 128)] {
        for kernel in [Kernel::Fused, Kernel::Reference] {
            speed_of(width, batch, kernel);
        }
    }
}

fn speed_of(width: usize, batch: usize, kernel: Kernel) {
    let settings =
        sac::Settings { hidden: vec![width; 2], batch, kernel, ..sac::Settings::default() };
    let mut agent = filled(&settings);
    let updates = per_cpu_second(|| assert!(agent.learn().unwrap()));
    let agent = sac(&settings, 1);
    let mut training = training(Pendulum::default, agent, &settings, 1, 1, pendulum_starts());
    let mut until = 1_100;
    training.run(until, None, &mut ()).unwrap();
    let looped = per_cpu_second(|| {
        until += 1;
        training.run(until, None, &mut ()).unwrap();
    });
    println!(
        "{{\"peer\": \"ours\", \"kernel\": \"{kernel:?}\", \"width\": {width}, \"batch\": {batch}, \
         \"updates_per_cpu_second\": {updates:.1}, \"loop_per_cpu_second\": {looped:.1}}}"
    );
}

fn sac(settings: &sac::Settings, seed: u64) -> Box<dyn Agent> {
    let task = Pendulum::default();
    let (len, actions) = (task.observation_len(), task.actions());
    Box::new(sac::Sac::new(settings.clone(), len, &actions, seed).unwrap())
}

/// An agent with 1,000 steps of random actions in its buffer.
fn filled(settings: &sac::Settings) -> Box<dyn Agent> {
    let mut agent = sac(settings, 1);
    let mut task = Pendulum::default();
    let mut observation = task.reset(1, &Start::Random);
    for _ in 0..1_000 {
        let action = agent.act(&observation, Mode::WarmUp).unwrap();
        let step = task.step(agent.choices().decode(&action).action());
        let next = step.observation.clone();
        agent.observe(vec![Transition {
            observation: std::mem::replace(&mut observation, step.observation),
            action,
            reward: step.reward,
            next,
            terminated: false,
            truncated: false,
        }]);
    }
    agent
}

fn training<E: Environment>(
    make: impl Fn() -> E,
    agent: Box<dyn Agent>,
    agent_settings: &impl serde::Serialize,
    seed: u64,
    environments: usize,
    starts: Vec<(u64, E::Options)>,
) -> Training<E>
where
    E::Options: Sync,
{
    let settings = Settings {
        seed,
        warm_up_steps: if agent.name() == "a2c" { 0 } else { 1_000 },
        evaluate_every: if agent.name() == "sac" { 5_000 } else { 2_500 },
        ..Settings::default()
    };
    let environments = (0..environments).map(|_| make()).collect();
    let options = E::Options::default();
    Training::new(settings, agent, agent_settings, environments, options, make(), starts)
}

fn pendulum_starts() -> Vec<(u64, Start)> {
    PENDULUM_STARTS.iter().map(|&(angle, speed)| (0, Start::At { angle, speed })).collect()
}

fn seeded_starts() -> Vec<(u64, ())> {
    (0..STARTS).map(|start| (10_000 + start, ())).collect()
}

#[derive(Default)]
struct Curve {
    evaluations: Vec<Evaluation>,
    /// Where a mean return is enough to stop.
    enough: Option<f64>,
}

impl Hooks for Curve {
    fn evaluated(&mut self, evaluation: &Evaluation, _: bool) {
        self.evaluations.push(evaluation.clone());
    }

    fn stop(&mut self) -> bool {
        let last = self.evaluations.last().map(Evaluation::mean);
        self.enough.zip(last).is_some_and(|(enough, last)| last >= enough)
    }
}

/// One row per evaluation: median, mean, worst and best of the seeds' means.
fn table(curves: &[Curve]) {
    println!("| steps | median | mean | worst | best |\n|---|---|---|---|---|");
    for (at, evaluation) in curves[0].evaluations.iter().enumerate() {
        let mut means: Vec<f64> = curves.iter().map(|curve| curve.evaluations[at].mean()).collect();
        means.sort_by(f64::total_cmp);
        let middle = means.len() / 2;
        let median = (means[middle] + means[(means.len() - 1) / 2]) / 2.0;
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let (worst, best) = (means[0], means[means.len() - 1]);
        let steps = evaluation.steps;
        println!("| {steps} | {median:.1} | {mean:.1} | {worst:.1} | {best:.1} |");
    }
}

fn pendulum(seeds: u64, settings: &sac::Settings) {
    let mut curves = Vec::new();
    for seed in 1..=seeds {
        let start = cpu_seconds();
        let mut curve = Curve::default();
        let agent = sac(settings, seed);
        let mut training = training(Pendulum::default, agent, settings, seed, 1, pendulum_starts());
        training.run(20_000, None, &mut curve).unwrap();
        let means: Vec<String> =
            curve.evaluations.iter().map(|at| format!("{:.1}", at.mean())).collect();
        println!("seed {seed}: {} in {:.1} CPU s", means.join(" "), cpu_seconds() - start);
        curves.push(curve);
    }
    table(&curves);
}

fn mountain_car(seeds: u64) {
    let settings = sac::Settings::default();
    for seed in 1..=seeds {
        let start = cpu_seconds();
        let task = MountainCarContinuous::default();
        let agent =
            sac::Sac::new(settings.clone(), task.observation_len(), &task.actions(), seed).unwrap();
        let mut curve = Curve::default();
        let make = MountainCarContinuous::default;
        training(make, Box::new(agent), &settings, seed, 1, seeded_starts())
            .run(30_000, None, &mut curve)
            .unwrap();
        let means: Vec<String> =
            curve.evaluations.iter().map(|at| format!("{:.1}", at.mean())).collect();
        println!("seed {seed}: {} in {:.1} CPU s", means.join(" "), cpu_seconds() - start);
    }
}

fn cart_pole(seeds: u64) {
    let task = CartPole::default();
    for name in ["dqn", "a2c"] {
        for seed in 1..=seeds {
            let start = cpu_seconds();
            let (len, actions) = (task.observation_len(), task.actions());
            let mut curve = Curve { enough: Some(475.0), ..Curve::default() };
            let mut training = if name == "dqn" {
                let settings = dqn::Settings::default();
                let agent = dqn::Dqn::new(settings.clone(), len, &actions, seed).unwrap();
                training(CartPole::default, Box::new(agent), &settings, seed, 1, seeded_starts())
            } else {
                let settings = a2c::Settings::default();
                let agent = a2c::A2c::new(settings.clone(), len, &actions, seed).unwrap();
                training(CartPole::default, Box::new(agent), &settings, seed, 8, seeded_starts())
            };
            let until = if name == "dqn" { 50_000 } else { 500_000 };
            training.run(until, None, &mut curve).unwrap();
            let first = curve.evaluations.first().map_or(0.0, Evaluation::mean);
            let best = training.progress().best.unwrap();
            println!(
                "{name} seed {seed}: {first:.0} at first, best {:.1} at {} steps, {:.1} CPU s",
                best.mean_return,
                best.steps,
                cpu_seconds() - start
            );
        }
    }
}
