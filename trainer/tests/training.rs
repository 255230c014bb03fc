//! Training on made-up zones whose rule is known.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::baselines::Plan;
use carbon_kube_policies::forecast::Features;
use carbon_kube_policies::forecast::chain::Origin;
use carbon_kube_trainer::forecast::fit::{self, Split};
use carbon_kube_trainer::forecast::{
    Issues, Learners, TrainError, ZoneHours, accuracy, issues, noise, nowcast, planning,
};
use rand::RngExt;

fn start() -> Time {
    "2020-01-01".parse().unwrap()
}

/// A day that repeats, 200 +- 80 g/kWh, with noise of up to `noise` g that nobody can foresee.
fn zone(name: &str, days: i64, noise: f64) -> ZoneHours {
    let mut stream = carbon_kube_core::seed::stream(7, name);
    let hour = |hour: i64| {
        let day = 80.0 * (hour as f64 * std::f64::consts::TAU / 24.0).sin();
        Some(200.0 + day + stream.random_range(-noise..=noise))
    };
    ZoneHours {
        zone: name.parse().unwrap(),
        start: start(),
        values: (0..days * 24).map(hour).collect(),
        weather: None,
        mix: None,
        source: "made up".into(),
    }
}

fn split(zone: &ZoneHours, until: Time) -> Split<'_> {
    Split { zone, training: (zone.start, until), validation: None }
}

#[test]
fn a_day_that_repeats_is_learned_and_planned_for() {
    let zone = zone("US-CA", 300, 5.0);
    let until = start() + Span::DAY * 240;
    let fitted = fit::zone(&split(&zone, until), Features::ZONE, Learners::default()).unwrap();
    let issues = Issues::of(&issues::alone(&zone, fitted.model), &zone, until, zone.end());
    for day in accuracy::by_day(&issues) {
        // The noise is uniform: its mean absolute value is 2.5 g.
        assert!((2.0..3.2).contains(&day.mae_grams_per_kwh), "{day:?}");
        assert!((74.0..86.0).contains(&day.coverage80_percent), "{day:?}");
    }
    let jobs = planning::jobs(1, 200, until, zone.end() - Span::DAY * 2);
    let outlooks = planning::outlooks(&issues, Span::ZERO);
    let saving = planning::saving(&Plan::default(), &zone, &outlooks, &jobs).unwrap();
    assert!(saving.share_percent > 93.0, "{saving:?}");
    let noise = noise::fit(&issues).unwrap();
    // 5 / sqrt(3) = 2.9 g of 200.
    assert!((0.012..0.018).contains(&noise.error), "{noise:?}");
}

#[test]
fn the_general_model_serves_a_zone_that_it_has_never_seen() {
    let (one, other) = (zone("US-CA", 200, 5.0), zone("US-TX", 200, 5.0));
    let until = start() + Span::DAY * 200;
    let fitted = fit::general(&[split(&one, until), split(&other, until)]).unwrap();
    let mut third = zone("US-NE", 60, 5.0);
    // Half the level: the model is told everything in parts of it.
    third.values.iter_mut().flatten().for_each(|value| *value /= 2.0);
    let from = start() + Span::DAY * 3;
    let forecaster = carbon_kube_policies::forecast::Forecaster {
        general: Some(fitted.model),
        ..Default::default()
    };
    let issues = Issues::of(&forecaster, &third, from, third.end());
    assert!(issues.forecasts.iter().all(|(_, forecast)| forecast.weakest() == Origin::General));
    assert!(accuracy::by_day(&issues)[0].mae_grams_per_kwh < 3.0);
}

#[test]
fn what_is_refitted_never_sees_what_comes_later() {
    let honest = zone("US-CA", 200, 20.0);
    let (from, middle) = (start() + Span::DAY * 150, start() + Span::DAY * 175);
    let mut garbage = honest.clone();
    for at in honest.hours(middle + Span::HOUR, honest.end()) {
        garbage.values[((at - start()).millis() / Span::HOUR.millis()) as usize] = Some(9_000.0);
    }
    let issued = |zone: &ZoneHours| {
        let fitted = fit::zone(&split(zone, from), Features::ZONE, Learners::default()).unwrap();
        let issues =
            Issues::refitted(&fitted, zone, from, middle + Span::HOUR, Span::DAY * 7).unwrap();
        issues.forecasts
    };
    assert_eq!(issued(&honest), issued(&garbage));
}

