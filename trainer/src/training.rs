//! The training loop: steps of several environments, updates, evaluations and checkpoints.
//!
//! ```text
//!  act -> step each environment -> observe -> learn `updates_per_step` times per step
//!          |
//!          +-- every `evaluate_every`: the same episodes, deterministically; the best is kept
//!          +-- every `checkpoint_every`: everything, so that a resumed training is the same
//! ```
//!
//! All of it is a function of the settings and the seed. Environments step side by side, each with
//! its own seeds, and results are taken in their order: the number of threads changes nothing.

use std::fmt::Debug;
use std::path::PathBuf;

use carbon_kube_core::seed;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::{Agent, AgentError, Decoded, Metric, Mode};
use crate::checkpoint::{
    Best, Checkpoint, CheckpointError, Progress, SavedEnvironment, Store, sha256,
};
use crate::environment::{Environment, RestoreError};
use crate::replay::Transition;

/// Settings of a training, beside the agent's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Settings {
    /// Root of all random streams.
    pub seed: u64,
    /// Steps with random actions before anything is learned.
    pub warm_up_steps: u64,
    /// Updates per step of an environment, also below 1.
    pub updates_per_step: f64,
    /// Steps between two evaluations; 0 for none.
    pub evaluate_every: u64,
    /// Steps between two checkpoints; 0 for none but the last.
    pub checkpoint_every: u64,
    /// Evaluations in a row without a better one after which a training stops; 0 for never.
    pub patience: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            warm_up_steps: 1_000,
            updates_per_step: 1.0,
            evaluate_every: 5_000,
            checkpoint_every: 10_000,
            patience: 0,
        }
    }
}

/// Why a training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The agent can't go on: its numbers mean nothing any more, for one.
    #[error("training stopped at step {step}: {source}; {}", last(.last_checkpoint.as_ref()))]
    Agent {
        /// Steps until then.
        step: u64,
        /// What is left.
        last_checkpoint: Option<PathBuf>,
        /// Why.
        source: AgentError,
    },
    /// A checkpoint can't be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint's environment is another one.
    #[error(transparent)]
    Environment(#[from] RestoreError),
}

fn last(checkpoint: Option<&PathBuf>) -> String {
    checkpoint.map_or_else(
        || "there is no checkpoint to go on from".into(),
        |path| format!("the last good checkpoint is {}", path.display()),
    )
}

/// Returns of episodes that an agent played deterministically.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Steps of training until then.
    pub steps: u64,
    /// Sum of the rewards, by episode.
    pub returns: Vec<f64>,
    /// What else is worth telling; logged beside the return.
    pub figures: Vec<Metric>,
}

impl Evaluation {
    /// Mean return.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len().max(1) as f64
    }
}

/// Who says how good an agent is.
pub trait Judge: Debug + Send {
    /// Judges it; `steps` of the answer are filled in by who asks.
    ///
    /// # Errors
    ///
    /// [`AgentError::Tensor`] where the agent has other observations.
    fn judge(&mut self, agent: &mut dyn Agent) -> Result<Evaluation, AgentError>;
}

/// Judges by the same episodes each time, played deterministically.
#[derive(Debug)]
struct Episodes<E: Environment> {
    environment: E,
    starts: Vec<(u64, E::Options)>,
}

impl<E: Environment> Judge for Episodes<E> {
    fn judge(&mut self, agent: &mut dyn Agent) -> Result<Evaluation, AgentError> {
        let returns = evaluate(agent, &mut self.environment, &self.starts)?;
        Ok(Evaluation { returns, ..Evaluation::default() })
    }
}

/// Who looks on. Nothing of it changes what is learned.
pub trait Hooks {
    /// An episode of training is over.
    fn episode(&mut self, _progress: &Progress, _episode_return: f64) {}

    /// A step of every environment is done; `metrics` are the agent's.
    fn step(&mut self, _progress: &Progress, _metrics: &dyn Fn() -> Vec<Metric>) {}

    /// An evaluation is done.
    fn evaluated(&mut self, _evaluation: &Evaluation, _best: bool) {}

