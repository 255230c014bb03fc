//! The judgement from end to end, on histories where it is known which policy is better.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_core::documents::{HistorySeries, StatusDocument, TunerResult};
use carbon_kube_core::intensity::Signal;
use carbon_kube_tuner::candidates::{Candidate, Files};
use carbon_kube_tuner::judge::{InForce, Inputs, JudgeError, Judgement, judge};
use carbon_kube_tuner::workload::Workload;
use support::{NEVER_WAITS, config, end, flat, hours, inputs, policy, sunny};

/// A rule whose jobs may wait for the whole half day that they have.
const PERCENTILE: &str =
    "{candidates: {rules: [percentile], percentiles: []}, promotion: {mostMoreDelay: 12h}}";

fn judged(inputs: &Inputs, text: &str) -> Judgement {
    judge(inputs, &config(text), &AtomicBool::new(false)).unwrap()
}

/// The result and its reason.
fn check(inputs: &Inputs, text: &str, result: TunerResult, reason: &str) -> Judgement {
    let judgement = judged(inputs, text);
    let status = &judgement.status;
    assert_eq!(status.result, result, "{status:#?}");
    assert!(status.reason.contains(reason), "{}", status.reason);
    // Whatever is said can be read.
    let text = serde_json::to_string(status).unwrap();
    assert_eq!(&StatusDocument::parse(&text).unwrap(), status);
    judgement
}

#[test]
fn a_policy_that_waits_for_the_sun_takes_the_place_of_one_that_does_not_wait() {
    let inputs = inputs(vec![sunny("US-CA")], policy(NEVER_WAITS));
    let judgement = check(&inputs, PERCENTILE, TunerResult::Recommended, "percentile emits ");
    let status = &judgement.status;
    let saving = |name: &str| {
        let policy = status.policies.iter().find(|policy| policy.policy == name).unwrap();
        policy.saving_ratio
    };
    // Who never waits is the carbon-blind scheduler.
    assert!(saving("in-force").abs() < 1e-12 && saving("default-scheduler").abs() < 1e-12);
    assert!(saving("percentile") > 0.1, "{}", saving("percentile"));
    let named: Vec<&str> = status.policies.iter().map(|policy| policy.policy.as_str()).collect();
    assert_eq!(named, ["in-force", "default-scheduler", "percentile"]);
    let judged = status.judged.as_ref().unwrap();
    assert_eq!((judged.held_out_from, judged.to), (end() - Span::DAY * 7, end()));
    assert_eq!((judged.blocks, judged.factor_set.as_str()), (7, "lifecycle"));
    assert!(judged.jobs > 500, "{}", judged.jobs);

    // What would be put in force is the policy that was judged, within the bounds that were in force, and says where
    // it comes from.
    let files = judgement.better.unwrap();
    let again = Files::parse(files.yaml.clone(), None, Some(&files.loaded.sha256)).unwrap();
    assert_eq!(again, files);
    assert_eq!(
        (files.loaded.file.name.as_str(), files.loaded.file.kind.as_str()),
        ("percentile", "percentile")
    );
    assert_eq!(files.loaded.file.bounds.max_grams_per_kwh.to_bits(), 9_000.0f64.to_bits());
    let provenance = &files.loaded.file.provenance;
    assert!(provenance.description.contains("in the place of old ("), "{}", provenance.description);
    assert!(provenance.validation["gramsBelowPrevious"] > 0.1);
}

#[test]
fn where_the_policy_in_force_is_the_better_one_it_stays() {
    let rules = "{candidates: {rules: [{threshold: {gramsPerKwh: 900}}], percentiles: []}}";
    let inputs = inputs(vec![sunny("US-CA")], policy("kind: percentile"));
    let judgement = check(&inputs, rules, TunerResult::Kept, "threshold emits ");
    assert!(judgement.status.reason.contains("% more"), "{}", judgement.status.reason);
    assert!(judgement.better.is_none());
}

#[test]
fn on_a_grid_without_clean_hours_nothing_is_better() {
    let inputs = inputs(vec![flat("US-CA")], policy(NEVER_WAITS));
    check(&inputs, "", TunerResult::Kept, "is not more than the margin of 1.0 %");
}

