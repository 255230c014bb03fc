//! A training that is ready to begin, for any seed.

use std::collections::BTreeMap;
use std::path::Path;

use carbon_kube_policies::file::{PolicyError, Provenance};
use carbon_kube_policies::network::NetworkError;
use serde::Serialize;

use super::config::{Algorithm, TrainConfig};
use super::data::Data;
use super::export::{self, PolicyFolder};
use super::fit;
use super::start::StartError;
use super::validation::{Judged, Validation};
use crate::agents::sac::Sac;
use crate::agents::{Agent, AgentError};
use crate::checkpoint::{CheckpointError, Store, read_model};
use crate::environment::world::{Credit, WorldConfig, WorldEnvironment, WorldError, WorldOptions};
use crate::environment::{Actions, Environment};
use crate::network::Shape;
use crate::training::{self, Training};

/// Standard deviation, before the tangent, of the noise of an actor that starts from a policy: a policy file has
/// none. Smaller than what the temperature aims at, so that what is tried first is near the policy: over `sac-v1` it
/// has an entropy of -2 to -3 nats, and -1 is aimed at. Whether more is better is open: of three trainings on two
/// months of 2021, two came out better with 0.5.
const START_DEVIATION: f64 = 0.2;

/// Settings, data, and the observation that was fitted to it.
#[derive(Debug)]
pub struct Lesson {
    config: TrainConfig,
    data: Data,
    world: WorldConfig,
}

/// Why a training can't begin, or gives no policy.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// A setting that can't be used.
    #[error("{0}")]
    Config(String),
    /// The policy to start from doesn't fit the settings.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No environment of training.
    #[error("training: {0}")]
    Training(WorldError),
    /// No environment of validation.
    #[error("validation: {0}")]
    Validation(WorldError),
    /// The agent can't take the environment.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A checkpoint can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There was no evaluation yet.
    #[error("there is no best policy yet: the training stopped before its first evaluation")]
    NoBest,
    /// Weights that are no network.
    #[error("weights: {0}")]
    Weights(#[from] NetworkError),
    /// A policy that would be refused.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What makes two trainings the same one: a checkpoint of another is refused. The number of steps
/// and of seeds is not among it, so that a training can be made longer.
#[derive(Serialize)]
struct Identity<'a> {
    algorithm: &'a Algorithm,
    world: &'a WorldConfig,
    config: TrainConfig,
    data: &'a BTreeMap<String, String>,
}

impl Lesson {
    /// Checks the settings and fits the observation, which takes a second. Where it starts from a policy, that
    /// one's is taken as it is.
    ///
    /// # Errors
    ///
    /// [`LessonError`] where a setting can't be used or no range holds an episode.
    pub fn new(config: TrainConfig, data: Data) -> Result<Self, LessonError> {
        config.check().map_err(LessonError::Config)?;
        if config.start.is_some() != data.start.is_some() {
            let problem = "start: the settings and the data disagree whether there is one";
            return Err(LessonError::Config(problem.to_owned()));
        }
        let world = match &data.start {
            Some(start) => {
                start.check(&config.algorithm)?;
                start.world(config.environment.clone())
            }
            None => Self::fitted(&config, &data)?,
        };
        let lesson = Self { config, data, world };
        lesson.check_policy()?;
        Ok(lesson)
    }

    /// The world with an observation that is fitted to it.
    fn fitted(config: &TrainConfig, data: &Data) -> Result<WorldConfig, LessonError> {
        let forecast = data.forecast.clone();
        // What is seen does not depend on what is credited.
        let credit = Credit::default();
        let environment = WorldConfig { credit, ..config.environment.clone() };
        let zones = data.training.clone();
        let environment = WorldEnvironment::new(environment, zones, forecast);
        let mut environment = environment.map_err(LessonError::Training)?;
        // Not the seed of the training: all seeds of it have one observation.
        let observation = fit::observation(&mut environment, 1);
        Ok(WorldConfig { observation, ..config.environment.clone() })
    }

    /// Whether the policy of a training could be exported, before there is one: its name, size,
    /// bounds and base rule.
    fn check_policy(&self) -> Result<(), LessonError> {
        let shape = self.shape();
        let zeros = vec![0.0; shape.parameters()];
        let actor = export::weights(&self.config.algorithm, &shape, &zeros)?;
        self.folder(actor, Provenance::default())?;
        Ok(())
    }

    /// Weights as a policy folder. Its fallback is that of the policy that the training started from.
    ///
    /// # Errors
    ///
    /// [`LessonError::Policy`] where it would be refused.
    pub fn folder(
        &self,
        actor: Vec<u8>,
        provenance: Provenance,
    ) -> Result<PolicyFolder, LessonError> {
        let start = self.data.start.as_ref();
        let fallback =
            start.map_or("default-scheduler", |start| start.policy().file.fallback.as_str());
        Ok(PolicyFolder::new(&self.config, &self.world, fallback, actor, provenance)?)
    }

