//! Wrong files never panic, never write half, and say what, where and what next.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Ended, TINY, Workplace};

/// Runs a scenario that can't run, and shows how it ended. Nothing may be left behind.
fn refused(workplace: &Workplace, scenario: impl AsRef<[u8]>) -> String {
    workplace.write("bad.yaml", scenario);
    let before = workplace.names(".");
    let ended = workplace.run("sim run bad.yaml --out results");
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert_eq!(workplace.names("."), before, "something was left behind");
    ended.failure()
}

fn check(scenario: impl AsRef<[u8]>) -> String {
    refused(&Workplace::new(), scenario)
}

/// The tiny scenario with the German intensity from `trace.csv`.
fn with_trace() -> String {
    let source =
        "source: {file: {path: trace.csv, format: columns, timeColumn: time, valueColumn: grams}}";
    TINY.replace("{zone: EU-DE}", &format!("{{zone: EU-DE, {source}}}"))
}

fn check_trace(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let workplace = Workplace::new();
    workplace.write(name, bytes);
    refused(&workplace, with_trace().replace("trace.csv", name))
}

/// Three days of hourly rows from the start of the window, one of them replaced.
fn trace(row: usize, value: &str) -> String {
    let mut text = "time,grams\n".to_owned();
    for hour in 0..72 {
        let value = if hour == row { value } else { "300" };
        text.push_str(&format!("2020-06-{:02} {:02}:00,{value}\n", 1 + hour / 24, hour % 24));
    }
    text
}

#[test]
fn an_unknown_key_names_the_nearest_and_every_problem_is_reported_at_once() {
    let text = TINY
        .replace(
            "idleWatts: 50, busyWatts: 250}}\n    - {name: tx",
            "idelWatts: 50, busyWatts: 250}}\n    - {name: tx",
        )
        .replace("maxDelay: 12h", "maxDelay: 12 hours")
        .replace("zone: US-TX, count: 2", "zone: US-TXX, count: -2");
    insta::assert_snapshot!(check(text));
}

#[test]
fn a_wrong_unit_says_what_units_there_are() {
    insta::assert_snapshot!(check(TINY.replace("memory: 32Gi", "memory: 32GB")));
}

#[test]
fn duplicate_names_are_refused() {
    insta::assert_snapshot!(check(TINY.replace("name: tx", "name: de")));
}

#[test]
fn a_pod_larger_than_any_node_is_refused() {
    insta::assert_snapshot!(check(TINY.replace("cpu: 1,", "cpu: 9,")));
}

#[test]
fn a_window_outside_the_bundled_year_is_refused() {
    let measured = TINY.replace("{zone: EU-DE}", "{zone: EU-DE, source: {bundled: {}}}");
    insta::assert_snapshot!(check(measured.replace("2020-06-01", "2021-06-01")));
}

