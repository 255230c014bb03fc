//! Advantage actor-critic with workers (Mnih et al. 2016, "Asynchronous Methods for Deep
//! Reinforcement Learning"): each environment is a worker with its own rollout and gradient.
//!
//! A3C lets workers write into the shared weights as they finish, so the order of the threads is in
//! the result. Here they compute side by side from the same weights, and their gradients are added
//! in the order of the workers: one thread or many, the bytes are the same.

use candle_core::{D, Device, Tensor};
use carbon_kube_core::seed;
use rand::RngExt;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dqn::greatest;
use super::{Agent, AgentError, Choices, Metric, Mode, Saved, SavedError, checked};
use crate::environment::Actions;
use crate::network::{Adam, Kernel, Mlp, Shape};
use crate::replay::Transition;

/// Settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Settings {
    /// Widths of the hidden layers of actor and critic.
    pub hidden: Vec<usize>,
    /// Learning rate of both.
    pub learning_rate: f64,
    /// What a reward is worth a step later, from 0 to 1.
    pub discount: f64,
    /// How far advantages look beyond one step (lambda of Schulman et al. 2016); 1 looks to the end
    /// of the rollout.
    pub trace: f64,
    /// Steps of each worker between two updates.
    pub rollout: usize,
    /// Worth of a nat of entropy.
    pub entropy: f64,
    /// Greatest norm of a gradient.
    pub clip: f64,
    /// How networks are computed.
    pub kernel: Kernel,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            discount: 0.99,
            trace: 0.95,
            rollout: 16,
            entropy: 0.001,
            clip: 0.5,
            kernel: Kernel::default(),
        }
    }
}

/// The agent.
#[derive(Debug)]
pub struct A2c {
    settings: Settings,
    choices: Choices,
    actor: Mlp,
    critic: Mlp,
    actor_optimizer: Adam,
    critic_optimizer: Adam,
    /// By worker, the steps since the last update.
    rollouts: Vec<Vec<Transition>>,
    noise: Pcg64,
    updates: u64,
    metrics: Vec<Metric>,
}

/// What a worker found.
struct Gradient {
    actor: Vec<f32>,
    critic: Vec<f32>,
    actor_loss: f64,
    critic_loss: f64,
    entropy: f64,
    value: f64,
}

