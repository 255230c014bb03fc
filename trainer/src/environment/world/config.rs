//! What a simulated world of the trainer is made of, and what a reward is worth.

use carbon_kube_core::Span;
use carbon_kube_policies::Settings;
use carbon_kube_policies::baselines::Percentile;
use carbon_kube_policies::file::Bounds;
use carbon_kube_policies::observation::ObservationSpec;
use carbon_kube_policies::tuner::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the environment. The default is the standard small world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct WorldConfig {
    /// Minutes between two actions, 5 to 60 and a divisor of 60. Default 60.
    pub control_minutes: u32,
    /// How long jobs arrive in an episode, in hours, 1 to 8,784. Default 168: a week.
    pub episode_hours: u32,
    /// Whether an episode goes on until its last job has ended. Otherwise it ends with the last
    /// arrival, and what is undone then is charged. Default true.
    pub drain: bool,
    /// The nodes.
    pub cluster: Cluster,
    /// The jobs.
    pub workload: Workload,
    /// The rule whose threshold is shifted. Default `percentile`.
    pub base: Settings,
    /// What a threshold may be.
    pub bounds: Bounds,
    /// What an action means.
    pub action: Action,
    /// What is seen.
    pub observation: ObservationSpec,
    /// What work that is done is credited. Default `weekBefore`.
    pub credit: Credit,
    /// What the terms of the reward are worth.
    pub weights: Weights,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            control_minutes: 60,
            episode_hours: 7 * 24,
            drain: true,
            cluster: Cluster::default(),
            workload: Workload::default(),
            base: Percentile::default().into(),
            bounds: Bounds::default(),
            action: Action::default(),
            observation: ObservationSpec::default(),
            credit: Credit::default(),
            weights: Weights::default(),
        }
    }
}

/// Equal nodes in one zone, with room for all jobs at once: what a threshold is worth should not
/// depend on who else waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cluster {
    /// How many, 1 to 1,000. Default 4.
    pub nodes: u32,
    /// Cores of each, 1 to 512. Default 32.
    pub cores: u32,
    /// Power of one with no load, in watts. Default 100.
    pub idle_watts: f64,
    /// Power of one at full load, in watts. Default 420: ten watts a core.
    pub busy_watts: f64,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { nodes: 4, cores: 32, idle_watts: 100.0, busy_watts: 420.0 }
    }
}

/// Jobs that may wait: a Poisson process of arrivals, exponential lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Workload {
    /// Mean number of arrivals per day, above 0 to 100,000. Default 40.
    pub jobs_per_day: f64,
    /// Mean length at full speed, in hours, above 0 to 24; no job takes less than a minute or more
    /// than a day. Default 3.
    pub mean_hours: f64,
    /// Cores of a job: one of these, each as likely. Default 1, 2 and 4.
    pub cores: Vec<u32>,
    /// How long a job may wait, in hours: one of these, each as likely. Default 6, 12 and 24.
    pub max_delay_hours: Vec<f64>,
    /// The part of the jobs that may be paused, 0 to 1. Default 0.5.
    pub interruptible: f64,
    /// Work lost by a pause, in minutes, 0 to 60. Default 2.
    pub checkpoint_minutes: f64,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            jobs_per_day: 40.0,
            mean_hours: 3.0,
            cores: vec![1, 2, 4],
            max_delay_hours: vec![6.0, 12.0, 24.0],
            interruptible: 0.5,
            checkpoint_minutes: 2.0,
        }
    }
}

/// What a job's work is taken to emit without a policy, in a reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Credit {
    /// What it emitted in the carbon-blind run of the same arrivals.
    Reference,
    /// Its energy at the mean intensity of the week before its arrival.
    #[default]
    WeekBefore,
    /// What it emits under the base rule alone. A step is credited by what it changes for the whole
    /// episode if the rule decides alone from then on, for which the episode is simulated anew at each
    /// step: some hundred times slower, and nearly free of noise.
    Rule,
}

/// What the terms of the reward are worth. Each term is a number of mean control intervals: of
/// emissions, of jobs, of work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Weights {
    /// Grams saved against the reference, over its mean emissions per interval. Default 1.
    pub saving: f64,
    /// Moves, over the mean number of jobs per interval. Default 0.01.
    pub migration: f64,
    /// Core-hours of work, times hours by which it waits, over the mean core-hours of work per
    /// interval: 0.002 says that an hour's delay of everything costs 0.2 % of the emissions.
    /// Default 0.
    pub delay: f64,
    /// Core-hours that are undone at the end of an episode, over the mean core-hours per interval,
    /// beside the emissions that they are charged with. Default 1.
    pub undone: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { saving: 1.0, migration: 0.01, delay: 0.0, undone: 1.0 }
    }
}

impl WorldConfig {
    /// The time between two actions.
    #[must_use]
    pub fn control_interval(&self) -> Span {
        Span::MINUTE * i64::from(self.control_minutes)
    }

    /// The longest that a job can take after the last arrival.
    #[must_use]
    pub fn tail(&self) -> Span {
        let longest = self.workload.max_delay_hours.iter().copied().fold(0.0, f64::max);
        Span::from_hours(longest) + LONGEST_JOB
    }

    /// Whether the settings can be used.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: the key and what it can be.
    pub fn check(&self) -> Result<(), String> {
        let Self { cluster, workload, weights, .. } = self;
        let positive = |value: f64, most: f64| value > 0.0 && value <= most;
        let weight = |value: f64| (0.0..=1e6).contains(&value);
        let checks = [
            (
                (5..=60).contains(&self.control_minutes) && 60 % self.control_minutes == 0,
                "controlMinutes: expected 5 to 60, a divisor of 60",
            ),
            ((1..=8_784).contains(&self.episode_hours), "episodeHours: expected 1 to 8,784"),
            ((1..=1_000).contains(&cluster.nodes), "cluster.nodes: expected 1 to 1,000"),
            ((1..=512).contains(&cluster.cores), "cluster.cores: expected 1 to 512"),
            (
                cluster.idle_watts >= 0.0
                    && cluster.idle_watts < cluster.busy_watts
                    && cluster.busy_watts <= 1e5,
                "cluster: expected 0 <= idleWatts < busyWatts <= 100,000",
            ),
            (positive(workload.jobs_per_day, 1e5), "workload.jobsPerDay: expected 0 to 100,000"),
            (positive(workload.mean_hours, 24.0), "workload.meanHours: expected 0 to 24"),
            (
                !workload.cores.is_empty()
                    && workload.cores.iter().all(|cores| (1..=cluster.cores).contains(cores)),
                "workload.cores: expected at least one, each of 1 to `cluster.cores`",
            ),
            (
                !workload.max_delay_hours.is_empty()
                    && workload.max_delay_hours.iter().all(|h| (0.0..=8_784.0).contains(h)),
                "workload.maxDelayHours: expected at least one, each of 0 to 8,784",
            ),
            (
                (0.0..=1.0).contains(&workload.interruptible),
                "workload.interruptible: expected 0 to 1",
            ),
            (
                (0.0..=60.0).contains(&workload.checkpoint_minutes),
                "workload.checkpointMinutes: expected 0 to 60",
            ),
            (
                [weights.saving, weights.migration, weights.delay, weights.undone]
                    .into_iter()
                    .all(weight),
                "weights: expected 0 to 1,000,000",
            ),
        ];
        if let Some((_, problem)) = checks.iter().find(|(is_right, _)| !is_right) {
            return Err((*problem).to_owned());
        }
        self.action.check()?;
        self.observation.check()
    }
}

/// No job takes longer.
pub(super) const LONGEST_JOB: Span = Span::DAY;
