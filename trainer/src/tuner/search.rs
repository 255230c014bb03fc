//! Random search with successive halving over how a tuner is trained: many settings for a few
//! steps, the best third of them for three times as many, and so on.
//!
//! ```text
//!  settings  18 --> 6 --> 3      each third is the better one in validation
//!  steps    1/9   1/3    all     begun anew each time
//! ```
//!
//! As [`crate::evaluation::search`] does it for the settings of a rule. Only validation decides; the
//! settings to start from go through to the end.

use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_core::seed;
use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config::{Algorithm, TrainConfig};
use super::data::Data;
use super::lesson::{Lesson, LessonError};
use crate::evaluation::search::{FACTOR, Range, draw, kept};
use crate::training::{Evaluation, Hooks, TrainingError};

/// Evaluations in each training of a search.
const EVALUATIONS: u64 = 5;

/// A search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingSearch {
    /// How many settings are tried at first, those to start from among them; at least 1.
    pub candidates: usize,
    /// Root of what is drawn.
    pub seed: u64,
}

/// One candidate in one round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriedTraining {
    /// Its number, from 0 on; 0 are the settings to start from.
    pub candidate: usize,
    /// What was searched, by the path in train.yaml.
    pub settings: Map<String, Value>,
    /// Saving of the best evaluation, in %; none where the training diverged.
    pub saving_percent: Option<f64>,
    /// The same less that of the rule alone, in points.
    pub gain_over_rule_percent: Option<f64>,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRound {
    /// Steps of each training.
    pub steps: u64,
    /// The candidates, the best first.
    pub tried: Vec<TriedTraining>,
}

/// What a search found, and what it took.
#[derive(Clone, Debug)]
pub struct FoundTraining {
    /// The best settings, with the steps of the search's beginning.
    pub config: TrainConfig,
    /// Rounds in their order.
    pub rounds: Vec<TrainingRound>,
    /// Environment steps of all trainings.
    pub steps: u64,
}

