//! GAIA ("Going Green for Less Green", Hanafy et al. 2024): a thousand jobs of Alibaba's PAI trace in
//! a month of grid, on on-demand, spot and reserved CPUs.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::Policy;
use carbon_kube_policies::baselines::{
    AllWait, CarbonTime, DefaultScheduler, Ecovisor, LowestSlot, LowestWindow, WaitAwhile,
};

use super::reference::{Column, Reference, Trace};
use super::stays::Stay;
use super::table::number;
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, Study, chosen};
use crate::outcome::Outcome;
use crate::world::{Pod, PodClass, ReleaseOrder, World};

pub(super) const COLUMNS: &[&str] = &[
    "trace",
    "start_hour",
    "policy",
    "reserved",
    "max_wait_short_x_long_h",
    "carbon_g_at_1W_per_cpu",
    "saving_pct_vs_no_wait",
    "cost_usd",
    "wait_mean_h_over_rows",
    "completion_delay_mean_h_over_jobs",
    "rows",
    "source",
];

const JOBS: &str = "gaia_pai1k_jobs.csv";

/// The simulated clock of the peer; times are cut to it.
const TICK: Span = Span::from_millis(5_000);

/// Hours of the month.
const MONTH: usize = 720;

/// A job of less, before its time is cut to ticks, waits in the short queue, up to `SHORT_WAIT`; any other up to `LONG_WAIT`.
const SHORT: Span = Span::from_millis(2 * 3_600_000);
const SHORT_WAIT: Span = Span::from_millis(6 * 3_600_000);
const LONG_WAIT: Span = Span::from_millis(24 * 3_600_000);

/// US dollars per CPU and hour.
const ON_DEMAND: f64 = 0.0624;
const SPOT: f64 = 0.01248;
/// A reserved CPU costs this part of an on-demand one, used or not.
const RESERVED_PART: f64 = 0.4;

/// CPUs of a job and of a reservation at most.
const MOST_CPUS: f64 = 100_000.0;

/// Positions of the pools.
const ANY: usize = 0;
const SPOT_POOL: usize = 1;

/// One of GAIA's policies: a rule of ours and how it buys CPUs.
struct Rule {
    name: &'static str,
    policy: fn() -> Box<dyn Policy>,
    /// Policies hear a queue's mean length rather than the job's own.
    expects_mean: bool,
    /// Short jobs run on spot CPUs.
    uses_spot: bool,
    /// Reserved CPUs that were published for it, all traces together.
    reserved: &'static [u32],
    waits: bool,
}

impl Rule {
    const fn new(name: &'static str, policy: fn() -> Box<dyn Policy>) -> Self {
        let reserved: &[u32] = &[0];
        Self { name, policy, expects_mean: false, uses_spot: false, reserved, waits: true }
    }

    const fn expecting_the_mean(self) -> Self {
        Self { expects_mean: true, ..self }
    }

    const fn on_spot(self) -> Self {
        Self { uses_spot: true, ..self }
    }

    const fn with_reserved(self, reserved: &'static [u32]) -> Self {
        Self { reserved, ..self }
    }
}

fn carbon_time() -> Box<dyn Policy> {
    Box::new(CarbonTime::default())
}

fn carbon_time_prepaid_first() -> Box<dyn Policy> {
    Box::new(CarbonTime { prepaid_first: true, ..CarbonTime::default() })
}

