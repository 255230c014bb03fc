//! Random search with successive halving: many settings on a few weeks, the best third of them on
//! three times as many, and so on to the last few on all.
//!
//! ```text
//!  settings  64 --> 22 --> 8 --> 3     each third is the better one on the weeks before
//!  weeks      1/27   1/9   1/3   all   each set of weeks holds the one before
//! ```
//!
//! After Jamieson and Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter
//! Optimization* (AISTATS 2016), with a factor of 3 as in Hyperband (Li et al. 2018). The defaults
//! are among the candidates and go through to the end, so that what is found is never worse than
//! they are on the weeks of the search.

use carbon_kube_core::seed;
use carbon_kube_policies::{Deployed, Settings};
use rand::Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::protocol::{Interrupted, Trial, Watch, WeekScores};
use crate::environment::world::uniform;

/// How many times fewer candidates, and more weeks, each round has.
pub(crate) const FACTOR: usize = 3;

/// Jobs that may miss their limit beside those that do by default, in parts of all jobs.
const TOLERATED_MISSES: f64 = 0.001;

/// A setting that is searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its key in the rule's settings.
    pub name: &'static str,
    /// Where it is drawn from.
    pub range: Range,
}

/// Where a setting is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Evenly, both ends included.
    Uniform(f64, f64),
    /// Evenly on a logarithmic scale; both ends above 0.
    Logarithmic(f64, f64),
    /// Whole numbers, evenly on a logarithmic scale; both ends included and above 0.
    Whole(u32, u32),
    /// One of these numbers.
    OneOf(&'static [u32]),
    /// Whether or not.
    Flag,
    /// So many hours of the day in a row, from any on.
    HoursInARow(u8, u8),
}

/// What is searched of a rule; `None` of one that has nothing to search.
#[must_use]
pub fn space(rule: &str) -> Option<Vec<Parameter>> {
    const SLOTS: Range = Range::OneOf(&[15, 30, 60, 120]);
    let all: &[(&'static str, Range)] = match rule {
        "threshold" => &[("gramsPerKwh", Range::Logarithmic(10.0, 1_000.0))],
        "percentile" | "percentile-lowest-zone" => {
            &[("percentile", Range::Uniform(0.0, 80.0)), ("trailingDays", Range::Whole(1, 28))]
        }
        "hour-table" => &[("hours", Range::HoursInARow(1, 18))],
        "double-threshold" => {
            &[("switchGPerKwh", Range::Logarithmic(0.01, 100.0)), ("slotMinutes", SLOTS)]
        }
        "k-min" | "one-min" | "lowest-slot" | "lowest-window" | "carbon-time" | "wait-awhile" => {
            &[("slotMinutes", SLOTS)]
        }
        "ecovisor" => &[("percentile", Range::Uniform(0.0, 80.0))],
        "timeshift" => &[
            ("shortQuantile", Range::Uniform(0.0, 1.0)),
            ("longQuantile", Range::Uniform(0.0, 1.0)),
            ("stopQuantile", Range::Uniform(0.0, 1.0)),
        ],
        "pcaps" => &[("carbonWeight", Range::Uniform(0.0, 1.0))],
        "plan" => &[("margin", Range::Uniform(0.0, 1.0)), ("suspend", Range::Flag)],
        _ => return None,
    };
    // A rule without that setting would be refused with a word that nobody typed.
    let defaults = tagged(&Settings::by_name(rule)?);
    let is_known = |name: &str| defaults.contains_key(name);
    let parameters = all.iter().filter(|(name, _)| is_known(name));
    let parameters: Vec<Parameter> =
        parameters.map(|(name, range)| Parameter { name, range: range.clone() }).collect();
    (!parameters.is_empty()).then_some(parameters)
}

/// Every rule that has something to search.
#[must_use]
pub fn searchable() -> Vec<&'static str> {
    Settings::all().iter().map(Settings::name).filter(|rule| space(rule).is_some()).collect()
}

/// A search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// How many settings are drawn for the first round, the defaults among them; at least 1.
    pub candidates: usize,
    /// Root of what is drawn.
    pub seed: u64,
}

/// One candidate in one round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Its number, from 0 on; 0 are the defaults.
    pub candidate: usize,
    /// What was searched of its settings.
    pub settings: Map<String, Value>,
    /// Mean over zones of the mean saving over weeks, in per cent.
    pub saving_percent: f64,
    /// Jobs that missed their limit, in parts of all jobs.
    pub missed: f64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// Weeks of zones that each candidate was judged on.
    pub weeks: usize,
    /// The candidates, the best first.
    pub tried: Vec<Tried>,
}

/// What a search found, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The best settings.
    pub settings: Settings,
    /// Rounds in their order; the first candidate of the last one is what was found.
    pub rounds: Vec<Round>,
    /// Weeks of zones that were simulated, over all candidates; the reference comes on top, once a week
    /// and round.
    pub simulated_weeks: usize,
    /// Jobs in them.
    pub simulated_jobs: u64,
}

