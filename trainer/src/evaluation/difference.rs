//! Where two policies decide differently: the same weeks, job by job.

use std::sync::atomic::Ordering;

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::Deployed;
use carbon_kube_sim::outcome::{Outcome, PodOutcome};
use rayon::prelude::*;
use serde::Serialize;

use super::protocol::{Interrupted, Trial, Watch, Week, run};
use crate::environment::world::reference;

/// What two policies make of the same jobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// By zone, in the order of the trial.
    pub zones: Vec<ZoneDifference>,
    /// Jobs that they treat differently, those with the greatest difference in grams first.
    pub jobs: Vec<JobDifference>,
}

/// The jobs of a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneDifference {
    /// Its name.
    pub zone: String,
    /// Jobs that arrived.
    pub jobs: u64,
    /// Those that do not start and end at the same instants under both.
    pub different: u64,
    /// Those that start earlier under the second policy, and later.
    pub earlier: u64,
    /// See `earlier`.
    pub later: u64,
    /// By how much jobs start later under the second policy, in hours: the mean of all jobs that
    /// start under both.
    pub mean_shift_hours: f64,
    /// What the first policy saves against carbon-blind, in %.
    pub first_saving_percent: f64,
    /// The same of the second.
    pub second_saving_percent: f64,
}

/// A job that two policies treat differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDifference {
    /// Name of its zone.
    pub zone: String,
    /// When it arrived.
    pub arrival: Time,
    /// Its length at full speed, in hours.
    pub length_hours: f64,
    /// How long it may wait, in hours.
    pub max_delay_hours: f64,
    /// Under the first policy.
    pub first: Ran,
    /// Under the second.
    pub second: Ran,
}

/// How a job ran.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// Its start.
    pub start: Option<Time>,
    /// Its end.
    pub finish: Option<Time>,
    /// How often it was paused.
    pub pauses: u32,
    /// What it emitted over idle nodes, in grams.
    pub grams: f64,
}

impl Ran {
    fn new(pod: &PodOutcome) -> Self {
        let grams = (pod.operational + pod.transfer).get();
        Self { start: pod.start, finish: pod.finish, pauses: pod.pauses, grams }
    }
}

/// A week of a zone: its counts, sums instead of means in them, and what was emitted carbon-blind,
/// by the first and by the second policy.
struct WeekDifference {
    counts: ZoneDifference,
    grams: [f64; 3],
    jobs: Vec<JobDifference>,
}

/// Runs both policies on every week, on the threads of the caller, and keeps the `most` jobs with
/// the greatest difference in grams.
///
/// # Errors
///
/// [`Interrupted`] once `watch.stop` is set.
pub fn difference(
    trial: &Trial,
    policies: [&Deployed; 2],
    most: usize,
    watch: &Watch<'_>,
) -> Result<Difference, Interrupted> {
    let one = |&week: &Week| {
        let different = of_week(trial, week, policies, watch)?;
        (watch.progress)();
        Ok(different)
    };
    let weeks = trial.weeks();
    let of_weeks = weeks.par_iter().with_max_len(1).map(one);
    let of_weeks: Vec<WeekDifference> = of_weeks.collect::<Result<_, Interrupted>>()?;
    let zones = (0..trial.zones().len())
        .map(|zone| sum(weeks.iter().zip(&of_weeks).filter(|(week, _)| week.zone == zone)))
        .collect();
    let mut jobs: Vec<JobDifference> = of_weeks.into_iter().flat_map(|week| week.jobs).collect();
    let gap = |job: &JobDifference| (job.first.grams - job.second.grams).abs();
    // A stable order: of equals, the first by zone and arrival.
    jobs.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
    jobs.truncate(most);
    Ok(Difference { zones, jobs })
}

fn of_week(
    trial: &Trial,
    week: Week,
    policies: [&Deployed; 2],
    watch: &Watch<'_>,
) -> Result<WeekDifference, Interrupted> {
    let world = trial.world(week, 0);
    if watch.stop.load(Ordering::Relaxed) {
        return Err(Interrupted);
    }
    let [first, second] = policies.map(|policy| run(&world, policy, watch.stop));
    let (first, second) = (first?, second?);
    let zone = trial.zones()[week.zone].series.label().zone.to_string();
    let mut found = WeekDifference {
        counts: ZoneDifference { zone: zone.clone(), ..ZoneDifference::default() },
        grams: [&reference(&world), &first, &second].map(grams),
        jobs: Vec::new(),
    };
    for (pod, (a, b)) in world.pods.iter().zip(first.pods.iter().zip(&second.pods)) {
        let counts = &mut found.counts;
        counts.jobs += 1;
        if let (Some(a), Some(b)) = (a.start, b.start) {
            counts.earlier += u64::from(b < a);
            counts.later += u64::from(b > a);
            counts.mean_shift_hours += (b - a).hours();
        }
        if (a.start, a.finish) != (b.start, b.finish) {
            counts.different += 1;
            found.jobs.push(JobDifference {
                zone: zone.clone(),
                arrival: pod.arrival,
                length_hours: pod.duration.hours(),
                max_delay_hours: pod.max_delay.unwrap_or(Span::ZERO).hours(),
                first: Ran::new(a),
                second: Ran::new(b),
            });
        }
    }
    Ok(found)
}

fn grams(run: &Outcome) -> f64 {
    run.pods.iter().map(|pod| (pod.operational + pod.transfer).get()).sum()
}

fn sum<'a>(weeks: impl Iterator<Item = (&'a Week, &'a WeekDifference)>) -> ZoneDifference {
    let (mut total, mut grams) = (ZoneDifference::default(), [0.0; 3]);
    for (_, WeekDifference { counts, grams: own, .. }) in weeks {
        total.zone.clone_from(&counts.zone);
        total.jobs += counts.jobs;
        total.different += counts.different;
        total.earlier += counts.earlier;
        total.later += counts.later;
        total.mean_shift_hours += counts.mean_shift_hours;
        grams.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    }
    let [blind, first, second] = grams;
    let saving = |grams: f64| if blind > 0.0 { 100.0 * (blind - grams) / blind } else { 0.0 };
    ZoneDifference {
        mean_shift_hours: total.mean_shift_hours / total.jobs.max(1) as f64,
        first_saving_percent: saving(first),
        second_saving_percent: saving(second),
        ..total
    }
}
