//! Forecasts on a past that is short, broken or made up, and files that are wrong.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::forecast::{History, Outlook};
use carbon_kube_core::forecaster::{Forecaster as _, SteppedForecast};
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_policies::file::sha256;
use carbon_kube_policies::forecast::chain::{Model, Origin};
use carbon_kube_policies::forecast::file::{
    self, CorrectionCard, ForecastFile, Loaded, ModelCard, NowcastCard, Range,
};
use carbon_kube_policies::forecast::{
    Correction, Features, Forecaster, HORIZON_HOURS, Learner, Linear, Mix, Nowcast, PAST_HOURS,
    PROBABILITIES, Past, Trees, Weather, nowcast, tensors,
};
use carbon_kube_policies::network::Network;
use proptest::prelude::*;

/// A model that says what its inputs say: each has a weight of a little, so that anything that can
/// reach a forecast does.
fn model(features: Features, level: Option<f32>) -> Model {
    let weights = vec![1.0 / features.count() as f32; HORIZON_HOURS * features.count()];
    let errors = [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2].repeat(HORIZON_HOURS);
    let constants = vec![0.1; HORIZON_HOURS];
    Model::of(Linear::new(features, weights, constants, errors).unwrap(), level)
}

fn zone() -> Zone {
    "US-CA".parse().unwrap()
}

fn forecaster() -> Forecaster {
    let own =
        vec![model(Features::ZONE_WITH_WEATHER, Some(200.0)), model(Features::ZONE, Some(200.0))];
    Forecaster {
        zones: BTreeMap::from([(zone(), own)]),
        general: Some(model(Features::GENERAL, None)),
        ..Forecaster::default()
    }
}

/// 1 March 2021, 00:00 UTC.
fn now() -> Time {
    "2021-03-01".parse().unwrap()
}

fn weather(from_days: i64, hours: usize) -> Arc<Weather> {
    let hour = [Some(6.0), Some(10.0), Some(200.0)];
    Arc::new(Weather::new(now() - Span::DAY * from_days, vec![hour; hours]))
}

/// A day that repeats, of so many hours of past.
fn past(hours: usize) -> Vec<Option<f64>> {
    (0..hours).map(|hour| Some(200.0 + 50.0 * (hour as f64 * 0.26).sin())).collect()
}

fn origins(forecaster: &Forecaster, past: Vec<Option<f64>>) -> Option<(Origin, Origin)> {
    let forecast = forecaster.forecast(&zone(), &Past::new(now(), past))?;
    for hour in &forecast.hours {
        let ordered = hour.quantiles.windows(2).all(|pair| pair[0] <= pair[1]);
        assert!(hour.value.is_finite() && hour.value >= 0.0 && ordered, "{hour:?}");
    }
    assert_eq!(forecast.hours.len(), HORIZON_HOURS + 1);
    Some((forecast.hours[1].origin, forecast.weakest()))
}

#[test]
fn each_hour_is_by_the_best_model_that_has_what_it_needs_and_says_which() {
    let mut forecaster = forecaster();
    let full = || past(PAST_HOURS);
    assert_eq!(origins(&forecaster, full()), Some((Origin::Zone, Origin::Zone)));
    forecaster.weather.insert(zone(), weather(8, 24 * 13));
    let best = Origin::ZoneWithWeather;
    assert_eq!(origins(&forecaster, full()), Some((best, best)));
    // The weather forecast ends after two days; the rest is by the model without.
    forecaster.weather.insert(zone(), weather(8, 24 * 10));
    assert_eq!(origins(&forecaster, full()), Some((best, Origin::Zone)));
    // Two days of history are enough for the general model.
    assert_eq!(origins(&forecaster, past(48)), Some((Origin::General, Origin::General)));
    let typical = Origin::TypicalHour;
    assert_eq!(origins(&forecaster, past(47)), Some((typical, typical)));
    assert_eq!(origins(&forecaster, past(1)), Some((typical, typical)));
    assert_eq!(origins(&forecaster, vec![]), None);
    assert_eq!(origins(&forecaster, vec![None; 300]), None);
}

#[test]
fn a_broken_past_makes_a_weaker_forecast_and_never_a_wrong_one() {
    let forecaster = forecaster();
    let broken = |change: &dyn Fn(&mut [Option<f64>])| {
        let mut hours = past(PAST_HOURS);
        change(&mut hours);
        origins(&forecaster, hours).unwrap().1
    };
    assert_eq!(broken(&|hours| hours[PAST_HOURS - 9..PAST_HOURS - 3].fill(None)), Origin::Zone);
    assert_eq!(broken(&|hours| hours[PAST_HOURS - 100] = Some(5_000.0)), Origin::Zone, "a spike");
    let long_gap = broken(&|hours| hours[100..140].fill(None));
    assert_eq!(long_gap, Origin::General, "the last two days are whole");
    let stuck = broken(&|hours| hours[PAST_HOURS - 20..].fill(Some(200.0)));
    assert_eq!(stuck, Origin::TypicalHour);
    let absurd = broken(&|hours| hours[PAST_HOURS - 1] = Some(f64::NAN));
    assert_eq!(absurd, Origin::TypicalHour, "the present is not known");
}