#[test]
fn a_saving_that_takes_more_delay_than_is_allowed_is_none() {
    let inputs = inputs(vec![sunny("US-CA")], policy(NEVER_WAITS));
    let impatient =
        "{candidates: {rules: [percentile], percentiles: []}, promotion: {mostMoreDelay: 6m}}";
    check(&inputs, impatient, TunerResult::Kept, "h later, and may be 0.1 h");
}

#[test]
fn a_rule_is_tuned_on_the_days_before_and_judged_on_the_others() {
    let inputs = inputs(vec![sunny("US-CA")], policy(NEVER_WAITS));
    let patient = "{candidates: {rules: [], percentiles: [80, 10]}, promotion: {mostMoreDelay: 12h, mostMoreMissed: 0.01}}";
    let judgement = check(&inputs, patient, TunerResult::Recommended, "percentile-p10 emits ");
    assert_eq!(judgement.better.unwrap().loaded.file.name, "percentile-p10");
    // Where the better one makes jobs too late, the other is chosen before anything is judged.
    let own = judged(&inputs, &patient.replace("12h", "3h"));
    let names: Vec<&str> = own.status.policies.iter().map(|one| one.policy.as_str()).collect();
    assert_eq!(names, ["in-force", "default-scheduler", "percentile-p80"]);
    // With no more days before than the rules look back on, nothing is tuned.
    let few = "{candidates: {rules: [], percentiles: [10]}, split: {heldOutDays: 11, leastDaysBefore: 2}}";
    check(&inputs, few, TunerResult::Kept, "there is nothing else to try");
}

#[test]
fn the_same_inputs_give_the_same_bytes_on_any_number_of_threads() {
    let inputs = inputs(vec![sunny("US-CA"), sunny("EU-DE")], policy(NEVER_WAITS));
    let run = |threads: u32| {
        let judgement = judged(&inputs, &format!("threads: {threads}"));
        (
            serde_json::to_string(&judgement.status).unwrap(),
            judgement.better.map(|files| files.yaml),
        )
    };
    assert_eq!(run(1), run(4));
    let other = judged(&inputs, "seed: 2").status;
    assert_ne!(run(1).0, serde_json::to_string(&other).unwrap());
}

#[test]
fn without_a_policy_the_first_one_is_recommended_and_never_brought_in() {
    let inputs = inputs(vec![sunny("US-CA")], InForce::None);
    let promote = "{candidates: {rules: [percentile], percentiles: []}, promotion: {mode: promote, mostMoreDelay: 12h}}";
    let judgement =
        check(&inputs, promote, TunerResult::Recommended, "the tuner brings in no first one");
    assert!(judgement.better.is_none() && judgement.status.policy.is_none());
}

#[test]
fn a_policy_of_a_folder_is_put_in_force_byte_by_byte() {
    let yaml =
        "# Of a person.\nversion: 1\nname: theirs\nkind: percentile\nsettings: {percentile: 20}\n";
    let files = Files::parse(yaml.to_owned(), None, None).unwrap();
    let theirs = Candidate { name: "theirs".to_owned(), files };
    let own = inputs(vec![sunny("US-CA")], policy(NEVER_WAITS));
    let inputs = Inputs { others: vec![theirs], ..own };
    let rules = "{candidates: {rules: [], percentiles: []}, promotion: {mostMoreDelay: 12h, mostMoreMissed: 0.01}}";
    let judgement = check(&inputs, rules, TunerResult::Recommended, "theirs emits ");
    assert_eq!(judgement.better.unwrap().yaml, yaml);
}

#[test]
fn what_can_not_be_judged_is_said_and_changes_nothing() {
    let not = |inputs: &Inputs, reason: &str| {
        let judgement = check(inputs, "", TunerResult::NotJudged, reason);
        assert!(judgement.better.is_none() && judgement.status.policies.is_empty());
    };
    let good = || inputs(vec![sunny("US-CA")], policy("kind: percentile"));
    not(
        &Inputs { history: Err("it is no JSON".to_owned()), ..good() },
        "the history can't be read: it is no JSON",
    );
    not(&Inputs { history: Ok(Vec::new()), ..good() }, "the history has no values");
    not(
        &Inputs { in_force: InForce::Unreadable("bad".to_owned()), ..good() },
        "the policy in force can't be read: bad",
    );
    not(&Inputs { now: end() + Span::DAY * 9, ..good() }, "9d ago; at most 3d");
    let mut gap = sunny("US-CA");
    gap.values[200..210].fill(None);
    not(
        &inputs(vec![gap], policy("kind: percentile")),
        "too little history: 5.2 days without a gap",
    );
    let nothing = hours("US-CA", |_, _| 0.0);
    not(&inputs(vec![nothing], policy("kind: percentile")), "emit nothing");
}

