//! Soft actor-critic with a learned temperature (Haarnoja et al. 2018, "Soft Actor-Critic
//! Algorithms and Applications", arXiv 1812.05905).
//!
//! [`Sac::learn`] reads in the order of algorithm 1 of the paper; quantities that it logs are
//! explained in `docs/training.md`.

use candle_core::{Device, Tensor};
use carbon_kube_core::seed;
use rand::RngExt;
use rand_distr::StandardNormal;
use rand_pcg::Pcg64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Agent, AgentError, Choices, Metric, Mode, Saved, checked};
use crate::environment::Actions;
use crate::network::{Adam, Kernel, Mlp, Shape, polyak, squashed_gaussian};
use crate::replay::{Batch, Replay, Transition};

/// Settings; the defaults are those of the paper with small networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Settings {
    /// Widths of the hidden layers of actor and critics.
    pub hidden: Vec<usize>,
    /// Learning rate of actor, critics and temperature.
    pub learning_rate: f64,
    /// What a reward is worth a step later, from 0 to 1.
    pub discount: f64,
    /// Share of the way that the target networks go after each update.
    pub target_share: f64,
    /// Transitions per update.
    pub batch: usize,
    /// Transitions that the replay buffer holds.
    pub replay: usize,
    /// First temperature: reward per nat of entropy.
    pub initial_temperature: f64,
    /// Entropy that the temperature aims at, in nats; without it -1 per number of an action.
    pub target_entropy: Option<f64>,
    /// How networks are computed.
    pub kernel: Kernel,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            learning_rate: 3e-4,
            discount: 0.99,
            target_share: 0.005,
            batch: 64,
            replay: 100_000,
            initial_temperature: 1.0,
            target_entropy: None,
            kernel: Kernel::default(),
        }
    }
}

/// The agent.
#[derive(Debug)]
pub struct Sac {
    settings: Settings,
    choices: Choices,
    actor: Mlp,
    critics: [Mlp; 2],
    targets: [Mlp; 2],
    log_temperature: f32,
    actor_optimizer: Adam,
    critic_optimizers: [Adam; 2],
    temperature_optimizer: Adam,
    replay: Replay,
    warm_up: Pcg64,
    noise: Pcg64,
    sampling: Pcg64,
    updates: u64,
    /// Where the actor was not made anew: the updates in which it stays as it is.
    critics_first: Option<u64>,
    metrics: Vec<Metric>,
}

const CRITICS: [&str; 2] = ["critic1", "critic2"];
const TARGETS: [&str; 2] = ["target1", "target2"];

impl Sac {
    /// An agent that has learned nothing. The same seed gives the same agent.
    ///
    /// # Errors
    ///
    /// [`AgentError::Actions`] where actions are discrete.
    pub fn new(
        settings: Settings,
        observation_len: usize,
        actions: &Actions,
        root: u64,
    ) -> Result<Self, AgentError> {
        let choices = Choices::continuous(actions, "sac")?;
        let numbers = choices.len();
        let network = |name: &str, input: usize, output: usize| {
            let shape = Shape::new(input, &settings.hidden, output);
            let initial = shape.initial(&mut seed::stream(root, name));
            Mlp::new(shape, settings.kernel, initial)
        };
        let actor = network("sac actor", observation_len, 2 * numbers)?;
        let critics = [
            network("sac critic 1", observation_len + numbers, 1)?,
            network("sac critic 2", observation_len + numbers, 1)?,
        ];
        let adam = |network: &Mlp| Adam::new(network.shape().parameters(), settings.learning_rate);
        Ok(Self {
            targets: [critics[0].copy()?, critics[1].copy()?],
            actor_optimizer: adam(&actor),
            critic_optimizers: [adam(&critics[0]), adam(&critics[1])],
            temperature_optimizer: Adam::new(1, settings.learning_rate),
            log_temperature: settings.initial_temperature.ln() as f32,
            replay: Replay::new(settings.replay, observation_len, numbers),
            warm_up: seed::stream(root, "sac warm-up"),
            noise: seed::stream(root, "sac noise"),
            sampling: seed::stream(root, "sac replay"),
            updates: 0,
            critics_first: None,
            metrics: Vec::new(),
            choices,
            actor,
            critics,
            settings,
        })
    }

