//! What a step was worth: grams saved against the carbon-blind reference, credited as work is done.
//!
//! ```text
//!  reward =  saving     (credit - emitted grams)      / mean grams per interval
//!          - migration  moves                         / mean jobs per interval
//!          - delay      core-hours x hours of waiting / mean core-hours per interval
//!          - undone     core-hours                    / mean core-hours per interval
//!
//!  credit  = for each job: what it would emit carbon-blind x the part of its work done in this step
//! ```
//!
//! Work that waits earns nothing and costs nothing, so holding is not worth anything by itself:
//! what counts is whether the work emits less when it runs than it would without a policy. What
//! that is, [`Credit`] says: what the job emitted in the reference, its energy times the mean of
//! the zone's week before it arrived, or what it emits under the base rule without a shift. All are
//! settled as a job arrives, so over an episode their sums differ by what no action changes. The
//! first is known to no observation, and to whoever learns it is noise.
//!
//! The last is given before the work runs: a step is credited by how much its shift lowers what
//! the episode will emit *if the rule decides alone from then on*, which a simulation of the rest
//! says ([`Ledger::settle`]). That is shaping by a potential (Ng et al. 1999), what is still to be
//! emitted under the rule, so the sum over an episode is what it saves over the rule; and a shift
//! that changes nothing earns nothing, so that nearly all of the noise is gone.
//!
//! Work that is undone at the end is charged as if the dirtiest step that the episode can reach
//! held for all of it, which is never less than what the reference emitted for it; work that is
//! running then is charged what it will emit.

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time};
use carbon_kube_sim::outcome::{Outcome, PodOutcome};
use carbon_kube_sim::stepping::{Episode, PodProgress};
use carbon_kube_sim::world::World;

use super::config::{Credit, Weights, WorldConfig};

/// Accounts of an episode so far.
#[derive(Debug)]
pub(super) struct Ledger {
    jobs: Vec<Job>,
    /// Jobs that have arrived and not ended, and the instant of the last look at them.
    active: Vec<Active>,
    arrived: usize,
    emitted: f64,
    migrations: u64,
    /// The dirtiest step between the start and the last possible end of a job, in g/kWh.
    dirtiest: f64,
    per_interval: Means,
}

/// What a job took in the reference, and what it is credited.
#[derive(Clone, Copy, Debug)]
struct Job {
    grams: f64,
    credit: f64,
    kilowatt_hours: f64,
    hours: f64,
    cores: f64,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    job: u32,
    /// The part of its work that was done at the last look.
    done: f64,
    /// Hours that it had waited at the last look.
    waited: f64,
}

/// Means per control interval of the reference, none of them 0.
#[derive(Clone, Copy, Debug)]
struct Means {
    grams: f64,
    jobs: f64,
    core_hours: f64,
}

/// The terms of a step, in physical units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// What the work that was done in this step is credited, in grams.
    pub credit_grams: f64,
    /// What that work emitted in the reference, in grams.
    pub reference_grams: f64,
    /// What running jobs and moves emitted, in grams, and at the end what undone work is charged.
    /// Idle nodes emit the same in both runs.
    pub emitted_grams: f64,
    /// Moves.
    pub migrations: u64,
    /// Core-hours of work times hours that it waited in this step.
    pub delay_core_hours_hours: f64,
    /// Core-hours that are undone at the end.
    pub undone_core_hours: f64,
}

impl Terms {
    /// Grams saved against the reference.
    #[must_use]
    pub fn saved_grams(&self) -> f64 {
        self.reference_grams - self.emitted_grams
    }
}

/// The terms of a step as parts of its reward, weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RewardTerms {
    /// For grams saved.
    pub saving: f64,
    /// For moves, 0 or less.
    pub migration: f64,
    /// For waiting, 0 or less.
    pub delay: f64,
    /// For undone work, 0 or less.
    pub undone: f64,
}

impl RewardTerms {
    /// The reward.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.saving + self.migration + self.delay + self.undone
    }
}

impl Ledger {
    /// The accounts at the start, beside the runs of the same world: carbon-blind, and by the base
    /// rule alone where its emissions are what is credited.
    pub(super) fn new(
        world: &World,
        reference: &Outcome,
        by_rule: Option<&Outcome>,
        config: &WorldConfig,
    ) -> Self {
        let series = &world.zones[0].series;
        let jobs: Vec<Job> = world
            .pods
            .iter()
            .zip(&reference.pods)
            .enumerate()
            .map(|(at, (pod, outcome))| {
                let grams = emitted(outcome);
                let usual = || outcome.energy.get() * week_before(series, pod.arrival);
                let by_rule = by_rule.and_then(|run| run.pods.get(at)).map(emitted);
                Job {
                    grams,
                    credit: match config.credit {
                        Credit::Reference => grams,
                        Credit::WeekBefore => usual(),
                        Credit::Rule => by_rule.unwrap_or(grams),
                    },
                    kilowatt_hours: outcome.energy.get(),
                    hours: pod.duration.hours().max(1e-9),
                    cores: pod.requests.cpu.0 as f64 / 1_000.0,
                }
            })
            .collect();
        let interval = world.scheduler.control_interval;
        let intervals = ((world.end - world.start).hours() / interval.hours()).max(1.0);
        let mean = |of: fn(&Job) -> f64| (jobs.iter().map(of).sum::<f64>() / intervals).max(1e-9);
        Self {
            per_interval: Means {
                grams: mean(|job| job.grams),
                jobs: mean(|_| 1.0),
                core_hours: mean(|job| job.cores * job.hours),
            },
            dirtiest: dirtiest(series, world.start, world.horizon()),
            jobs,
            active: Vec::new(),
            arrived: 0,
            emitted: 0.0,
            migrations: 0,
        }
    }

