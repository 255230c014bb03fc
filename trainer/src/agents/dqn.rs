//! Deep Q-learning with a target network (Mnih et al. 2015) and double estimates (van Hasselt,
//! Guez, Silver 2016).
//!
//! A continuous action of one number becomes eleven values at equal distances.

use candle_core::{Device, Tensor};
use carbon_kube_core::seed;
use rand::RngExt;
use rand_pcg::Pcg64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Agent, AgentError, Choices, Metric, Mode, Saved, checked};
use crate::environment::Actions;
use crate::network::{Adam, Kernel, Mlp, Shape};
use crate::replay::{Batch, Replay, Transition};

/// Settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Settings {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Learning rate.
    pub learning_rate: f64,
    /// What a reward is worth a step later, from 0 to 1.
    pub discount: f64,
    /// Updates between two copies to the target network.
    pub target_every: u64,
    /// Transitions per update.
    pub batch: usize,
    /// Transitions that the replay buffer holds.
    pub replay: usize,
    /// Steps, warm-up apart, over which random actions fall from all to `exploration_last`.
    pub exploration_steps: u64,
    /// Share of random actions from then on.
    pub exploration_last: f64,
    /// How networks are computed.
    pub kernel: Kernel,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            learning_rate: 5e-4,
            discount: 0.99,
            target_every: 250,
            batch: 64,
            replay: 100_000,
            exploration_steps: 5_000,
            exploration_last: 0.04,
            kernel: Kernel::default(),
        }
    }
}

/// The agent.
#[derive(Debug)]
pub struct Dqn {
    settings: Settings,
    choices: Choices,
    network: Mlp,
    target: Mlp,
    optimizer: Adam,
    replay: Replay,
    exploration: Pcg64,
    sampling: Pcg64,
    /// Actions so far that were not warm-up.
    explored: u64,
    updates: u64,
    metrics: Vec<Metric>,
}

impl Dqn {
    /// An agent that has learned nothing. The same seed gives the same agent.
    ///
    /// # Errors
    ///
    /// [`AgentError::Actions`] where there is no choice, or actions have several numbers.
    pub fn new(
        settings: Settings,
        observation_len: usize,
        actions: &Actions,
        root: u64,
    ) -> Result<Self, AgentError> {
        let choices = Choices::few(actions, "dqn")?;
        let shape = Shape::new(observation_len, &settings.hidden, choices.count());
        let initial = shape.initial(&mut seed::stream(root, "dqn"));
        let network = Mlp::new(shape, settings.kernel, initial)?;
        Ok(Self {
            target: network.copy()?,
            optimizer: Adam::new(network.shape().parameters(), settings.learning_rate),
            replay: Replay::new(settings.replay, observation_len, 1),
            exploration: seed::stream(root, "dqn exploration"),
            sampling: seed::stream(root, "dqn replay"),
            explored: 0,
            updates: 0,
            metrics: Vec::new(),
            network,
            choices,
            settings,
        })
    }

    /// The network that decides: the value of each choice.
    #[must_use]
    pub fn network(&self) -> &Mlp {
        &self.network
    }

    /// Share of actions that are random now.
    fn exploration(&self) -> f64 {
        let gone = self.explored as f64 / self.settings.exploration_steps.max(1) as f64;
        1.0 - gone.min(1.0) * (1.0 - self.settings.exploration_last)
    }

    fn update(&mut self, batch: Batch) -> Result<(), AgentError> {
        let (rows, count) = (batch.len, self.choices.count());
        // Double estimates: the network chooses what comes next, the target network values it.
        let chosen = self.network.respond(&batch.next)?;
        let valued = self.target.respond(&batch.next)?;
        let next = chosen.chunks_exact(count).zip(valued.chunks_exact(count));
        let discount = self.settings.discount as f32;
        let targets = next.zip(batch.rewards.iter().zip(&batch.goes_on)).map(
            |((chosen, valued), (reward, goes_on))| {
                reward + goes_on * discount * valued[greatest(chosen)]
            },
        );

        let width = self.network.shape().input();
        let x = Tensor::from_vec(batch.observations, (rows, width), &Device::Cpu)?;
        let values = self.network.forward(&x)?;
        let found = values.output.flatten_all()?.to_vec1::<f32>()?;

        // Huber's loss: its gradient is the error, cut to [-1, 1]. By hand, and handed to autograd
        // as the inner product with the values.
        let mut gradient = vec![0.0; rows * count];
        let (mut loss, mut value) = (0.0, 0.0);
        for (row, (target, action)) in targets.zip(&batch.actions).enumerate() {
            let at = row * count + *action as usize;
            let error = found[at] - target;
            gradient[at] = error.clamp(-1.0, 1.0) / rows as f32;
            let far = error.abs() > 1.0;
            loss += f64::from(if far { error.abs() - 0.5 } else { error * error / 2.0 });
            value += f64::from(found[at]);
        }
        let loss = checked("loss", loss / rows as f64, self.updates)?;
        let gradient = Tensor::from_vec(gradient, (rows, count), &Device::Cpu)?;
        let gradient = values.gradient(&(&values.output * gradient)?.sum_all()?)?;
        self.optimizer.step(self.network.parameters(), &gradient.parameters)?;
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.target_every.max(1)) {
            self.target.set(self.network.numbers()?)?;
        }
        self.metrics = vec![
            ("loss", loss),
            ("value", value / rows as f64),
            ("exploration", self.exploration()),
        ];
        Ok(())
    }
}

/// The place of the greatest number, the first of equals.
pub(super) fn greatest(numbers: &[f32]) -> usize {
    (1..numbers.len()).fold(0, |best, at| if numbers[at] > numbers[best] { at } else { best })
}

impl Agent for Dqn {
    fn name(&self) -> &'static str {
        "dqn"
    }

    fn choices(&self) -> &Choices {
        &self.choices
    }

    fn decider(&self) -> &Mlp {
        &self.network
    }

    fn act(&mut self, observations: &[f32], mode: Mode) -> Result<Vec<f32>, AgentError> {
        let rows = observations.len() / self.network.shape().input();
        if mode == Mode::WarmUp {
            return Ok(self.choices.any_of_rows(rows, &mut self.exploration));
        }
        let values = self.network.respond(observations)?;
        let best = values.chunks_exact(self.choices.count()).map(|row| greatest(row) as f32);
        if mode == Mode::Deterministic {
            return Ok(best.collect());
        }
        let mut actions = Vec::with_capacity(rows);
        for best in best {
            let random = self.exploration.random_bool(self.exploration());
            actions.push(if random { self.choices.any(&mut self.exploration)[0] } else { best });
            self.explored += 1;
        }
        Ok(actions)
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
        saved.put_network("network", &self.network)?;
        saved.put_network("target", &self.target)?;
        saved.put_adam("network", &self.optimizer);
        self.replay.save(&mut saved);
        saved.put_stream("exploration", &self.exploration);
        saved.put_stream("replay", &self.sampling);
        saved.counters.insert("explored".into(), self.explored);
        saved.counters.insert("updates".into(), self.updates);
        Ok(saved)
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), AgentError> {
        saved.take_network("network", &self.network)?;
        saved.take_network("target", &self.target)?;
        saved.take_adam("network", &mut self.optimizer)?;
        self.replay.restore(saved)?;
        self.exploration = saved.stream("exploration")?;
        self.sampling = saved.stream("replay")?;
        self.explored = saved.counter("explored")?;
        self.updates = saved.counter("updates")?;
        Ok(())
    }
}
