//! Writes what a training tells into its log.

use std::io;

use super::Log;
use crate::agents::Metric;
use crate::checkpoint::Progress;
use crate::training::{Evaluation, Hooks};

/// A [`Log`] that looks on: the agent's metrics every so many steps, the return of each episode
/// (`episode_return`) and the mean of each evaluation (`evaluation_return`) with its figures.
#[derive(Debug)]
pub struct Recorder {
    log: Log,
    every: u64,
    next: u64,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Writes metrics every so many steps, at least every one.
    #[must_use]
    pub fn new(log: Log, every: u64) -> Self {
        Self { log, every: every.max(1), next: 0, failed: None }
    }

    /// What kept it from writing; a training stops then.
    ///
    /// # Errors
    ///
    /// Whatever the file system said first.
    pub fn finish(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    fn write(&mut self, step: u64, values: &[(&str, f64)]) {
        if self.failed.is_none() {
            self.failed = self.log.write(step, values).err();
        }
    }
}

impl Hooks for Recorder {
    fn episode(&mut self, progress: &Progress, episode_return: f64) {
        self.write(progress.steps, &[("episode_return", episode_return)]);
    }

    fn step(&mut self, progress: &Progress, metrics: &dyn Fn() -> Vec<Metric>) {
        if progress.steps < self.next {
            return;
        }
        // Multiples of `every`, so that a resumed training writes at the same steps.
        self.next = (progress.steps / self.every + 1) * self.every;
        let metrics = metrics();
        if !metrics.is_empty() {
            self.write(progress.steps, &metrics);
        }
    }

    fn evaluated(&mut self, evaluation: &Evaluation, _: bool) {
        let mean = [("evaluation_return", evaluation.mean())];
        let values: Vec<Metric> = mean.into_iter().chain(evaluation.figures.clone()).collect();
        self.write(evaluation.steps, &values);
    }

    fn stop(&mut self) -> bool {
        self.failed.is_some()
    }
}
