//! The network of the policy in force, trained on: a candidate like any other, or a reason why there is none.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_core::documents::{HistoryDocument, HistorySeries, TunerResult};
use carbon_kube_policies::file::{Loaded, sha256};
use carbon_kube_policies::library;
use carbon_kube_policies::network::{Output, to_bytes};
use carbon_kube_tuner::backtest::BacktestError;
use carbon_kube_tuner::candidates::{Candidate, Files};
use carbon_kube_tuner::config::Config;
use carbon_kube_tuner::fine_tune::{self, NotTuned};
use carbon_kube_tuner::history::{self, Past};
use carbon_kube_tuner::judge::{InForce, judge};
use support::{config, end, inputs, policy, sunny, sunny_days};

/// A network that learns for a second, and nothing beside it.
const FEW: &str = "{forecast: seasonal, candidates: {rules: [], percentiles: [], \
                   fineTune: {steps: 200, learningRate: 0.001}}}";

/// 7 days are held out, and 16 before them are needed.
const DAYS: i64 = 25;

fn sac_v1() -> Files {
    let shipped = library::find("sac-v1").unwrap();
    Files::parse(shipped.yaml.to_owned(), shipped.actor.map(<[u8]>::to_vec), None).unwrap()
}

/// `sac-v1` with other weights in its last layer, and this output.
fn changed(
    output: Output,
    layer: impl FnOnce(Vec<f32>, Vec<f32>) -> (Vec<f32>, Vec<f32>),
) -> Files {
    let files = sac_v1();
    let network = &files.loaded.tuner.as_ref().unwrap().network;
    let mut layers = network.layers();
    let (weights, bias) = layers.pop().unwrap();
    layers.push(layer(weights, bias));
    let actor = to_bytes(network.inputs(), &layers).unwrap();
    let sums = [("tanh", "argmax"), (sha256(&files.actor.unwrap()).as_str(), &sha256(&actor))]
        .map(|(old, new)| (old.to_owned(), new.to_owned()));
    let keep = usize::from(output == Output::Tanh);
    let yaml = sums.iter().skip(keep).fold(files.yaml, |yaml, (old, new)| yaml.replace(old, new));
    Files::parse(yaml, Some(actor), None).unwrap()
}

fn past(series: Vec<HistorySeries>, config: &Config) -> Past {
    let series = history::series(&HistoryDocument::new(series)).unwrap();
    history::past(&series, None, &config.history, &config.split, end()).unwrap()
}

fn tuned(
    in_force: Option<&Loaded>,
    past: &Past,
    config: &Config,
    stop: bool,
) -> Result<Result<Candidate, NotTuned>, BacktestError> {
    let settings = config.candidates.fine_tune.unwrap();
    fine_tune::candidate(&settings, in_force, past, config, Some("00"), &AtomicBool::new(stop))
}

#[test]
fn a_network_in_force_is_trained_on_and_judged_beside_it() {
    let in_force = InForce::Policy(Box::new(sac_v1()));
    let inputs = inputs(vec![sunny_days("US-CA", DAYS), sunny_days("EU-DE", DAYS)], in_force);
    let judgement = judge(&inputs, &config(FEW), &AtomicBool::new(false)).unwrap();
    let status = &judgement.status;
    let names: Vec<&str> = status.policies.iter().map(|one| one.policy.as_str()).collect();
    assert_eq!(names, ["in-force", "default-scheduler", "sac-v1-tuned"]);
    let [own, _, tuned] = &status.policies[..] else { panic!("{names:?}") };
    assert!(tuned.better_ratio.is_some());
    assert_ne!(tuned.grams.to_bits(), own.grams.to_bits(), "it has learned something");
    assert!(!status.reason.contains("no network was trained on"), "{}", status.reason);
}

