//! `sim run`: what it prints, what it writes, how it ends.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use support::{TINY, Workplace};

fn digests(summary: &serde_json::Value) -> Vec<String> {
    let runs = summary["runs"].as_array().unwrap();
    runs.iter().map(|run| run["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_prints_a_table_and_says_where_the_files_are() {
    let ended = Workplace::new().run("sim run tiny.yaml --out results");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.out);
}

#[test]
fn json_is_the_summary_alone_and_the_same_as_the_file() {
    let workplace = Workplace::new();
    let ended = workplace.run("sim run tiny.yaml --out results --format json");
    assert_eq!(ended.out, workplace.read("results/summary.json"));
    assert_eq!(ended.err, "results: results\n");
    let quiet = workplace.run("sim run tiny.yaml --out more --format json --quiet");
    assert_eq!(quiet.err, "");
}

#[test]
fn the_folder_holds_what_the_readme_says() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out results --events");
    assert_eq!(
        workplace.names("results"),
        [
            "delay.svg",
            "emissions.svg",
            "events.jsonl",
            "intensity-and-power.svg",
            "pods.parquet",
            "scenario.effective.yaml",
            "summary.json",
            "zones.parquet"
        ]
    );
    let events = workplace.read("results/events.jsonl");
    let ends = |policy: &str| {
        let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let of =
            |event: &serde_json::Value| event["policy"] == policy && event["event"] == "finished";
        events.lines().map(event).filter(of).count()
    };
    assert_eq!((ends("default-scheduler"), ends("percentile")), (40, 40));
}

/// `outputs.pods` and `outputs.zones` were read, documented, and had no effect.
#[test]
fn recorded_decisions_are_requests_to_the_extender_run_by_run() {
    let workplace = Workplace::new();
    let ended = workplace.run("sim run tiny.yaml --out results --record-decisions seen.jsonl");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines: Vec<serde_json::Value> =
        workplace.read("seen.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let runs: Vec<&str> = of("run").iter().filter_map(|run| run["policy"].as_str()).collect();
    assert_eq!(runs, ["default-scheduler", "percentile"]);
    // 40 pods, each placed once by either policy.
    let pods = |line: &&serde_json::Value| line["request"]["Pod"]["metadata"]["name"].is_string();
    assert!(of("filter").iter().filter(|line| pods(line)).count() >= 80);
    assert!(!workplace.names("results").iter().any(|name| name.ends_with(".part")));
    let ended = workplace.run("sim run tiny.yaml --out more --record-decisions none/seen.jsonl");
    assert_eq!(ended.code, Some(2));
    let message = "error: --record-decisions: none/seen.jsonl: its folder does not exist\n";
    assert_eq!(ended.err, message);
}

#[test]
fn what_the_scenario_leaves_out_is_not_written() {
    let workplace = Workplace::new();
    let outputs = "spec.outputs={pods: false, zones: false, charts: false}";
    workplace.run_args(&["sim", "run", "tiny.yaml", "--out", "results", "--set", outputs]);
    assert_eq!(workplace.names("results"), ["scenario.effective.yaml", "summary.json"]);
}

#[test]
fn each_pod_is_submitted_once_and_ends_once() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out results --events");
    let mut ends = std::collections::BTreeMap::new();
    for line in workplace.read("results/events.jsonl").lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let counts: &mut (u32, u32) = ends.entry((text("policy"), text("pod"))).or_default();
        match text("event").as_str() {
            "submitted" => counts.0 += 1,
            "finished" | "unfinished" => counts.1 += 1,
            _ => {}
        }
    }
    // 40 pods under each of two policies.
    assert_eq!(ends.len(), 80);
    assert!(ends.values().all(|counts| *counts == (1, 1)), "{ends:?}");
}

