//! "Let's Wait Awhile", scenario II: the 3,387 jobs of a machine-learning project, due by a rule.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::{KilowattHours, Span};
use carbon_kube_policies::Policy;
use carbon_kube_policies::baselines::{LowestWindow, WaitAwhile};

use super::lwa::{self, SLOT, SLOT_MINUTES};
use super::reference::{Column, Reference, Trace};
use super::table::{boolean, number};
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, Study, chosen, noise::Noise};
use crate::outcome::Outcome;
use crate::world::World;

pub(super) const COLUMNS: &[&str] = &[
    "region",
    "deadline",
    "interruptible",
    "error",
    "reps",
    "baseline_gco2_per_kw",
    "policy_gco2_per_kw",
    "sd_over_seeds",
    "saving_pct",
    "active_job_hours_rep0",
];

/// The jobs: arrival and duration in minutes from the trace's start.
const JOBS: &str = "lwa_scenario2_jobs.csv";

/// The table is for 1 kW per job.
const WATTS: f64 = 1_000.0;

/// When a job is due, by the minute at which it would end if it didn't wait.
type Deadline = fn(i64) -> i64;

const DEADLINES: [(&str, Deadline); 3] =
    [("next_workday", next_workday), ("semi_weekly", semi_weekly), ("next_monday", next_monday)];

/// Minutes of an hour, a day and a week, and the minute of the week at which 2020 began: a Wednesday.
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const FIRST: i64 = 2 * DAY;

/// The minutes that the year has.
const YEAR: f64 = 366.0 * 24.0 * 60.0;

/// The start of a working day.
const MORNING: i64 = 9 * HOUR;

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let known: Vec<String> = DEADLINES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let deadlines = chosen("deadline", &options.filters.deadlines, &known)?;
    let minutes = |name, least| Column::new(name, least..=YEAR);
    let columns = [minutes("arrival_min", 0.0), minutes("duration_min", 1.0)];
    let jobs = reference.numbers(JOBS, columns)?;
    let jobs: Vec<(i64, i64)> =
        jobs.into_iter().map(|[arrival, duration]| (arrival as i64, duration as i64)).collect();
    let mut cases: Vec<Case<'a>> = Vec::new();
    let errors = lwa::errors(reference, options, Study::LwaProject)?;
    let noise = Noise::read(reference, &errors, options.seed)?;
    for trace in lwa::traces(reference, options)? {
        for &error in &errors {
            let errors = noise.errors(&trace, error)?;
            for (name, rule) in
                DEADLINES.into_iter().filter(|(name, _)| deadlines.iter().any(|d| d == name))
            {
                for interruptible in [false, true] {
                    if options.filters.interruptible.is_some_and(|asked| asked != interruptible) {
                        continue;
                    }
                    let study = Project {
                        trace: trace.clone(),
                        jobs: jobs.clone(),
                        deadline: (name, rule),
                        interruptible,
                        error,
                        errors: errors.clone(),
                    };
                    cases.push(Box::new(move |stop| Ok(vec![study.row(stop)?])));
                }
            }
        }
    }
    Ok(cases)
}

/// One row of the study.
struct Project {
    trace: Trace,
    jobs: Vec<(i64, i64)>,
    deadline: (&'static str, Deadline),
    interruptible: bool,
    error: f64,
    errors: Vec<Option<Vec<f64>>>,
}

impl Project {
    fn row(&self, stop: &AtomicBool) -> Result<Vec<String>, ReproduceError> {
        let baseline = worlds::run(&self.world(|_| 0)?, &window(), stop)?;
        let baseline = worlds::emitted(&baseline).get();
        let (name, rule) = self.deadline;
        let world = self.world(|end| rule(end) - end)?;
        let policy: Box<dyn Policy> = if self.interruptible {
            Box::new(WaitAwhile { slot_minutes: SLOT_MINUTES })
        } else {
            Box::new(window())
        };
        let mut grams = Vec::new();
        let mut active = None;
        for errors in &self.errors {
            let expected = self.trace.forecast(START, errors.as_deref());
            let world = worlds::expecting(world.clone(), expected);
            let outcome = worlds::run(&world, policy.as_ref(), stop)?;
            grams.push(worlds::emitted(&outcome).get());
            active.get_or_insert_with(|| active_hours(&outcome));
        }
        let (mean, deviation) = lwa::spread(&grams);
        Ok(vec![
            self.trace.name.clone(),
            name.to_owned(),
            boolean(self.interruptible),
            number(self.error),
            self.errors.len().to_string(),
            number(baseline),
            number(mean),
            number(deviation),
            number(100.0 * (1.0 - mean / baseline)),
            number(active.unwrap_or_default()),
        ])
    }

