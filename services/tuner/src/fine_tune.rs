//! The network of the policy in force, trained on from where it is.
//!
//! ```text
//!  from          + a week                    held_out_from                to
//!   |  look back   |  episodes of a week each      |  not seen by training  |
//! ```
//!
//! The world is that of `carbon-kube train`, with the settings that `sac-v1` was trained with: what is learned is the
//! grid of these days, not the jobs of this cluster. What comes of it is a policy file, and judged like any other.

use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_core::{Span, Zone};
use carbon_kube_policies::file::{Loaded, Provenance};
use carbon_kube_policies::forecast::library;
use carbon_kube_trainer::agents::sac;
use carbon_kube_trainer::environment::world::{Credit, Weights, WorldConfig, ZoneSource};
use carbon_kube_trainer::training::{Hooks, Settings, TrainingError};
use carbon_kube_trainer::tuner::{
    Algorithm, Data, DataError, ForecastKind, Lesson, LessonError, Start, StartConfig, TrainConfig,
    ZoneConfig,
};
use tracing::info;

use crate::backtest::BacktestError;
use crate::candidates::{Candidate, CandidateError, Files};
use crate::config::{Config, FineTune, Forecast};
use crate::history::Past;

/// What an episode looks back on before it begins: the week that gives a zone its scale, and rules their percentiles.
const LOOK_BACK: Span = Span::from_millis(7 * 86_400_000);

/// What the name of a policy that was trained on ends with.
const SUFFIX: &str = "-tuned";

/// The longest name of a policy.
const LONGEST_NAME: usize = 63;