#[test]
fn too_little_is_said_to_be_too_little() {
    let short = zone("US-CA", 80, 5.0);
    let error =
        fit::zone(&split(&short, short.end()), Features::ZONE, Learners::default()).unwrap_err();
    assert!(matches!(error, TrainError::TooFew { ahead: 1, .. }), "{error}");
    let mut clean = zone("US-CA", 200, 5.0);
    clean.values.fill(Some(0.0));
    let error =
        fit::zone(&split(&clean, clean.end()), Features::ZONE, Learners::default()).unwrap_err();
    assert!(matches!(error, TrainError::NoLevel { .. }), "{error}");
}

#[test]
fn trees_learn_what_no_line_can_and_are_not_believed_where_they_know_nothing() {
    // Tomorrow is a tent over today: 1 - |2 x - 1|, which no line is anything like.
    let mut tent = zone("US-CA", 300, 5.0);
    let mut today: Vec<f64> = (0..24).map(|hour| 0.1 + 0.031 * f64::from(hour)).collect();
    for (at, value) in tent.values.iter_mut().enumerate() {
        let x = &mut today[at % 24];
        // A tent in binary numbers runs out of digits: a little less steep, it does not.
        *x = 0.999 * (1.0 - (2.0 * *x - 1.0).abs());
        *value = Some(100.0 + 200.0 * *x);
    }
    let until = start() + Span::DAY * 240;
    let first_day = |zone: &ZoneHours, learners: Learners| {
        let fitted = fit::zone(&split(zone, until), Features::ZONE, learners).unwrap();
        let shares = fitted.model.corrections.first().map(|one| one.shares);
        let issues = Issues::of(&issues::alone(zone, fitted.model), zone, until, zone.end());
        (accuracy::by_day(&issues)[0].mae_grams_per_kwh, shares)
    };
    let trees = Learners { trees: true, network: false };
    let (line, none) = first_day(&tent, Learners::default());
    let (with_trees, shares) = first_day(&tent, trees);
    assert_eq!(none, None);
    assert!(with_trees < 0.6 * line, "{with_trees} with trees, {line} without");
    assert!(shares.unwrap()[0] > 0.5, "{shares:?}");
    // A day that repeats, and noise: there is nothing left to learn.
    let plain = zone("US-TX", 300, 5.0);
    let (line, _) = first_day(&plain, Learners::default());
    let (with_trees, shares) = first_day(&plain, trees);
    assert!(with_trees < 1.02 * line, "{with_trees} with trees, {line} without: {shares:?}");
}

#[test]
fn a_nowcast_is_nearer_than_the_hours_and_than_the_latest_value() {
    // A day that repeats, and a deviation from it that fades within the hour.
    let mut stream = carbon_kube_core::seed::stream(7, "minutes");
    let mut deviation = 0.0;
    let value = |step: i64| {
        let day = 80.0 * (step as f64 * std::f64::consts::TAU / 288.0).sin();
        deviation = 0.9 * deviation + stream.random_range(-8.0..=8.0);
        Some(200.0 + day + deviation)
    };
    let label = Label {
        zone: "US-CA".parse().unwrap(),
        area: "test".into(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let values = (0..190 * 288).map(value);
    let series = IntensitySeries::new(label, start(), Span::MINUTE * 5, values).unwrap();
    let hours = ZoneHours::of(&series, None, None);
    let day = |day: i64| start() + Span::DAY * day;
    let fitted = fit::zone(&split(&hours, day(150)), Features::ZONE, Learners::default()).unwrap();
    let forecaster = issues::alone(&hours, fitted.model);
    let of = |until: i64, end: i64| (day(until), day(end));
    let fitted = nowcast::fit(&series, &forecaster, of(12, 120), of(120, 150)).unwrap();
    let errors = nowcast::errors(&series, &forecaster, &fitted, of(150, 190));
    assert_eq!((errors.len(), errors[0].ahead_minutes), (36, 5));
    for row in [&errors[0], &errors[5], &errors[11]] {
        assert!(row.nowcast_grams_per_kwh < row.hourly_grams_per_kwh, "{row:?}");
        assert!(row.nowcast_grams_per_kwh < row.latest_grams_per_kwh, "{row:?}");
    }
    // The noise of one step, uniform within 8 g, is 4 g off in the mean: nobody can do better.
    assert!((4.0..4.6).contains(&errors[0].nowcast_grams_per_kwh), "{:?}", errors[0]);
}