const RULES: [Rule; 13] = [
    Rule { waits: false, ..Rule::new("no-wait", || Box::new(DefaultScheduler {})) }
        .with_reserved(&[0, 9]),
    Rule::new("lowest-slot", || Box::new(LowestSlot::default())),
    Rule::new("lowest-window", || Box::new(LowestWindow::default())).expecting_the_mean(),
    Rule::new("lowest-window-oracle-length", || Box::new(LowestWindow::default())),
    Rule::new("carbon-time", carbon_time).expecting_the_mean().with_reserved(&[0, 9]),
    Rule::new("carbon-time-oracle-length", carbon_time),
    Rule::new("ecovisor-threshold", || Box::new(Ecovisor::default())).with_reserved(&[0, 9]),
    Rule::new("wait-awhile", || Box::new(WaitAwhile::default())).with_reserved(&[0, 9]),
    Rule::new("allwait-threshold", || Box::new(AllWait {})).with_reserved(&[9]),
    Rule::new("res-first-carbon-time", carbon_time_prepaid_first)
        .expecting_the_mean()
        .with_reserved(&[3, 6, 9, 12, 18, 24]),
    Rule::new("spot-first-carbon-time", carbon_time).expecting_the_mean().on_spot(),
    Rule::new("spot-first-ecovisor", || Box::new(Ecovisor::default())).on_spot(),
    Rule::new("spot-res-carbon-time", carbon_time_prepaid_first)
        .expecting_the_mean()
        .on_spot()
        .with_reserved(&[6, 9]),
];

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let filters = &options.filters;
    let known = reference.traces("hourly_", ".csv")?;
    let names: Vec<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    let policies = chosen("policy", &filters.policies, &names)?;
    let jobs = jobs(reference)?;
    let published = published_reserved(reference)?;
    let start_hours = start_hours(reference, options)?;
    let mut cases: Vec<Case<'a>> = Vec::new();
    for name in chosen("trace", &filters.traces, &known)? {
        let trace = reference.hourly(&name)?;
        for &start in &start_hours {
            if start.saturating_add(MONTH) > trace.values.len() {
                // What was not asked for is passed over.
                if filters.start_hours.is_empty() {
                    continue;
                }
                let why = format!("trace {name} has {} hours", trace.values.len());
                return Err(ReproduceError::Nothing { why: format!("start hour {start}: {why}") });
            }
            for rule in RULES.iter().filter(|rule| policies.iter().any(|name| name == rule.name)) {
                for reserved in choice_of_reserved(&filters.reserved, rule, &published) {
                    let (month, jobs) = (trace.part(start, MONTH), jobs.clone());
                    let case = Month { month, start, rule, reserved, jobs };
                    cases.push(Box::new(move |stop| Ok(vec![case.row(stop)?])));
                }
            }
        }
    }
    Ok(cases)
}

/// Reserved CPUs of a rule: those asked for, else the usual ones and those published for it.
fn choice_of_reserved(asked: &[u32], rule: &Rule, published: &[(String, u32)]) -> BTreeSet<u32> {
    if !asked.is_empty() {
        return asked.iter().copied().collect();
    }
    let own = published.iter().filter(|(policy, _)| policy == rule.name).map(|(_, count)| *count);
    own.chain(rule.reserved.iter().copied()).collect()
}

/// Policy and reserved CPUs of each published row.
fn published_reserved(reference: &Reference) -> Result<Vec<(String, u32)>, ReproduceError> {
    let Some(table) = reference.published(Study::Gaia)? else { return Ok(Vec::new()) };
    let Some((policy, reserved)) = table.column("policy").zip(table.column("reserved")) else {
        return Ok(Vec::new());
    };
    let pair = |row: &Vec<String>| {
        let count = row[reserved].parse().ok().filter(|count| f64::from(*count) <= MOST_CPUS);
        Some((row[policy].clone(), count?))
    };
    Ok(table.rows.iter().filter_map(pair).collect())
}

fn start_hours(reference: &Reference, options: &Options) -> Result<Vec<usize>, ReproduceError> {
    let asked = &options.filters.start_hours;
    if !asked.is_empty() {
        return Ok(asked.clone());
    }
    let published = reference.column(Study::Gaia, "start_hour", 0.0..=1e6)?;
    let hours = super::numbers(&[], &[3_000.0, 7_000.0], published);
    Ok(hours.into_iter().map(|hour| hour as usize).collect())
}

/// A job of the trace, on the peer's clock.
#[derive(Clone, Copy)]
struct Job {
    arrival: Span,
    length: Span,
    cpus: u64,
    /// Its length before it is cut to ticks: what its queue goes by.
    stated: Span,
}

fn jobs(reference: &Reference) -> Result<Vec<Job>, ReproduceError> {
    let ticks = |seconds: f64| TICK * (seconds / TICK.seconds()) as i64;
    let month = MONTH as f64 * 3_600.0;
    let columns = [
        Column::new("arrival_time", 0.0..=month),
        Column::new("length", TICK.seconds()..=month),
        Column::new("cpus", 1.0..=MOST_CPUS),
    ];
    let rows = reference.numbers(JOBS, columns)?;
    let job = |[arrival, length, cpus]: [f64; 3]| Job {
        arrival: ticks(arrival),
        length: ticks(length),
        stated: Span::from_seconds(length),
        cpus: cpus as u64,
    };
    Ok(rows.into_iter().map(job).collect())
}

/// Mean length of the jobs whose stated length passes, in whole ticks.
fn mean_length(jobs: &[Job], passes: impl Fn(Span) -> bool) -> Span {
    let lengths: Vec<i64> =
        jobs.iter().filter(|job| passes(job.stated)).map(|job| job.length.millis()).collect();
    let mean = lengths.iter().sum::<i64>() / (lengths.len() as i64).max(1);
    TICK * (mean / TICK.millis())
}

/// One row: a policy in a month.
struct Month<'a> {
    month: Trace,
    start: usize,
    rule: &'a Rule,
    reserved: u32,
    jobs: Vec<Job>,
}