/// Why there is no candidate. The policy in force is judged without it.
#[derive(Debug, thiserror::Error)]
pub enum NotTuned {
    /// Nothing to start from.
    #[error("there is no policy in force")]
    NoPolicy,
    /// A policy without a network that could learn on.
    #[error("{0} is no network of soft actor-critic (`kind: tuner`, `output: tanh`)")]
    NoNetwork(String),
    /// No room for an episode.
    #[error(
        "{days:.1} days before the held-out ones are too few: {needed:.0} are needed, a week to look back on and \
         an episode"
    )]
    TooFewDays {
        /// Days that there are.
        days: f64,
        /// Days that it takes.
        needed: f64,
    },
    /// The forecast can't be read.
    #[error(transparent)]
    Forecast(#[from] DataError),
    /// A policy that no training can start from, or one that would be refused.
    #[error(transparent)]
    Lesson(#[from] LessonError),
    /// Its numbers mean nothing any more.
    #[error("{0}")]
    Diverged(TrainingError),
    /// It can't be written as a file.
    #[error(transparent)]
    Written(#[from] CandidateError),
}

/// The policy in force after some steps more, on the days before the held-out ones.
///
/// # Errors
///
/// Outside, [`BacktestError`] once `stop` is set; inside, why there is none.
pub fn candidate(
    settings: &FineTune,
    in_force: Option<&Loaded>,
    past: &Past,
    config: &Config,
    history_sha256: Option<&str>,
    stop: &AtomicBool,
) -> Result<Result<Candidate, NotTuned>, BacktestError> {
    let lesson = match lesson(settings, in_force, past, config) {
        Ok(lesson) => lesson,
        Err(reason) => return Ok(Err(reason)),
    };
    let threads = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build();
    let threads = threads.map_err(|error| BacktestError::Threads(error.to_string()))?;
    let zones = past.zones.len();
    info!(steps = settings.steps, zones, "training the network in force on the days before");
    let actor = threads.install(|| trained(&lesson, stop));
    if stop.load(Ordering::Relaxed) {
        return Err(BacktestError::Interrupted);
    }
    Ok(actor.and_then(|actor| named(&lesson, actor, past, history_sha256)))
}

/// The weights after the last step.
fn trained(lesson: &Lesson, stop: &AtomicBool) -> Result<Vec<u8>, NotTuned> {
    let config = lesson.config();
    let mut training = lesson.unjudged(config.training.seed)?;
    training.run(config.steps, None, &mut Watch(stop)).map_err(NotTuned::Diverged)?;
    Ok(lesson.last(training.agent())?)
}

struct Watch<'a>(&'a AtomicBool);

impl Hooks for Watch<'_> {
    fn stop(&mut self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn lesson(
    settings: &FineTune,
    in_force: Option<&Loaded>,
    past: &Past,
    config: &Config,
) -> Result<Lesson, NotTuned> {
    let policy = in_force.ok_or(NotTuned::NoPolicy)?;
    let start =
        Start::new(policy.clone()).map_err(|_| NotTuned::NoNetwork(policy.file.name.clone()))?;
    let environment = world();
    let days = |span: Span| span.hours() / 24.0;
    let episode = Span::HOUR * i64::from(environment.episode_hours) + environment.tail();
    let (first, needed) = (past.from + LOOK_BACK, LOOK_BACK + episode);
    if past.held_out_from - past.from < needed {
        let (days, needed) = (days(past.held_out_from - past.from), days(needed));
        return Err(NotTuned::TooFewDays { days, needed });
    }
    let ranges = vec![(first, past.held_out_from)];
    let source = |series| ZoneSource { series, ranges: ranges.clone() };
    let sources = past.zones.values().cloned().map(source).collect();
    let forecast = match config.forecast {
        Forecast::Model => ForecastKind::Model(library::DEFAULT.to_owned()),
        Forecast::Seasonal => ForecastKind::Seasonal,
        Forecast::Persistence => ForecastKind::Persistence,
    };
    let algorithm = sac::Settings {
        hidden: start.hidden(),
        learning_rate: settings.learning_rate,
        ..algorithm()
    };
    let mut training = TrainConfig {
        name: name(&policy.file.name),
        algorithm: Algorithm::Sac(algorithm),
        steps: settings.steps,
        seeds: 1,
        num_envs: 4,
        training: Settings {
            seed: config.seed,
            warm_up_steps: settings.steps / 8,
            updates_per_step: settings.updates_per_step,
            evaluate_every: settings.steps,
            checkpoint_every: 0,
            patience: 0,
        },
        environment,
        forecast,
        zones: past.zones.keys().cloned().map(ZoneConfig::new).collect(),
        ..TrainConfig::default()
    };
    training.start = Some(StartConfig {
        policy: policy.file.name.clone(),
        critics_first: training.updates() / 4,
    });
    let data = Data::of(sources, &training.forecast, start)?;
    Ok(Lesson::new(training, data)?)
}

/// The world that `sac-v1` learned in; rule, observation and action are those of the policy.
fn world() -> WorldConfig {
    WorldConfig {
        credit: Credit::Rule,
        weights: Weights { saving: 100.0, ..Weights::default() },
        ..WorldConfig::default()
    }
}

/// How `sac-v1` learned in it.
fn algorithm() -> sac::Settings {
    sac::Settings {
        discount: 0.9,
        batch: 256,
        initial_temperature: 0.02,
        ..sac::Settings::default()
    }
}

/// The weights as a policy that says where it comes from.
fn named(
    lesson: &Lesson,
    actor: Vec<u8>,
    past: &Past,
    history_sha256: Option<&str>,
) -> Result<Candidate, NotTuned> {
    let (config, data) = (lesson.config(), lesson.data());
    let zones: Vec<&str> = past.zones.keys().map(Zone::as_str).collect();
    let from = data.start.as_ref().map(|start| {
        let policy = start.policy();
        format!("{} ({})", policy.file.name, policy.sha256)
    });
    let history = history_sha256.map(|sum| ("history.json".to_owned(), sum.to_owned()));
    let provenance = Provenance {
        description: format!(
            "Trained on from {} by carbon-kube-tuner: {} steps on {} to {} of {}.",
            from.unwrap_or_default(),
            config.steps,
            past.from,
            past.held_out_from,
            zones.join(", "),
        ),
        seeds: vec![config.training.seed],
        datasets: data.sha256.clone().into_iter().chain(history).collect(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "carbon-kube-tuner --output stdout".to_owned(),
        ..Provenance::default()
    };
    let folder = lesson.folder(actor, provenance)?;
    let files = Files { yaml: folder.yaml, actor: Some(folder.actor), loaded: folder.policy };
    Ok(Candidate { name: config.name.clone(), files })
}

/// `NAME-tuned`, and no longer for one that is called so already.
fn name(policy: &str) -> String {
    let base = policy.strip_suffix(SUFFIX).unwrap_or(policy);
    let kept: String = base.chars().take(LONGEST_NAME - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", kept.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_those_that_sac_v1_was_trained_with() {
        let shipped = include_str!("../../../policies/library/sac-v1/train.yaml");
        let shipped = TrainConfig::parse(shipped).unwrap();
        assert_eq!(shipped.algorithm, Algorithm::Sac(algorithm()));
        let WorldConfig { base, observation, action, .. } = shipped.environment.clone();
        assert_eq!(shipped.environment, WorldConfig { base, observation, action, ..world() });
    }

    #[test]
    fn a_name_says_that_it_was_trained_on_and_can_be_one() {
        assert_eq!(name("sac-v1"), "sac-v1-tuned");
        assert_eq!(name("sac-v1-tuned"), "sac-v1-tuned");
        let long = format!("{}-{}", "a".repeat(56), "b".repeat(6));
        assert_eq!(name(&long), format!("{}{SUFFIX}", "a".repeat(56)));
    }
}
