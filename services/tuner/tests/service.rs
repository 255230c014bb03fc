//! The binary as an operator runs it without a cluster: from files to files.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use carbon_kube_core::documents::{HistoryDocument, StatusDocument, TunerResult};
use carbon_kube_tuner::candidates::Files;
use serde_json::json;
use support::{NEVER_WAITS, sunny};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carbon-kube-tuner"));
    // Nobody's cluster.
    command.env("KUBECONFIG", "/nowhere").env_remove("KUBERNETES_SERVICE_HOST");
    command
}

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder as a poller and an extender share it, and a configuration that works on it.
fn shared(folder: &Path, policy: &str, more: &str) -> String {
    let history = HistoryDocument::new(vec![sunny("US-CA")]);
    std::fs::write(folder.join("history.json"), serde_json::to_string(&history).unwrap()).unwrap();
    let policy = format!("version: 1\nname: old\n{policy}\n");
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    let shared = folder.display();
    let config = format!(
        "output: {{file: {shared}}}\nhistory: {{folder: {shared}, maxAge: 0s}}\npolicy: {{folder: {shared}}}\n\
         candidates: {{rules: [percentile], percentiles: []}}\n{more}\n"
    );
    let path = folder.join("tuner.yaml");
    std::fs::write(&path, config).unwrap();
    path.display().to_string()
}

fn status(folder: &Path) -> StatusDocument {
    StatusDocument::parse(&std::fs::read_to_string(folder.join("status.json")).unwrap()).unwrap()
}

#[test]
fn a_better_policy_is_put_in_force_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        shared(folder.path(), NEVER_WAITS, "promotion: {mode: promote, mostMoreDelay: 12h}");
    let before = std::fs::read(folder.path().join("policy.yaml")).unwrap();

    // A look changes nothing.
    let output = run(&["--config", &config, "--output", "stdout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = StatusDocument::parse(&text(&output.stdout)).unwrap();
    assert_eq!(said.result, TunerResult::Recommended);
    assert!(said.reason.ends_with("this output can't put it in force"), "{}", said.reason);
    assert_eq!(std::fs::read(folder.path().join("policy.yaml")).unwrap(), before);
    assert!(!folder.path().join("status.json").exists());

    let output = run(&["--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(
        table.contains("\npercentile ") && table.contains("\npromoted: percentile emits "),
        "{table}"
    );
    let files = Files::of_folder(folder.path()).unwrap().unwrap().unwrap();
    assert_eq!(files.loaded.file.kind, "percentile");
    let first = status(folder.path());
    assert_eq!((first.result, first.promotions), (TunerResult::Promoted, 1));
    let promotion = first.last_promotion.clone().unwrap();
    assert_eq!(promotion.policy.sha256, files.loaded.sha256);
    assert_eq!(promotion.previous, first.policy.unwrap());

    // Nothing is better than itself; the count and the way back stay.
    let output = run(&["--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let second = status(folder.path());
    assert_eq!((second.result, second.promotions), (TunerResult::Kept, 1), "{}", second.reason);
    assert_eq!(second.last_promotion, first.last_promotion);
}

#[test]
fn what_can_not_be_judged_is_exit_status_0_and_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = shared(folder.path(), "kind: percentile", "");
    std::fs::write(folder.path().join("history.json"), "{\"version\": 7}").unwrap();
    std::fs::write(folder.path().join("status.json"), "no JSON").unwrap();
    let output = run(&["--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.ends_with("not-judged: the history can't be read: history.json has version 7; this reader knows version 1\n"), "{said}");
    assert_eq!(status(folder.path()).result, TunerResult::NotJudged);
}

#[test]
fn intensities_come_from_files_of_any_format_too() {
    let folder = tempfile::tempdir().unwrap();
    let series = sunny("EU-FR");
    let rows = series.steps().map(|(at, value)| format!("{at},{}\n", value.unwrap().get()));
    let label = json!({"zone": "EU-FR", "area": "France", "signal": "average", "scope": "direct",
        "factorSet": "local", "provenance": "measured", "source": "test"});
    let head = format!("# carbon-kube.series: {label}\ntimestamp_utc,carbon_intensity_g_per_kwh\n");
    let csv = rows.fold(head, |csv, row| csv + &row);
    let path = folder.path().join("fr.csv");
    std::fs::write(&path, csv).unwrap();
    let config = format!("history: {{files: {{FR: [{}]}}, maxAge: 0s}}", path.display());
    let config_path = folder.path().join("tuner.yaml");
    std::fs::write(&config_path, config).unwrap();
    let output = run(&["--config", &config_path.display().to_string(), "--output", "stdout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = StatusDocument::parse(&text(&output.stdout)).unwrap();
    assert_eq!(said.judged.unwrap().zones, ["EU-FR"]);
}

#[test]
fn what_can_not_run_is_exit_status_2_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let config = shared(folder.path(), "kind: percentile", "workload: {scenario: /nowhere.yaml}");
    let candidates = shared(folder.path(), "kind: percentile", "");
    for (arguments, expected) in [
        (&["--config", "/nowhere.yaml"][..], "/nowhere.yaml: "),
        (&["--output", "nowhere"], "expected `cluster`"),
        (&["--output", "stdout"], "no API server: "),
    ] {
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    std::fs::write(
        &config,
        "workload: {scenario: /nowhere.yaml}\nhistory: {folder: /nowhere}\noutput: stdout",
    )
    .unwrap();
    let said = text(&run(&["--config", &config]).stderr);
    assert!(said.contains("error: /nowhere/history.json: "), "{said}");
    drop(candidates);
}

#[test]
fn sigterm_ends_it_and_nothing_was_written() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be asked while it works: a year of hours for a fortnight of jobs would not be.
    let rules: Vec<String> =
        (0..16).map(|p| format!("{{percentile: {{percentile: {p}}}}}")).collect();
    let more = format!("threads: 1\npromotion: {{mode: promote}}\n# {}", rules.len());
    let config = shared(folder.path(), NEVER_WAITS, &more);
    let many = std::fs::read_to_string(&config).unwrap();
    let many = many.replace("rules: [percentile]", &format!("rules: [{}]", rules.join(", ")));
    std::fs::write(&config, many).unwrap();
    let mut child = command()
        .args(["--config", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("simulating the held-out days")));
    let asked = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let code = child.wait().unwrap().code();
    assert!(asked.elapsed() < Duration::from_secs(10));
    // On a fast machine it may have been done.
    if code == Some(2) {
        assert!(!folder.path().join("status.json").exists());
        assert!(lines.any(|line| line.unwrap().contains("interrupted: nothing was written")));
    }
    assert!(matches!(code, Some(0 | 2)), "{code:?}");
}

#[test]
fn the_schema_is_current_and_the_example_is_a_configuration() {
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tuner.yaml");
    let checked = said(&["--check", "--config", example]);
    assert!(checked.contains("mode: recommend"), "{checked}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tuner.schema.json");
    let schema = said(&["--schema"]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "make golden");
}