#[test]
fn one_seed_gives_one_policy_that_says_where_it_comes_from() {
    let base = sac_v1();
    let of = |text: &str, series: HistorySeries| {
        let config = config(text);
        let past = past(vec![series], &config);
        tuned(Some(&base.loaded), &past, &config, false).unwrap().unwrap()
    };
    let first = of(FEW, sunny_days("US-CA", DAYS));
    let again = of(&FEW.replacen('{', "{threads: 1, ", 1), sunny_days("US-CA", DAYS));
    assert_eq!(first, again);
    let other = of(&FEW.replacen('{', "{seed: 2, ", 1), sunny_days("US-CA", DAYS));
    assert_ne!(first.files.actor, other.files.actor);
    assert_ne!(first.files.actor, base.actor);
    // What happened on the held-out days changes nothing.
    let mut later = sunny_days("US-CA", DAYS);
    let held_out = later.values.len() - 7 * 24;
    later.values[held_out..].iter_mut().flatten().for_each(|value| *value = 450.0 - *value / 2.0);
    assert_eq!(first, of(FEW, later));

    assert_eq!(first.name, "sac-v1-tuned");
    let (file, before) = (&first.files.loaded.file, &base.loaded.file);
    assert_eq!((file.name.as_str(), file.bounds), ("sac-v1-tuned", before.bounds));
    assert_eq!(file.fallback, before.fallback);
    let (card, of_before) = (file.tuner.clone().unwrap(), before.tuner.clone().unwrap());
    assert_eq!((card.base, card.observation), (of_before.base, of_before.observation));
    let provenance = &file.provenance;
    assert_eq!(provenance.datasets["policy/sac-v1"], base.loaded.sha256);
    assert_eq!(provenance.datasets["history.json"], "00");
    assert_eq!(provenance.seeds, [1]);
    let said = format!(
        "Trained on from sac-v1 ({}) by carbon-kube-tuner: 200 steps on {} to {} of US-CA.",
        base.loaded.sha256,
        end() - Span::DAY * DAYS,
        end() - Span::DAY * 7,
    );
    assert_eq!(provenance.description, said);
}

#[test]
fn where_it_can_not_be_done_the_others_are_judged_and_the_reason_is_said() {
    let check = |in_force: InForce, series: HistorySeries, reason: &str| {
        let text = FEW.replace("rules: []", "rules: [percentile]");
        let inputs = inputs(vec![series], in_force);
        let judgement = judge(&inputs, &config(&text), &AtomicBool::new(false)).unwrap();
        let status = judgement.status;
        assert_ne!(status.result, TunerResult::NotJudged);
        let said = format!("; no network was trained on: {reason}");
        assert!(status.reason.contains(&said), "{}", status.reason);
        let names: Vec<&str> = status.policies.iter().map(|one| one.policy.as_str()).collect();
        assert_eq!(names, ["in-force", "default-scheduler", "percentile"]);
    };
    let of = |files: Files| InForce::Policy(Box::new(files));
    let long = || sunny_days("US-CA", DAYS);
    check(InForce::None, long(), "there is no policy in force");
    let none = "old is no network of soft actor-critic (`kind: tuner`, `output: tanh`)";
    check(policy("kind: plan"), long(), none);
    let twice = |numbers: Vec<f32>| [numbers.clone(), numbers].concat();
    let chooses = changed(Output::Argmax, |weights, bias| (twice(weights), twice(bias)));
    check(of(chooses), long(), &none.replace("old", "sac-v1"));
    let few =
        "7.0 days before the held-out ones are too few: 16 are needed, a week to look back on";
    check(of(sac_v1()), sunny("US-CA"), few);
    let wild = changed(Output::Tanh, |weights, bias| {
        (weights.into_iter().map(|weight| weight * 1e38).collect(), bias)
    });
    check(of(wild), long(), "training stopped at step ");
}

#[test]
fn once_it_is_told_to_stop_it_stops() {
    let config = config(FEW);
    let past = past(vec![sunny_days("US-CA", DAYS)], &config);
    let stopped = tuned(Some(&sac_v1().loaded), &past, &config, true);
    assert!(matches!(stopped, Err(BacktestError::Interrupted)), "{stopped:?}");
}
