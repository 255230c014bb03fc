//! The shipped scenarios give what their comments say.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use support::{Workplace, root};

struct Results(BTreeMap<String, serde_json::Value>);

fn results(scenario: &str) -> Results {
    let path = root().join("scenarios").join(scenario);
    let path = path.to_str().unwrap();
    let workplace = Workplace::new();
    let valid = workplace.run_args(&["sim", "validate", path]);
    assert_eq!(valid.code, Some(0), "{}", valid.err);
    assert!(!valid.out.contains("warning"), "{}", valid.out);
    let ended = workplace.run_args(&["sim", "run", path, "--out", "results", "--quiet"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let summary = workplace.json("results/summary.json");
    let runs = summary["runs"].as_array().unwrap();
    Results(runs.iter().map(|run| (run["policy"].as_str().unwrap().into(), run.clone())).collect())
}

impl Results {
    fn saving(&self, policy: &str) -> f64 {
        self.0[policy]["savingPercent"].as_f64().unwrap()
    }

    fn pods(&self, policy: &str, what: &str) -> f64 {
        self.0[policy]["pods"][what].as_f64().unwrap()
    }

    fn saves(&self, policies: &[&str], range: std::ops::Range<f64>) {
        for policy in policies {
            let saving = self.saving(policy);
            assert!(range.contains(&saving), "{policy} saves {saving} %, not {range:?}");
        }
    }
}

#[test]
fn quickstart() {
    let results = results("quickstart.yaml");
    results.saves(&["percentile", "lowest-window"], 1.0..6.0);
    results.saves(&["threshold", "lowest-zone", "percentile-lowest-zone"], 7.0..20.0);
    for policy in results.0.keys() {
        let missed = results.pods(policy, "deadlineMisses") / results.pods(policy, "submitted");
        assert!(missed <= 0.02, "{policy}: {missed}");
    }
}

#[test]
fn extender_only() {
    let results = results("extender-only.yaml");
    results.saves(&["threshold", "percentile", "lowest-zone"], 3.0..8.0);
    results.saves(&["percentile-lowest-zone"], 5.0..12.0);
    for policy in results.0.keys() {
        assert!(results.pods(policy, "unfinished") < 0.5, "{policy}");
        let missed = results.pods(policy, "deadlineMisses") / results.pods(policy, "submitted");
        assert!(missed <= 0.02, "{policy}: {missed}");
    }
}

#[test]
fn week_four_zones() {
    let results = results("week-four-zones.yaml");
    results.saves(&["lowest-zone", "percentile-lowest-zone"], 3.0..10.0);
    results.saves(&["percentile"], 0.2..3.0);
    for policy in ["lowest-zone", "percentile-lowest-zone"] {
        assert!(results.pods(policy, "migrations") > 0.0, "{policy}");
    }
    for policy in results.0.keys() {
        assert!(results.pods(policy, "unfinished") < 0.5, "{policy}");
    }
}

#[test]
fn year_seven_zones() {
    let results = results("year-seven-zones.yaml");
    results.saves(&["percentile"], 5.0..10.0);
    results.saves(&["lowest-window"], 13.0..20.0);
}