/// Why a search found nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It was told to stop.
    #[error("the search was interrupted")]
    Interrupted,
    /// A training that can't begin.
    #[error(transparent)]
    Lesson(#[from] LessonError),
    /// A training that failed, but for one that diverged.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

/// Searches how `config` is trained best. `progress` hears of each training that is done; there are
/// [`TrainingSearch::trainings`] of them. Candidates are trained side by side, on the threads of
/// the caller.
///
/// # Errors
///
/// [`SearchError`].
pub fn search_training(
    config: &TrainConfig,
    data: &Data,
    search: TrainingSearch,
    stop: &AtomicBool,
    progress: &(dyn Fn() + Sync),
) -> Result<FoundTraining, SearchError> {
    let drawn = candidates(config, search);
    let mut alive: Vec<usize> = (0..drawn.len()).collect();
    let (mut rounds, mut all): (Vec<TrainingRound>, u64) = (Vec::new(), 0);
    for steps in search.rungs(config.steps) {
        let one = |&candidate: &usize| {
            let (settings, config) = &drawn[candidate];
            let judged = train(config, data, steps, stop)?;
            progress();
            Ok(TriedTraining {
                candidate,
                settings: settings.clone(),
                saving_percent: judged.map(|(saving, _)| saving),
                gain_over_rule_percent: judged.map(|(_, gain)| gain),
            })
        };
        let tried = alive.par_iter().with_max_len(1).map(one);
        let mut tried: Vec<TriedTraining> = tried.collect::<Result<_, SearchError>>()?;
        all += steps * tried.len() as u64;
        let saving = |tried: &TriedTraining| tried.saving_percent.unwrap_or(f64::NEG_INFINITY);
        tried.sort_by(|a, b| saving(b).total_cmp(&saving(a)).then(a.candidate.cmp(&b.candidate)));
        alive = kept(tried.iter().map(|tried| tried.candidate));
        rounds.push(TrainingRound { steps, tried });
    }
    let best = rounds.last().and_then(|round| round.tried.first()).map_or(0, |best| best.candidate);
    Ok(FoundTraining { config: drawn[best].1.clone(), rounds, steps: all })
}

impl TrainingSearch {
    /// Steps of each round: as many rounds as leave about [`FACTOR`] candidates for the last.
    fn rungs(self, steps: u64) -> Vec<u64> {
        let mut rungs = vec![steps];
        let mut share = FACTOR;
        while self.candidates > share && steps / share as u64 >= EVALUATIONS {
            rungs.push(steps / share as u64);
            share *= FACTOR;
        }
        rungs.reverse();
        rungs
    }

    /// How many trainings it takes, at most: one more in each round where the settings to start
    /// from are carried along.
    #[must_use]
    pub fn trainings(self, steps: u64) -> usize {
        let rounds = self.rungs(steps).len();
        let mut alive = self.candidates;
        let mut count = 0;
        for _ in 0..rounds {
            count += alive;
            alive = (alive.div_ceil(FACTOR) + 1).min(alive);
        }
        count
    }
}

/// The settings to start from, then what is drawn around them.
fn candidates(
    config: &TrainConfig,
    search: TrainingSearch,
) -> Vec<(Map<String, Value>, TrainConfig)> {
    let mut rng = seed::stream(search.seed, "training search");
    let mut drawn = vec![(Map::new(), config.clone())];
    for _ in 1..search.candidates {
        drawn.push(around(config, &mut rng));
    }
    drawn
}

/// Settings that are drawn anew where a search looks.
fn around(config: &TrainConfig, rng: &mut impl Rng) -> (Map<String, Value>, TrainConfig) {
    let mut config = config.clone();
    let discount = round(1.0 - number(&draw(&Range::Logarithmic(0.01, 0.3), rng)), 1e-4);
    let rate = round(1e-4 * number(&draw(&Range::Logarithmic(1.0, 30.0), rng)), 1e-6);
    let batch = number(&draw(&Range::OneOf(&[64, 128, 256, 512]), rng)) as usize;
    let width = number(&draw(&Range::OneOf(&[16, 32, 64, 128]), rng)) as usize;
    let spreads = number(&draw(&Range::Logarithmic(0.1, 2.0), rng));
    // A policy that it starts from has its own.
    let is_started = config.start.is_some();
    let hidden = if is_started { config.algorithm.hidden().to_vec() } else { vec![width; 2] };
    let mut settings = Map::new();
    let name = config.algorithm.name();
    let mut set = |key: &str, value: Value| {
        settings.insert(format!("algorithm.{name}.{key}"), value);
    };
    set("discount", json!(discount));
    set("learningRate", json!(rate));
    set("hidden", json!(hidden));
    match &mut config.algorithm {
        Algorithm::Sac(sac) => {
            (sac.discount, sac.learning_rate, sac.batch) = (discount, rate, batch);
            sac.hidden = hidden;
            set("batch", json!(batch));
        }
        Algorithm::Dqn(dqn) => {
            (dqn.discount, dqn.learning_rate, dqn.batch) = (discount, rate, batch);
            dqn.hidden = hidden;
            set("batch", json!(batch));
        }
        Algorithm::A2c(a2c) => {
            (a2c.discount, a2c.learning_rate) = (discount, rate);
            a2c.hidden = hidden;
        }
    }
    if !is_started {
        config.environment.action.spreads = Some(spreads);
        settings.insert("environment.action.spreads".to_owned(), json!(spreads));
    }
    (settings, config)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn round(value: f64, to: f64) -> f64 {
    (value / to).round() * to
}

/// Saving of the best evaluation and its gain over the rule; `None` where the training diverged.
fn train(
    config: &TrainConfig,
    data: &Data,
    steps: u64,
    stop: &AtomicBool,
) -> Result<Option<(f64, f64)>, SearchError> {
    let mut config = TrainConfig { steps, seeds: 1, ..config.clone() };
    config.training.evaluate_every = (steps / EVALUATIONS).max(1);
    config.training.warm_up_steps = config.training.warm_up_steps.min(steps / EVALUATIONS);
    let updates = config.updates();
    if let Some(start) = &mut config.start {
        // The actor should learn in the shortest of them, too.
        start.critics_first = start.critics_first.min(updates / 4);
    }
    let lesson = Lesson::new(config, data.clone())?;
    let mut training = lesson.training(lesson.config().training.seed)?;
    let mut watch = Watch { stop, best: None };
    match training.run(steps, None, &mut watch) {
        Ok(()) if stop.load(Ordering::Relaxed) => Err(SearchError::Interrupted),
        Ok(()) => Ok(watch.best),
        Err(TrainingError::Agent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Remembers the best evaluation.
struct Watch<'a> {
    stop: &'a AtomicBool,
    best: Option<(f64, f64)>,
}

impl Hooks for Watch<'_> {
    fn evaluated(&mut self, evaluation: &Evaluation, _: bool) {
        let figure = |name: &str| {
            let found = evaluation.figures.iter().find(|(figure, _)| *figure == name);
            found.map_or(f64::NAN, |(_, value)| *value)
        };
        let new = (figure("saving_percent"), figure("gain_over_rule_percent"));
        if self.best.is_none_or(|best| new.0 > best.0) {
            self.best = Some(new);
        }
    }

    fn stop(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_have_three_times_the_steps_and_a_third_of_the_candidates() {
        let search = TrainingSearch { candidates: 18, seed: 1 };
        assert_eq!(search.rungs(9_000), [1_000, 3_000, 9_000]);
        assert_eq!(search.trainings(9_000), 18 + 7 + 4);
        assert_eq!(TrainingSearch { candidates: 3, ..search }.rungs(9_000), [9_000]);
    }

    #[test]
    fn what_is_drawn_can_be_trained() {
        for algorithm in ["sac", "dqn", "a2c"] {
            let yaml = format!("algorithm: {{{algorithm}: {{}}}}");
            let config = TrainConfig::parse(&yaml).unwrap();
            let search = TrainingSearch { candidates: 40, seed: 3 };
            let drawn = candidates(&config, search);
            assert_eq!(drawn[0].1, config);
            for (settings, config) in &drawn {
                assert_eq!(config.check(), Ok(()), "{settings:?}");
            }
            assert_ne!(drawn[1].1, drawn[2].1);
        }
    }

    #[test]
    fn a_search_ends_with_settings_that_it_tried_and_is_the_same_again() {
        let config = TrainConfig::parse(
            "{steps: 600, numEnvs: 1, validationEpisodes: 1, training: {evaluateEvery: 300}, \
             environment: {episodeHours: 24}, zones: [{zone: US-CA}]}",
        )
        .unwrap();
        let data = Data::read(&config, std::path::Path::new("")).unwrap();
        let search = TrainingSearch { candidates: 4, seed: 1 };
        let stop = AtomicBool::new(false);
        let run = || search_training(&config, &data, search, &stop, &|| {}).unwrap();
        let found = run();
        let last = found.rounds.last().unwrap();
        assert_eq!((found.rounds.len(), last.steps), (2, 600));
        assert!(last.tried.iter().any(|tried| tried.candidate == 0), "the start goes through");
        assert_eq!(found.rounds, run().rounds);
        stop.store(true, Ordering::Relaxed);
        let stopped = search_training(&config, &data, search, &stop, &|| {});
        assert!(matches!(stopped, Err(SearchError::Interrupted)));
    }
}
