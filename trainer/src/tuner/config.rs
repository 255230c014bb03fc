//! `train.yaml`: what is trained, on which data, and how it is judged.

use std::path::PathBuf;

use carbon_kube_core::{Time, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::a2c::A2c;
use crate::agents::dqn::Dqn;
use crate::agents::sac::Sac;
use crate::agents::{Agent, AgentError, a2c, dqn, sac};
use crate::environment::Actions;
use crate::environment::world::WorldConfig;
use crate::training;

/// The version that is read.
const VERSION: u32 = 1;

/// Settings of a training. Every key has a default; with all of them, soft actor-critic learns on
/// January to September 2020 of the bundled zones and is validated on the rest of the year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TrainConfig {
    /// 1.
    pub version: u32,
    /// Name of the exported policy: lower-case letters, digits and, between them, `-`.
    pub name: String,
    /// What the policy is, for people.
    pub description: String,
    /// What learns, with its settings. Default `sac`.
    pub algorithm: Algorithm,
    /// The policy that it starts from. Default: none, and it learns from nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<StartConfig>,
    /// Steps of all environments together, 1 to 1,000,000,000. Default 100,000.
    pub steps: u64,
    /// Trainings with seeds of their own, from `training.seed` on, 1 to 100. Default 3.
    pub seeds: u32,
    /// Environments that step side by side, 1 to 256. Default 4.
    pub num_envs: usize,
    /// Checkpoints that are kept of each seed, 1 to 100. Default 2.
    pub keep_checkpoints: usize,
    /// The loop: seed, warm-up, evaluations, checkpoints, patience.
    pub training: training::Settings,
    /// The world that it learns in. With `start`, the policy's base rule, observation, action, bounds and
    /// control interval win over those here.
    pub environment: WorldConfig,
    /// How the future is seen. Default `noisy`.
    pub forecast: ForecastKind,
    /// The zones. Default: the bundled ones.
    pub zones: Vec<ZoneConfig>,
    /// Days between training and validation where a zone doesn't say its ranges, 0 to 60. Default 7:
    /// the past that an episode of validation looks at is of no episode of training.
    pub embargo_days: u32,
    /// Episodes per zone by which a policy is judged, the same each time, at equal distances over
    /// the validation, 1 to 1,000. Default 8.
    pub validation_episodes: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        let bundled = ["EU-DE", "EU-FR", "EU-UK", "US-CA", "US-NE"];
        let zone = |name: &str| ZoneConfig::new(name.parse().expect("a zone of ours"));
        Self {
            version: VERSION,
            name: "tuner".to_owned(),
            description: String::new(),
            algorithm: Algorithm::default(),
            start: None,
            steps: 100_000,
            seeds: 3,
            num_envs: 4,
            keep_checkpoints: 2,
            training: training::Settings::default(),
            environment: WorldConfig::default(),
            forecast: ForecastKind::default(),
            zones: bundled.map(zone).to_vec(),
            embargo_days: 7,
            validation_episodes: 8,
        }
    }
}

/// What a training starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartConfig {
    /// A policy of `sac`: the name of a shipped one, or a folder with `policy.yaml` and `actor.safetensors`, relative
    /// to `train.yaml`. `algorithm.sac.hidden` has to be its own.
    pub policy: String,
    /// The first updates, in which only the critics learn and the actor stays as it is: they are new, and
    /// would ruin it. Default 1,000.
    #[serde(default = "critics_first")]
    pub critics_first: u64,
}

fn critics_first() -> u64 {
    1_000
}

/// An algorithm with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Soft actor-critic.
    Sac(sac::Settings),
    /// Deep Q-learning over 11 shifts at equal distances.
    Dqn(dqn::Settings),
    /// Advantage actor-critic over the same.
    A2c(a2c::Settings),
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::Sac(sac::Settings::default())
    }
}