impl Month<'_> {
    fn row(&self, stop: &AtomicBool) -> Result<Vec<String>, ReproduceError> {
        let world = self.world()?;
        let (outcome, stays) = worlds::run_with_stays(&world, (self.rule.policy)().as_ref(), stop)?;
        let carbon = worlds::emitted(&outcome).get();
        let reference = worlds::run(&world, &DefaultScheduler {}, stop)?;
        let saving = 100.0 * (1.0 - carbon / worlds::emitted(&reference).get());
        let starts = || stays.iter().filter(|stay| !stay.goes_on);
        let rows = starts().count();
        let waited = starts().map(|stay| (stay.start - world.pods[stay.pod].arrival).hours());
        let waits = if self.rule.waits { "6x24" } else { "0x0" };
        Ok(vec![
            self.month.name.clone(),
            self.start.to_string(),
            self.rule.name.to_owned(),
            self.reserved.to_string(),
            waits.to_owned(),
            number(carbon),
            number(saving),
            number(self.cost(&world, &stays)),
            number(waited.sum::<f64>() / rows as f64),
            number(mean_delay(&world, &outcome)),
            rows.to_string(),
            "carbon-kube".to_owned(),
        ])
    }

    /// Reserved CPUs up to the last start, the others while they are used.
    fn cost(&self, world: &World, stays: &[Stay]) -> f64 {
        let last = stays.iter().map(|stay| stay.start).max().unwrap_or(START);
        let reserved = f64::from(self.reserved) * (last - START).hours();
        let used = |pool: usize| -> f64 {
            let of_pool = stays.iter().filter(|stay| stay.pool == pool);
            let cpu_hours = of_pool.map(|stay| {
                world.pods[stay.pod].requests.cpu.0 as f64 / 1e3 * stay.length().hours()
            });
            cpu_hours.sum()
        };
        ON_DEMAND * (RESERVED_PART * reserved + used(ANY)) + SPOT * used(SPOT_POOL)
    }

    fn world(&self) -> Result<World, ReproduceError> {
        let classes = self.classes();
        let pod = |job: &Job| {
            let is_short = job.stated < SHORT;
            let wait = if is_short { SHORT_WAIT } else { LONG_WAIT };
            let on_spot = self.rule.uses_spot && job.stated <= SHORT;
            Pod {
                class: u32::from(!is_short) + 2 * u32::from(on_spot),
                requests: worlds::resources(job.cpus),
                ..worlds::pod(START + job.arrival, job.length, wait)
            }
        };
        let pods = self.jobs.iter().map(pod).collect();
        let mut world = worlds::world(&self.month, classes, pods)?;
        let mut any = worlds::endless("any", 1.0);
        any.taints = vec![worlds::avoided()];
        let mut reserved = worlds::pool("reserved", self.reserved.into(), 1.0);
        reserved.prepaid = true;
        world.pools = vec![any, worlds::endless("spot", 1.0), reserved];
        // The peer looks at the hour that a tick is in.
        world.scheduler.control_interval = Span::HOUR;
        // In the peer a job that ends frees its CPUs after the starts of that tick.
        world.scheduler.cleanup = TICK;
        // Of the jobs that start in a tick, the first to arrive takes reserved CPUs first.
        world.scheduler.release_order = ReleaseOrder::Arrival;
        Ok(world)
    }

    /// The short queue and the long one, then both on spot CPUs.
    fn classes(&self) -> Vec<PodClass> {
        let means = [
            mean_length(&self.jobs, |length| length <= SHORT),
            mean_length(&self.jobs, |length| length >= SHORT),
        ];
        let class = |(name, mean, pools): (&str, Span, &[&str])| {
            let mut class = worlds::class(name);
            class.expected_duration = self.rule.expects_mean.then_some(mean);
            class.affinity.required = pools.iter().map(|pool| worlds::in_pool(pool)).collect();
            class
        };
        let queues: [(&str, Span, &[&str]); 4] = [
            ("short", means[0], &["any", "reserved"]),
            ("long", means[1], &["any", "reserved"]),
            ("short-on-spot", means[0], &["spot"]),
            ("long-on-spot", means[1], &["spot"]),
        ];
        queues.into_iter().map(class).collect()
    }
}

/// Mean of finish - arrival - length, in hours.
fn mean_delay(world: &World, outcome: &Outcome) -> f64 {
    let delay = |(spec, finish): (&Pod, Time)| (finish - spec.arrival - spec.duration).hours();
    let finished = world.pods.iter().zip(&outcome.pods);
    let delays: Vec<f64> =
        finished.filter_map(|(spec, pod)| Some(delay((spec, pod.finish?)))).collect();
    delays.iter().sum::<f64>() / delays.len().max(1) as f64
}
