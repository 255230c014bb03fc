//! `sim compare`: policies over seeds.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use support::{TINY, Workplace};

/// The tiny day with pods that depend on the seed.
fn drawn() -> Workplace {
    let workplace = Workplace::new();
    let generated = TINY.replace(
        "pods: [{arrival: 1h, duration: 2h, cpu: 1, memory: 1Gi, count: 20}, {arrival: 5h, duration: 1h, cpu: 1, memory: 1Gi, count: 20}]",
        "generated: {podsPerDay: 50, duration: {median: 1h, sigma: 0.5, min: 5m, max: 4h}, shapes: [{weight: 1, cpu: 1, memory: 1Gi}]}",
    );
    assert_ne!(generated, TINY);
    workplace.write("drawn.yaml", generated);
    workplace
}

#[test]
fn it_prints_means_with_intervals_and_what_cannot_be_told_apart() {
    let ended = drawn().run("sim compare drawn.yaml --seeds 6 --policies lowest-zone,percentile");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.out);
    insta::assert_snapshot!(drawn().run("sim compare --help").out);
}

#[test]
fn threads_change_nothing_and_json_is_the_file() {
    let workplace = drawn();
    let run = |options: &str| {
        workplace.run(&format!("sim compare drawn.yaml --seeds 4 --quiet --json {options}"))
    };
    let one = run("--jobs 1 --out a");
    let two = run("--jobs 2 --out b");
    assert_eq!((one.code, &one.out), (Some(0), &two.out));
    assert_eq!(workplace.read("a/comparison.json"), one.out);
    assert_eq!(workplace.names("a"), ["comparison.json", "runs.parquet"]);
    let bytes = |folder: &str| std::fs::read(workplace.path().join(folder).join("runs.parquet"));
    assert_eq!(bytes("a").unwrap(), bytes("b").unwrap());
    let json: serde_json::Value = serde_json::from_str(&one.out).unwrap();
    let count = json["seeds"].as_array().unwrap().len();
    assert_eq!((count, json["seedsMatter"].as_bool()), (4, Some(true)));
}

#[test]
fn a_scenario_in_which_seeds_change_nothing_says_so() {
    let ended = Workplace::new().run("sim compare tiny.yaml --seeds 3");
    assert!(ended.out.contains("SEEDS CHANGE NOTHING"), "{}", ended.out);
}

#[test]
fn wrong_options_say_what_is_right() {
    let workplace = Workplace::new();
    for words in [
        "sim compare tiny.yaml --seeds 0",
        "sim compare tiny.yaml --policies percentil",
        "sim compare tiny.yaml --set spec.nodePool[0].count=3",
        "sim compare none.yaml",
    ] {
        insta::assert_snapshot!(format!("{words}\n{}", workplace.run(words).failure()));
    }
}

#[test]
fn ctrl_c_keeps_the_seeds_that_are_finished() {
    let workplace = drawn();
    // A seed is done in some milliseconds: after two seconds there are many, and never all.
    let mut child = Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
        .current_dir(workplace.path())
        .args(["sim", "compare", "drawn.yaml", "--seeds", "10000", "--jobs", "1"])
        .args(["--out", "results"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(child.try_wait().unwrap(), None);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{err}");
    let comparison = workplace.json("results/comparison.json");
    let seeds = comparison["seeds"].as_array().unwrap().len();
    assert!(seeds > 0, "{err}");
    let told = format!("interrupted: {seeds} of 10000 seeds were finished and kept\n");
    assert!(err.ends_with(&told), "{err}");
    assert_eq!(comparison["complete"], false);
    assert_eq!(workplace.names("results"), ["comparison.json", "runs.parquet"]);
    assert_eq!(workplace.names("."), ["drawn.yaml", "results", "tiny.yaml"]);
}