    /// A checkpoint is written.
    fn saved(&mut self, _path: &std::path::Path) {}

    /// Whether to stop, with a checkpoint.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Nobody looks on.
impl Hooks for () {}

/// A training.
#[derive(Debug)]
pub struct Training<E: Environment> {
    settings: Settings,
    settings_sha256: String,
    agent: Box<dyn Agent>,
    workers: Vec<Worker<E>>,
    options: E::Options,
    judge: Option<Box<dyn Judge>>,
    progress: Progress,
}

/// An environment and where it is.
#[derive(Debug)]
struct Worker<E> {
    environment: E,
    /// Its number.
    number: u64,
    observation: Vec<f32>,
    episodes: u64,
    episode_return: f64,
}

/// What a step of a worker gave.
struct Stepped {
    transition: Transition,
    /// The return of an episode that is over.
    episode_return: Option<f64>,
}

impl<E: Environment> Worker<E> {
    fn reset(&mut self, root: u64, options: &E::Options) {
        let seed = seed::hash(root, self.number, self.episodes);
        self.observation = self.environment.reset(seed, options);
        self.episodes += 1;
        self.episode_return = 0.0;
    }

    fn step(
        &mut self,
        action: Vec<f32>,
        decoded: &Decoded,
        root: u64,
        options: &E::Options,
    ) -> Stepped {
        let step = self.environment.step(decoded.action());
        self.episode_return += f64::from(step.reward);
        let over = step.terminated || step.truncated;
        let episode_return = over.then_some(self.episode_return);
        let observation = std::mem::replace(&mut self.observation, step.observation.clone());
        if over {
            self.reset(root, options);
        }
        let transition = Transition {
            observation,
            action,
            reward: step.reward,
            next: step.observation,
            terminated: step.terminated,
            truncated: step.truncated,
        };
        Stepped { transition, episode_return }
    }
}

impl<E: Environment> Training<E>
where
    E::Options: Sync,
{
    /// A training of this agent in these environments, judged in another one by episodes with these
    /// seeds and options. `agent_settings` are what the agent was made from: a checkpoint of other
    /// settings is refused.
    ///
    /// # Panics
    ///
    /// Without an environment.
    #[must_use]
    pub fn new(
        settings: Settings,
        agent: Box<dyn Agent>,
        agent_settings: &impl Serialize,
        environments: Vec<E>,
        options: E::Options,
        judge: E,
        starts: Vec<(u64, E::Options)>,
    ) -> Self {
        let training = Self::unjudged(settings, agent, agent_settings, environments, options);
        if starts.is_empty() {
            return training;
        }
        training.judged_by(Box::new(Episodes { environment: judge, starts }))
    }

    /// As [`Self::new`], with nobody who judges.
    ///
    /// # Panics
    ///
    /// Without an environment.
    #[must_use]
    pub fn unjudged(
        settings: Settings,
        agent: Box<dyn Agent>,
        agent_settings: &impl Serialize,
        environments: Vec<E>,
        options: E::Options,
    ) -> Self {
        assert!(!environments.is_empty(), "a training without environments");
        let both =
            serde_json::to_vec(&(agent.name(), &settings, agent_settings, environments.len()))
                .expect("settings are numbers and texts");
        let worker = |(number, environment)| {
            let mut worker = Worker {
                environment,
                number: number as u64,
                observation: Vec::new(),
                episodes: 0,
                episode_return: 0.0,
            };
            worker.reset(settings.seed, &options);
            worker
        };
        Self {
            workers: environments.into_iter().enumerate().map(worker).collect(),
            settings_sha256: sha256(&both),
            progress: Progress::default(),
            settings,
            agent,
            options,
            judge: None,
        }
    }

    /// The same training, judged by somebody else.
    #[must_use]
    pub fn judged_by(self, judge: Box<dyn Judge>) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What learns.
    pub fn agent(&mut self) -> &mut dyn Agent {
        self.agent.as_mut()
    }

    /// Whether the last evaluations, as many as its patience, were no better than one before.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let Settings { evaluate_every: every, patience, .. } = self.settings;
        let evaluations = |steps: u64| steps / every;
        every > 0
            && patience > 0
            && self.progress.best.is_some_and(|best| {
                evaluations(self.progress.steps) - evaluations(best.steps) >= patience
            })
    }