impl A2c {
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
        let choices = Choices::few(actions, "a2c")?;
        let network = |name: &str, output: usize| {
            let shape = Shape::new(observation_len, &settings.hidden, output);
            let initial = shape.initial(&mut seed::stream(root, name));
            Mlp::new(shape, settings.kernel, initial)
        };
        let (actor, critic) = (network("a2c actor", choices.count())?, network("a2c critic", 1)?);
        let adam = |network: &Mlp| Adam::new(network.shape().parameters(), settings.learning_rate);
        Ok(Self {
            actor_optimizer: adam(&actor),
            critic_optimizer: adam(&critic),
            rollouts: Vec::new(),
            noise: seed::stream(root, "a2c noise"),
            updates: 0,
            metrics: Vec::new(),
            actor,
            critic,
            choices,
            settings,
        })
    }

    /// The network that decides: the unnormalised log-probability of each choice.
    #[must_use]
    pub fn actor(&self) -> &Mlp {
        &self.actor
    }

    /// Advantages (equation 16 of Schulman et al. 2016) and returns of a rollout.
    fn advantages(&self, rollout: &[Transition]) -> Result<(Vec<f32>, Vec<f32>), AgentError> {
        let rows = |of: fn(&Transition) -> &[f32]| {
            rollout.iter().flat_map(|step| of(step).iter().copied()).collect::<Vec<f32>>()
        };
        let values = self.critic.respond(&rows(|step| &step.observation))?;
        let after = self.critic.respond(&rows(|step| &step.next))?;
        let (discount, trace) = (self.settings.discount as f32, self.settings.trace as f32);
        let mut advantages = vec![0.0; rollout.len()];
        let mut later = 0.0;
        for (at, step) in rollout.iter().enumerate().rev() {
            // Nothing is worth anything after a termination; a truncation bootstraps.
            let after = if step.terminated { 0.0 } else { after[at] };
            if step.terminated || step.truncated {
                later = 0.0;
            }
            later = step.reward + discount * after - values[at] + discount * trace * later;
            advantages[at] = later;
        }
        let returns = advantages.iter().zip(&values).map(|(advantage, value)| advantage + value);
        let returns = returns.collect();
        Ok((advantages, returns))
    }

    /// What one worker's rollout tells.
    fn gradient(&self, rollout: &[Transition]) -> Result<Gradient, AgentError> {
        let (advantages, returns) = self.advantages(rollout)?;
        let (rows, count) = (rollout.len(), self.choices.count());
        let observations: Vec<f32> =
            rollout.iter().flat_map(|step| step.observation.iter().copied()).collect();
        let x = Tensor::from_vec(observations, (rows, self.actor.shape().input()), &Device::Cpu)?;

        // Actor: -(log pi(a|s) * advantage + worth * entropy), where log pi is the log-softmax.
        let answer = self.actor.forward(&x)?;
        let logits = &answer.output;
        let logits = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
        let logs = logits.broadcast_sub(&logits.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
        let mut weights = vec![0.0; rows * count];
        for (row, (step, advantage)) in rollout.iter().zip(&advantages).enumerate() {
            weights[row * count + step.action[0] as usize] = *advantage;
        }
        let weights = Tensor::from_vec(weights, (rows, count), &Device::Cpu)?;
        let entropy = ((logs.exp()? * &logs)?.sum_all()? * (-1.0 / rows as f64))?;
        let loss = ((logs * weights)?.sum_all()? * (-1.0 / rows as f64))?;
        let actor_loss = (loss - (&entropy * self.settings.entropy)?)?;
        let actor = answer.gradient(&actor_loss)?.parameters.clone();

        // Critic: half the squared error of the value.
        let values = self.critic.forward(&x)?;
        let returns = Tensor::from_vec(returns, (rows, 1), &Device::Cpu)?;
        let critic_loss = ((&values.output - returns)?.sqr()?.mean_all()? * 0.5)?;
        let critic = values.gradient(&critic_loss)?.parameters.clone();
        let number = |tensor: &Tensor| tensor.to_scalar::<f32>().map(f64::from);
        Ok(Gradient {
            actor,
            critic,
            actor_loss: number(&actor_loss)?,
            critic_loss: number(&critic_loss)?,
            entropy: number(&entropy)?,
            value: number(&values.output.mean_all()?)?,
        })
    }

    fn update(&mut self) -> Result<(), AgentError> {
        let rollouts = std::mem::take(&mut self.rollouts);
        let gradients: Vec<Result<Gradient, AgentError>> =
            rollouts.par_iter().map(|rollout| self.gradient(rollout)).collect();
        let gradients = gradients.into_iter().collect::<Result<Vec<Gradient>, _>>()?;
        let mean = |of: fn(&Gradient) -> f64| {
            gradients.iter().map(of).sum::<f64>() / gradients.len() as f64
        };
        let metrics = [
            ("actor_loss", mean(|worker| worker.actor_loss)),
            ("critic_loss", mean(|worker| worker.critic_loss)),
            ("entropy_nats", mean(|worker| worker.entropy)),
            ("value", mean(|worker| worker.value)),
        ];
        for (quantity, value) in metrics {
            checked(quantity, value, self.updates)?;
        }
        let clip = self.settings.clip;
        let together =
            |of: fn(&Gradient) -> &[f32]| clipped(mean_of(gradients.iter().map(of)), clip);
        let (actor, critic) = (together(|worker| &worker.actor), together(|worker| &worker.critic));
        self.actor_optimizer.step(self.actor.parameters(), &actor)?;
        self.critic_optimizer.step(self.critic.parameters(), &critic)?;
        self.updates += 1;
        self.metrics = metrics.to_vec();
        Ok(())
    }
}

/// The mean of the workers, added in their order.
fn mean_of<'a>(workers: impl ExactSizeIterator<Item = &'a [f32]>) -> Vec<f32> {
    let share = 1.0 / workers.len() as f32;
    let mut sum = Vec::new();
    for worker in workers {
        sum.resize(worker.len(), 0.0);
        sum.iter_mut().zip(worker).for_each(|(sum, x)| *sum += share * x);
    }
    sum
}

/// The same direction, no longer than `most`.
fn clipped(mut gradient: Vec<f32>, most: f64) -> Vec<f32> {
    let norm = gradient.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm > most {
        let scale = (most / norm) as f32;
        gradient.iter_mut().for_each(|x| *x *= scale);
    }
    gradient
}

