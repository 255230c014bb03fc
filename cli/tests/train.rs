//! `carbon-kube train`: from a file of settings to a policy, also across Ctrl-C and kill -9.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::Workplace;

/// A training of seconds.
const SETTINGS: &str = "name: small
algorithm: {sac: {hidden: [16, 16], batch: 32}}
steps: 600
seeds: 2
numEnvs: 2
validationEpisodes: 2
training: {warmUpSteps: 100, evaluateEvery: 200, checkpointEvery: 100}
environment: {episodeHours: 48}
zones: [{zone: EU-DE}]
";

fn workplace(settings: &str) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("train.yaml", settings);
    workplace
}

fn actors(workplace: &Workplace, folder: &str) -> Vec<String> {
    let summary = workplace.json(&format!("{folder}/summary.json"));
    let seeds = summary["seeds"].as_array().unwrap().iter();
    seeds.map(|seed| seed["actorSha256"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_training_gives_a_policy_that_is_verified_and_runs() {
    let workplace = workplace(SETTINGS);
    let ended = workplace.run("train train.yaml --out mine --format json -j 2");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(summary, workplace.json("mine/summary.json"));
    let names = workplace.names("mine");
    let expected = [
        "cost.json",
        "learning-curve.svg",
        "policy",
        "seed-1",
        "seed-2",
        "summary.json",
        "thresholds.svg",
        "train.yaml",
    ];
    assert_eq!(names, expected);
    let expected = ["best", "checkpoints", "metrics.csv", "metrics.jsonl", "tensorboard"];
    assert_eq!(workplace.names("mine/seed-2"), expected);
    let expected = ["SHA256SUMS", "actor.safetensors", "cost.json", "policy.yaml"];
    assert_eq!(workplace.names("mine/policy"), expected);
    let part = workplace.json("mine/policy/cost.json")["cpuSeconds"].as_f64().unwrap();
    let whole = workplace.json("mine/cost.json")["cpuSeconds"].as_f64().unwrap();
    assert!(whole > 0.0 && (part * 2.0 - whole).abs() < 1e-6, "{part} of {whole}");
    // Two checkpoints are kept, beside the weights of the best policy.
    assert_eq!(workplace.names("mine/seed-1/checkpoints").len(), 3);
    let ended = workplace.run("policy verify mine/policy mine/seed-1/best");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("answers as candle does: 10000 observations"), "{}", ended.out);
    let ended = workplace.run("sim run tiny.yaml --policy mine/policy --quiet --out run");
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    // What the policy says of itself is what the log has of its step.
    let best = summary["best"].as_u64().unwrap();
    let of_best = summary["seeds"].as_array().unwrap().iter().find(|seed| seed["seed"] == best);
    let step = of_best.unwrap()["bestAtStep"].as_u64().unwrap();
    let saving = of_best.unwrap()["savingPercent"].as_f64().unwrap();
    let log = workplace.read(&format!("mine/seed-{best}/metrics.csv"));
    assert!(log.contains(&format!("\n{step},saving_percent,{saving}\n")), "{log}");

    // Who judges again gets that very number, of every seed.
    let ended = workplace.run("evaluate --training mine --policy plan --format json");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let rows: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4, "the rule, two seeds, plan");
    assert_eq!(rows[best as usize]["savingPercent"], saving);
    assert_eq!(rows[best as usize]["loggedPercent"], saving);

    // The number of threads changes nothing.
    let ended = workplace.run("train train.yaml --out again --quiet -j 1");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(workplace.read("mine/summary.json"), workplace.read("again/summary.json"));
    assert_eq!(
        workplace.read("mine/policy/policy.yaml"),
        workplace.read("again/policy/policy.yaml")
    );
}

#[test]
fn discrete_algorithms_are_exported_too() {
    let workplace = workplace(SETTINGS);
    for algorithm in ["dqn", "a2c"] {
        let words = format!("train train.yaml --algo {algorithm} --seeds 1 --out {algorithm}");
        let ended = workplace.run(&words);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(workplace.read(&format!("{algorithm}/policy/policy.yaml")).contains("argmax"));
        let words = format!("sim run tiny.yaml --policy {algorithm}/policy --out run-{algorithm}");
        assert_eq!(workplace.run(&words).code, Some(0));
    }
}

fn spawn(workplace: &Workplace) -> Child {
    Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
        .args(["train", "train.yaml", "--out", "cut", "--quiet"])
        .current_dir(workplace.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for the first checkpoint of the first seed.
fn await_checkpoint(workplace: &Workplace) {
    let folder = workplace.path().join("cut/seed-1/checkpoints");
    let begun = Instant::now();
    let is_there = || {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("step-"))
    };
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint was written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(unix)]
fn a_training_that_was_killed_or_interrupted_ends_as_if_it_had_not_been() {
    let longer = SETTINGS.replace("steps: 600", "steps: 4000");
    let workplace = workplace(&longer);
    let ended = workplace.run("train train.yaml --out whole --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    let mut child = spawn(&workplace);
    await_checkpoint(&workplace);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!workplace.path().join("cut/policy").exists(), "it was killed too late");
    let ended = workplace.run("train --resume cut --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(actors(&workplace, "cut"), actors(&workplace, "whole"));
    let log = |folder: &str| workplace.read(&format!("{folder}/seed-1/metrics.csv"));
    assert_eq!(log("cut"), log("whole"));

    std::fs::remove_dir_all(workplace.path().join("cut")).unwrap();
    let mut child = spawn(&workplace);
    await_checkpoint(&workplace);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let ended = workplace.run("train --resume cut --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(actors(&workplace, "cut"), actors(&workplace, "whole"));
    let policy = |folder: &str| workplace.read(&format!("{folder}/policy/policy.yaml"));
    assert_eq!(policy("cut"), policy("whole"));
}

#[test]
fn what_can_not_be_trained_says_why() {
    let workplace = workplace(SETTINGS);
    let refused = |words: &str, expected: &str| {
        let ended = workplace.run(words);
        assert_eq!(ended.code, Some(2), "{words}: {}", ended.out);
        assert!(ended.err.contains(expected), "{words}: {}", ended.err);
        assert!(ended.err.contains("\nhint: "), "{words}: {}", ended.err);
    };
    refused("train none.yaml", "none.yaml: No such file");
    refused("train --resume nowhere", "--resume: nowhere: there is no training in this folder");
    refused("train train.yaml --num-envs 0 --out x", "numEnvs: expected 1 to 256");
    let with = |from: &str, to: &str| {
        assert!(SETTINGS.contains(from));
        workplace.write("other.yaml", SETTINGS.replace(from, to));
    };
    with("evaluateEvery: 200", "evaluateEvery: 900");
    refused("train other.yaml --out x", "training.evaluateEvery: expected 1 to `steps`");
    with("numEnvs", "numEnv");
    refused("train other.yaml --out x", "unknown field `numEnv`");
    with("EU-DE", "EU-XX");
    refused("train other.yaml --out x", "zone `EU-XX` has no `files`");
    with("zone: EU-DE", "zone: EU-DE, files: [none.csv]");
    refused("train other.yaml --out x", "none.csv");
    with("episodeHours: 48", "episodeHours: 8000");
    refused("train other.yaml --out x", "no range of any zone holds an episode");
    assert!(!workplace.path().join("x").exists(), "nothing is written before it is right");

    let ended = workplace.run("train train.yaml --seeds 1 --out x --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    refused("train train.yaml --out x", "x: the folder exists");
    let settings = workplace.read("x/train.yaml");
    workplace.write("x/train.yaml", settings.replace("batch: 32", "batch: 16"));
    refused("train --resume x --steps 800", "a training with other settings");
    workplace.write("x/train.yaml", settings);
    let last = "x/seed-1/checkpoints/step-000000000600/state.json";
    let state = workplace.read(last);
    workplace.write(last, state.replace("\"version\": 1", "\"version\": 9"));
    refused("train --resume x --steps 800", "a checkpoint of version 9");
}

#[test]
fn a_training_can_be_made_longer_and_describes_its_settings() {
    let workplace = workplace(SETTINGS);
    assert_eq!(workplace.run("train train.yaml --seeds 1 --out x --quiet").code, Some(0));
    let ended = workplace.run("train --resume x --steps 800 --quiet --format json");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(summary["seeds"][0]["steps"], 800);
    let ended = workplace.run("train --schema");
    let schema: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert!(schema["properties"]["validationEpisodes"]["description"].is_string());
}

#[test]
fn another_number_than_the_logged_one_is_told() {
    let workplace = workplace(SETTINGS);
    assert_eq!(workplace.run("train train.yaml --seeds 1 --out x --quiet").code, Some(0));
    let settings = workplace.read("x/train.yaml");
    workplace.write("x/train.yaml", settings.replace("jobsPerDay: 40", "jobsPerDay: 30"));
    let ended = workplace.run("evaluate --training x");
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(ended.err.contains("seed 1: the training logged another number"), "{}", ended.err);
    let ended = workplace.run("evaluate --training nowhere");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("no training in this folder"), "{}", ended.err);
}

#[test]
fn a_tuner_of_a_scenario_is_found_beside_it_and_its_silence_is_counted() {
    let workplace = workplace(SETTINGS);
    assert_eq!(workplace.run("train train.yaml --seeds 1 --out x --quiet").code, Some(0));
    let scenario = workplace.read("tiny.yaml");
    let with = scenario.replace(
        "[default-scheduler, percentile]",
        "[default-scheduler, {tuner: {file: x/policy}}]",
    );
    workplace.write("tuned.yaml", &with);
    let ended = workplace.run("sim run tuned.yaml --quiet --out run --format json");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let run = &workplace.json("run/summary.json")["runs"][1];
    assert_eq!(run["policy"], "small");
    assert!(run["tuning"]["asked"].as_u64().unwrap() > 0, "{run}");
    let effective = workplace.read("run/scenario.effective.yaml");
    assert!(effective.contains("/x/policy"), "{effective}");
    workplace.write("lost.yaml", with.replace("x/policy", "y/policy"));
    let ended = workplace.run("sim run lost.yaml --quiet --out lost");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("y/policy"), "{}", ended.err);
}

#[test]
fn settings_of_a_training_are_searched() {
    let workplace = workplace(SETTINGS);
    let ended = workplace.run("tune --training train.yaml --budget 4 --out best.yaml --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("4 trainings of 200 steps"), "{}", ended.out);
    assert!(ended.out.contains("as they were"), "{}", ended.out);
    assert_eq!(workplace.run("train best.yaml --steps 200 --seeds 1 --out y").code, Some(0));
    let ended = workplace.run("tune --training train.yaml --policy plan");
    assert_eq!(ended.code, Some(2), "one of them");
}

#[test]
fn two_policies_are_held_against_each_other_job_by_job() {
    let workplace = Workplace::new();
    let ended = workplace.run("policy diff percentile-v1 percentile-v1 --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("decide alike"), "{}", ended.out);
    let words = "policy diff percentile-v1 plan --quiet --format json --top 3 --forecast noisy";
    let ended = workplace.run(words);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let jobs = found["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    let gap = |job: &serde_json::Value| {
        (job["first"]["grams"].as_f64().unwrap() - job["second"]["grams"].as_f64().unwrap()).abs()
    };
    assert!(gap(&jobs[0]) >= gap(&jobs[2]) && gap(&jobs[2]) > 0.0);
    for zone in found["zones"].as_array().unwrap() {
        let count = |name: &str| zone[name].as_u64().unwrap();
        assert!(count("earlier") + count("later") <= count("different"));
        assert!(count("different") <= count("jobs"));
    }
}

#[test]
fn a_policy_can_be_looked_into() {
    let workplace = workplace(SETTINGS);
    assert_eq!(workplace.run("train train.yaml --seeds 1 --out x --quiet").code, Some(0));
    let ended = workplace.run("policy inspect x/policy");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("16 -> 16 -> 16 -> 1 (tanh), 561 parameters"), "{}", ended.out);
    assert!(ended.out.contains("adjustmentRange"), "{}", ended.out);
    let ended = workplace.run("policy inspect percentile-v1 --format json");
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["file"]["kind"], "percentile");
}
