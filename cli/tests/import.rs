//! `datasets import`: a cluster's objects become a scenario, a trace a table.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use support::{Workplace, root};

fn with_objects() -> Workplace {
    let workplace = Workplace::new();
    let sample = root().join("datasets/tests/samples/workload/kubernetes.json");
    std::fs::copy(sample, workplace.path().join("objects.json")).unwrap();
    workplace
}

/// What `sim validate` says of the cluster: the jobs' pods come from the table, services' do not.
const VALID: &str = "mine.yaml is valid: 1 zone, 3 nodes, 11 pods, 4 policies\n\
    trace of batch-nightly: 2 pods of 2 rows of mine.workload.csv (stored)\n\
    trace of batch-old: 3 pods of 3 rows of mine.workload.csv (stored)\n\
    trace of ml-train: 1 pods of 1 rows of mine.workload.csv (stored)\n";

#[test]
fn a_cluster_becomes_a_scenario_that_validates_and_runs() {
    let workplace = with_objects();
    let ended = workplace.run("datasets import --format kubernetes objects.json -o mine.yaml");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let file = |name: &str| std::fs::read_to_string(workplace.path().join(name)).unwrap();
    insta::assert_snapshot!("mine.yaml", file("mine.yaml"));
    insta::assert_snapshot!("mine.workload.csv", file("mine.workload.csv"));
    insta::assert_snapshot!("what_is_said_of_a_cluster", ended.err);
    let valid = workplace.run("sim validate mine.yaml");
    assert_eq!(valid.code, Some(0), "{}", valid.out);
    // Two nightly, three old, one train; two api, three web. And no warning.
    assert_eq!(valid.out, VALID);
    let ended = workplace.run("sim run mine.yaml --out results --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let summary = workplace.json("results/summary.json");
    assert_eq!(summary["runs"][0]["pods"]["completed"], 11);
}

#[test]
fn neither_file_of_a_cluster_is_written_where_one_of_them_is_there() {
    let workplace = with_objects();
    workplace.write("mine.workload.csv", "kept");
    let words = "datasets import objects.json -o mine.yaml";
    let ended = workplace.run(words);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.starts_with("error: mine.workload.csv: exists\n"), "{}", ended.err);
    assert!(!workplace.path().join("mine.yaml").exists());
    let ended = workplace.run(&format!("{words} --overwrite"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(workplace.run("sim validate mine.yaml").code, Some(0));
}

#[test]
fn the_same_object_in_two_dumps_is_one_and_the_summary_says_so() {
    let workplace = with_objects();
    std::fs::copy(workplace.path().join("objects.json"), workplace.path().join("later.json"))
        .unwrap();
    for format in ["", "--format prometheus "] {
        let words =
            format!("datasets import {format}objects.json later.json -o mine.yaml --overwrite");
        let ended = workplace.run(&words);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.err.contains("left out: older copies of an object (17)\n"), "{}", ended.err);
        let valid = workplace.run("sim validate mine.yaml");
        assert_eq!(valid.out, VALID);
    }
}

#[test]
fn nodes_without_a_place_need_one() {
    let workplace = with_objects();
    let path = workplace.path().join("objects.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("eu-central-1\"", "cellar\"")).unwrap();
    let ended = workplace.run("datasets import objects.json -o mine.yaml");
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(ended.err);
    let ended = workplace.run("datasets import objects.json -o mine.yaml --zone SE");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // Of Sweden there are no data here, and the file says so.
    let text = std::fs::read_to_string(workplace.path().join("mine.yaml")).unwrap();
    assert!(text.contains("# assumed, grid-intensity: "), "{text}");
    assert_eq!(workplace.run("sim validate mine.yaml").code, Some(0));
}

const LOG: &str = "\
; UnixStartTime: 1590969600
1 0 -1 3600 4 -1 -1 -1 -1 -1 1 1 1 1 -1 -1 -1 -1
2 60 -1 7200 2 -1 -1 8 -1 512 0 1 1 1 -1 -1 -1 -1
";

#[test]
fn a_trace_becomes_a_table_that_a_scenario_takes() {
    let workplace = Workplace::new();
    workplace.write("log.swf", LOG);
    let ended = workplace.run("datasets import log.swf -o log.csv");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    insta::assert_snapshot!(std::fs::read_to_string(workplace.path().join("log.csv")).unwrap());
    insta::assert_snapshot!(ended.err);
    let scenario = |file: &str| {
        format!(
            "apiVersion: carbon-kube.io/v1alpha1\nkind: Scenario\nmetadata: {{name: t}}\nspec:\n  \
             start: 2020-06-01T00:00:00Z\n  duration: 1d\n  grid: {{zones: [{{zone: EU-DE}}]}}\n  \
             nodePools: [{{name: n, zone: EU-DE, count: 1, instanceType: m5.8xlarge}}]\n  \
             workloads: [{{name: w, trace: {{path: {file}}}}}]\n  policies: [default-scheduler]\n"
        )
    };
    let emitted = |file: &str| {
        workplace.write("s.yaml", scenario(file));
        let ended = workplace.run("sim run s.yaml --out r --overwrite --format json --quiet");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        (json["runs"][0]["digest"].clone(), json["traces"].clone())
    };
    let (digest, traces) = emitted("log.swf");
    assert_eq!(digest, emitted("log.csv").0);
    assert_eq!(traces[0]["assumptions"][0]["name"], "memory-per-core");
}

#[test]
fn nothing_is_overwritten_and_wrong_options_say_what_is_right() {
    let workplace = with_objects();
    workplace.write("log.swf", LOG);
    workplace.write("there.csv", "kept");
    for words in [
        "datasets import log.swf -o there.csv",
        "datasets import log.swf -o log.parquet",
        "datasets import log.swf log.swf -o log.csv",
        "datasets import log.swf --format swfs -o log.csv",
        "datasets import log.swf --format columns -o log.csv",
        "datasets import log.swf --format azure-vm -o log.csv",
        "datasets import log.swf --format kubernetes -o log.yaml",
        "datasets import objects.json --format swf -o log.csv",
    ] {
        let ended = workplace.run(words);
        assert_eq!(ended.code, Some(2), "{words}");
        insta::assert_snapshot!(ended.err);
    }
    assert!(!workplace.path().join("log.csv").exists());
}