impl Algorithm {
    /// Its name in files and options.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sac(_) => "sac",
            Self::Dqn(_) => "dqn",
            Self::A2c(_) => "a2c",
        }
    }

    /// Widths of the hidden layers of the network that decides.
    #[must_use]
    pub fn hidden(&self) -> &[usize] {
        match self {
            Self::Sac(settings) => &settings.hidden,
            Self::Dqn(settings) => &settings.hidden,
            Self::A2c(settings) => &settings.hidden,
        }
    }

    /// Name of the network that decides, in a checkpoint.
    #[must_use]
    pub fn decider(&self) -> &'static str {
        match self {
            Self::Sac(_) | Self::A2c(_) => "actor",
            Self::Dqn(_) => "network",
        }
    }

    /// An agent that has learned nothing.
    ///
    /// # Errors
    ///
    /// [`AgentError::Actions`] where it can't take these actions.
    pub fn agent(
        &self,
        inputs: usize,
        actions: &Actions,
        seed: u64,
    ) -> Result<Box<dyn Agent>, AgentError> {
        Ok(match self {
            Self::Sac(settings) => Box::new(Sac::new(settings.clone(), inputs, actions, seed)?),
            Self::Dqn(settings) => Box::new(Dqn::new(settings.clone(), inputs, actions, seed)?),
            Self::A2c(settings) => Box::new(A2c::new(settings.clone(), inputs, actions, seed)?),
        })
    }

    fn check(&self) -> Result<(), String> {
        let name = self.name();
        let (rate, discount, batch, replay) = match self {
            Self::Sac(s) => (s.learning_rate, s.discount, s.batch, s.replay),
            Self::Dqn(s) => (s.learning_rate, s.discount, s.batch, s.replay),
            Self::A2c(s) => (s.learning_rate, s.discount, s.rollout, s.rollout),
        };
        let checks = [
            (
                (1..=7).contains(&self.hidden().len())
                    && self.hidden().iter().all(|width| (1..=1_024).contains(width)),
                "hidden: expected 1 to 7 layers, each of 1 to 1,024",
            ),
            (rate > 0.0 && rate <= 1.0, "learningRate: expected above 0 to 1"),
            ((0.0..=1.0).contains(&discount), "discount: expected 0 to 1"),
            ((1..=65_536).contains(&batch), "batch (of a2c: rollout): expected 1 to 65,536"),
            ((batch..=100_000_000).contains(&replay), "replay: expected `batch` to 100,000,000"),
        ];
        let own = self.own_checks();
        first_problem(checks)
            .and_then(|()| first_problem(own))
            .map_err(|problem| format!("algorithm.{name}.{problem}"))
    }
}

impl Algorithm {
    /// What only one algorithm has.
    fn own_checks(&self) -> [(bool, &'static str); 3] {
        let part = |value: f64| (0.0..=1.0).contains(&value);
        match self {
            Self::Sac(s) => [
                (
                    s.target_share > 0.0 && part(s.target_share),
                    "targetShare: expected above 0 to 1",
                ),
                (
                    s.initial_temperature > 0.0 && s.initial_temperature.is_finite(),
                    "initialTemperature: expected above 0",
                ),
                (true, ""),
            ],
            Self::Dqn(s) => [
                (part(s.exploration_last), "explorationLast: expected 0 to 1"),
                (true, ""),
                (true, ""),
            ],
            Self::A2c(s) => [
                (part(s.trace), "trace: expected 0 to 1"),
                (s.entropy >= 0.0 && s.entropy.is_finite(), "entropy: expected 0 or more"),
                (s.clip > 0.0 && s.clip.is_finite(), "clip: expected above 0"),
            ],
        }
    }
}

/// How the future is seen, by base rule and observation alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForecastKind {
    /// The truth with an error that grows, as issued forecasts have it.
    #[default]
    Noisy,
    /// The value of a day ago.
    Seasonal,
    /// The value of now, for ever.
    Persistence,
    /// The truth: what no forecast can be.
    Perfect,
    /// A trained forecast, as the cluster has it: the name of a shipped one, or a folder that `carbon-kube
    /// forecast train` wrote, relative to `train.yaml`. It should know nothing of the years that are
    /// trained on: else it is better there than it will ever be again.
    Model(String),
}

/// A zone that is trained and validated on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ZoneConfig {
    /// Its name.
    #[schemars(with = "String")]
    pub zone: Zone,
    /// Files with its intensity, in any format of `datasets import`, relative to `train.yaml`.
    /// Default: the bundled series.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// Where episodes of training lie. Default: until the validation less the embargo. An empty
    /// list trains on none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Vec<Range>>,
    /// Where episodes of validation lie. Default: 2021, where the files have all of it and most of
    /// 2020; otherwise the last quarter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Vec<Range>>,
}

impl ZoneConfig {
    /// A bundled zone with the ranges that it has by default.
    #[must_use]
    pub fn new(zone: Zone) -> Self {
        Self { zone, files: Vec::new(), training: None, validation: None }
    }
}

/// A part of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Range {
    /// The first instant.
    #[schemars(with = "String")]
    pub from: Time,
    /// The first instant after it.
    #[schemars(with = "String")]
    pub to: Time,
}