    /// The network that decides.
    fn shape(&self) -> Shape {
        let algorithm = &self.config.algorithm;
        let outputs = match algorithm {
            Algorithm::Sac(_) => 2,
            Algorithm::Dqn(_) | Algorithm::A2c(_) => crate::agents::LEVELS,
        };
        Shape::new(self.world.observation.len(), algorithm.hidden(), outputs)
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The world with the fitted observation.
    #[must_use]
    pub fn world(&self) -> &WorldConfig {
        &self.world
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The seeds of its trainings.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.config.training.seed;
        first..first.saturating_add(u64::from(self.config.seeds))
    }

    /// The episodes that policies are judged by.
    ///
    /// # Errors
    ///
    /// [`LessonError::Validation`] where no range holds one.
    pub fn validation(&self) -> Result<Validation, LessonError> {
        let zones = self.data.validation.clone();
        let forecast = self.data.forecast.clone();
        let environment = WorldEnvironment::new(self.world.clone(), zones, forecast);
        let environment = environment.map_err(LessonError::Validation)?;
        let (algorithm, episodes) =
            (self.config.algorithm.clone(), self.config.validation_episodes);
        Ok(Validation::new(environment, algorithm, episodes))
    }

    /// A training from its first step on.
    ///
    /// # Errors
    ///
    /// [`LessonError`] as above.
    pub fn training(&self, seed: u64) -> Result<Training<WorldEnvironment>, LessonError> {
        Ok(self.unjudged(seed)?.judged_by(Box::new(self.validation()?)))
    }

    /// The same without validation: [`Self::last`] has what comes of it.
    ///
    /// # Errors
    ///
    /// [`LessonError`] as above.
    pub fn unjudged(&self, seed: u64) -> Result<Training<WorldEnvironment>, LessonError> {
        let environment = || {
            let (zones, forecast) = (self.data.training.clone(), self.data.forecast.clone());
            WorldEnvironment::new(self.world.clone(), zones, forecast)
        };
        let environments = (0..self.config.num_envs).map(|_| environment());
        let environments = environments.collect::<Result<Vec<_>, _>>();
        let environments = environments.map_err(LessonError::Training)?;
        let first = &environments[0];
        let algorithm = &self.config.algorithm;
        let agent = self.agent(first.observation_len(), &first.actions(), seed)?;
        let settings = training::Settings { seed, ..self.config.training.clone() };
        let identity = Identity {
            algorithm,
            world: &self.world,
            config: TrainConfig { steps: 0, seeds: 0, ..self.config.clone() },
            data: &self.data.sha256,
        };
        let options = WorldOptions::default();
        Ok(Training::unjudged(settings, agent, &identity, environments, options))
    }

    /// What learns: from nothing, or with the actor of the policy to start from.
    fn agent(
        &self,
        inputs: usize,
        actions: &Actions,
        seed: u64,
    ) -> Result<Box<dyn Agent>, LessonError> {
        let algorithm = &self.config.algorithm;
        let start = self.config.start.as_ref().zip(self.data.start.as_ref());
        let (Some((settings, start)), Algorithm::Sac(sac)) = (start, algorithm) else {
            return Ok(algorithm.agent(inputs, actions, seed)?);
        };
        let agent = Sac::new(sac.clone(), inputs, actions, seed)?;
        let actor = export::parameters(agent.actor().shape(), start.network(), START_DEVIATION);
        Ok(Box::new(agent.started(actor, settings.critics_first)?))
    }

    /// The weights that an agent has now.
    ///
    /// # Errors
    ///
    /// [`LessonError::Weights`] where one is not finite.
    pub fn last(&self, agent: &dyn Agent) -> Result<Vec<u8>, LessonError> {
        let decider = agent.decider();
        let numbers = decider.numbers().map_err(AgentError::from)?;
        Ok(export::weights(&self.config.algorithm, decider.shape(), &numbers)?)
    }

    /// The weights of the best evaluation that a store has.
    ///
    /// # Errors
    ///
    /// [`LessonError::NoBest`] where there was none, [`LessonError::Checkpoint`].
    pub fn best(&self, store: &Store) -> Result<Vec<u8>, LessonError> {
        let path = store.best().ok_or(LessonError::NoBest)?;
        let (vectors, _) = read_model(&path)?;
        let algorithm = &self.config.algorithm;
        let name = algorithm.decider();
        let shape = self.shape();
        let numbers = vectors.get(name).filter(|numbers| numbers.len() == shape.parameters());
        let numbers = numbers.ok_or_else(|| CheckpointError::Other {
            path: path.clone(),
            reason: format!("`{name}` is missing or has another shape"),
        })?;
        Ok(export::weights(algorithm, &shape, numbers)?)
    }

    /// What weights come to in the episodes of validation.
    ///
    /// # Errors
    ///
    /// [`LessonError::Weights`] where they are none.
    pub fn judge(&self, actor: &[u8], validation: &Validation) -> Result<Judged, LessonError> {
        let policy = export::deployed(&self.config.algorithm, &self.world, actor)?;
        Ok(validation.play(&policy))
    }

    /// Weights as a policy folder, with what they came to.
    ///
    /// # Errors
    ///
    /// [`LessonError::Policy`] where it would be refused.
    pub fn policy(
        &self,
        actor: Vec<u8>,
        seed: u64,
        judged: &Judged,
        rule: &Judged,
        command: &str,
    ) -> Result<PolicyFolder, LessonError> {
        let returns = judged.returns();
        let validation = [
            ("meanReturn", returns.iter().sum::<f64>() / returns.len().max(1) as f64),
            ("savingPercent", judged.saving_percent),
            ("ruleSavingPercent", rule.saving_percent),
            ("delayHours", judged.delay_hours()),
            ("fallbackPercent", judged.fallback_percent()),
        ];
        let provenance = Provenance {
            description: self.config.description.clone(),
            seeds: vec![seed],
            datasets: self.data.sha256.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            validation: validation.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Provenance::default()
        };
        self.folder(actor, provenance)
    }

    /// Opens the checkpoints of a seed in a directory.
    ///
    /// # Errors
    ///
    /// [`LessonError::Checkpoint`].
    pub fn store(&self, directory: &Path) -> Result<Store, LessonError> {
        Ok(Store::open(directory, self.config.keep_checkpoints)?)
    }
}