#[test]
fn the_accounts_in_the_summary_add_up() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out results");
    let summary = workplace.json("results/summary.json");
    for run in summary["runs"].as_array().unwrap() {
        let grams = &run["emissionsGrams"];
        let total = grams["total"].as_f64().unwrap();
        let parts = ["operational", "idle", "embodied", "transfer"];
        let sum: f64 = parts.iter().map(|part| grams[part].as_f64().unwrap()).sum();
        assert!((sum - total).abs() <= 1e-12 * total);
        let by_zone = |key: &str| -> f64 {
            run[key].as_object().unwrap().values().map(|value| value.as_f64().unwrap()).sum()
        };
        assert!((by_zone("emissionsGramsByZone") - total).abs() <= 1e-12 * total);
        let energy = run["energyKwh"].as_f64().unwrap();
        assert!((by_zone("energyKwhByZone") - energy).abs() <= 1e-12 * energy);
    }
    assert_eq!(summary["grid"][1]["provenance"], "modelled");
}

#[test]
fn threads_change_nothing_and_a_seed_changes_the_run() {
    let workplace = Workplace::new();
    let generated = TINY.replace(
        "pods: [{arrival: 1h, duration: 2h, cpu: 1, memory: 1Gi, count: 20}, {arrival: 5h, duration: 1h, cpu: 1, memory: 1Gi, count: 20}]",
        "generated: {podsPerDay: 50, duration: {median: 1h, sigma: 0.5, min: 5m, max: 4h}, shapes: [{weight: 1, cpu: 1, memory: 1Gi}]}",
    );
    workplace.write("drawn.yaml", generated);
    let run = |options: &str| {
        let ended = workplace.run(&format!("sim run drawn.yaml --format json --quiet {options}"));
        digests(&serde_json::from_str(&ended.out).unwrap())
    };
    let one = run("--jobs 1 --out a");
    assert_eq!(one, run("--jobs 2 --out b"));
    assert_ne!(one, run("--seed 9 --out c"));
    assert_eq!(run("--seed 9 --out d"), run("--set spec.seed=9 --out e"));
}

#[test]
fn the_effective_scenario_gives_the_same_run() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out first --set spec.nodePools[0].count=3");
    workplace.run("sim run first/scenario.effective.yaml --out second");
    let of = |folder: &str| digests(&workplace.json(&format!("{folder}/summary.json")));
    assert_eq!(of("first"), of("second"));
}

#[test]
fn policies_can_be_chosen_beside_the_reference() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out results --policy lowest-zone");
    let summary = workplace.json("results/summary.json");
    let runs = summary["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["default-scheduler", "lowest-zone"]);
    let ended = workplace.run("sim run tiny.yaml --out more --policy percentil");
    insta::assert_snapshot!(ended.failure());
}

#[test]
fn results_are_kept_unless_told_otherwise() {
    let workplace = Workplace::new();
    workplace.run("sim run tiny.yaml --out results");
    // The message has the whole path, which is another one each time.
    let again = workplace.run("sim run tiny.yaml --out results").failure();
    assert!(again.contains("results: the folder exists and is not empty\nhint: "), "{again}");
    assert_eq!(workplace.run("sim run tiny.yaml --out results --overwrite").code, Some(0));
    // A folder that is not ours is never replaced.
    std::fs::create_dir(workplace.path().join("thesis")).unwrap();
    workplace.write("thesis/chapter1.txt", "years of work");
    let ended = workplace.run("sim run tiny.yaml --out thesis --overwrite");
    assert_eq!(ended.code, Some(2));
    assert_eq!(workplace.names("thesis"), ["chapter1.txt"]);
}

#[test]
fn without_out_each_run_has_a_folder_of_its_own() {
    let workplace = Workplace::new();
    for _ in 0..2 {
        assert_eq!(workplace.run("sim run tiny.yaml --quiet").code, Some(0));
    }
    let names = workplace.names("runs");
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("tiny-2")));
}