    /// The same agent with an actor that has learned before. The critics have not, so for the first updates it
    /// stays as it is, and so does the temperature. Its warm-up is its own noise: random actions would fill
    /// the replay buffer with what it never does.
    ///
    /// # Errors
    ///
    /// [`AgentError::Tensor`] where the parameters are of another shape.
    pub fn started(self, actor: Vec<f32>, critics_first: u64) -> Result<Self, AgentError> {
        self.actor.set(actor)?;
        Ok(Self { critics_first: Some(critics_first), ..self })
    }

    /// Whether the actor and the temperature learn.
    fn actor_learns(&self) -> bool {
        self.critics_first.is_none_or(|first| self.updates >= first)
    }

    /// The network that decides: mean and logarithm of the standard deviation of each number.
    #[must_use]
    pub fn actor(&self) -> &Mlp {
        &self.actor
    }

    fn normal(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.noise.sample(StandardNormal)).collect()
    }

    fn target_entropy(&self) -> f64 {
        self.settings.target_entropy.unwrap_or(-(self.choices.len() as f64))
    }

    /// One update from one batch: a soft policy evaluation, a policy improvement, and a step of the
    /// temperature.
    fn update(&mut self, batch: Batch) -> Result<(), AgentError> {
        let rows = batch.len;
        let numbers = self.choices.len();
        let observations = matrix(batch.observations, rows)?;
        let next = matrix(batch.next, rows)?;
        let done = matrix(batch.actions, rows)?;
        let temperature = f64::from(self.log_temperature.exp());

        // What the policy does now, with a gradient for the actor below.
        let noise = self.normal(rows * numbers);
        let answer = self.actor.forward(&observations)?;
        let (actions, log_density) =
            squashed_gaussian::sample(self.settings.kernel, &answer.output, &noise)?;

        // Temperature, equation 18: J = -log(alpha) * (log pi + target entropy). The logarithm, as in
        // the authors' code, so that it stays positive.
        let actor_learns = self.actor_learns();
        let entropy = -f64::from(log_density.mean_all()?.to_scalar::<f32>()?);
        let gradient = (entropy - self.target_entropy()) as f32;
        if actor_learns {
            self.temperature_optimizer
                .step_numbers(std::slice::from_mut(&mut self.log_temperature), &[gradient]);
        }

        // Target of both critics, equation 3 and 5: r + gamma (min Q'(s', a') - alpha log pi(a'|s')).
        let noise = self.normal(rows * numbers);
        let (next_actions, next_log_density) =
            squashed_gaussian::sample(self.settings.kernel, &self.actor.evaluate(&next)?, &noise)?;
        let input = Tensor::cat(&[&next, &next_actions], 1)?;
        let values =
            self.targets[0].evaluate(&input)?.minimum(&self.targets[1].evaluate(&input)?)?;
        let values = values.squeeze(1)?.to_vec1::<f32>()?;
        let log_densities = next_log_density.to_vec1::<f32>()?;
        let (discount, alpha) = (self.settings.discount as f32, temperature as f32);
        let target: Vec<f32> = values
            .iter()
            .zip(&log_densities)
            .zip(batch.rewards.iter().zip(&batch.goes_on))
            .map(|((value, log), (reward, goes_on))| {
                reward + goes_on * discount * (value - alpha * log)
            })
            .collect();
        let target = Tensor::from_vec(target, (rows, 1), &Device::Cpu)?;

        // Critics: half the squared error, each for itself.
        let input = Tensor::cat(&[&observations, &done], 1)?;
        let (mut critic_loss, mut value) = (0.0, 0.0);
        for (critic, optimizer) in self.critics.iter().zip(&mut self.critic_optimizers) {
            let values = critic.forward(&input)?;
            let loss = ((&values.output - &target)?.sqr()?.mean_all()? * 0.5)?;
            let gradient = values.gradient(&loss)?;
            optimizer.step(critic.parameters(), &gradient.parameters)?;
            critic_loss += f64::from(loss.to_scalar::<f32>()?);
            value += f64::from(values.output.mean_all()?.to_scalar::<f32>()?) / 2.0;
        }
        let critic_loss = checked("critic_loss", critic_loss, self.updates)?;

        // Actor, equation 9: alpha log pi(a|s) - min Q(s, a), through the action into the actor.
        let input = Tensor::cat(&[&observations, &actions], 1)?;
        let [first, second] = &self.critics;
        let values = first.forward_frozen(&input)?.minimum(&second.forward_frozen(&input)?)?;
        let loss = ((log_density * temperature)? - values.squeeze(1)?)?.mean_all()?;
        if actor_learns {
            let gradient = answer.gradient(&loss)?;
            self.actor_optimizer.step(self.actor.parameters(), &gradient.parameters)?;
        }
        let actor_loss = f64::from(loss.to_scalar::<f32>()?);
        let actor_loss = checked("actor_loss", actor_loss, self.updates)?;

        for (target, critic) in self.targets.iter().zip(&self.critics) {
            polyak(target.parameters(), critic.parameters(), self.settings.target_share)?;
        }
        self.updates += 1;
        self.metrics = vec![
            ("critic_loss", critic_loss),
            ("actor_loss", actor_loss),
            ("value", value),
            ("entropy_nats", checked("entropy_nats", entropy, self.updates)?),
            ("temperature", temperature),
        ];
        Ok(())
    }
}