impl Agent for A2c {
    fn name(&self) -> &'static str {
        "a2c"
    }

    fn choices(&self) -> &Choices {
        &self.choices
    }

    fn decider(&self) -> &Mlp {
        &self.actor
    }

    fn act(&mut self, observations: &[f32], mode: Mode) -> Result<Vec<f32>, AgentError> {
        let rows = observations.len() / self.actor.shape().input();
        if mode == Mode::WarmUp {
            return Ok(self.choices.any_of_rows(rows, &mut self.noise));
        }
        let logits = self.actor.respond(observations)?;
        let rows = logits.chunks_exact(self.choices.count());
        if mode == Mode::Deterministic {
            return Ok(rows.map(|row| greatest(row) as f32).collect());
        }
        Ok(rows.map(|row| drawn(row, &mut self.noise) as f32).collect())
    }

    fn observe(&mut self, transitions: Vec<Transition>) {
        self.rollouts.resize(transitions.len(), Vec::new());
        for (rollout, transition) in self.rollouts.iter_mut().zip(transitions) {
            rollout.push(transition);
        }
    }

    fn learn(&mut self) -> Result<bool, AgentError> {
        let full = |rollout: &Vec<Transition>| rollout.len() >= self.settings.rollout.max(1);
        if self.rollouts.is_empty() || !self.rollouts.iter().all(full) {
            return Ok(false);
        }
        self.update()?;
        Ok(true)
    }

    fn metrics(&self) -> Vec<Metric> {
        self.metrics.clone()
    }

    fn save(&self) -> Result<Saved, AgentError> {
        let mut saved = Saved::default();
        saved.put_network("actor", &self.actor)?;
        saved.put_network("critic", &self.critic)?;
        saved.put_adam("actor", &self.actor_optimizer);
        saved.put_adam("critic", &self.critic_optimizer);
        let flag = |flag: bool| if flag { 1.0 } else { 0.0 };
        for (worker, rollout) in self.rollouts.iter().enumerate() {
            let mut numbers: Vec<f32> = Vec::new();
            for step in rollout {
                numbers.extend(&step.observation);
                numbers.extend(&step.next);
                numbers.extend([step.action[0], step.reward]);
                numbers.extend([flag(step.terminated), flag(step.truncated)]);
            }
            saved.replay.insert(format!("rollout.{worker}"), numbers);
        }
        saved.put_stream("noise", &self.noise);
        saved.counters.insert("workers".into(), self.rollouts.len() as u64);
        saved.counters.insert("updates".into(), self.updates);
        Ok(saved)
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), AgentError> {
        saved.take_network("actor", &self.actor)?;
        saved.take_network("critic", &self.critic)?;
        saved.take_adam("actor", &mut self.actor_optimizer)?;
        saved.take_adam("critic", &mut self.critic_optimizer)?;
        let observation = self.actor.shape().input();
        let width = 2 * observation + 4;
        let worker = |worker: u64| {
            let name = format!("rollout.{worker}");
            let numbers = saved.replay(&name)?;
            if !numbers.len().is_multiple_of(width) {
                return Err(SavedError::Shape { found: numbers.len(), name });
            }
            let step = |row: &[f32]| {
                let (observation, row) = row.split_at(observation);
                let (next, row) = row.split_at(observation.len());
                Transition {
                    observation: observation.to_vec(),
                    action: vec![row[0]],
                    reward: row[1],
                    next: next.to_vec(),
                    terminated: row[2] > 0.5,
                    truncated: row[3] > 0.5,
                }
            };
            Ok(numbers.chunks_exact(width).map(step).collect())
        };
        let workers = saved.counter("workers")?;
        self.rollouts = (0..workers).map(worker).collect::<Result<_, SavedError>>()?;
        self.noise = saved.stream("noise")?;
        self.updates = saved.counter("updates")?;
        Ok(())
    }
}

/// A choice drawn by its probability, the softmax of the logits.
fn drawn(logits: &[f32], stream: &mut Pcg64) -> usize {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|x| (x - greatest).exp()).collect();
    let mut at = stream.random::<f32>() * weights.iter().sum::<f32>();
    for (choice, weight) in weights.iter().enumerate() {
        if at < *weight {
            return choice;
        }
        at -= weight;
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(reward: f32, terminated: bool, truncated: bool) -> Transition {
        // Where it was: the value after a step is that before the next one.
        let (observation, next) = (vec![1.0], vec![1.0]);
        Transition { observation, action: vec![0.0], reward, next, terminated, truncated }
    }

    #[test]
    fn a_truncation_bootstraps_and_a_termination_does_not() {
        let settings = Settings { trace: 1.0, discount: 0.5, ..Settings::default() };
        let agent = A2c::new(settings, 1, &Actions::Discrete(2), 1).unwrap();
        let after = agent.critic.respond(&[1.0]).unwrap()[0];
        let rollout = [step(1.0, true, false), step(1.0, false, true), step(3.0, false, false)];
        let (_, returns) = agent.advantages(&rollout).unwrap();
        let expected = [1.0, 1.0 + 0.5 * after, 3.0 + 0.5 * after];
        for (found, expected) in returns.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{returns:?}");
        }
        // Without an end, the return of the second step is in that of the first.
        let (_, returns) =
            agent.advantages(&[step(1.0, false, false), step(3.0, true, false)]).unwrap();
        assert!((returns[0] - (1.0 + 0.5 * 3.0)).abs() < 1e-6, "{returns:?}");
    }

    #[test]
    fn a_long_gradient_is_cut_and_a_short_one_kept() {
        assert_eq!(clipped(vec![3.0, 4.0], 0.5), [0.3, 0.4]);
        assert_eq!(clipped(vec![0.3, 0.1], 0.5), [0.3, 0.1]);
    }

    #[test]
    fn choices_are_drawn_by_their_probability() {
        let mut stream = seed::stream(3, "test");
        let logits = [0.0, 3f32.ln()];
        let second = (0..4000).filter(|_| drawn(&logits, &mut stream) == 1).count();
        // 3 of 4, give or take 4 standard deviations of 27.
        assert!((2890..3110).contains(&second), "{second}");
    }
}