    /// The jobs with this many minutes of slack by their end, and one slot more: the authors' range
    /// of slots is one too long.
    fn world(&self, slack: impl Fn(i64) -> i64) -> Result<World, ReproduceError> {
        let pods = self.jobs.iter().map(|&(arrival, duration)| {
            let slack = slack(arrival + duration).max(0);
            let minutes = |minutes: i64| Span::MINUTE * minutes;
            worlds::pod(START + minutes(arrival), minutes(duration), minutes(slack) + SLOT)
        });
        let mut world = worlds::world(&self.trace, vec![worlds::class("project")], pods.collect())?;
        world.pools = vec![worlds::endless("any", WATTS)];
        Ok(world)
    }
}

fn window() -> LowestWindow {
    LowestWindow { slot_minutes: SLOT_MINUTES, ..LowestWindow::default() }
}

/// Hours that jobs ran, by their energy.
fn active_hours(outcome: &Outcome) -> f64 {
    let energy: KilowattHours = outcome.pods.iter().map(|pod| pod.energy).sum();
    (energy.get() / WATTS * 1e3 * 1e6).round() / 1e6
}

/// Minute of the week, 0 = Monday 00:00.
fn of_week(minute: i64) -> i64 {
    (minute + FIRST).rem_euclid(WEEK)
}

/// The first instant from `minute` on at this minute of the week.
fn next(minute: i64, of: i64) -> i64 {
    minute + (of - of_week(minute)).rem_euclid(WEEK)
}

/// Nine in the morning of the next working day, unless the job ends during one. The peers let a
/// Friday's evening end on Saturday at nine.
fn next_workday(end: i64) -> i64 {
    let (day, minute) = (of_week(end) / DAY, of_week(end) % DAY);
    let morning = |days: i64| end - minute + days * DAY + MORNING;
    match day {
        5 => morning(2),
        6 => morning(1),
        _ if minute > 17 * HOUR => morning(1),
        _ if minute < MORNING => morning(0),
        _ => end,
    }
}

/// Monday or Thursday at nine.
fn semi_weekly(end: i64) -> i64 {
    let (monday, thursday) = (next(end, MORNING), next(end, 3 * DAY + MORNING));
    monday.min(thursday)
}

/// Monday at nine.
fn next_monday(end: i64) -> i64 {
    next(end, MORNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes from the start of 2020, a Wednesday.
    fn at(day: i64, hour: i64) -> i64 {
        (day - 1) * DAY + hour * HOUR
    }

    #[test]
    fn work_is_due_on_the_morning_of_a_working_day() {
        assert_eq!(next_workday(at(1, 12)), at(1, 12), "at work");
        assert_eq!(next_workday(at(1, 20)), at(2, 9));
        assert_eq!(next_workday(at(2, 3)), at(2, 9));
        assert_eq!(next_workday(at(3, 20)), at(4, 9), "Friday evening: the quirk");
        assert_eq!(next_workday(at(4, 1)), at(6, 9), "Saturday");
        assert_eq!(next_workday(at(5, 1)), at(6, 9), "Sunday");
    }

    #[test]
    fn work_is_due_twice_a_week_or_once() {
        assert_eq!(semi_weekly(at(1, 12)), at(2, 9));
        assert_eq!(semi_weekly(at(2, 9)), at(2, 9));
        assert_eq!(semi_weekly(at(2, 10)), at(6, 9));
        assert_eq!(next_monday(at(2, 9)), at(6, 9));
        assert_eq!(next_monday(at(6, 9)), at(6, 9));
    }
}