fn matrix(numbers: Vec<f32>, rows: usize) -> candle_core::Result<Tensor> {
    let columns = numbers.len() / rows;
    Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)
}

impl Agent for Sac {
    fn name(&self) -> &'static str {
        "sac"
    }

    fn choices(&self) -> &Choices {
        &self.choices
    }

    fn decider(&self) -> &Mlp {
        &self.actor
    }

    fn act(&mut self, observations: &[f32], mode: Mode) -> Result<Vec<f32>, AgentError> {
        let numbers = self.choices.len();
        let rows = observations.len() / self.actor.shape().input();
        if mode == Mode::WarmUp && self.critics_first.is_none() {
            return Ok(self.choices.any_of_rows(rows, &mut self.warm_up));
        }
        let answers = self.actor.respond(observations)?;
        let rows = answers.chunks_exact(2 * numbers);
        if mode == Mode::Deterministic {
            return Ok(rows.flat_map(squashed_gaussian::deterministic).collect());
        }
        let noise = self.normal(rows.len() * numbers);
        let each = rows.zip(noise.chunks_exact(numbers));
        Ok(each.flat_map(|(row, noise)| squashed_gaussian::act(row, noise)).collect())
    }

    fn observe(&mut self, transitions: Vec<Transition>) {
        self.replay.extend(&transitions);
    }

    fn learn(&mut self) -> Result<bool, AgentError> {
        let batch = self.replay.sample(self.settings.batch, &mut self.sampling);
        batch.map(|batch| self.update(batch)).transpose().map(|updated| updated.is_some())
    }

    fn metrics(&self) -> Vec<Metric> {
        self.metrics.clone()
    }

    fn save(&self) -> Result<Saved, AgentError> {
        let mut saved = Saved::default();
        saved.put_network("actor", &self.actor)?;
        saved.put_adam("actor", &self.actor_optimizer);
        for at in 0..2 {
            saved.put_network(CRITICS[at], &self.critics[at])?;
            saved.put_network(TARGETS[at], &self.targets[at])?;
            saved.put_adam(CRITICS[at], &self.critic_optimizers[at]);
        }
        saved.model.insert("log_temperature".into(), vec![self.log_temperature]);
        saved.put_adam("temperature", &self.temperature_optimizer);
        self.replay.save(&mut saved);
        saved.put_stream("warm-up", &self.warm_up);
        saved.put_stream("noise", &self.noise);
        saved.put_stream("replay", &self.sampling);
        saved.counters.insert("updates".into(), self.updates);
        Ok(saved)
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), AgentError> {
        saved.take_network("actor", &self.actor)?;
        saved.take_adam("actor", &mut self.actor_optimizer)?;
        for at in 0..2 {
            saved.take_network(CRITICS[at], &self.critics[at])?;
            saved.take_network(TARGETS[at], &self.targets[at])?;
            saved.take_adam(CRITICS[at], &mut self.critic_optimizers[at])?;
        }
        self.log_temperature = saved.weights("log_temperature", 1)?[0];
        saved.take_adam("temperature", &mut self.temperature_optimizer)?;
        self.replay.restore(saved)?;
        self.warm_up = saved.stream("warm-up")?;
        self.noise = saved.stream("noise")?;
        self.sampling = saved.stream("replay")?;
        self.updates = saved.counter("updates")?;
        Ok(())
    }
}
