//! `sim sweep`: tables, journals, shards, manifests.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;
use support::{TINY, Workplace};

const SWEEP: &str = "scenario: tiny.yaml
set:
  spec.nodePools[0].count: [2, 3]
  spec.scheduler.controlInterval: [30m, 1h]
policies: [lowest-zone]
seeds: 2
";

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("sweep.yaml", SWEEP);
    workplace
}

fn bytes(workplace: &Workplace, name: &str) -> Vec<u8> {
    fs::read(workplace.path().join(name)).unwrap()
}

#[test]
fn a_row_per_run_whatever_the_number_of_threads() {
    let workplace = workplace();
    let one = workplace.run("sim sweep sweep.yaml --jobs 1");
    assert_eq!(one.code, Some(0), "{}", one.err);
    // Two counts, two intervals, two seeds, two policies.
    assert_eq!(one.out, "sweep.parquet: 16 rows\n");
    assert_eq!(one.err, "8 combinations of 2 policies\n");
    let two = workplace.run("sim sweep sweep.yaml --jobs 2 --out two.parquet --quiet");
    assert_eq!((two.code, two.err.as_str()), (Some(0), ""));
    assert_eq!(bytes(&workplace, "sweep.parquet"), bytes(&workplace, "two.parquet"));
    insta::assert_snapshot!(workplace.run("sim sweep --help").out);
}

