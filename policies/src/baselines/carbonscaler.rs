//! `carbonscaler`: more workers while the grid is clean, fewer or none while it is not.

use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::view::JobView;
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots::{self, HOURLY, Slot};
use crate::decision::Scale;
use crate::policy::Policy;
use crate::signal::Signal;

/// Give each worker of each slot the value of work per gram that it adds, (T(j) - T(j-1)) /
/// ((P(j) - P(j-1)) x intensity), and take the highest until the work is done by the deadline; what
/// is too much comes off the slot that emits most per work (Hanafy et al. 2023). Jobs without a
/// scaling profile are left to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Carbonscaler {
    /// Length of a slot in minutes; slots begin at its multiples on the clock.
    #[schemars(range(min = 1, max = 1440))]
    pub slot_minutes: u32,
    /// Plan again at each slot, with what is left to do: a little better than the one plan of the
    /// paper, which is made when the job is created.
    pub replan: bool,
}

impl Default for Carbonscaler {
    fn default() -> Self {
        Self { slot_minutes: HOURLY, replan: true }
    }
}

impl Policy for Carbonscaler {
    fn name(&self) -> &'static str {
        "carbonscaler"
    }

    fn scale(&self, job: &JobView<'_>, signal: &Signal<'_>) -> Option<Scale> {
        let plans = job.pod.zones.iter().filter_map(|zone| {
            let outlook = signal.zone(zone).outlook.as_deref()?;
            let plan = self.plan(outlook, job, signal.now)?;
            Some((plan.iter().map(|share| share.grams(job)).sum(), plan))
        });
        let plan = slots::first_least(plans)?;
        let mut used = plan.iter().filter(|share| share.workers > 0);
        let next = used.find(|share| share.slot.end > signal.now)?;
        Some(if next.slot.start > signal.now {
            Scale { workers: 0, until: next.slot.start }
        } else {
            Scale { workers: next.workers as u32, until: next.slot.end }
        })
    }
}

/// Work that needs no slot of its own: instants are whole milliseconds, and each stay rounds once.
const NEGLIGIBLE: Span = Span::from_millis(100);

/// A slot and how many workers it gets; `slot.end` is when they stop.
struct Share {
    slot: Slot,
    workers: usize,
}

impl Share {
    /// Work of the slot, in hours of one worker.
    fn work(&self, job: &JobView<'_>) -> f64 {
        upto(job.speedup, self.workers) * self.slot.length().hours()
    }

    /// Relative to one worker for an hour at 1 g/kWh.
    fn grams(&self, job: &JobView<'_>) -> f64 {
        upto(job.draw, self.workers) * self.slot.length().hours() * self.slot.mean
    }
}

/// The entry of so many workers; none do nothing.
fn upto(profile: &[f64], workers: usize) -> f64 {
    workers.checked_sub(1).and_then(|last| profile.get(last)).copied().unwrap_or(0.0)
}

impl Carbonscaler {
    /// A share per slot up to the deadline; `None` where there is no length, no limit or no
    /// forecast.
    fn plan(&self, outlook: &dyn Outlook, job: &JobView<'_>, now: Time) -> Option<Vec<Share>> {
        let (from, need) = match self.replan {
            true => self.left(job, now)?,
            false => (job.pod.created, (job.pod.done + job.pod.remaining?).hours()),
        };
        let slots = slots::between(outlook, from, job.deadline()?, self.slot_minutes)?;
        let mut plan: Vec<Share> =
            slots.into_iter().map(|slot| Share { slot, workers: 0 }).collect();
        let mut work = 0.0;
        while work < need - NEGLIGIBLE.hours()
            && let Some(best) = most_valuable(&mut plan, job)
        {
            work -= best.work(job);
            best.workers += 1;
            work += best.work(job);
        }
        trim(&mut plan, job, work - need);
        Some(plan)
    }

    /// From when on there is a choice, and how many hours of one worker are left to do then. A slot is
    /// planned once: within one it is the plan of its start, whatever the job has done since, and a
    /// job that stopped within one goes on with the next.
    fn left(&self, job: &JobView<'_>, now: Time) -> Option<(Time, f64)> {
        let step = Span::MINUTE * i64::from(self.slot_minutes.max(1));
        let speed = upto(job.speedup, job.workers as usize);
        let has_run = job.pod.done.is_positive();
        // Since the slot began, or since the job did.
        let since = (now - now.floor(step)).hours().min(job.pod.done.hours() / speed.max(1e-9));
        let left = job.pod.remaining?.hours();
        Some(match job.workers {
            0 if has_run => (now.ceil(step), left),
            0 => (now, left),
            _ => (now - Span::from_hours(since), left + since * speed),
        })
    }
}

/// The share whose next worker adds most work per gram, the first of equals; `None` where each has
/// all of them.
fn most_valuable<'a>(plan: &'a mut [Share], job: &JobView<'_>) -> Option<&'a mut Share> {
    let gain = |profile: &[f64], share: &Share| {
        upto(profile, share.workers + 1) - upto(profile, share.workers)
    };
    // A grid of zero grams is worth most, and so are watts that cost nothing.
    let cost = |share: &Share| (gain(job.draw, share) * share.slot.mean).max(1e-9);
    let value = |share: &Share| gain(job.speedup, share) / cost(share);
    let open = plan.iter_mut().rev().filter(|share| share.workers < job.speedup.len());
    open.max_by(|a, b| value(a).total_cmp(&value(b)))
}

/// Takes work that is too much off the end of the slot that emits most per work.
fn trim(plan: &mut [Share], job: &JobView<'_>, surplus: f64) {
    let rate = |share: &Share| share.grams(job) / share.work(job);
    let used = plan.iter_mut().filter(|share| share.workers > 0);
    let Some(worst) = used.max_by(|a, b| rate(a).total_cmp(&rate(b))) else {
        return;
    };
    let kept = ((worst.work(job) - surplus) / worst.work(job)).clamp(0.0, 1.0);
    let length = Span::from_hours(worst.slot.length().hours() * kept);
    worst.slot.end = worst.slot.start + length;
    if !length.is_positive() {
        worst.workers = 0;
    }
}
