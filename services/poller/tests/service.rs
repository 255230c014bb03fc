//! The binary as an operator runs it: once, on and on, and to an orderly end.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use carbon_kube_core::documents::IntensityDocument;
use carbon_kube_extender::config::Config as ExtenderConfig;
use carbon_kube_extender::folder;
use carbon_kube_extender::run::Service;
use carbon_kube_policies::file::{ACTOR, sha256};
use carbon_kube_policies::network;
use serde_json::{Value, json};
use support::{KEY, Running, command, electricity_maps, files, hourly, providers, run, write};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/poller.yaml");

/// The document that was printed; nothing in it may be wrong.
fn document(text: &[u8]) -> IntensityDocument {
    let (document, left_out) =
        IntensityDocument::parse(std::str::from_utf8(text).unwrap()).unwrap();
    assert_eq!(left_out, []);
    document
}

#[test]
fn without_keys_and_network_the_typical_year_speaks_and_says_so() {
    let mut command = command();
    // The variable of the example is not set, and no host has this name.
    command.env_remove("ELECTRICITY_MAPS_KEY").env("HTTPS_PROXY", "http://127.0.0.1:9");
    command.args(["--once", "--config", EXAMPLE, "--output", "stdout"]);
    // The best of three: the machine may have something else to do.
    let runs = (0..3).map(|_| {
        let start = Instant::now();
        let output = command.output().unwrap();
        (start.elapsed(), output)
    });
    let (took, output) = runs.min_by_key(|(took, _)| *took).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let document = document(&output.stdout);
    let zones: Vec<&str> = document.zones.keys().map(|zone| zone.as_str()).collect();
    assert_eq!(zones, ["EU-DE", "EU-FR", "US-CA", "US-TX"]);
    for entry in document.zones.values() {
        assert_eq!((entry.source.as_str(), entry.is_estimated), ("typical-year", true));
        assert!(entry.confidence < 0.2, "{}", entry.confidence);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_answers_is_printed_and_the_document_loads_in_the_extender() {
    let server = electricity_maps().await;
    let folder = tempfile::tempdir().unwrap();
    let config = providers(&server, &["US-CA", "EU-DE"]);
    let config = write(folder.path(), "config.yaml", &config).display().to_string();
    let output = run(&["--once", "--config", &config, "--output", "stdout"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = document(&output.stdout);
    let entry = &printed.zones[&"US-CA".parse().unwrap()];
    assert_eq!((entry.source.as_str(), entry.is_estimated), ("electricity-maps", true));
    assert!((entry.value.get() - hourly(0)).abs() < 1e-9);

    let state = folder.path().join("state");
    let output =
        run(&["--once", "--config", &config, "--output", &format!("file:{}", state.display())])
            .await;
    assert!(output.status.success() && output.stdout.is_empty());
    let service =
        Service::new(ExtenderConfig::default(), carbon_kube_extender::server::wall_clock());
    let documents = service.documents.clone();
    tokio::spawn(folder::watch(state, documents, service.health.clone()));
    let loaded = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(loaded) = service.app.state.current().intensity.clone() {
            break loaded;
        }
    };
    let values = |document: &IntensityDocument| {
        format!("{:?}", document.zones.values().map(|z| z.value).collect::<Vec<_>>())
    };
    assert_eq!(values(&loaded), values(&printed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_poller_writes_shows_and_never_tells_the_key() {
    let server = electricity_maps().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    let yaml = "version: 1\nname: fixed\nkind: threshold\nsettings: {gramsPerKwh: 150}\n";
    write(&folder.path().join("policy"), "policy.yaml", yaml);
    let sections = format!(
        "{}policy: {{folder: {policy}}}\ncacheFolder: {cache}\ncarbonIntensityExporter: {{zone: US-CA}}\n",
        providers(&server, &["US-CA", "EU-UK", "SG"]),
        policy = folder.path().join("policy").display(),
        cache = folder.path().join("cache").display(),
    );
    let mut poller = Running::start(folder, &sections).await;
    assert_eq!(poller.get("livez").await.unwrap().0, 200);
    assert_eq!(poller.get("readyz").await.unwrap(), (200, "ok\n".to_owned()));
    let metrics = poller.until(|metrics| metrics.contains("policy_info{name=\"fixed\"")).await;
    for line in [
        "carbonkube_source_requests_total{source=\"electricity-maps\",zone=\"US-CA\",result=\"success\"}",
        "carbonkube_source_circuit_state{source=\"electricity-maps\",zone=\"US-CA\"} 0",
        "carbonkube_threshold_grams_per_kwh{zone=\"US-CA\"} 150",
        "carbonkube_tuner_decisions_total{outcome=\"rule\"} 3",
        "carbonkube_poller_last_write_timestamp_seconds{document=\"threshold\"}",
        "carbonkube_poller_leader 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Everything that was written, cached and logged, at the level of most words.
    for (path, bytes) in files(poller.folder.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(KEY), "{}", path.display());
    }
    assert!(!metrics.contains(KEY));
    let log = std::fs::read_to_string(poller.folder.path().join("log")).unwrap();
    let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(first["level"], "INFO");
    assert!(poller.peak_memory() < 64 << 20, "{} bytes", poller.peak_memory());

    poller.signal("-TERM");
    assert_eq!(poller.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_said_once_and_the_typical_year_goes_on() {
    let server = electricity_maps().await;
    let folder = tempfile::tempdir().unwrap();
    let config = providers(&server, &["US-CA"]);
    let config = write(folder.path(), "config.yaml", &config).display().to_string();
    let mut command = command();
    command.env(support::KEY_VARIABLE, "wrong-9876");
    command.args(["--once", "--config", &config, "--output", "stdout"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success());
    let printed = document(&output.stdout);
    assert_eq!(printed.zones.values().next().unwrap().source, "typical-year");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("wrong-9876") && !said.contains(KEY), "{said}");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1, "no retry of a refused key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_filter_changes_while_the_poller_runs() {
    let server = electricity_maps().await;
    let sections = providers(&server, &["US-CA"]);
    let poller = Running::start(tempfile::tempdir().unwrap(), &sections).await;
    let path = poller.folder.path().join("config.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("logFilter: trace", "logFilter: info")).unwrap();
    let start = Instant::now();
    let log = || std::fs::read_to_string(poller.folder.path().join("log")).unwrap();
    while !log().contains("log filter in force") {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A policy whose network adds the power ratio, which is 0.5 in training, to a fixed threshold.
fn tuner(folder: &Path) {
    let actor = network::to_bytes(1, &[(vec![1.0], vec![0.0])]).unwrap();
    let policy = json!({
        "version": 1, "name": "tuned", "kind": "tuner",
        "tuner": {
            "base": {"threshold": {"gramsPerKwh": 150}}, "controlMinutes": 5,
            "observation": {"version": 1,
                "inputs": [{"name": "powerRatio", "mean": 0.5, "min": 0, "max": 1}]},
            "actorSha256": sha256(&actor),
        },
    });
    write(folder, "policy.yaml", &policy.to_string());
    std::fs::write(folder.join(ACTOR), actor).unwrap();
}

/// Names and types that the page lists below its heading for the poller.
fn documented() -> BTreeMap<String, String> {
    let page = include_str!("../../../docs/metrics.md");
    let (_, section) = page.split_once("\n## Poller\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((name, cells.next()?.to_owned()))
    };
    section.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_what_a_running_poller_exposes() {
    let server = electricity_maps().await;
    let folder = tempfile::tempdir().unwrap();
    // A tuner that nobody tells of moves and power, and a model that can't be read: everything shows.
    let (policy, forecast) = (folder.path().join("policy"), folder.path().join("forecast"));
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::create_dir_all(&forecast).unwrap();
    write(&forecast, "forecast.yaml", "version: 9");
    tuner(&policy);
    let sections = format!(
        "{}policy: {{folder: {}}}\nforecast: {{folder: {}}}\n",
        providers(&server, &["US-CA"]),
        policy.display(),
        forecast.display()
    );
    let poller = Running::start(folder, &sections).await;
    let (_, text) = poller.get("metrics").await.unwrap();
    for line in [
        "carbonkube_tuner_unknown_inputs_total{input=\"powerRatio\"} 1",
        "carbonkube_document_refused_total{document=\"forecast\"} 1",
        "carbonkube_tuner_decisions_total{outcome=\"adjusted\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let declared = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    let exposed: BTreeMap<String, String> = text.lines().filter_map(declared).collect();
    assert_eq!(exposed, documented());
}

#[test]
fn the_schema_is_current_and_the_example_is_a_configuration() {
    let run = |arguments: &[&str]| {
        let output = command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let checked = run(&["--check", "--config", EXAMPLE]);
    assert!(checked.contains("renewDeadline: 10s"), "{checked}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/poller.schema.json");
    let schema = run(&["--schema"]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "make golden");
}

#[test]
fn a_wrong_argument_or_file_is_exit_status_2() {
    for arguments in [&["--output", "nowhere"][..], &["--config", "/nowhere.yaml"]] {
        let output = command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