/// Searches the settings of a rule. `watch.progress` is called once a week and round; see
/// [`Search::steps`].
///
/// # Errors
///
/// [`Interrupted`] once `watch.stop` is set.
///
/// # Panics
///
/// For a rule without anything to search; see [`space`].
pub fn search(
    rule: &Settings,
    search: Search,
    trial: &Trial,
    watch: &Watch<'_>,
) -> Result<Found, Interrupted> {
    let space = space(rule.name()).expect("the caller asks for a rule that can be searched");
    let drawn = candidates(rule, &space, search);
    let order = stratified(trial, search.seed);
    let mut alive: Vec<usize> = (0..drawn.len()).collect();
    let mut rounds: Vec<Round> = Vec::new();
    let (mut simulated_weeks, mut simulated_jobs) = (0, 0);
    for weeks in rungs(drawn.len(), order.len(), trial.zones().len()) {
        let policies: Vec<Deployed> = alive.iter().map(|&one| drawn[one].clone().into()).collect();
        let scores = trial.judge(&policies, &order[..weeks], watch)?;
        simulated_weeks += weeks * alive.len();
        simulated_jobs +=
            scores.iter().flat_map(|week| &week.policies).map(|s| s.jobs).sum::<u64>();
        let mut tried: Vec<Tried> = alive
            .iter()
            .enumerate()
            .map(|(position, &candidate)| {
                let settings = searched(&drawn[candidate], &space);
                let (saving_percent, missed) = objective(&scores, position);
                Tried { candidate, settings, saving_percent, missed }
            })
            .collect();
        sort(&mut tried);
        alive = kept(tried.iter().map(|one| one.candidate));
        rounds.push(Round { weeks, tried });
    }
    let best = rounds.last().and_then(|round| round.tried.first()).map_or(0, |best| best.candidate);
    Ok(Found { settings: drawn[best].clone(), rounds, simulated_weeks, simulated_jobs })
}

impl Search {
    /// How often `watch.progress` is called on this trial.
    #[must_use]
    pub fn steps(&self, rule: &Settings, trial: &Trial) -> usize {
        let drawn = space(rule.name()).map_or(1, |space| candidates(rule, &space, *self).len());
        rungs(drawn, trial.weeks().len(), trial.zones().len()).iter().sum()
    }
}

/// The defaults first, then what is drawn; what was drawn before is not tried twice.
fn candidates(rule: &Settings, space: &[Parameter], search: Search) -> Vec<Settings> {
    let mut rng = seed::stream(search.seed, "search");
    let mut drawn = vec![rule.clone()];
    for _ in 1..search.candidates {
        let mut settings = tagged(rule);
        for parameter in space {
            settings.insert(parameter.name.to_owned(), draw(&parameter.range, &mut rng));
        }
        let tagged = json!({ rule.name(): settings });
        let settings = Settings::from_tagged(tagged).expect("a test draws from every space");
        if !drawn.contains(&settings) {
            drawn.push(settings);
        }
    }
    drawn
}

/// A number, flag or list of a range.
pub(crate) fn draw(range: &Range, rng: &mut impl Rng) -> Value {
    let share = uniform(rng);
    let between = |low: f64, high: f64| low + share * (high - low);
    let logarithmic = |low: f64, high: f64| libm::exp(between(libm::log(low), libm::log(high)));
    // More digits would say that they matter.
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    match *range {
        Range::Uniform(low, high) => json!(rounded(between(low, high))),
        Range::Logarithmic(low, high) => json!(rounded(logarithmic(low, high)).max(low)),
        Range::Whole(low, high) => {
            let value = logarithmic(f64::from(low), f64::from(high) + 1.0);
            json!((value as u32).clamp(low, high))
        }
        Range::OneOf(choices) => json!(choices[(share * choices.len() as f64) as usize]),
        Range::Flag => json!(share < 0.5),
        Range::HoursInARow(low, high) => {
            let count = low + (share * f64::from(high - low + 1)) as u8;
            let first = (uniform(rng) * 24.0) as u8;
            let mut hours: Vec<u8> = (0..count).map(|hour| (first + hour) % 24).collect();
            hours.sort_unstable();
            json!(hours)
        }
    }
}

/// The settings without the rule's name around them.
fn tagged(rule: &Settings) -> Map<String, Value> {
    let tagged = serde_json::to_value(rule).expect("settings have text keys and finite numbers");
    tagged[rule.name()].as_object().cloned().unwrap_or_default()
}

fn searched(settings: &Settings, space: &[Parameter]) -> Map<String, Value> {
    let mut all = tagged(settings);
    let of = |parameter: &Parameter| all.remove_entry(parameter.name);
    space.iter().filter_map(of).collect()
}