#[test]
fn an_empty_file_and_binary_noise_are_no_scenarios() {
    insta::assert_snapshot!(check(""));
    let noise: Vec<u8> =
        (0..4_096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    insta::assert_snapshot!(check(noise));
}

#[test]
fn nesting_and_alias_bombs_are_refused() {
    let flow = format!("spec: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    insta::assert_snapshot!(check(flow));
    let block: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    insta::assert_snapshot!(check(block));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    insta::assert_snapshot!(check(bomb));
}

#[test]
fn a_folder_or_nothing_where_a_file_belongs() {
    let workplace = Workplace::new();
    std::fs::create_dir(workplace.path().join("folder")).unwrap();
    insta::assert_snapshot!(workplace.run("sim run folder").failure());
    insta::assert_snapshot!(workplace.run("sim run nothing.yaml").failure());
    std::fs::create_dir(workplace.path().join("trace.csv")).unwrap();
    insta::assert_snapshot!(refused(&workplace, with_trace()));
}

/// It was read until the memory was full.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_an_end_is_refused() {
    insta::assert_snapshot!(Workplace::new().run("sim run /dev/zero").failure());
}

#[test]
fn an_impossible_intensity_names_line_and_column() {
    for value in ["-1", "NaN", "412000", "a lot"] {
        insta::assert_snapshot!(check_trace("trace.csv", trace(30, value)));
    }
}

#[test]
fn a_trace_has_to_cover_the_run() {
    let text = trace(0, "300");
    let half: String = text.lines().take(13).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(check_trace("trace.csv", half));
    insta::assert_snapshot!(check_trace("trace.csv", trace(10, "")));
    insta::assert_snapshot!(check_trace("trace.csv", "time,grams\n"));
    insta::assert_snapshot!(check_trace("trace.csv", text.replace("grams", "gramms")));
}

#[test]
fn a_truncated_gzip_is_no_short_trace() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(trace(0, "300").as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    insta::assert_snapshot!(check_trace("trace.csv.gz", &whole[..whole.len() / 2]));
}

#[test]
fn wrong_options_say_what_is_right() {
    let workplace = Workplace::new();
    for words in [
        "sim run tiny.yaml --set spec.sed=9",
        "sim run tiny.yaml --set spec.seed=nine",
        "sim run tiny.yaml --set nonsense",
        "sim run tiny.yaml --set spec.policies=[]",
        "sim run tiny.yaml --set spec.duration=30000d",
        "sim run tiny.yaml --jobs 0",
        "sim run tiny.yaml --seed -1",
        "sim run tiny.yaml --set spec.nodePools[7].count=3",
        "sim run tiny.yaml --overwrite",
    ] {
        let ended = workplace.run(words);
        assert_eq!(ended.code, Some(2), "{words}");
        insta::assert_snapshot!(format!("{words}\n{}", ended.failure()));
    }
    insta::assert_snapshot!(
        workplace.run_args(&["sim", "run", "tiny.yaml", "--policy", ""]).failure()
    );
    assert_eq!(workplace.names("."), ["tiny.yaml"]);
}

#[test]
fn results_that_cannot_be_written_leave_nothing_behind() {
    let workplace = Workplace::new();
    workplace.write("file", "");
    insta::assert_snapshot!(workplace.run("sim run tiny.yaml --out file/results").failure());
    let ended = workplace.run("sim run tiny.yaml --out file --overwrite").failure();
    assert!(ended.contains("file: not overwritten: it is a file"), "{ended}");
    assert_eq!(workplace.names("."), ["file", "tiny.yaml"]);
}

/// Runs a scenario with `small/` as a file system of a few kilobytes, which only root can mount.
fn on_a_full_disk(scenario: &str, options: &str) -> Option<(Ended, Vec<String>)> {
    let workplace = Workplace::new();
    workplace.write("tiny.yaml", scenario);
    let small = workplace.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"])
        .arg(&small)
        .output();
    if !mount.as_ref().is_ok_and(|output| output.status.success()) {
        // Not `eprintln!`: the test runner would swallow it, as it does for tests that pass.
        let why = "a file system of 32 KiB could not be mounted";
        let _ = writeln!(std::io::stderr(), "skipped: a full disk: {why}: {mount:?}");
        return None;
    }
    let ended = workplace.run(&format!("sim run tiny.yaml --out small/results {options}"));
    let left = workplace.names("small");
    let unmounted = std::process::Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    Some((ended, left))
}

#[test]
fn a_full_disk_leaves_nothing_under_the_final_name() {
    let Some((ended, left)) = on_a_full_disk(TINY, "") else { return };
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("small/results/") && ended.err.contains("space"), "{}", ended.err);
    assert!(left.is_empty(), "{left:?}");
}

/// The message did not say which file, nor what to do, and came when all runs had ended.
#[test]
fn a_full_disk_during_a_run_names_the_event_log() {
    let more = TINY.replace("count: 20", "count: 2000");
    let Some((ended, left)) = on_a_full_disk(&more, "--events") else { return };
    insta::assert_snapshot!(ended.failure());
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_takes_no_folders_is_refused_before_the_run() {
    let workplace = Workplace::new();
    insta::assert_snapshot!(workplace.run("sim run tiny.yaml --out /proc/results").failure());
    std::os::unix::fs::symlink("nowhere", workplace.path().join("link")).unwrap();
    insta::assert_snapshot!(workplace.run("sim run tiny.yaml --out link").failure());
}

#[test]
fn validate_reports_without_running() {
    let workplace = Workplace::new();
    let good = workplace.run("sim validate tiny.yaml");
    assert_eq!(good.code, Some(0));
    insta::assert_snapshot!(good.out);
    let one = workplace.run("sim validate tiny.yaml --set spec.policies=[default-scheduler]");
    assert!(one.out.ends_with("40 pods, 1 policy\n"), "{}", one.out);
    workplace.write("bad.yaml", TINY.replace("policies", "polices"));
    let bad = workplace.run("sim validate bad.yaml");
    assert_eq!(bad.code, Some(1));
    insta::assert_snapshot!(bad.out);
    let json = workplace.run("sim validate bad.yaml --format json");
    insta::assert_snapshot!(json.out);
    assert_eq!(workplace.run("sim validate nothing.yaml").code, Some(2));
}
