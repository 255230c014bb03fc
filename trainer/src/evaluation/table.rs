//! The table of an evaluation: a row per policy, over all zones and in each, and what it says.

use carbon_kube_core::Time;
use carbon_kube_core::intensity::Label;
use carbon_kube_policies::Deployed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::protocol::{Interrupted, Score, Trial, Watch, WeekScores};
use super::statistics::{Aggregate, Cells, Interval};

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// Jobs that may miss their limit, in parts of all jobs, beside those of whoever is compared with.
pub const TOLERATED_MISSES: f64 = 0.001;

/// A policy to judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// How the table calls it.
    pub name: String,
    /// The policy, once for each seed of its training; all of them count. At least one.
    pub runs: Vec<Deployed>,
    /// What its training took, where that is known.
    pub training: Option<Training>,
}

/// What a training took, over all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Training {
    /// CPU seconds.
    pub cpu_seconds: Option<f64>,
    /// Emissions, in grams CO2e.
    pub grams: Option<f64>,
}

/// What kind of policy it is, the simplest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Carbon-blind.
    Reference,
    /// A rule that looks at the past and at now.
    Rule,
    /// A rule that looks ahead.
    ForecastRule,
    /// A rule whose threshold a network shifts.
    Tuner,
    /// No policy: the best that a job could do that knows the future.
    Bound,
}

impl Kind {
    /// The kind of a policy.
    #[must_use]
    pub fn of(policy: &Deployed) -> Self {
        if policy.tuner.is_some() {
            return Self::Tuner;
        }
        match policy.rule.name() {
            "default-scheduler" => Self::Reference,
            "lowest-slot" | "lowest-window" | "plan" | "carbon-time" | "wait-awhile"
            | "ecovisor" | "timeshift" | "carbonscaler" | "one-min" | "k-min"
            | "double-threshold" | "cap" | "pcaps" => Self::ForecastRule,
            _ => Self::Rule,
        }
    }

    /// Whether a policy of this kind can be the rival.
    fn is_rule(self) -> bool {
        matches!(self, Self::Rule | Self::ForecastRule)
    }
}

/// Everything that an evaluation says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Version of the format: 1.
    pub version: u32,
    /// Version of the protocol.
    pub protocol: String,
    /// Root of the jobs.
    pub seed: u64,
    /// How often the jobs of a week were drawn.
    pub draws: u32,
    /// A table per signal; what two signals say is never added up.
    pub signals: Vec<SignalTable>,
}

/// The zones of one signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalTable {
    /// Average or marginal, direct or lifecycle, and the factor set.
    pub signal: String,
    /// What the judgement says.
    pub verdict: Verdict,
    /// Over all zones, each with the same weight.
    pub overall: Vec<Row>,
    /// Each zone by itself.
    pub zones: Vec<ZoneTable>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneTable {
    /// Its name.
    pub zone: String,
    /// What was measured.
    pub area: String,
    /// Where the numbers come from.
    pub source: String,
    /// First arrival that is judged.
    pub from: Time,
    /// Start of the last week that is judged.
    pub last_week: Time,
    /// Weeks that are judged.
    pub weeks: usize,
    /// Weeks that a gap took.
    pub left_out: usize,
    /// A row per policy.
    pub rows: Vec<Row>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its name.
    pub policy: String,
    /// Its kind.
    pub kind: Kind,
    /// Runs of its training.
    pub runs: usize,
    /// Mean saving against the carbon-blind reference, in per cent.
    pub saving_percent: Interval,
    /// Interquartile mean of the same.
    pub interquartile_mean_percent: Interval,
    /// Grams saved, over all weeks; of several runs the mean.
    pub saved_grams: f64,
    /// Saving over that of the bound, in per cent; absent where the bound saves nothing.
    pub share_percent: Option<f64>,
    /// Mean delay of jobs that ended, in hours.
    pub delay_mean_hours: Option<f64>,
    /// 95th percentile of the same, by nearest rank.
    pub delay_p95_hours: Option<f64>,
    /// Jobs, over all runs.
    pub jobs: u64,
    /// Jobs that ended after their limit, or not at all.
    pub misses: u64,
    /// Jobs that did not end.
    pub undone: u64,
    /// Moves.
    pub moves: u64,
    /// Saving less that of the rival, paired by week, in points; absent of the rival itself.
    pub difference_points: Option<Interval>,
    /// The part of the weeks in which it saves more than the rival.
    pub probability_of_improvement: Option<Interval>,
    /// What its training took, where that is known.
    pub training: Option<Training>,
}