#[test]
fn a_mix_after_now_is_not_looked_at() {
    let with_mix = Features { mix: true, ..Features::ZONE };
    let mix = |after: f64| {
        let hour = |hour: i64| {
            let wind = if hour <= 14 * 24 { 40.0 + (hour % 24) as f64 } else { after };
            Some(std::array::from_fn(|fuel| if fuel == 6 { wind } else { 10.0 }))
        };
        Arc::new(Mix::new(now() - Span::DAY * 14, (0..18 * 24).map(hour)))
    };
    let forecast = |after: f64| {
        let mut forecaster = forecaster();
        forecaster.zones.insert(zone(), vec![model(with_mix, Some(200.0))]);
        forecaster.mix.insert(zone(), mix(after));
        forecaster.forecast(&zone(), &Past::new(now(), past(PAST_HOURS))).unwrap()
    };
    assert_eq!(forecast(1.0), forecast(9_000.0));
    assert_eq!(forecast(1.0).weakest(), Origin::ZoneWithMix);
}

fn series(step: Span, values: Vec<f64>) -> IntensitySeries {
    let label = Label {
        zone: zone(),
        area: "test".into(),
        signal: Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let values = values.into_iter().map(|value| Some(value).filter(|value| value.is_finite()));
    IntensitySeries::new(label, now(), step, values).unwrap()
}

#[test]
fn an_hourly_and_a_5_minute_trace_of_the_same_hours_give_the_same_forecast() {
    let hours: Vec<f64> = past(PAST_HOURS + 24).into_iter().flatten().collect();
    let fine = hours.iter().flat_map(|&value| [value; 12]).collect();
    let at = now() + Span::HOUR * (PAST_HOURS as i64 + 3);
    let issue =
        |series: &IntensitySeries| forecaster().issue(&zone(), &History::new(series, at)).unwrap();
    let (coarse, fine) = (series(Span::HOUR, hours), series(Span::MINUTE * 5, fine));
    assert_eq!(issue(&coarse), issue(&fine));
}

#[test]
fn a_nowcast_is_told_the_hour_of_its_target_also_in_the_hour_in_progress() {
    let values = vec![200.0; (PAST_HOURS + 5) * 12];
    let series = series(Span::MINUTE * 5, values);
    let at = now() + Span::HOUR * PAST_HOURS as i64 + Span::MINUTE * 25;
    let past = History::new(&series, at);
    let mut hourly =
        forecaster().forecast(&zone(), &Past::new(at, self::past(PAST_HOURS))).unwrap();
    for (hour, value) in hourly.hours.iter_mut().zip([200.0, 300.0, 400.0, 500.0]) {
        hour.value = value;
    }
    let around = |ahead: usize| {
        let inputs = Nowcast::inputs(Span::MINUTE * 5, 100.0, &past, &hourly, ahead).unwrap();
        [inputs[12], inputs[13], inputs[14]].map(|value| format!("{value:.3}"))
    };
    // 10:30, 11:25 and 12:25: there is nothing before the hour in progress.
    assert_eq!(around(1), ["2.000", "2.000", "3.000"]);
    assert_eq!(around(12), ["2.000", "3.000", "4.000"]);
    assert_eq!(around(24), ["3.000", "4.000", "5.000"]);
}

/// The forecaster with a nowcast, on a trace of five minutes whose value is new at each step.
fn by_5_minutes(values: Vec<f64>, at: Time) -> SteppedForecast {
    let mut forecaster = forecaster();
    forecaster.nowcasts.insert(zone(), nowcast());
    let series = series(Span::MINUTE * 5, values);
    forecaster.issue(&zone(), &History::new(&series, at)).unwrap()
}

#[test]
fn the_next_three_hours_are_told_step_by_step_and_then_hour_by_hour() {
    let mut values: Vec<f64> = past(PAST_HOURS + 5).into_iter().flatten().collect();
    values = values.iter().flat_map(|&value| [value; 12]).collect();
    let at = now() + Span::HOUR * PAST_HOURS as i64 + Span::MINUTE * 25;
    let step = |forecast: &SteppedForecast, minutes: i64| {
        let from = at + Span::MINUTE * minutes;
        12.0 * forecast.integral_hours(from, from + Span::MINUTE * 5).unwrap()
    };
    let steady = by_5_minutes(values.clone(), at);
    values[PAST_HOURS * 12 + 5] += 60.0;
    let risen = by_5_minutes(values.clone(), at);
    assert!(step(&risen, 5) > step(&steady, 5) + 1.0, "the last step counts");
    assert!(steady.end() > at + Span::DAY * 3);
    let hour = |minutes: i64| step(&risen, 60 * 5 - 25 + minutes);
    assert!((hour(0) - hour(30)).abs() < 1e-9, "one value for the whole hour");
    // Without one of the last steps there are hours only.
    values[PAST_HOURS * 12 + 2] = f64::NAN;
    let broken = by_5_minutes(values, at);
    assert!((step(&broken, 40) - step(&broken, 60)).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// No look-ahead: the future becomes garbage, and the forecast stays as it is.
    #[test]
    fn a_future_of_garbage_changes_no_forecast(
        garbage in prop::collection::vec(0.0..9_999.0f64, 200),
        known in PAST_HOURS..PAST_HOURS + 40,
    ) {
        let honest: Vec<f64> = past(PAST_HOURS + 200).into_iter().flatten().collect();
        let mut other = honest.clone();
        let future = other.len() - known - 1;
        other[known + 1..].copy_from_slice(&garbage[..future]);
        let at = now() + Span::HOUR * known as i64;
        let issue = |values| {
            let series = series(Span::HOUR, values);
            forecaster().issue(&zone(), &History::new(&series, at)).unwrap()
        };
        prop_assert_eq!(issue(honest), issue(other));
    }

    /// The same of a grid of five minutes.
    #[test]
    fn a_future_of_garbage_changes_no_nowcast(
        garbage in prop::collection::vec(0.0..9_999.0f64, 300),
        known in PAST_HOURS * 12..PAST_HOURS * 12 + 60,
    ) {
        let hours = past(PAST_HOURS + 40).into_iter().flatten();
        let honest: Vec<f64> = hours.flat_map(|value| [value; 12]).collect();
        let mut other = honest.clone();
        other[known + 1..known + 301].copy_from_slice(&garbage);
        let at = now() + Span::MINUTE * 5 * known as i64;
        prop_assert_eq!(by_5_minutes(honest, at), by_5_minutes(other, at));
    }

    /// Whatever the feed sends, a forecast is finite, not negative, and of a known origin.
    #[test]
    fn no_past_makes_a_forecast_absurd(
        hours in prop::collection::vec(
            prop_oneof![
                Just(None), Just(Some(f64::NAN)), Just(Some(0.0)), Just(Some(-3.0)),
                (0.0..1e6f64).prop_map(Some), Just(Some(f64::INFINITY)),
            ],
            0..400,
        ),
    ) {
        let _ = origins(&forecaster(), hours);
    }
}

/// Trees that ask for the line, and a nowcast of five minutes that says what its inputs say.
fn trees() -> Correction {
    let leaves = vec![-0.1, 0.0, 0.1, 0.2];
    let trees = Trees::new(2, 20, vec![0, 3], vec![1.0, 0.5], leaves).unwrap();
    Correction { learner: Learner::Trees(trees), shares: [1.0, 0.5, 0.0, 0.25] }
}

/// A network of two units that says a little of everything.
fn network() -> Correction {
    let width = Correction::width(&Features::ZONE);
    let layers = [(vec![0.01; 2 * width], vec![0.1, -0.1]), (vec![0.5, -0.25], vec![0.05])];
    let network = Network::new(width, &layers).unwrap();
    Correction { learner: Learner::Network(network), shares: [0.5; 4] }
}

fn nowcast() -> Nowcast {
    let steps = nowcast::steps(Span::MINUTE * 5);
    let errors = [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2].repeat(steps);
    let weights = vec![1.0 / nowcast::INPUTS as f32; steps * nowcast::INPUTS];
    Nowcast::new(Span::MINUTE * 5, 200.0, weights, vec![0.1; steps], errors).unwrap()
}

/// A file of the general model, one of a zone with trees, and a nowcast.
fn written() -> (ForecastFile, Vec<u8>) {
    let range = || Range { from: "2020-01-01".parse().unwrap(), to: "2021-01-01".parse().unwrap() };
    let card = |name: &str, zone: Option<Zone>, features, level_grams_per_kwh| ModelCard {
        name: name.into(),
        zone,
        features,
        level_grams_per_kwh,
        training: range(),
        validation: range(),
        validation_mae_grams_per_kwh: 20.0,
        data: vec!["test".into()],
        corrections: Vec::new(),
    };
    let models = BTreeMap::from([
        (
            "US-CA".to_owned(),
            Model { corrections: vec![trees(), network()], ..model(Features::ZONE, Some(200.0)) },
        ),
        ("general".to_owned(), model(Features::GENERAL, None)),
    ]);
    let nowcasts = BTreeMap::from([("soon".to_owned(), nowcast())]);
    let weights = tensors::write(&models, &nowcasts).unwrap();
    let of_zone = ModelCard {
        corrections: [trees(), network()].iter().map(CorrectionCard::of).collect(),
        ..card("US-CA", Some(zone()), Features::ZONE, Some(200.0))
    };
    let file = ForecastFile {
        version: 1,
        name: "test".into(),
        description: String::new(),
        horizon_hours: HORIZON_HOURS,
        probabilities: PROBABILITIES.to_vec(),
        weights_sha256: sha256(&weights),
        code_version: String::new(),
        command: String::new(),
        models: vec![of_zone, card("general", None, Features::GENERAL, None)],
        nowcasts: vec![NowcastCard {
            name: "soon".into(),
            zone: zone(),
            step_minutes: 5,
            level_grams_per_kwh: 200.0,
            training: range(),
            validation: range(),
            validation_mae_grams_per_kwh: 10.0,
        }],
    };
    (file, weights)
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let (file, weights) = written();
    let yaml = file::yaml(&file);
    let loaded = Loaded::parse(&yaml, &weights, Some(&sha256(yaml.as_bytes()))).unwrap();
    assert_eq!(loaded.file, file);
    let of_zone =
        Model { corrections: vec![trees(), network()], ..model(Features::ZONE, Some(200.0)) };
    assert_eq!(loaded.forecaster.zones[&zone()], [of_zone]);
    assert_eq!(loaded.forecaster.nowcasts[&zone()], nowcast());
    assert_eq!(loaded.forecaster.general, Some(model(Features::GENERAL, None)));
}

#[test]
fn a_wrong_file_is_refused_and_says_why() {
    let (file, weights) = written();
    let refused = |change: &dyn Fn(&mut ForecastFile)| {
        let mut file = file.clone();
        change(&mut file);
        Loaded::parse(&file::yaml(&file), &weights, None).unwrap_err().to_string()
    };
    for (problem, change) in [
        ("version 2", &(|f: &mut ForecastFile| f.version = 2) as &dyn Fn(&mut ForecastFile)),
        ("checksum", &|f| f.weights_sha256 = "0".repeat(64)),
        ("expected 96 hours", &|f| f.horizon_hours = 48),
        ("`US-CA` is there twice", &|f| f.models[1].name = "US-CA".into()),
        ("expected 9024", &|f| f.models[0].features.lags = 25),
        ("`lags` and `meanHours`", &|f| f.models[0].features.lags = 0),
        ("a level above 0", &|f| f.models[0].level_grams_per_kwh = Some(0.0)),
        ("a level above 0", &|f| f.models[0].level_grams_per_kwh = None),
        ("a level above 0", &|f| f.models[1].level_grams_per_kwh = Some(9.0)),
        ("nowhere", &|f| f.models[0].name = "nowhere".into()),
        ("shares of 0 to 1", &|f| f.models[0].corrections[0].shares[1] = 1.5),
        ("non-finite", &|f| f.models[0].corrections[0].shares[3] = f32::NAN),
        ("general.trees.inputs", &|f| {
            let corrections = f.models[0].corrections.clone();
            f.models[1].corrections = corrections;
        }),
        ("a step of 5, 6,", &|f| f.nowcasts[0].step_minutes = 7),
        ("`soon`: weights: 612", &|f| f.nowcasts[0].step_minutes = 10),
        ("`soon` is there twice", &|f| {
            let twice = f.nowcasts[0].clone();
            f.nowcasts.push(twice);
        }),
        ("`US-CA` is there twice", &|f| f.nowcasts[0].name = "US-CA".into()),
        ("at most one learner of a kind", &|f| {
            let twice = f.models[0].corrections[0].clone();
            f.models[0].corrections.push(twice);
        }),
    ] {
        let message = refused(change);
        assert!(message.contains(problem), "{problem}: {message}");
    }
    let yaml = file::yaml(&file);
    let parse = |weights: &[u8], sum: Option<&str>| {
        let mut file = file.clone();
        file.weights_sha256 = sha256(weights);
        Loaded::parse(&file::yaml(&file), weights, sum).unwrap_err().to_string()
    };
    assert!(parse(&weights[..100], None).contains("forecast.safetensors: "));
    assert!(parse(&weights, Some(&sha256(yaml.as_bytes())[..8])).contains("checksum"));
    // The first number after the header becomes NaN: it is one of `US-CA`.
    let mut nan = weights.clone();
    let header = u64::from_le_bytes(*nan.first_chunk().unwrap()) as usize;
    nan[8 + header..12 + header].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(parse(&nan, None).contains("is not finite"), "{}", parse(&nan, None));
    assert!(Loaded::parse("{", &weights, None).is_err());
}