/// A scenario of a cluster in two zones, with jobs that come every night.
const SCENARIO: &str = "apiVersion: carbon-kube.io/v1alpha1
kind: Scenario
metadata: {name: ours}
spec:
  start: 2026-03-02T00:00:00Z
  duration: 7d
  grid: {zones: [{zone: US-CA}, {zone: XX-YY, source: {constant: {gramsPerKwh: 450}}}]}
  nodePools:
    - {name: west, zone: US-CA, count: 2, instanceType: m5.8xlarge}
    - {name: east, zone: XX-YY, count: 2, instanceType: m5.8xlarge}
  workloads:
    - name: nightly
      maxDelay: 14h
      pods: [PODS]
    - name: web
      kind: Deployment
      replicas: 2
      template: {spec: {containers: [{name: c, resources: {requests: {cpu: 1, memory: 1Gi}}}]}}
";

/// Five jobs at one in each night of the week.
fn scenario() -> String {
    let night = |day: i64| {
        format!("{{arrival: {}h, duration: 1h, cpu: 2, memory: 1Gi, count: 5}}", day * 24 + 1)
    };
    SCENARIO.replace("PODS", &(0..7).map(night).collect::<Vec<_>>().join(", "))
}

#[test]
fn a_scenario_of_a_cluster_is_judged_on_its_own_zones_and_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.yaml");
    std::fs::write(&path, scenario()).unwrap();
    let workload = Workload::read(Some(&path)).unwrap();
    let of = |series: Vec<HistorySeries>| {
        let own = inputs(series, policy(NEVER_WAITS));
        Inputs { workload: workload.clone(), ..own }
    };
    let both = of(vec![sunny("US-CA"), sunny("XX-YY"), sunny("EU-DE")]);
    let patient =
        "{candidates: {rules: [percentile], percentiles: []}, promotion: {mostMoreDelay: 14h}}";
    let judgement = check(&both, patient, TunerResult::Recommended, "percentile emits ");
    let judged = judgement.status.judged.unwrap();
    assert_eq!(
        (judged.zones, judged.left_out),
        (vec!["US-CA".to_owned(), "XX-YY".to_owned()], vec!["EU-DE".to_owned()])
    );
    // Five jobs in each of seven nights; services are none.
    assert_eq!((judged.jobs, judged.workload.as_str(), judged.blocks), (35, "ours.yaml", 14));

    let missing = of(vec![sunny("US-CA")]);
    check(
        &missing,
        "",
        TunerResult::NotJudged,
        "no signal and factor set has each of US-CA, XX-YY: average, lifecycle has US-CA",
    );
    let mut marginal = sunny("XX-YY");
    marginal.scale.signal = Signal::Marginal;
    let mixed = of(vec![sunny("US-CA"), marginal]);
    check(&mixed, "", TunerResult::NotJudged, "values of two sets are never put side by side");
}

#[test]
fn a_scenario_that_is_none_is_the_configurations_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.yaml");
    let problem = Workload::read(Some(&path)).unwrap_err().to_string();
    assert!(
        problem.starts_with("workload.scenario: ") && problem.contains("ours.yaml"),
        "{problem}"
    );
    std::fs::write(&path, scenario().replace("maxDelay", "maxDely")).unwrap();
    let problem = Workload::read(Some(&path)).unwrap_err().to_string();
    assert!(problem.contains("maxDely"), "{problem}");
}

#[test]
fn once_it_is_told_to_stop_it_says_nothing() {
    let inputs = inputs(vec![sunny("US-CA")], policy(NEVER_WAITS));
    let stopped = judge(&inputs, &config(""), &AtomicBool::new(true));
    assert!(matches!(stopped, Err(JudgeError::Backtest(_))), "{stopped:?}");
}
