//! "CarbonScaler" (Hanafy et al. 2023): a job of a day that may have up to seven workers.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_policies::Policy;
use carbon_kube_policies::baselines::{Carbonscaler, DefaultScheduler, WaitAwhile};

use super::reference::{Column, Reference, Trace};
use super::stays::Stay;
use super::table::number;
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, Study, chosen, numbers};
use crate::world::{PodClass, World};

pub(super) const COLUMNS: &[&str] = &[
    "trace",
    "profile",
    "job_hours_at_1_worker",
    "window_h",
    "windows",
    "mean_gco2_no_wait",
    "mean_gco2_wait_awhile",
    "mean_gco2_carbonscaler",
    "mean_server_hours_carbonscaler",
    "max_workers_used",
    "min_work_done",
    "max_work_done",
];

const PROFILES: &str = "carbonscaler_profiles.csv";

/// Windows begin this many hours apart.
const APART: usize = 24;

/// What 1, 2, ... workers do and draw.
#[derive(Clone)]
struct Profile {
    name: String,
    /// Over that of one worker.
    speedup: Vec<f64>,
    draw: Vec<f64>,
    /// Of one worker.
    watts: f64,
}

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let of = |column| reference.column(Study::Carbonscaler, column, 0.0..=1e4);
    let filters = &options.filters;
    let windows = numbers(&filters.windows_h, &[12.0, 24.0, 36.0, 48.0], of("window_h")?);
    let lengths = numbers(&[], &[12.0, 24.0], of("job_hours_at_1_worker")?);
    let profiles = profiles(reference)?;
    let known: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
    let names = chosen("profile", &filters.profiles, &known)?;
    let traces = reference.traces("hourly_", ".csv")?;
    let mut cases: Vec<Case<'a>> = Vec::new();
    for name in chosen("trace", &filters.traces, &traces)? {
        let trace = reference.hourly(&name)?;
        for profile in profiles.iter().filter(|profile| names.contains(&profile.name)) {
            for &length in lengths.iter().filter(|&&hours| hours >= 1.0 && hours.fract() == 0.0) {
                for &window in windows.iter().filter(|&&window| window >= length) {
                    let asked = !filters.windows_h.is_empty();
                    let hours = super::whole_hours(window, trace.values.len(), asked)?;
                    let Some(hours) = hours else { continue };
                    let (trace, profile) = (trace.clone(), profile.clone());
                    let case = Scaling { trace, profile, length: length as usize, window: hours };
                    cases.push(Box::new(move |stop| Ok(vec![case.row(stop)?])));
                }
            }
        }
    }
    Ok(cases)
}

/// The profiles of the folder, by name. The row of no workers says nothing.
fn profiles(reference: &Reference) -> Result<Vec<Profile>, ReproduceError> {
    let wrong = |reason: &str| ReproduceError::File {
        path: PROFILES.to_owned(),
        reason: reason.to_owned(),
    };
    let table = reference.table(PROFILES)?;
    let column = table.column("profile").ok_or_else(|| wrong("has no column `profile`"))?;
    let columns = [
        Column::new("nodes", 0.0..=64.0),
        Column::new("throughput", 0.0..=1e15),
        Column::new("power", 0.0..=1e6),
    ];
    let numbers = reference.numbers(PROFILES, columns)?;
    let mut names: Vec<String> = table.rows.iter().map(|row| row[column].clone()).collect();
    names.dedup();
    let of = |name: String| {
        let rows = table.rows.iter().zip(&numbers).filter(|(row, _)| row[column] == name);
        let rows: Vec<[f64; 3]> = rows.map(|(_, row)| *row).filter(|row| row[0] > 0.0).collect();
        let &[_, throughput, watts] = rows.first().ok_or_else(|| wrong("has an empty profile"))?;
        let counts_up =
            (1..).zip(&rows).all(|(workers, row)| (row[0] - f64::from(workers)).abs() < 1e-9);
        let rises =
            rows.windows(2).all(|pair| pair[0][1] <= pair[1][1] && pair[0][2] <= pair[1][2]);
        if !counts_up || !rises || throughput <= 0.0 || watts <= 0.0 {
            return Err(wrong("needs `nodes` 1, 2, 3, ... with rising throughput and power"));
        }
        Ok(Profile {
            name,
            speedup: rows.iter().map(|row| row[1] / throughput).collect(),
            draw: rows.iter().map(|row| row[2] / watts).collect(),
            watts,
        })
    };
    names.into_iter().map(of).collect()
}

/// One row: a job per window.
struct Scaling {
    trace: Trace,
    profile: Profile,
    /// Hours of work of one worker.
    length: usize,
    window: usize,
}

impl Scaling {
    fn row(&self, stop: &AtomicBool) -> Result<Vec<String>, ReproduceError> {
        let alone = self.world(worlds::class("job"))?;
        let mut class = worlds::class("job");
        class.speedup.clone_from(&self.profile.speedup);
        class.draw.clone_from(&self.profile.draw);
        let scaled = self.world(class)?;
        let mean = |grams: f64| grams / alone.pods.len() as f64;
        let one_worker = |policy: &dyn Policy| {
            Ok::<_, ReproduceError>(mean(
                worlds::emitted(&worlds::run(&alone, policy, stop)?).get(),
            ))
        };
        let (no_wait, wait_awhile) =
            (one_worker(&DefaultScheduler {})?, one_worker(&WaitAwhile::default())?);
        // The paper plans once.
        let scaler = Carbonscaler { replan: false, ..Carbonscaler::default() };
        let (outcome, stays) = worlds::run_with_stays(&scaled, &scaler, stop)?;
        let hours = |stay: &Stay| f64::from(stay.workers) * stay.length().hours();
        let work = self.work(&stays, scaled.pods.len());
        Ok(vec![
            self.trace.name.clone(),
            self.profile.name.clone(),
            self.length.to_string(),
            self.window.to_string(),
            alone.pods.len().to_string(),
            number(no_wait),
            number(wait_awhile),
            number(mean(worlds::emitted(&outcome).get())),
            number(mean(stays.iter().map(hours).sum())),
            stays.iter().map(|stay| stay.workers).max().unwrap_or(0).to_string(),
            number(work.iter().copied().fold(f64::INFINITY, f64::min)),
            number(work.iter().copied().fold(0.0, f64::max)),
        ])
    }

    /// Work done by each job, in hours of one worker, to the millisecond that events have.
    fn work(&self, stays: &[Stay], jobs: usize) -> Vec<f64> {
        let mut work = vec![0.0; jobs];
        for stay in stays {
            let speed = self.profile.speedup[stay.workers.max(1) as usize - 1];
            work[stay.pod] += speed * stay.length().hours();
        }
        work.into_iter().map(|hours| (hours * 1e5).round() / 1e5).collect()
    }

    fn world(&self, class: PodClass) -> Result<World, ReproduceError> {
        let hours = |hours: usize| Span::HOUR * hours as i64;
        let starts = (0..=self.trace.values.len() - self.window).step_by(APART);
        let pod = |start| {
            worlds::pod(START + hours(start), hours(self.length), hours(self.window - self.length))
        };
        let mut world = worlds::world(&self.trace, vec![class], starts.map(pod).collect())?;
        world.pools = vec![worlds::endless("any", self.profile.watts)];
        Ok(world)
    }
}
