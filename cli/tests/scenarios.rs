//! The shipped scenarios give what their comments say.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;

use support::{Workplace, root};

struct Results(BTreeMap<String, serde_json::Value>);

fn results(scenario: &str) -> Results {
    results_with(scenario, &[])
}

/// Those of a scenario whose trace is a file of the real data; `None`, with a word on standard
/// error, where there is none.
fn replayed(scenario: &str, file: &str) -> Option<Results> {
    let Some(folder) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        // Not `eprintln!`: the test runner would swallow it, as it does for tests that pass.
        let line = format!("skipped: {scenario}: CARBON_KUBE_TEST_DATA is not set\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        return None;
    };
    let file = std::path::PathBuf::from(folder).join("data/workloads").join(file);
    assert!(file.is_file(), "CARBON_KUBE_TEST_DATA is set, but {} is missing", file.display());
    let path = format!("spec.workloads[0].trace.path={}", file.display());
    Some(results_with(scenario, &["--set", &path]))
}

fn results_with(scenario: &str, options: &[&str]) -> Results {
    let path = root().join("scenarios").join(scenario);
    let path = path.to_str().unwrap();
    let workplace = Workplace::new();
    let valid = workplace.run_args(&[&["sim", "validate", path], options].concat());
    assert_eq!(valid.code, Some(0), "{}{}", valid.out, valid.err);
    assert!(!valid.out.contains("warning"), "{}", valid.out);
    let run = ["sim", "run", path, "--out", "results", "--quiet"];
    let ended = workplace.run_args(&[&run, options].concat());
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

    /// Under each policy, at most this part of the pods.
    fn misses(&self, part: f64) {
        for policy in self.0.keys() {
            let missed = self.pods(policy, "deadlineMisses") / self.pods(policy, "submitted");
            assert!(missed <= part, "{policy}: {missed}");
        }
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
    results.misses(0.02);
}

#[test]
fn extender_only() {
    let results = results("extender-only.yaml");
    results.saves(&["threshold", "percentile", "lowest-zone"], 3.0..8.0);
    results.saves(&["percentile-lowest-zone"], 5.0..12.0);
    for policy in results.0.keys() {
        assert!(results.pods(policy, "unfinished") < 0.5, "{policy}");
    }
    results.misses(0.02);
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

#[test]
fn swf_replay() {
    let log = "NASA-iPSC-1993-3.1-cln.swf.gz";
    let Some(results) = replayed("swf-replay.yaml", log) else { return };
    results.saves(&["threshold", "percentile"], 0.2..5.0);
    results.saves(&["lowest-window"], 1.0..10.0);
    results.misses(0.03);
}

#[test]
fn openb_replay() {
    let pods = "alibaba_openb_pod_list_default.csv";
    let Some(results) = replayed("openb-replay.yaml", pods) else { return };
    results.saves(&["percentile"], -1.0..1.0);
    results.saves(&["lowest-zone", "percentile-lowest-zone"], 2.0..8.0);
    results.misses(0.02);
}

#[test]
fn azure_year() {
    let Some(results) = replayed("azure-year.yaml", "gaia_azure-100k.csv.gz") else { return };
    results.saves(&["percentile"], 2.0..8.0);
    results.saves(&["lowest-zone", "percentile-lowest-zone"], 10.0..25.0);
    results.misses(0.02);
}

#[test]
fn spot_and_failures() {
    let results = results("spot-and-failures.yaml");
    results.saves(&["threshold", "percentile"], 1.0..6.0);
    results.saves(&["percentile-lowest-zone"], 3.0..10.0);
    for policy in results.0.keys() {
        assert!((150.0..400.0).contains(&results.pods(policy, "evictions")), "{policy}");
        assert!(results.pods(policy, "unfinished") < 0.5, "{policy}");
    }
}

#[test]
fn autoscaling() {
    let results = results("autoscaling.yaml");
    results.saves(&["percentile"], 0.0..5.0);
    results.saves(&["lowest-window"], 4.0..12.0);
    results.saves(&["percentile-lowest-zone"], 2.0..9.0);
    let hours = |policy: &str| results.0[policy]["nodeHours"].as_f64().unwrap();
    assert!(hours("lowest-window") < 0.95 * hours("default-scheduler"));
}

#[test]
fn gpu_training() {
    let results = results("gpu-training.yaml");
    results.saves(&["percentile"], 3.0..10.0);
    results.saves(&["lowest-zone"], 5.0..12.0);
    results.saves(&["percentile-lowest-zone"], 7.0..15.0);
    results.misses(0.02);
}

#[test]
fn edge() {
    let results = results("edge.yaml");
    results.saves(&["lowest-zone"], 1.0..4.0);
    results.saves(&["lowest-window"], -0.5..0.5);
    for policy in results.0.keys() {
        assert!(results.pods(policy, "evictions") > 700.0, "{policy}");
        assert!(results.pods(policy, "unfinished") < 0.5, "{policy}");
    }
    results.misses(0.03);
}

#[test]
fn marginal_vs_average() {
    let results = results("marginal-vs-average.yaml");
    results.saves(&["percentile"], 1.0..4.0);
    results.saves(&["lowest-window"], 2.0..5.0);
    for policy in ["percentile", "lowest-window"] {
        let saving = results.0[policy]["beside"]["savingPercent"].as_f64().unwrap();
        assert!((1.0..5.0).contains(&saving), "{policy}: {saving}");
    }
}