/// How two policies compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// The first beats the second.
    Better,
    /// The second beats the first.
    Worse,
    /// Neither.
    NotToldApart,
}

/// What the rules of judgement say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The rule that tuners are held against.
    pub rival: Option<String>,
    /// The policy of the highest mean saving that misses no more than is tolerated.
    pub best: Option<String>,
    /// Those that can't be told apart from it.
    pub tied: Vec<String>,
    /// The simplest of these: the default.
    pub default: Option<String>,
    /// Each tuner against the rival.
    pub tuners: Vec<(String, Comparison)>,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// `--against` names nobody.
    #[error("no policy of the table is called `{0}`")]
    NoRival(String),
}

/// Judges policies on every week of a trial. `against` names the rival; `None` takes the best rule.
///
/// # Errors
///
/// [`EvaluationError`].
pub fn evaluate(
    trial: &Trial,
    candidates: &[Candidate],
    against: Option<&str>,
    watch: &Watch<'_>,
) -> Result<Evaluation, EvaluationError> {
    if let Some(name) = against.filter(|name| candidates.iter().all(|one| one.name != *name)) {
        return Err(EvaluationError::NoRival(name.to_owned()));
    }
    let policies: Vec<Deployed> =
        candidates.iter().flat_map(|candidate| candidate.runs.clone()).collect();
    let positions: Vec<usize> = (0..trial.weeks().len()).collect();
    let scores = trial.judge(&policies, &positions, watch)?;
    let judged = Judged { trial, candidates, against, scores: &scores };
    Ok(Evaluation {
        version: VERSION,
        protocol: super::protocol::VERSION.to_owned(),
        seed: trial.protocol().seed,
        draws: trial.protocol().draws,
        signals: signals(trial).iter().map(|(signal, zones)| judged.table(signal, zones)).collect(),
    })
}

/// Zones by signal, in the order of the zones.
fn signals(trial: &Trial) -> Vec<(String, Vec<usize>)> {
    let mut signals: Vec<(String, Vec<usize>)> = Vec::new();
    for (position, zone) in trial.zones().iter().enumerate() {
        let Label { signal, scope, factor_set, .. } = zone.series.label();
        let name = format!("{signal}, {scope}, factors: {factor_set}");
        match signals.iter_mut().find(|(known, _)| *known == name) {
            Some((_, zones)) => zones.push(position),
            None => signals.push((name, vec![position])),
        }
    }
    signals
}

/// What was judged.
struct Judged<'a> {
    trial: &'a Trial,
    candidates: &'a [Candidate],
    against: Option<&'a str>,
    scores: &'a [WeekScores],
}