/// They took the same name, and all but the first to end lost their results.
#[test]
fn runs_that_start_in_one_second_all_keep_their_results() {
    let workplace = Workplace::new();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
            .current_dir(workplace.path())
            .args(["sim", "run", "tiny.yaml", "--quiet"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..6).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let names = workplace.names("runs");
    assert_eq!(names.len(), 6, "{names:?}");
    for name in names {
        assert_eq!(workplace.json(&format!("runs/{name}/summary.json"))["complete"], true);
    }
}

#[test]
fn blanks_in_paths_are_part_of_them() {
    let workplace = Workplace::new();
    workplace.write("my week.yaml", TINY);
    let ended = workplace.run_args(&["sim", "run", "my week.yaml", "--out", "my results"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.ends_with("results: my results\n"), "{}", ended.out);
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let workplace = Workplace::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
        .current_dir(workplace.path())
        .args(["scenario", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Most of a year, with a look at the grid each minute: a policy that holds everything is asked
/// about each held pod at each look, which takes far longer than `default-scheduler`.
fn long_scenario() -> String {
    let generated = "generated: {podsPerDay: 1000, duration: {median: 10m, sigma: 0.5, min: 5m, max: 1h}, \
                     shapes: [{weight: 1, cpu: 10m, memory: 1Mi}]}\n      # ";
    TINY.replace("duration: 1d", "duration: 300d")
        .replace("start: 2020-06-01", "start: 2020-01-10")
        .replace("pods: [", &format!("{generated}pods: ["))
        .replace("  policies: [", "  scheduler: {controlInterval: 1m}\n  policies: [")
}

/// Sends Ctrl-C once the run at `position` has opened its event log.
fn interrupt_in_run(position: usize, policies: &str) -> (Workplace, std::process::Output) {
    let workplace = Workplace::new();
    workplace.write("long.yaml", long_scenario());
    let mut child = Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
        .current_dir(workplace.path())
        .args(["sim", "run", "long.yaml", "--out", "results", "--jobs", "1", "--events"])
        .args(["--set", policies])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let part = format!("events-{position}.part");
    let in_run = || {
        let hidden = workplace.names(".").into_iter().find(|name| name.starts_with(".results"));
        hidden.is_some_and(|folder| workplace.path().join(folder).join(&part).exists())
    };
    while !in_run() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before {part} was opened");
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    (workplace, child.wait_with_output().unwrap())
}

#[test]
fn ctrl_c_before_a_run_is_finished_writes_nothing() {
    let (workplace, output) = interrupt_in_run(0, "spec.policies=[{threshold: {gramsPerKwh: 0}}]");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("nothing was written"), "{err}");
    assert_eq!(workplace.names("."), ["long.yaml", "tiny.yaml"]);
}

#[test]
fn ctrl_c_keeps_the_runs_that_were_finished() {
    let policies = "spec.policies=[default-scheduler, {threshold: {gramsPerKwh: 0}}]";
    let (workplace, output) = interrupt_in_run(1, policies);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert_eq!(workplace.names("."), ["long.yaml", "results", "tiny.yaml"]);
    let summary = workplace.json("results/summary.json");
    assert_eq!(summary["complete"], false);
    assert_eq!(summary["runs"].as_array().unwrap().len(), 1);
    assert!(workplace.names("results").iter().all(|name| !name.ends_with(".part")));
}

#[cfg(feature = "bound")]
#[test]
fn the_bound_with_capacity_is_in_table_summary_and_report() {
    let workplace = Workplace::new();
    let ended = workplace.run("sim run tiny.yaml --out results --bound");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("of what all jobs could save on these nodes"), "{}", ended.out);
    let summary = workplace.json("results/summary.json");
    let number = |pointer: &str| summary.pointer(pointer).and_then(|value| value.as_f64());
    let together = number("/capacityBound/boundGrams").unwrap();
    let run = number("/runs/1/headroom/runGrams").unwrap();
    let alone = number("/runs/1/headroom/boundGrams").unwrap();
    // The same forty jobs: no schedule is below the bound, and room can only be missing.
    assert_eq!(number("/capacityBound/jobs"), number("/runs/1/headroom/jobs"));
    let little = 1e-6 * run;
    assert!(alone <= together + little && together <= run + little, "{alone} {together} {run}");
    assert_eq!(workplace.run("report results").code, Some(0));
    assert!(workplace.read("results/report.html").contains("on these nodes"));
}

#[cfg(not(feature = "bound"))]
#[test]
fn a_build_without_the_solver_keeps_the_runs_and_says_so() {
    let workplace = Workplace::new();
    let ended = workplace.run("sim run tiny.yaml --out results --bound");
    let warning = "warning: --bound: this build has no solver: build it with `--features bound`\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), warning));
    assert!(workplace.json("results/summary.json").get("capacityBound").is_none());
}
