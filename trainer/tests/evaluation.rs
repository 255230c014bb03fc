//! The protocol on made-up zones, of which one knows what must come out.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::baselines::{DefaultScheduler, LowestWindow, Percentile};
use carbon_kube_policies::file::Bounds;
use carbon_kube_policies::network::Network;
use carbon_kube_policies::observation::ObservationSpec;
use carbon_kube_policies::tuner::Action;
use carbon_kube_policies::{Deployed, Settings, Tuner};
use carbon_kube_trainer::environment::world::{Workload, WorldConfig};
use carbon_kube_trainer::evaluation::protocol::*;
use carbon_kube_trainer::evaluation::search::{self, Search};
use carbon_kube_trainer::evaluation::table::*;

const START: Time = Time::from_millis(1_590_969_600_000);

/// So many days of a zone whose intensity is `value` of the hour.
fn zone(name: &str, days: i64, value: impl Fn(i64) -> Option<f64>) -> ZoneTest {
    let label = Label {
        zone: name.parse().unwrap(),
        area: "test".into(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let values = (0..days * 24).map(value);
    let series = Arc::new(IntensitySeries::new(label, START, Span::HOUR, values).unwrap());
    let range = (series.start(), series.end());
    ZoneTest { series, range }
}

/// 250 g/kWh +- 100 over each day.
fn sine(hour: i64) -> Option<f64> {
    Some(250.0 + 100.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin())
}

fn trial(protocol: Protocol, zones: Vec<ZoneTest>) -> Trial {
    Trial::new(protocol, zones, ForecastModel::Perfect).unwrap()
}

fn candidate(settings: impl Into<Settings>) -> Candidate {
    let settings = settings.into();
    Candidate {
        name: settings.name().to_owned(),
        runs: vec![Deployed::from(settings)],
        training: None,
    }
}

fn watched<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    let stop = AtomicBool::new(false);
    work(&Watch { stop: &stop, progress: &|| {} })
}

fn table(trial: &Trial, candidates: &[Candidate]) -> Evaluation {
    watched(|watch| evaluate(trial, candidates, None, watch)).unwrap()
}

fn row<'a>(evaluation: &'a Evaluation, policy: &str) -> &'a Row {
    evaluation.signals[0].overall.iter().find(|row| row.policy == policy).unwrap()
}

#[test]
fn on_a_daily_sine_percentile_saves_something_and_the_bound_more() {
    let trial = trial(Protocol::default(), vec![zone("EU-DE", 31, sine)]);
    let candidates = [
        candidate(DefaultScheduler::default()),
        candidate(Percentile::default()),
        candidate(LowestWindow::default()),
    ];
    let evaluation = table(&trial, &candidates);
    let saving = |policy: &str| row(&evaluation, policy).saving_percent.value;
    assert!(saving("default-scheduler").abs() < 1e-9);
    assert!(saving("percentile") > 3.0, "{}", saving("percentile"));
    // A window of the whole trace is known: it beats a threshold, and the bound may pause as well.
    assert!(saving("lowest-window") > saving("percentile"));
    assert!(saving("bound") > saving("lowest-window"));
    let verdict = &evaluation.signals[0].verdict;
    assert_eq!(verdict.rival.as_deref(), Some("lowest-window"));
    assert_eq!(verdict.default.as_deref(), Some("lowest-window"));
    for row in &evaluation.signals[0].overall {
        assert_eq!((row.misses, row.undone), (0, 0), "{}", row.policy);
    }
    let delay = row(&evaluation, "percentile").delay_mean_hours.unwrap();
    assert!(delay > 1.0 && delay < 14.0, "{delay}: the limits are 6, 12 and 24 hours");
    let reference = row(&evaluation, "default-scheduler");
    assert!(reference.delay_p95_hours.unwrap() < 0.01, "there is room for all");
}