impl Judged<'_> {
    fn table(&self, signal: &str, zones: &[usize]) -> SignalTable {
        let rival = self.rival(zones);
        SignalTable {
            signal: signal.to_owned(),
            verdict: self.verdict(zones, rival),
            overall: self.rows(zones, rival),
            zones: zones.iter().map(|&zone| self.zone(zone, rival)).collect(),
        }
    }

    fn zone(&self, zone: usize, rival: Option<usize>) -> ZoneTable {
        let label = self.trial.zones()[zone].series.label();
        let starts = || self.weeks(zone).map(|week| week.week.start);
        ZoneTable {
            zone: label.zone.to_string(),
            area: label.area.clone(),
            source: label.source.clone(),
            // Each zone of a trial has a week.
            from: starts().next().unwrap_or(Time::MAX),
            last_week: starts().last().unwrap_or(Time::MAX),
            weeks: starts().count(),
            left_out: self.trial.left_out()[zone],
            rows: self.rows(&[zone], rival),
        }
    }

    fn weeks(&self, zone: usize) -> impl Iterator<Item = &WeekScores> {
        self.scores.iter().filter(move |week| week.week.zone == zone)
    }

    /// Positions of a candidate's runs among all policies.
    fn runs(&self, candidate: usize) -> std::ops::Range<usize> {
        let before = self.candidates[..candidate].iter().map(|one| one.runs.len()).sum();
        before..before + self.candidates[candidate].runs.len()
    }

    /// Savings of a candidate by zone, run and week.
    fn cells(&self, candidate: usize, zones: &[usize]) -> Cells {
        let of_zone = |&zone: &usize| {
            let run = |run: usize| {
                self.weeks(zone).map(|week| week.policies[run].saving_percent).collect()
            };
            self.runs(candidate).map(run).collect()
        };
        Cells::new(zones.iter().map(of_zone).collect()).expect("each policy has each week")
    }

    fn bound_cells(&self, zones: &[usize]) -> Cells {
        let of_zone =
            |&zone: &usize| vec![self.weeks(zone).map(|week| week.bound_percent).collect()];
        Cells::new(zones.iter().map(of_zone).collect()).expect("each zone has a week")
    }

    fn kind(&self, candidate: usize) -> Kind {
        Kind::of(&self.candidates[candidate].runs[0])
    }

    fn mean(&self, candidate: usize, zones: &[usize]) -> f64 {
        self.cells(candidate, zones).aggregated(Aggregate::Mean)
    }

    /// The part of its jobs that missed their limit.
    fn missed(&self, candidate: usize, zones: &[usize]) -> f64 {
        let sums = Sums::of(self.of(candidate, zones));
        sums.misses as f64 / sums.jobs.max(1) as f64
    }

    fn of(&self, candidate: usize, zones: &[usize]) -> impl Iterator<Item = &Score> {
        let runs = self.runs(candidate);
        self.scores
            .iter()
            .filter(move |week| zones.contains(&week.week.zone))
            .flat_map(move |week| &week.policies[runs.clone()])
    }

    /// The candidate of the highest mean saving among those that miss no more than is tolerated.
    fn best(&self, zones: &[usize], counts: impl Fn(usize) -> bool) -> Option<usize> {
        let may = |&one: &usize| counts(one) && self.missed(one, zones) <= TOLERATED_MISSES;
        let means = (0..self.candidates.len()).filter(may).map(|one| (self.mean(one, zones), one));
        // Of equals the first.
        means.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, best)| best)
    }

    fn rival(&self, zones: &[usize]) -> Option<usize> {
        match self.against {
            Some(name) => self.candidates.iter().position(|one| one.name == name),
            None => self.best(zones, |one| self.kind(one).is_rule()),
        }
    }

    /// Whether one candidate beats another: rule 2 of the protocol.
    fn beats(&self, one: usize, other: usize, zones: &[usize]) -> bool {
        let (own, others) = (self.cells(one, zones), self.cells(other, zones));
        let (Some(less), Some(wins)) = (own.less(&others), own.wins(&others)) else {
            return false;
        };
        less.estimate(Aggregate::Mean).is_above(0.0)
            && wins.aggregated(Aggregate::Mean) > 0.5
            && self.missed(one, zones) <= self.missed(other, zones) + TOLERATED_MISSES
    }

    fn compare(&self, one: usize, other: usize, zones: &[usize]) -> Comparison {
        match (self.beats(one, other, zones), self.beats(other, one, zones)) {
            (true, _) => Comparison::Better,
            (_, true) => Comparison::Worse,
            _ => Comparison::NotToldApart,
        }
    }

    fn verdict(&self, zones: &[usize], rival: Option<usize>) -> Verdict {
        let name = |one: usize| self.candidates[one].name.clone();
        let best = self.best(zones, |_| true);
        let tied: Vec<usize> = best.map_or_else(Vec::new, |best| {
            let may = |&one: &usize| {
                one != best
                    && self.missed(one, zones) <= TOLERATED_MISSES
                    && !self.beats(best, one, zones)
            };
            (0..self.candidates.len()).filter(may).collect()
        });
        let all = best.into_iter().chain(tied.iter().copied());
        // The best comes first, so that it stays where nothing simpler is tied.
        let default = all.min_by_key(|&one| self.kind(one));
        let tuners = (0..self.candidates.len()).filter(|&one| self.kind(one) == Kind::Tuner);
        Verdict {
            rival: rival.map(name),
            best: best.map(name),
            tied: tied.into_iter().map(name).collect(),
            default: default.map(name),
            tuners: rival.map_or_else(Vec::new, |rival| {
                tuners.map(|one| (name(one), self.compare(one, rival, zones))).collect()
            }),
        }
    }

    fn rows(&self, zones: &[usize], rival: Option<usize>) -> Vec<Row> {
        let rows = (0..self.candidates.len()).into_par_iter();
        let mut rows: Vec<Row> = rows.map(|one| self.row(one, zones, rival)).collect();
        rows.push(self.bound_row(zones));
        rows
    }

    fn row(&self, one: usize, zones: &[usize], rival: Option<usize>) -> Row {
        let Candidate { name, runs, training } = &self.candidates[one];
        let cells = self.cells(one, zones);
        let saving_percent = cells.estimate(Aggregate::Mean);
        let mut sums = Sums::of(self.of(one, zones));
        let rival = rival.filter(|&rival| rival != one).map(|rival| self.cells(rival, zones));
        let bound = self.bound_cells(zones).aggregated(Aggregate::Mean);
        let (delay_mean_hours, delay_p95_hours) = sums.delays();
        Row {
            policy: name.clone(),
            kind: self.kind(one),
            runs: runs.len(),
            saving_percent,
            interquartile_mean_percent: cells.estimate(Aggregate::InterquartileMean),
            saved_grams: self.reference_grams(zones) - sums.grams / runs.len() as f64,
            share_percent: (bound > 0.0).then(|| saving_percent.value / bound * 100.0),
            delay_mean_hours,
            delay_p95_hours,
            jobs: sums.jobs,
            misses: sums.misses,
            undone: sums.undone,
            moves: sums.moves,
            difference_points: rival
                .as_ref()
                .and_then(|rival| Some(cells.less(rival)?.estimate(Aggregate::Mean))),
            probability_of_improvement: rival
                .as_ref()
                .and_then(|rival| Some(cells.wins(rival)?.estimate(Aggregate::Mean))),
            training: *training,
        }
    }

    fn bound_row(&self, zones: &[usize]) -> Row {
        let cells = self.bound_cells(zones);
        let of = |week: &WeekScores| week.reference_grams * week.bound_percent / 100.0;
        let weeks = self.scores.iter().filter(|week| zones.contains(&week.week.zone));
        Row {
            policy: "bound".to_owned(),
            kind: Kind::Bound,
            runs: 1,
            saving_percent: cells.estimate(Aggregate::Mean),
            interquartile_mean_percent: cells.estimate(Aggregate::InterquartileMean),
            saved_grams: weeks.map(of).sum(),
            share_percent: (cells.aggregated(Aggregate::Mean) > 0.0).then_some(100.0),
            delay_mean_hours: None,
            delay_p95_hours: None,
            jobs: 0,
            misses: 0,
            undone: 0,
            moves: 0,
            difference_points: None,
            probability_of_improvement: None,
            training: None,
        }
    }

    fn reference_grams(&self, zones: &[usize]) -> f64 {
        let weeks = self.scores.iter().filter(|week| zones.contains(&week.week.zone));
        weeks.map(|week| week.reference_grams).sum()
    }
}

/// Scores added up.
#[derive(Default)]
struct Sums {
    grams: f64,
    jobs: u64,
    misses: u64,
    undone: u64,
    moves: u64,
    delay_seconds: Vec<u32>,
}

impl Sums {
    fn of<'a>(scores: impl Iterator<Item = &'a Score>) -> Self {
        let mut sums = Self::default();
        for score in scores {
            sums.grams += score.grams;
            sums.jobs += score.jobs;
            sums.misses += score.misses;
            sums.undone += score.undone;
            sums.moves += score.moves;
            sums.delay_seconds.extend(&score.delay_seconds);
        }
        sums
    }

    /// Mean and 95th percentile by nearest rank, in hours.
    fn delays(&mut self) -> (Option<f64>, Option<f64>) {
        self.delay_seconds.sort_unstable();
        let count = self.delay_seconds.len();
        let rank = (count * 95).div_ceil(100).max(1);
        let p95 = self.delay_seconds.get(rank - 1).map(|&seconds| f64::from(seconds) / 3_600.0);
        let sum: u64 = self.delay_seconds.iter().map(|&seconds| u64::from(seconds)).sum();
        ((count > 0).then(|| sum as f64 / count as f64 / 3_600.0), p95)
    }
}