/// Positions of the weeks, in an order of which any beginning has about as many of each zone, spread
/// over the year.
fn stratified(trial: &Trial, root: u64) -> Vec<usize> {
    let mut by_zone: Vec<Vec<usize>> = vec![Vec::new(); trial.zones().len()];
    for (position, week) in trial.weeks().iter().enumerate() {
        by_zone[week.zone].push(position);
    }
    let mut rng = seed::stream(root, "weeks");
    let mut keyed: Vec<(usize, usize, usize)> = Vec::new();
    for (zone, weeks) in by_zone.iter_mut().enumerate() {
        // Fisher and Yates: each order as likely.
        for last in (1..weeks.len()).rev() {
            weeks.swap(last, (uniform(&mut rng) * (last + 1) as f64) as usize);
        }
        keyed.extend(weeks.iter().enumerate().map(|(rank, &week)| (rank, zone, week)));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, week)| week).collect()
}

/// Weeks of each round: as many rounds as leave about [`FACTOR`] candidates for the last, which has
/// all weeks; none with less than two weeks a zone.
fn rungs(candidates: usize, weeks: usize, zones: usize) -> Vec<usize> {
    let mut rungs = vec![weeks];
    let mut share = FACTOR;
    while candidates > share && weeks / share >= 2 * zones {
        rungs.push(weeks / share);
        share *= FACTOR;
    }
    rungs.reverse();
    rungs
}

/// Mean saving over zones, and the part of the jobs that missed their limit.
fn objective(scores: &[WeekScores], policy: usize) -> (f64, f64) {
    let zones = scores.iter().map(|week| week.week.zone).max().map_or(0, |last| last + 1);
    let mut sums = vec![(0.0, 0.0); zones];
    let (mut misses, mut jobs) = (0, 0);
    for week in scores {
        let score = &week.policies[policy];
        let (sum, count) = &mut sums[week.week.zone];
        *sum += score.saving_percent;
        *count += 1.0;
        misses += score.misses;
        jobs += score.jobs;
    }
    let means: Vec<f64> = sums
        .into_iter()
        .filter(|(_, count)| *count > 0.0)
        .map(|(sum, count)| sum / count)
        .collect();
    (super::statistics::mean(&means), misses as f64 / jobs.max(1) as f64)
}

/// The best first; those that miss too much after all others, the earlier candidate before its
/// equals.
fn sort(tried: &mut [Tried]) {
    let default = tried.iter().find(|one| one.candidate == 0).map_or(0.0, |one| one.missed);
    tried.sort_by(|a, b| {
        let misses = |one: &Tried| one.missed > default + TOLERATED_MISSES;
        misses(a)
            .cmp(&misses(b))
            .then(b.saving_percent.total_cmp(&a.saving_percent))
            .then(a.candidate.cmp(&b.candidate))
    });
}

/// Who of the candidates, the best first, goes on: the best third, and the first one.
pub(crate) fn kept(sorted: impl ExactSizeIterator<Item = usize>) -> Vec<usize> {
    let count = sorted.len().div_ceil(FACTOR);
    let mut alive: Vec<usize> = sorted.take(count).collect();
    if !alive.contains(&0) {
        alive.push(0);
    }
    alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_of_every_rule_is_within_the_ranges_of_its_schema() {
        let rules = searchable();
        assert!(rules.len() >= 10, "{rules:?}");
        for rule in rules {
            let defaults = Settings::by_name(rule).unwrap();
            let search = Search { candidates: 50, seed: 3 };
            let drawn = candidates(&defaults, &space(rule).unwrap(), search);
            assert_eq!(drawn[0], defaults);
            assert!(drawn.len() > 3, "{rule}");
            for settings in &drawn {
                let file = json!({
                    "version": 1, "name": "x", "kind": rule, "settings": tagged(settings),
                });
                let loaded = carbon_kube_policies::file::Loaded::parse(&file.to_string(), None);
                assert_eq!(&loaded.unwrap().settings, settings);
            }
        }
        assert_eq!(space("default-scheduler"), None);
        assert_eq!(space("no-such-rule"), None);
    }

    #[test]
    fn rounds_have_three_times_the_weeks_and_the_last_has_all() {
        assert_eq!(rungs(64, 350, 7), [38, 116, 350]);
        assert_eq!(rungs(64, 350, 2), [12, 38, 116, 350]);
        assert_eq!(rungs(27, 81, 1), [9, 27, 81]);
        assert_eq!(rungs(3, 81, 1), [81]);
        assert_eq!(rungs(64, 3, 1), [3], "two weeks a zone are the least");
    }

    #[test]
    fn the_best_third_and_the_defaults_go_on_and_who_misses_comes_last() {
        let one = |candidate, saving_percent, missed| Tried {
            candidate,
            settings: Map::new(),
            saving_percent,
            missed,
        };
        let mut tried =
            vec![one(0, 1.0, 0.0), one(1, 9.0, 0.5), one(2, 3.0, 0.0), one(3, 3.0, 0.0)];
        sort(&mut tried);
        let order: Vec<usize> = tried.iter().map(|one| one.candidate).collect();
        assert_eq!(order, [2, 3, 0, 1]);
        assert_eq!(kept(order.into_iter()), [2, 3, 0]);
    }
}