#[test]
fn a_perfect_window_is_the_bound_where_nothing_is_paused_and_starts_are_dense() {
    let workload = Workload { interruptible: 0.0, ..Workload::default() };
    let world = WorldConfig { workload, ..WorldConfig::default() };
    let trial = trial(Protocol { world, ..Protocol::default() }, vec![zone("EU-DE", 31, sine)]);
    let dense = LowestWindow { slot_minutes: 5, ..LowestWindow::default() };
    let share = row(&table(&trial, &[candidate(dense)]), "lowest-window").share_percent.unwrap();
    assert!((99.0..=100.0).contains(&share), "{share}");
}

#[test]
fn a_flat_grid_gives_nothing_to_anybody() {
    let trial = trial(Protocol::default(), vec![zone("EU-FR", 31, |_| Some(50.0))]);
    let evaluation = table(&trial, &[candidate(Percentile::default())]);
    let row = row(&evaluation, "percentile");
    assert!(row.saving_percent.value.abs() < 1.5, "only a repeated checkpoint can cost");
    assert_eq!(row.share_percent, None);
}

#[test]
fn the_table_is_the_same_on_any_number_of_threads() {
    let zones = || vec![zone("EU-DE", 31, sine), zone("EU-FR", 24, |h| sine(h * 3))];
    let trial = trial(Protocol { draws: 2, ..Protocol::default() }, zones());
    let candidates = [candidate(Percentile::default()), candidate(LowestWindow::default())];
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&table(&trial, &candidates)).unwrap())
    };
    assert_eq!(on(1), on(2));
    let rule = Settings::from(Percentile::default());
    let search = Search { candidates: 9, seed: 5 };
    let found = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| watched(|watch| search::search(&rule, search, &trial, watch))).unwrap()
    };
    let one = found(1);
    assert_eq!(one, found(2));
    assert_ne!(
        one,
        watched(|watch| { search::search(&rule, Search { seed: 6, ..search }, &trial, watch) })
            .unwrap()
    );
    // What is found is not worse than the defaults, on all weeks.
    let last = one.rounds.last().unwrap();
    let default = last.tried.iter().find(|tried| tried.candidate == 0).unwrap();
    assert!(last.tried[0].saving_percent >= default.saving_percent);
    let judged = Deployed::from(one.settings.clone());
    let found = Candidate { name: "found".into(), runs: vec![judged], training: None };
    let again = row(&table(&trial, &[found]), "found").saving_percent.value;
    assert!((again - last.tried[0].saving_percent).abs() < 1e-9, "both judge by the same code");
}

#[test]
fn a_zone_or_a_policy_more_changes_nobody_elses_number() {
    let alone = trial(Protocol::default(), vec![zone("EU-FR", 24, sine)]);
    let both = trial(Protocol::default(), vec![zone("EU-DE", 24, sine), zone("EU-FR", 24, sine)]);
    let percentile = candidate(Percentile::default());
    let first = table(&alone, std::slice::from_ref(&percentile));
    let second = table(&both, &[candidate(LowestWindow::default()), percentile]);
    let of = |evaluation: &Evaluation| {
        let rows = &evaluation.signals[0].zones.last().unwrap().rows;
        let row = rows.iter().find(|row| row.policy == "percentile").unwrap();
        (row.saving_percent, row.delay_mean_hours, row.jobs)
    };
    assert_eq!(of(&first), of(&second));
}

#[test]
fn weeks_begin_after_a_week_of_past_and_those_with_a_gap_are_left_out() {
    // 31 days: a week of past, then 7 days and the two in which its last job can end: 8 to 16, 15 to
    // 23, 22 to 30.
    let weeks = trial(Protocol::default(), vec![zone("EU-DE", 31, sine)]);
    let starts: Vec<i64> =
        weeks.weeks().iter().map(|week| (week.start - START).millis() / 86_400_000).collect();
    assert_eq!(starts, [7, 14, 21]);
    // An hour of the 21st day is the end of the second week, and the past of the third.
    let holed = zone("EU-DE", 31, |h| sine(h).filter(|_| h != 20 * 24));
    let holed = trial(Protocol::default(), vec![holed]);
    assert_eq!((holed.weeks().len(), holed.left_out()), (1, &[2][..]));
}

