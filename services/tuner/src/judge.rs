//! The judgement: from what was read to what is said, and to the policy that is better.
//!
//! ```text
//!  fitting days   percentile 10, 20, ... --> the best of them --.
//!                                                               v
//!  held-out days  default-scheduler | in force | rules, folders, the tuned one, the network trained on
//!                                        |
//!                      those that are better beyond chance, and late no more than allowed
//!                                        |
//!                           the one that saves most: recommended
//! ```

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::documents::{Judged, PolicyName, PolicyResult, StatusDocument, TunerResult};
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_policies::baselines::DefaultScheduler;
use carbon_kube_policies::file::{Loaded, Provenance};
use carbon_kube_policies::{Deployed, Settings};
use carbon_kube_sim::world::World;
use tracing::{info, warn};

use crate::backtest::{self, BacktestError, Score, Scores};
use crate::candidates::{self, Candidate, CandidateError, Files};
use crate::config::{Config, PromotionMode};
use crate::fine_tune::{self, NotTuned};
use crate::history::{self, HistoryError, Past};
use crate::promotion::{self, Comparison, Objection};
use crate::report;
use crate::workload::{self, Workload, WorkloadError};

/// What rules look back on before anything is fitted: `percentile` needs a quarter of its week.
const WARM_UP: Span = Span::from_millis(2 * 86_400_000);

/// The least that settings are chosen on.
const LEAST_FITTING: Span = Span::from_millis(2 * 86_400_000);

/// The policy in force.
#[derive(Clone, Debug, PartialEq)]
pub enum InForce {
    /// There is none: the cluster is carbon-blind.
    None,
    /// It can be read.
    Policy(Box<Files>),
    /// It can't be.
    Unreadable(String),
}

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The intensities, or why they can't be read.
    pub history: Result<Vec<IntensitySeries>, String>,
    /// SHA-256 of `history.json`, where it comes from one: for the provenance of what is promoted.
    pub history_sha256: Option<String>,
    /// The policy in force.
    pub in_force: InForce,
    /// The pods.
    pub workload: Workload,
    /// Policies of folders.
    pub others: Vec<Candidate>,
    /// What the last run has said.
    pub before: Option<StatusDocument>,
    /// The time.
    pub now: Time,
}

/// What is said, and what could be done.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The status: kept, recommended or not judged.
    pub status: StatusDocument,
    /// The policy to put in force, where one is better and there is one to take the place of.
    pub better: Option<Files>,
}

/// Why it could not run; other than why it could not judge, which is a status.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The pods.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A candidate.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The simulation.
    #[error(transparent)]
    Backtest(#[from] BacktestError),
}

/// Why nothing is judged, for people.
enum Stop {
    Reason(String),
    Error(JudgeError),
}

impl From<WorkloadError> for Stop {
    fn from(error: WorkloadError) -> Self {
        Self::Error(error.into())
    }
}

impl From<CandidateError> for Stop {
    fn from(error: CandidateError) -> Self {
        Self::Error(error.into())
    }
}

impl From<BacktestError> for Stop {
    fn from(error: BacktestError) -> Self {
        Self::Error(error.into())
    }
}

/// Judges the policy in force.
///
/// # Errors
///
/// [`JudgeError`] for what is the configuration's fault, and once `stop` is set. What can't be judged is no error: it
/// is a status with its reason.
pub fn judge(inputs: &Inputs, config: &Config, stop: &AtomicBool) -> Result<Judgement, JudgeError> {
    match judged(inputs, config, stop) {
        Ok(judgement) => Ok(judgement),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Reason(reason)) => {
            warn!(reason, "not judged; the policy in force stays");
            let status = StatusDocument { reason, ..empty(inputs) };
            Ok(Judgement { status, better: None })
        }
    }
}

/// A status that says nothing yet, with what is carried on from the last run.
fn empty(inputs: &Inputs) -> StatusDocument {
    let before = inputs.before.as_ref();
    StatusDocument {
        version: StatusDocument::VERSION,
        finished_at: inputs.now,
        result: TunerResult::NotJudged,
        reason: String::new(),
        promotions: before.map_or(0, |before| before.promotions),
        last_promotion: before.and_then(|before| before.last_promotion.clone()),
        policy: match &inputs.in_force {
            InForce::Policy(files) => Some(name(&files.loaded)),
            InForce::None | InForce::Unreadable(_) => None,
        },
        judged: None,
        policies: Vec::new(),
    }
}