fn first_problem<const N: usize>(checks: [(bool, &str); N]) -> Result<(), String> {
    match checks.into_iter().find(|(is_right, _)| !is_right) {
        Some((_, problem)) => Err(problem.to_owned()),
        None => Ok(()),
    }
}

impl TrainConfig {
    /// Reads `train.yaml`.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: line, key, and what is expected.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        if yaml.trim().is_empty() {
            return Ok(Self::default());
        }
        // As in a scenario: `NO` is Norway, not false.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            // The first line says what and where; below it is a copy of the file.
            let message = error.to_string();
            let line = message.lines().next().unwrap_or_default();
            line.trim_start_matches("error: ").to_owned()
        })
    }

    /// The JSON Schema of the file.
    ///
    /// # Panics
    ///
    /// Never: a schema is JSON.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        serde_json::to_value(schemars::schema_for!(Self)).expect("a schema is JSON")
    }

    /// The file, with every default spelled out.
    ///
    /// # Panics
    ///
    /// Never: it has text keys and plain values.
    #[must_use]
    pub fn yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("settings have text keys and plain values")
    }

    /// How many updates a training of them makes.
    #[must_use]
    pub fn updates(&self) -> u64 {
        let steps = self.steps.saturating_sub(self.training.warm_up_steps);
        (steps as f64 * self.training.updates_per_step) as u64
    }

    /// Whether the settings can be used.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: the key and what it can be.
    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            let found = self.version;
            return Err(format!("version {found}; this program reads version {VERSION}"));
        }
        let training = &self.training;
        first_problem([
            ((1..=1_000_000_000).contains(&self.steps), "steps: expected 1 to 1,000,000,000"),
            ((1..=100).contains(&self.seeds), "seeds: expected 1 to 100"),
            ((1..=256).contains(&self.num_envs), "numEnvs: expected 1 to 256"),
            ((1..=100).contains(&self.keep_checkpoints), "keepCheckpoints: expected 1 to 100"),
            (self.embargo_days <= 60, "embargoDays: expected 0 to 60"),
            (
                (1..=1_000).contains(&self.validation_episodes),
                "validationEpisodes: expected 1 to 1,000",
            ),
            (!self.zones.is_empty(), "zones: expected at least one"),
            (
                (1..=self.steps).contains(&training.evaluate_every),
                "training.evaluateEvery: expected 1 to `steps`, or there is no best policy",
            ),
            (
                (0.0..=100.0).contains(&training.updates_per_step),
                "training.updatesPerStep: expected 0 to 100",
            ),
            (
                (0..self.zones.len())
                    .all(|at| self.zones[..at].iter().all(|z| z.zone != self.zones[at].zone)),
                "zones: one is there twice",
            ),
        ])?;
        self.algorithm.check()?;
        if let Some(start) = &self.start
            && start.critics_first >= self.updates()
        {
            let updates = self.updates();
            return Err(format!(
                "start.criticsFirst: is {}, and there are {updates} updates: the actor would never learn",
                start.critics_first
            ));
        }
        self.environment.check().map_err(|problem| format!("environment.{problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_come_back_from_their_file() {
        let config = TrainConfig::default();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(TrainConfig::parse(&config.yaml()), Ok(config.clone()));
        assert_eq!(TrainConfig::parse(" \n"), Ok(config));
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_its_key() {
        for (yaml, problem) in [
            ("stepps: 3", "unknown field `stepps`"),
            ("algorithm: {sarsa: {}}", "sarsa"),
            ("steps: 0", "steps: expected 1 to"),
            ("steps: 10", "training.evaluateEvery: expected 1 to `steps`"),
            ("numEnvs: 0", "numEnvs: expected 1 to 256"),
            ("zones: []", "zones: expected at least one"),
            ("zones: [{zone: EU-DE}, {zone: EU-DE}]", "zones: one is there twice"),
            (
                "{steps: 5000, start: {policy: sac-v1, criticsFirst: 4000}}",
                "start.criticsFirst: is 4000, and there are 4000 updates",
            ),
            ("start: {criticsFirst: 3}", "missing field `policy`"),
            ("version: 2", "version 2; this program reads version 1"),
            ("algorithm: {sac: {discount: 1.5}}", "algorithm.sac.discount: expected 0 to 1"),
            ("algorithm: {dqn: {hidden: []}}", "algorithm.dqn.hidden: expected 1 to 7 layers"),
            ("environment: {controlMinutes: 7}", "environment.controlMinutes: expected 5 to 60"),
        ] {
            let error = TrainConfig::parse(yaml).and_then(|config| config.check()).unwrap_err();
            assert!(error.contains(problem), "{yaml}: {error}");
        }
    }
}