    /// Goes on until so many steps are done, its patience is over, or somebody says stop. Checkpoints go to the store, the
    /// last one at the end.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Agent`] where losses explode, with the last good checkpoint;
    /// [`TrainingError::Checkpoint`].
    pub fn run(
        &mut self,
        until: u64,
        store: Option<&Store>,
        hooks: &mut dyn Hooks,
    ) -> Result<(), TrainingError> {
        while self.progress.steps < until && !self.is_stale() && !hooks.stop() {
            let before = self.progress.steps;
            let result = self.advance(hooks);
            self.stopped(result, store)?;
            let crossed = |every: u64| every > 0 && before / every < self.progress.steps / every;
            let (judge, save) =
                (crossed(self.settings.evaluate_every), crossed(self.settings.checkpoint_every));
            if judge {
                self.judge(store, hooks)?;
            }
            if save && self.progress.steps < until {
                self.write(store, hooks)?;
            }
        }
        self.write(store, hooks)
    }

    /// One step of every environment, and the updates that are due.
    fn advance(&mut self, hooks: &mut dyn Hooks) -> Result<(), AgentError> {
        let warm = self.progress.steps < self.settings.warm_up_steps;
        let observations: Vec<f32> =
            self.workers.iter().flat_map(|worker| worker.observation.iter().copied()).collect();
        let mode = if warm { Mode::WarmUp } else { Mode::Explore };
        let actions = self.agent.act(&observations, mode)?;
        let choices = self.agent.choices();
        let actions: Vec<(Vec<f32>, Decoded)> = actions
            .chunks_exact(choices.len())
            .map(|action| (action.to_vec(), choices.decode(action)))
            .collect();
        let (root, options) = (self.settings.seed, &self.options);
        let step = |(worker, (action, decoded)): (&mut Worker<E>, (Vec<f32>, Decoded))| {
            worker.step(action, &decoded, root, options)
        };
        let stepped: Vec<Stepped> = if self.workers.len() == 1 {
            self.workers.iter_mut().zip(actions).map(step).collect()
        } else {
            self.workers.par_iter_mut().zip(actions).map(step).collect()
        };
        self.progress.steps += stepped.len() as u64;
        let mut transitions = Vec::with_capacity(stepped.len());
        for Stepped { transition, episode_return } in stepped {
            finite(&transition, self.progress.updates)?;
            transitions.push(transition);
            if let Some(episode_return) = episode_return {
                self.progress.episodes += 1;
                hooks.episode(&self.progress, episode_return);
            }
        }
        let steps = transitions.len() as f64;
        self.agent.observe(transitions);
        if !warm {
            self.progress.updates_due += steps * self.settings.updates_per_step;
            while self.progress.updates_due >= 1.0 {
                self.progress.updates_due -= 1.0;
                self.progress.updates += u64::from(self.agent.learn()?);
            }
        }
        let agent = &self.agent;
        hooks.step(&self.progress, &|| agent.metrics());
        Ok(())
    }

    /// Asks who judges; an evaluation of nothing where nobody does.
    ///
    /// # Errors
    ///
    /// [`AgentError::Tensor`] where the environment's observations are not the agent's.
    pub fn evaluate(&mut self) -> Result<Evaluation, AgentError> {
        let Some(judge) = &mut self.judge else { return Ok(Evaluation::default()) };
        Ok(Evaluation { steps: self.progress.steps, ..judge.judge(self.agent.as_mut())? })
    }

    fn judge(&mut self, store: Option<&Store>, hooks: &mut dyn Hooks) -> Result<(), TrainingError> {
        if self.judge.is_none() {
            return Ok(());
        }
        let evaluation = self.evaluate();
        let evaluation = self.stopped(evaluation, store)?;
        let (steps, mean_return) = (self.progress.steps, evaluation.mean());
        let best = self.progress.best.is_none_or(|best| mean_return > best.mean_return);
        if best {
            self.progress.best = Some(Best { steps, mean_return });
            if let Some(store) = store {
                store.write_best(&self.checkpoint()?)?;
            }
        }
        hooks.evaluated(&evaluation, best);
        Ok(())
    }