/// A policy by name and checksum.
#[must_use]
pub fn name(policy: &Loaded) -> PolicyName {
    PolicyName { name: policy.file.name.clone(), sha256: policy.sha256.clone() }
}

fn judged(inputs: &Inputs, config: &Config, stop: &AtomicBool) -> Result<Judgement, Stop> {
    let in_force = match &inputs.in_force {
        InForce::None => None,
        InForce::Policy(files) => Some(files.as_ref()),
        InForce::Unreadable(problem) => {
            return Err(Stop::Reason(format!("the policy in force can't be read: {problem}")));
        }
    };
    let past = past(inputs, config)?;
    let world = inputs.workload.world(&past, config)?;
    let held_out = workload::lay(&world, past.held_out_from, past.to);
    if held_out.pods.is_empty() {
        let reason = "no job of the workload arrives on the held-out days and can end on them";
        return Err(Stop::Reason(reason.to_owned()));
    }
    let trial = Trial { inputs, config, past: &past, in_force, stop };
    let (candidates, not_tuned) = trial.candidates(&world)?;
    let policies: Vec<Deployed> = std::iter::once(trial.policy())
        .chain(candidates.iter().map(|candidate| candidate.files.policy()))
        .collect();
    info!(policies = policies.len(), pods = held_out.pods.len(), "simulating the held-out days");
    let scores = backtest::run(&held_out, &policies, config.threads, stop)?;
    let mut judgement = trial.weigh(&candidates, &scores)?;
    if let Some(reason) = not_tuned {
        judgement.status.reason += &format!("; no network was trained on: {reason}");
    }
    Ok(judgement)
}

fn past(inputs: &Inputs, config: &Config) -> Result<Past, Stop> {
    let series = inputs
        .history
        .as_ref()
        .map_err(|problem| Stop::Reason(format!("the history can't be read: {problem}")))?;
    let wanted = inputs.workload.zones();
    history::past(series, wanted, &config.history, &config.split, inputs.now)
        .map_err(|error: HistoryError| Stop::Reason(error.to_string()))
}

/// A judgement on its way.
struct Trial<'a> {
    inputs: &'a Inputs,
    config: &'a Config,
    past: &'a Past,
    in_force: Option<&'a Files>,
    stop: &'a AtomicBool,
}