#[test]
fn shards_merge_to_the_table_of_the_whole() {
    let workplace = workplace();
    workplace.run("sim sweep sweep.yaml --quiet");
    for index in [1, 0, 2] {
        let ended = workplace.run(&format!("sim sweep sweep.yaml --quiet --shard {index}/3"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let parts = "sweep-2-of-3.parquet sweep-0-of-3.parquet";
    let merge = |files: &str| workplace.run(&format!("sim sweep --merge {files} -o all.parquet"));
    insta::assert_snapshot!(merge(parts).failure());
    let merged = merge(&format!("{parts} sweep-1-of-3.parquet"));
    assert_eq!((merged.code, merged.out.as_str()), (Some(0), "all.parquet: 16 rows\n"));
    assert_eq!(bytes(&workplace, "all.parquet"), bytes(&workplace, "sweep.parquet"));
    assert_eq!(
        merge(parts).failure(),
        "exit 2\nerror: all.parquet: exists\nhint: name another `--out`, or remove the file\n"
    );
}

#[test]
fn finished_runs_are_not_repeated_and_damage_is_told() {
    let workplace = workplace();
    workplace.run("sim sweep sweep.yaml --quiet");
    let whole = bytes(&workplace, "sweep.parquet");
    let again = workplace.run("sim sweep sweep.yaml");
    assert_eq!(again.err, "8 combinations of 2 policies; 8 were finished before\n");
    // A kill in the middle of a line, and a byte that flipped in another.
    let mut journal = bytes(&workplace, "sweep.parquet.journal");
    journal.truncate(journal.len() - 20);
    let second = journal.iter().position(|&byte| byte == b'\n').unwrap() + 50;
    journal[second] ^= 1;
    workplace.write("sweep.parquet.journal", journal);
    fs::remove_file(workplace.path().join("sweep.parquet")).unwrap();
    let repaired = workplace.run("sim sweep sweep.yaml");
    assert_eq!(
        repaired.err,
        "warning: sweep.parquet.journal: line 2 is damaged: its cell is done again\n\
         warning: sweep.parquet.journal: line 9 was cut off: its cell is done again\n\
         8 combinations of 2 policies; 6 were finished before\n"
    );
    assert_eq!(bytes(&workplace, "sweep.parquet"), whole);
    // Another sweep never writes into the journal of this one.
    workplace.write("sweep.yaml", SWEEP.replace("[2, 3]", "[2, 4]"));
    insta::assert_snapshot!(workplace.run("sim sweep sweep.yaml").failure());
}

#[test]
fn ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on() {
    let workplace = Workplace::new();
    workplace.write("long.yaml", TINY.replace("duration: 1d", "duration: 20d"));
    let sweep = "scenario: long.yaml\nset:\n  spec.nodePools[0].count: [2, 3]\nseeds: 20\n";
    workplace.write("sweep.yaml", sweep);
    let child = Command::new(env!("CARGO_BIN_EXE_carbon-kube"))
        .current_dir(workplace.path())
        .args(["sim", "sweep", "sweep.yaml", "--jobs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = workplace.path().join("sweep.parquet.journal");
    while fs::read(&journal).map_or(0, |bytes| bytes.iter().filter(|&&b| b == b'\n').count()) < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("of 40 combinations are kept; the same command goes on"), "{err}");
    assert!(!workplace.path().join("sweep.parquet").exists());
    let ended = workplace.run("sim sweep sweep.yaml");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("were finished before"), "{}", ended.err);
}

#[test]
fn a_combination_that_cannot_run_costs_no_other() {
    let workplace = Workplace::new();
    // Each value is right by itself: only six cores on nodes of four, in both pools, fit nowhere.
    let sweep = "scenario: tiny.yaml
set:
  spec.workloads[0].pods[0].cpu: [1, 6]
  spec.nodePools[0].allocatable.cpu: [8, 4]
  spec.nodePools[1].allocatable.cpu: [8, 4]
";
    workplace.write("sweep.yaml", sweep);
    let ended = workplace.run("sim sweep sweep.yaml");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("combination 7, spec.workloads[0].pods[0].cpu=6"), "{}", ended.err);
    assert!(ended.err.contains("error: 1 combinations could not be run"), "{}", ended.err);
    // Seven combinations of two policies.
    assert_eq!(ended.out, "sweep.parquet: 14 rows\n");
}

#[test]
fn what_is_no_sweep_is_refused_with_the_place_and_what_to_do() {
    let workplace = Workplace::new();
    for sweep in [
        "scenario: tiny.yaml\nset:\n  spec.nodePools[0].count: []\n",
        "scenario: tiny.yaml\nseeds: 0\n",
        "scenario: tiny.yaml\npolicies: []\n",
        "scenario: tiny.yaml\nseeds: 500001\n",
        "scenario: tiny.yaml\nset:\n  spec.nodePools[0].cuont: [2]\n",
        "scenario: tiny.yaml\nset:\n  spec.nodePools[0].count: [2, many]\n",
        "scenario: tiny.yaml\npolicies: [lowest-zon]\n",
        "scenario: tiny.yaml\npolices: [lowest-zone]\n",
        "scenario: none.yaml\n",
        "scenario: tiny.yaml\nset: {spec.seed: [1, 2]}\n",
        "[",
    ] {
        workplace.write("sweep.yaml", sweep);
        let ended = workplace.run("sim sweep sweep.yaml");
        insta::assert_snapshot!(format!("{sweep}{}", ended.failure()));
        assert_eq!(workplace.names("."), ["sweep.yaml", "tiny.yaml"]);
    }
}

/// Reads a manifest into Kubernetes' own type and back: a field that it does not know is lost.
fn known_to_kubernetes<T>(text: &str) -> T
where
    T: serde::de::DeserializeOwned + serde::Serialize,
{
    let before: Value = serde_saphyr::from_str(text).unwrap();
    let typed: T = serde_json::from_value(before.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), before);
    typed
}

#[test]
fn the_manifest_is_what_kubernetes_knows_and_carries_the_sweep() {
    let workplace = workplace();
    let ended = workplace
        .run("sim sweep sweep.yaml --kubernetes --shards 4 --image ghcr.io/example/carbon-kube:1");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let (map, job) = ended.out.split_once("---\n").unwrap();
    let map: ConfigMap = known_to_kubernetes(map);
    let job: Job = known_to_kubernetes(job);
    assert_eq!(job.spec.unwrap().completions, Some(4));
    // What a pod does, here: the same sweep in another folder, a part of it.
    let elsewhere = Workplace::new();
    for (name, text) in map.data.unwrap() {
        elsewhere.write(&name, text);
    }
    elsewhere.run("sim sweep sweep.yaml --shard 1/4 --out part --quiet");
    workplace.run("sim sweep sweep.yaml --shard 1/4 --out part --quiet");
    assert_eq!(bytes(&elsewhere, "part"), bytes(&workplace, "part"));
    insta::assert_snapshot!(ended.out);
}

#[test]
fn what_does_not_travel_is_refused() {
    let workplace = Workplace::new();
    let refused = |sweep: String| {
        workplace.write("sweep.yaml", sweep);
        workplace.run("sim sweep sweep.yaml --kubernetes --image x").failure()
    };
    let own = "{zone: EU-DE, source: {file: {path: mine.csv, format: open}}}";
    workplace.write("own.yaml", TINY.replace("{zone: EU-DE}, ", &format!("{own}, ")));
    insta::assert_snapshot!(refused(SWEEP.replace("tiny.yaml", "own.yaml")));
    workplace.run("policy export percentile-v1 --format dir -o mine");
    insta::assert_snapshot!(refused(SWEEP.replace("[lowest-zone]", "[./mine]")));
    insta::assert_snapshot!(refused("{scenario: tiny.yaml}".into()));
}

#[test]
fn a_job_with_an_object_store_needs_no_volume() {
    let workplace = workplace();
    let ended = workplace.run(
        "sim sweep sweep.yaml --kubernetes --shards 4 --image x --store s3://bucket/nodes --service-account sweeper",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let (_, job) = ended.out.split_once("---\n").unwrap();
    let pod = known_to_kubernetes::<Job>(job).spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name.as_deref(), Some("sweeper"));
    let results = pod.volumes.unwrap().remove(1);
    assert!(results.empty_dir.is_some() && results.persistent_volume_claim.is_none());
    insta::assert_snapshot!(format!("{job}{}", ended.err));
}

#[cfg(feature = "cloud")]
mod store {
    use super::*;

    #[test]
    fn shards_put_their_tables_there_and_merge_takes_them_from_there() {
        let workplace = workplace();
        let url = format!("file://{}/store/nodes", workplace.path().display());
        for shard in 0..3 {
            let ended = workplace.run(&format!(
                "sim sweep sweep.yaml --shard {shard}/3 -o part-{shard}.parquet --quiet --store {url}"
            ));
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            assert!(ended.out.ends_with(&format!("stored: {url}/part-{shard}.parquet\n")));
        }
        let ended = workplace.run(&format!("sim sweep --merge {url} -o merged.parquet"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        workplace.run("sim sweep sweep.yaml -o whole.parquet --quiet");
        assert_eq!(bytes(&workplace, "merged.parquet"), bytes(&workplace, "whole.parquet"));
    }

    #[test]
    fn what_is_no_place_is_refused_before_anything_is_run() {
        let workplace = workplace();
        let folder = workplace.path().display().to_string();
        let refused = |words: String| workplace.run(&words).failure().replace(&folder, "HERE");
        let nothing = refused(format!("sim sweep --merge file://{folder}/none -o m.parquet"));
        assert!(nothing.contains("there are no tables (*.parquet)"), "{nothing}");
        let unknown = refused("sim sweep sweep.yaml --store nowhere://bucket/x".into());
        assert!(unknown.starts_with("exit 2\nerror: nowhere://bucket/x: "), "{unknown}");
        assert_eq!(workplace.names("."), ["sweep.yaml", "tiny.yaml"]);
    }
}

#[cfg(not(feature = "cloud"))]
#[test]
fn a_build_without_object_stores_says_so_before_anything_is_run() {
    let workplace = workplace();
    for words in [
        "sim sweep sweep.yaml --store s3://bucket/nodes",
        "sim sweep --merge s3://bucket/nodes -o merged.parquet",
    ] {
        let failure = workplace.run(words).failure();
        let expected = "exit 2\nerror: s3://bucket/nodes: this build reaches no object store\n";
        assert!(failure.starts_with(expected), "{failure}");
    }
    assert_eq!(workplace.names("."), ["sweep.yaml", "tiny.yaml"]);
}