    fn write(&self, store: Option<&Store>, hooks: &mut dyn Hooks) -> Result<(), TrainingError> {
        if let Some(store) = store {
            let path = store.write(&self.checkpoint()?)?;
            hooks.saved(&path);
        }
        Ok(())
    }

    fn stopped<T>(
        &self,
        result: Result<T, AgentError>,
        store: Option<&Store>,
    ) -> Result<T, TrainingError> {
        result.map_err(|source| TrainingError::Agent {
            step: self.progress.steps,
            last_checkpoint: store.and_then(|store| store.last().ok().flatten()),
            source,
        })
    }

    /// Everything that it goes on from.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Agent`]; none on a CPU.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainingError> {
        let environment = |worker: &Worker<E>| SavedEnvironment {
            state: worker.environment.save(),
            observation: worker.observation.clone(),
            episodes: worker.episodes,
            episode_return: worker.episode_return,
        };
        Ok(Checkpoint {
            algorithm: self.agent.name().into(),
            settings_sha256: self.settings_sha256.clone(),
            progress: self.progress.clone(),
            agent: self.stopped(self.agent.save(), None)?,
            environments: self.workers.iter().map(environment).collect(),
        })
    }

    /// Goes on from a checkpoint at this path.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Other`] where it is of another algorithm or other settings; whatever
    /// [`crate::checkpoint::read`] refuses.
    pub fn resume(&mut self, path: &std::path::Path) -> Result<(), TrainingError> {
        let checkpoint = crate::checkpoint::read(path)?;
        let other = |reason: String| CheckpointError::Other { path: path.into(), reason };
        let name = self.agent.name();
        if checkpoint.algorithm != name {
            let reason = format!("a training of `{}`, not of `{name}`", checkpoint.algorithm);
            return Err(other(reason).into());
        }
        if checkpoint.settings_sha256 != self.settings_sha256
            || checkpoint.environments.len() != self.workers.len()
        {
            return Err(other("a training with other settings".into()).into());
        }
        let restored = self.agent.restore(&checkpoint.agent);
        restored.map_err(|error| other(error.to_string()))?;
        for (worker, saved) in self.workers.iter_mut().zip(checkpoint.environments) {
            worker.environment.restore(&saved.state)?;
            worker.observation = saved.observation;
            worker.episodes = saved.episodes;
            worker.episode_return = saved.episode_return;
        }
        self.progress = checkpoint.progress;
        Ok(())
    }
}

/// Returns of the episodes with these seeds and options, played deterministically.
///
/// # Errors
///
/// [`AgentError::Tensor`] where the environment's observations are not the agent's.
pub fn evaluate<E: Environment>(
    agent: &mut dyn Agent,
    environment: &mut E,
    starts: &[(u64, E::Options)],
) -> Result<Vec<f64>, AgentError> {
    let mut returns = Vec::with_capacity(starts.len());
    for (seed, options) in starts {
        let mut observation = environment.reset(*seed, options);
        let mut total = 0.0;
        loop {
            let action = agent.act(&observation, Mode::Deterministic)?;
            let step = environment.step(agent.choices().decode(&action).action());
            total += f64::from(step.reward);
            observation = step.observation;
            if step.terminated || step.truncated {
                break;
            }
        }
        returns.push(total);
    }
    Ok(returns)
}

/// Refuses a step whose numbers are none: one would spoil every weight.
fn finite(transition: &Transition, updates: u64) -> Result<(), AgentError> {
    let named = |quantity, value: f32| {
        if value.is_finite() {
            return Ok(());
        }
        Err(AgentError::Diverged { quantity, value: f64::from(value), updates })
    };
    named("reward", transition.reward)?;
    transition.next.iter().try_for_each(|value| named("observation", *value))?;
    transition.action.iter().try_for_each(|value| named("action", *value))
}