#[test]
fn what_can_not_be_judged_is_an_error_that_says_why() {
    let new = |zones| Trial::new(Protocol::default(), zones, ForecastModel::Perfect).unwrap_err();
    let error = new(vec![zone("EU-DE", 15, sine)]).to_string();
    assert!(error.contains("zone `EU-DE`: no week from 2020-06-01T00:00:00Z"), "{error}");
    let error = new(vec![zone("EU-DE", 31, sine), zone("EU-DE", 31, sine)]).to_string();
    assert_eq!(error, "zone `EU-DE` is there twice");
    let trial = trial(Protocol::default(), vec![zone("EU-DE", 31, sine)]);
    let candidates = [candidate(Percentile::default())];
    let nobody = watched(|watch| evaluate(&trial, &candidates, Some("nobody"), watch));
    assert_eq!(nobody, Err(EvaluationError::NoRival("nobody".into())));
    let stop = AtomicBool::new(true);
    let watch = Watch { stop: &stop, progress: &|| {} };
    let stopped = evaluate(&trial, &candidates, None, &watch);
    assert_eq!(stopped, Err(EvaluationError::Interrupted(Interrupted)));
}

#[test]
fn signals_are_never_added_up() {
    let marginal = |zone: ZoneTest| {
        let series = &zone.series;
        let label = Label { signal: Signal::Marginal, ..series.label().clone() };
        let values = series.steps().map(|(_, value)| value.map(|value| value.get()));
        let series = IntensitySeries::new(label, START, Span::HOUR, values).unwrap();
        ZoneTest { series: Arc::new(series), ..zone }
    };
    let zones = vec![zone("EU-DE", 24, sine), marginal(zone("US-CA", 24, sine))];
    let trial = trial(Protocol::default(), zones);
    let evaluation = table(&trial, &[candidate(Percentile::default())]);
    let names: Vec<&str> = evaluation.signals.iter().map(|table| &*table.signal).collect();
    assert_eq!(names, ["average, direct, factors: local", "marginal, direct, factors: local"]);
    assert!(evaluation.signals.iter().all(|table| table.zones.len() == 1));
}

/// A tuner over `percentile` that always answers the same.
fn constant_tuner(base: Percentile, answer: f32) -> Deployed {
    let observation = ObservationSpec::default();
    let inputs = observation.len();
    let tuner = Tuner {
        observation,
        network: Network::new(inputs, &[(vec![0.0; inputs], vec![answer])]).unwrap(),
        action: Action::default(),
        control_interval: Span::HOUR,
    };
    Deployed { rule: base.into(), bounds: Bounds::default(), tuner: Some(Arc::new(tuner)) }
}

#[test]
fn all_runs_of_a_training_count_and_the_verdict_is_on_all_of_them() {
    let trial = trial(Protocol::default(), vec![zone("EU-DE", 45, sine)]);
    // One run shifts nothing; the other waits for what never comes, and starts at the limit.
    let good = constant_tuner(Percentile::default(), 0.0);
    let bad = constant_tuner(Percentile::default(), -9.0);
    let tuner = Candidate {
        name: "tuner".into(),
        runs: vec![good, bad],
        training: Some(Training { cpu_seconds: Some(9.0), grams: None }),
    };
    let evaluation = table(&trial, &[candidate(Percentile::default()), tuner]);
    let row_of = row(&evaluation, "tuner");
    assert_eq!((row_of.runs, row_of.kind), (2, Kind::Tuner));
    let rule = row(&evaluation, "percentile").saving_percent.value;
    assert!(row_of.saving_percent.value < rule);
    // One run is the rule itself: a tie in each week.
    let wins = row_of.probability_of_improvement.unwrap();
    assert!(wins.value <= 0.5 && wins.value >= 0.25, "{wins:?}");
    let verdict = &evaluation.signals[0].verdict;
    assert_eq!(verdict.default.as_deref(), Some("percentile"));
    assert_eq!(verdict.tuners.len(), 1);
    assert_ne!(verdict.tuners[0].1, Comparison::Better);
}