    /// What the jobs emitted in the reference, in grams.
    pub(super) fn reference_grams(&self) -> f64 {
        self.jobs.iter().map(|job| job.grams).sum()
    }

    /// What all jobs are credited, in grams.
    pub(super) fn credit_grams(&self) -> f64 {
        self.jobs.iter().map(|job| job.credit).sum()
    }

    /// Core-hours of all jobs.
    pub(super) fn core_hours(&self) -> f64 {
        self.jobs.iter().map(|job| job.cores * job.hours).sum()
    }

    /// Counts what happened since the last time.
    pub(super) fn step(&mut self, episode: &Episode) -> Terms {
        let progress = episode.progress();
        let new = self.arrived as u32..progress.arrived as u32;
        self.active.extend(new.map(|job| Active { job, done: 0.0, waited: 0.0 }));
        self.arrived = progress.arrived;
        let emitted = progress.operational.get() + progress.transfer.get();
        let mut terms = Terms {
            emitted_grams: emitted - self.emitted,
            migrations: progress.migrations - self.migrations,
            ..Terms::default()
        };
        (self.emitted, self.migrations) = (emitted, progress.migrations);
        let jobs = &self.jobs;
        self.active.retain_mut(|active| {
            let job = &jobs[active.job as usize];
            let PodProgress { done, waited, is_over, .. } = episode.pod(active.job);
            let (done, waited) = (done.hours() / job.hours, waited.hours());
            let part = done - active.done;
            terms.credit_grams += job.credit * part;
            terms.reference_grams += job.grams * part;
            terms.delay_core_hours_hours += job.cores * job.hours * (waited - active.waited);
            (active.done, active.waited) = (done, waited);
            !is_over
        });
        terms
    }

    /// Adds to the last step what is undone at the end of the episode.
    pub(super) fn close(&mut self, episode: &Episode, terms: &mut Terms) {
        let series = &episode.world().zones[0].series;
        let now = episode.now();
        for active in self.active.drain(..) {
            let job = &self.jobs[active.job as usize];
            let left = 1.0 - active.done;
            let will_emit = if episode.pod(active.job).is_running {
                let end = now + Span::from_hours(left * job.hours);
                let area = series.integral_hours(now, end);
                area.map_or(f64::INFINITY, |area| job.kilowatt_hours / job.hours * area)
            } else {
                terms.undone_core_hours += left * job.hours * job.cores;
                f64::INFINITY
            };
            let most = job.kilowatt_hours * left * self.dirtiest;
            terms.credit_grams += job.credit * left;
            terms.reference_grams += job.grams * left;
            terms.emitted_grams += will_emit.min(most);
        }
    }

    /// Credits the last step with what it changed: by so many grams it lowered what the episode will
    /// emit under the rule alone.
    pub(super) fn settle(lowered_grams: f64, terms: &mut Terms) {
        terms.credit_grams = terms.emitted_grams + lowered_grams;
    }

    /// The reward for these terms.
    pub(super) fn reward(&self, terms: &Terms, weights: &Weights) -> RewardTerms {
        let means = &self.per_interval;
        RewardTerms {
            saving: weights.saving * (terms.credit_grams - terms.emitted_grams) / means.grams,
            migration: -weights.migration * terms.migrations as f64 / means.jobs,
            delay: -weights.delay * terms.delay_core_hours_hours / means.core_hours,
            undone: -weights.undone * terms.undone_core_hours / means.core_hours,
        }
    }
}

/// What a job emitted, its moves included, in grams.
pub(super) fn emitted(pod: &PodOutcome) -> f64 {
    pod.operational.get() + pod.transfer.get()
}

/// Mean intensity of the week before an instant, in g/kWh; that of the whole series where it has no
/// such week.
fn week_before(series: &IntensitySeries, at: Time) -> f64 {
    let week = series.mean(at - Span::DAY * 7, at);
    week.unwrap_or_else(|_| series.overall_mean()).get()
}

/// The greatest intensity of `[from, to)`; where the series has nothing to say its mean stands in,
/// as in the accounts.
fn dirtiest(series: &IntensitySeries, from: Time, to: Time) -> f64 {
    let mean = series.overall_mean().get();
    let first = ((from - series.start()).millis() / series.step().millis()).max(0) as usize;
    let within = series.steps().skip(first).take_while(|(at, _)| *at < to);
    within.map(|(_, value)| value.map_or(mean, |value| value.get())).fold(mean, f64::max)
}
