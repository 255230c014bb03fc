//! The training of one seed: checkpoints, log, bar, and the policy of its best evaluation.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_trainer::agents::Metric;
use carbon_kube_trainer::checkpoint::{CheckpointError, Progress, Store};
use carbon_kube_trainer::log::{Log, Recorder};
use carbon_kube_trainer::training::{Evaluation, Hooks, TrainingError};
use carbon_kube_trainer::tuner::{Judged, Lesson, LessonError, PolicyFolder, Validation};
use indicatif::ProgressBar;

use super::bars::Bars;
use super::cost::{self, Cost};
use crate::failure::Failure;

/// Steps between two records of an agent's metrics.
const RECORD_EVERY: u64 = 500;

/// What a seed came to.
pub struct Learned {
    pub seed: u64,
    pub progress: Progress,
    /// Whether its patience was over before its steps were.
    pub stopped_early: bool,
    pub judged: Judged,
    /// The weights of its best evaluation, as in a policy folder.
    pub actor: Vec<u8>,
    /// Steps and saving in % of each evaluation.
    pub curve: Vec<(u64, f64)>,
}

/// A seed that was trained to its end, or saved on the way at this step.
pub enum Ended {
    Learned(Box<Learned>),
    Interrupted(u64),
}

/// Looks on: writes the log, moves the bar, and says stop.
struct Watch<'a> {
    recorder: Recorder,
    /// The first step whose metrics are recorded: a training that goes on writes at the steps at
    /// which it would have written anyway.
    record_from: u64,
    bar: ProgressBar,
    stop: &'a AtomicBool,
}

impl Hooks for Watch<'_> {
    fn episode(&mut self, progress: &Progress, episode_return: f64) {
        self.recorder.episode(progress, episode_return);
    }

    fn step(&mut self, progress: &Progress, metrics: &dyn Fn() -> Vec<Metric>) {
        self.bar.set_position(progress.steps);
        if progress.steps >= self.record_from {
            self.recorder.step(progress, metrics);
        }
    }

    fn evaluated(&mut self, evaluation: &Evaluation, best: bool) {
        let saving = evaluation.figures.iter().find(|(name, _)| *name == "saving_percent");
        let saving = saving.map_or(f64::NAN, |(_, value)| *value);
        self.bar.set_message(format!("return {:.2}, saving {saving:.2} %", evaluation.mean()));
        self.recorder.evaluated(evaluation, best);
    }

    fn stop(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.recorder.stop()
    }
}

/// Trains a seed in its folder, from its last checkpoint on where it has one.
pub fn train(
    lesson: &Lesson,
    seed: u64,
    folder: &Path,
    bars: &Bars,
    stop: &AtomicBool,
) -> Result<Ended, Failure> {
    let store = lesson.store(&folder.join("checkpoints")).map_err(lesson_failure)?;
    let mut training = lesson.training(seed).map_err(lesson_failure)?;
    let last = store.last().map_err(|error| lesson_failure(error.into()))?;
    if let Some(last) = last {
        training.resume(&last).map_err(training_failure)?;
    }
    let steps = lesson.config().steps;
    let done = training.progress().steps;
    let unwritable = |error: io::Error| {
        Failure::new(format!("{}: can't write: {error}", folder.display()))
            .hint("free some space, then go on with `carbon-kube train --resume`")
    };
    let log = Log::open(folder, Some(&folder.join("tensorboard")), done).map_err(unwritable)?;
    let bar = bars.seed(seed, steps, done);
    let recorder = Recorder::new(log, RECORD_EVERY);
    let record_from = (done / RECORD_EVERY + 1) * RECORD_EVERY;
    let mut watch = Watch { recorder, record_from, bar, stop };
    let result = training.run(steps, Some(&store), &mut watch);
    let Watch { recorder, bar, .. } = watch;
    bar.abandon();
    result.map_err(training_failure)?;
    recorder.finish().map_err(unwritable)?;
    let progress = training.progress().clone();
    let stopped_early = progress.steps < steps && training.is_stale();
    if progress.steps < steps && !stopped_early {
        return Ok(Ended::Interrupted(progress.steps));
    }
    let curve = curve(folder).map_err(unwritable)?;
    let (judged, actor) = best(lesson, &store).map_err(lesson_failure)?;
    Ok(Ended::Learned(Box::new(Learned { seed, progress, stopped_early, judged, actor, curve })))
}

fn best(lesson: &Lesson, store: &Store) -> Result<(Judged, Vec<u8>), LessonError> {
    let validation: Validation = lesson.validation()?;
    let actor = lesson.best(store)?;
    let judged = lesson.judge(&actor, &validation)?;
    Ok((judged, actor))
}

impl Learned {
    /// Its policy.
    pub fn policy(&self, lesson: &Lesson, rule: &Judged) -> Result<PolicyFolder, LessonError> {
        let command = "carbon-kube train train.yaml";
        lesson.policy(self.actor.clone(), self.seed, &self.judged, rule, command)
    }
}

/// The saving by step, from the log: a resumed training has been told only a part of it.
fn curve(folder: &Path) -> io::Result<Vec<(u64, f64)>> {
    let text = fs::read_to_string(folder.join("metrics.csv"))?;
    let point = |line: &str| {
        let (step, rest) = line.split_once(',')?;
        let value = rest.strip_prefix("saving_percent,")?;
        Some((step.parse().ok()?, value.parse().ok()?))
    };
    Ok(text.lines().filter_map(point).collect())
}

/// Writes a policy folder in the place of the one before: whole, or not at all.
pub fn write_folder(target: &Path, policy: &PolicyFolder, cost: Cost) -> io::Result<()> {
    let parent = target.parent().unwrap_or(Path::new("."));
    let staging = tempfile::Builder::new().prefix(".policy-").tempdir_in(parent)?;
    let new = staging.path().join("new");
    fs::create_dir(&new)?;
    for (name, bytes) in policy.files() {
        fs::write(new.join(name), bytes)?;
    }
    fs::write(new.join(cost::FILE), cost.json())?;
    let old = staging.path().join("old");
    if target.exists() {
        fs::rename(target, &old)?;
    }
    fs::rename(new, target).inspect_err(|_| {
        // Back to what there was; where that fails too, the first error says more.
        let _ = fs::rename(&old, target);
    })
}

pub fn lesson_failure(error: LessonError) -> Failure {
    match error {
        LessonError::Checkpoint(error) => checkpoint_failure(error),
        LessonError::Validation(_) => Failure::new(error.to_string())
            .hint("give a zone a longer `validation`, or shorten `environment.episodeHours`"),
        _ => Failure::new(error.to_string()),
    }
}

fn training_failure(error: TrainingError) -> Failure {
    match error {
        TrainingError::Agent { .. } => Failure::new(error.to_string()).hint(
            "lower `learningRate` of the algorithm in train.yaml, and begin again in another folder",
        ),
        TrainingError::Checkpoint(error) => checkpoint_failure(error),
        TrainingError::Environment(_) => Failure::new(error.to_string())
            .hint("the data or the program changed since: begin again in another folder"),
    }
}

fn checkpoint_failure(error: CheckpointError) -> Failure {
    let hint = match &error {
        CheckpointError::Io { .. } => "free some space, then go on with `--resume`",
        CheckpointError::Version { .. } => {
            "go on with the version of carbon-kube that wrote it, or begin again in another folder"
        }
        CheckpointError::Damaged { .. } => {
            "remove this checkpoint: the training goes on from the one before it"
        }
        CheckpointError::Other { .. } => {
            "put train.yaml and the data back as they were, or begin again in another folder"
        }
    };
    Failure::new(error.to_string()).hint(hint)
}