impl Trial<'_> {
    /// The policy in force; the carbon-blind scheduler where there is none.
    fn policy(&self) -> Deployed {
        let blind = || Settings::from(DefaultScheduler::default()).into();
        self.in_force.map_or_else(blind, Files::policy)
    }

    fn loaded(&self) -> Option<&Loaded> {
        self.in_force.map(|files| &files.loaded)
    }

    /// What is tried: each policy once, and none that is in force already; and why the network in force is not
    /// among it, where it should be.
    fn candidates(&self, world: &World) -> Result<(Vec<Candidate>, Option<NotTuned>), Stop> {
        let settings = &self.config.candidates;
        let mut all = candidates::of_rules(&settings.rules, self.loaded())?;
        all.extend(self.inputs.others.iter().cloned());
        all.extend(self.tuned(world)?);
        let not_tuned = match self.fine_tuned()? {
            Some(Ok(candidate)) => {
                all.push(candidate);
                None
            }
            Some(Err(reason)) => {
                warn!(%reason, "no network was trained on");
                Some(reason)
            }
            None => None,
        };
        let (mut names, mut kept) = (BTreeSet::new(), Vec::<Candidate>::new());
        for mut candidate in all {
            let policy = candidate.files.policy();
            if policy == self.policy() || kept.iter().any(|one| one.files.policy() == policy) {
                continue;
            }
            let base = candidate.name.clone();
            let numbered = (2..).map(|number| format!("{base}-{number}"));
            let free = std::iter::once(base.clone())
                .chain(numbered)
                .find(|name| name != PolicyResult::IN_FORCE && !names.contains(name));
            candidate.name = free.unwrap_or_default();
            names.insert(candidate.name.clone());
            kept.push(candidate);
        }
        Ok((kept, not_tuned))
    }

    /// The network in force, trained on; `None` where nobody asked for it.
    fn fine_tuned(&self) -> Result<Option<Result<Candidate, NotTuned>>, Stop> {
        let Self { inputs, config, past, stop, .. } = self;
        let Some(settings) = &config.candidates.fine_tune else { return Ok(None) };
        let history = inputs.history_sha256.as_deref();
        Ok(Some(fine_tune::candidate(settings, self.loaded(), past, config, history, stop)?))
    }

    /// The percentile that emits least on the days before the held-out ones, of those whose jobs are not later than
    /// they may be. `None` where there are too few days, or nothing to choose from.
    fn tuned(&self, world: &World) -> Result<Option<Candidate>, Stop> {
        let mut tried =
            candidates::of_percentiles(&self.config.candidates.percentiles, self.loaded())?;
        let from = self.past.from + WARM_UP;
        if tried.is_empty() || self.past.held_out_from - from < LEAST_FITTING {
            return Ok(None);
        }
        let fitting = workload::lay(world, from, self.past.held_out_from);
        let policies: Vec<Deployed> = std::iter::once(self.policy())
            .chain(tried.iter().map(|candidate| candidate.files.policy()))
            .collect();
        info!(policies = policies.len(), pods = fitting.pods.len(), "simulating the fitting days");
        let scores = backtest::run(&fitting, &policies, self.config.threads, self.stop)?;
        let Some((own, others)) = scores.policies.split_first() else { return Ok(None) };
        let best = others
            .iter()
            .enumerate()
            .filter(|(_, score)| self.is_in_time(own, score))
            .min_by(|(_, a), (_, b)| a.total().total_cmp(&b.total()))
            .map(|(position, _)| position);
        Ok(best.map(|position| tried.swap_remove(position)))
    }

    fn is_in_time(&self, own: &Score, other: &Score) -> bool {
        let rules = &self.config.promotion;
        other.mean_delay_hours() - own.mean_delay_hours() <= rules.most_more_delay.0.hours()
            && other.missed_ratio() - own.missed_ratio() <= rules.most_more_missed
    }

    fn weigh(&self, candidates: &[Candidate], scores: &Scores) -> Result<Judgement, Stop> {
        let Some((own, others)) = scores.policies.split_first() else {
            return Err(Stop::Reason("nothing was simulated".to_owned()));
        };
        let reference = scores.reference.total();
        if reference <= 0.0 {
            let reason = "the jobs of the held-out days emit nothing";
            return Err(Stop::Reason(reason.to_owned()));
        }
        let mut results = vec![
            result(PolicyResult::IN_FORCE, own, reference, None),
            result("default-scheduler", &scores.reference, reference, None),
        ];
        let mut weighed: Vec<Weighed<'_>> = Vec::new();
        for (candidate, score) in candidates.iter().zip(others) {
            let comparison = promotion::compare(own, score, candidates.len());
            let verdict = promotion::judge(&comparison, &self.config.promotion);
            results.push(result(&candidate.name, score, reference, Some(&comparison)));
            weighed.push(Weighed { candidate, comparison, verdict });
        }
        let good = weighed.iter().filter(|one| one.verdict.is_ok());
        let best = good.max_by(|a, b| a.saves().total_cmp(&b.saves()));
        let mut status = StatusDocument {
            judged: Some(self.judged(own)),
            policies: results,
            ..empty(self.inputs)
        };
        let Some(Weighed { candidate, comparison, .. }) = best else {
            status.result = TunerResult::Kept;
            let nearest = weighed.iter().max_by(|a, b| a.saves().total_cmp(&b.saves()));
            status.reason = kept(nearest);
            return Ok(Judgement { status, better: None });
        };
        status.result = TunerResult::Recommended;
        status.reason = format!(
            "{} emits {} than {} on the held-out days",
            candidate.name,
            report::percent(&comparison.better),
            self.loaded().map_or("carbon-blind scheduling", |policy| policy.file.name.as_str()),
        );
        if self.in_force.is_none() {
            status.reason += "; there is no policy in force, and the tuner brings in no first one";
            return Ok(Judgement { status, better: None });
        }
        if self.config.promotion.mode == PromotionMode::Recommend {
            status.reason += "; `promotion.mode: recommend` changes nothing";
        }
        let better = self.files(candidate, comparison)?;
        Ok(Judgement { status, better: Some(better) })
    }

    fn judged(&self, own: &Score) -> Judged {
        Judged {
            from: self.past.from,
            held_out_from: self.past.held_out_from,
            to: self.past.to,
            signal: self.past.signal,
            factor_set: self.past.factor_set.clone(),
            zones: names(self.past.zones.keys()),
            left_out: names(self.past.left_out.iter()),
            workload: self.inputs.workload.name(),
            jobs: own.jobs,
            blocks: own.grams.iter().map(Vec::len).sum::<usize>() as u64,
            seed: self.config.seed,
        }
    }

    /// The files that would be put in force. Those of a rule and of a network that was trained on say where they come
    /// from; a folder's stay as they are.
    fn files(&self, candidate: &Candidate, comparison: &Comparison) -> Result<Files, Stop> {
        let Files { loaded, .. } = &candidate.files;
        if self.inputs.others.iter().any(|other| other.files == candidate.files) {
            return Ok(candidate.files.clone());
        }
        let previous = self
            .loaded()
            .map_or_else(String::new, |policy| format!("{} ({})", policy.file.name, policy.sha256));
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        let better = &comparison.better;
        let validation = [
            ("gramsBelowPrevious", Some(better.value)),
            ("gramsBelowPreviousLow", better.low),
            ("gramsBelowPreviousHigh", better.high),
            ("moreDelayHours", Some(comparison.more_delay_hours)),
        ];
        let promoted = format!(
            "Promoted by carbon-kube-tuner in the place of {previous}: better on {} to {} of {}.",
            self.past.held_out_from,
            self.past.to,
            names(self.past.zones.keys()).join(", "),
        );
        let own = loaded.file.provenance.clone();
        let history = self.inputs.history_sha256.iter();
        let provenance = Provenance {
            description: format!("{} {promoted}", own.description).trim_start().to_owned(),
            scenario: self.inputs.workload.name(),
            seeds: vec![self.config.seed],
            datasets: own
                .datasets
                .into_iter()
                .chain(history.map(|sum| ("history.json".to_owned(), sum.clone())))
                .collect(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: "carbon-kube-tuner --output stdout".to_owned(),
            validation: validation
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), rounded(value?))))
                .collect(),
        };
        let files = candidate.files.with(&candidate.name, provenance)?;
        if files.policy() != candidate.files.policy() {
            let reason = format!("{} does not read as what was judged", candidate.name);
            return Err(Stop::Reason(reason));
        }
        Ok(files)
    }
}

fn result(
    policy: &str,
    score: &Score,
    reference: f64,
    comparison: Option<&Comparison>,
) -> PolicyResult {
    PolicyResult {
        policy: policy.to_owned(),
        grams: score.total(),
        saving_ratio: 1.0 - score.total() / reference,
        delay_hours: score.mean_delay_hours(),
        missed_ratio: score.missed_ratio(),
        better_ratio: comparison.map(|comparison| comparison.better),
    }
}

/// A candidate beside the policy in force.
struct Weighed<'a> {
    candidate: &'a Candidate,
    comparison: Comparison,
    verdict: Result<(), Objection>,
}

impl Weighed<'_> {
    fn saves(&self) -> f64 {
        self.comparison.better.value
    }
}

fn kept(nearest: Option<&Weighed<'_>>) -> String {
    match nearest {
        Some(Weighed { candidate, comparison, verdict: Err(objection) }) => format!(
            "nothing is good enough to take its place: {} emits {}, and {objection}",
            candidate.name,
            report::percent(&comparison.better)
        ),
        _ => "there is nothing else to try".to_owned(),
    }
}

fn names<'a>(zones: impl Iterator<Item = &'a Zone>) -> Vec<String> {
    zones.map(ToString::to_string).collect()
}
