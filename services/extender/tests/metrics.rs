//! `docs/metrics.md` against what an extender exposes: no metric without a row, no row without one.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use prometheus_client::encoding::text::encode;
use support::{Extender, NOON, names, pod};

/// Names and types that the page lists below its heading for the extender.
fn documented() -> BTreeMap<String, String> {
    let page = include_str!("../../../docs/metrics.md");
    let (_, section) = page.split_once("\n## Extender\n").unwrap();
    let page = section.split("\n## ").next().unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some((name, cells.next()?.to_owned()))
    };
    page.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect()
}

/// Names and types that the extender declares.
fn exposed(text: &str) -> BTreeMap<String, String> {
    let declared = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    text.lines().filter_map(declared).collect()
}

#[tokio::test]
async fn the_page_lists_what_a_busy_extender_exposes() {
    let zones = [("US-TX", 412.0, 350.0), ("US-CA", 280.0, 200.0)];
    let extender = Extender::with("", "kind: percentile", 2, &zones);
    let wishes = [("mode", "enforce"), ("max-delay", "6h"), ("expected-duration", "2h")];
    let request = names(&pod(&wishes), &["node-0000", "node-0001"]);
    extender.post("filter", request.clone()).await;
    extender.post("filter", "{").await;
    // The grid turns clean: the pod is released, placed, and counted.
    let clean = zones.map(|(zone, _, threshold)| (zone, 100.0, threshold));
    extender.at("2026-06-01T13:00:00Z").grid("2026-06-01T13:00:00Z", &clean);
    extender.post("filter", request.clone()).await;
    extender.post("prioritize", request.clone()).await;
    extender.service.documents.threshold(Some("no JSON"));
    extender.grid(NOON, &zones);
    extender.post("filter", names(&pod(&wishes), &["ghost"])).await;
    let mut text = String::new();
    encode(&mut text, &extender.service.registry).unwrap();
    assert_eq!(exposed(&text), documented());
    for line in [
        "carbonkube_gate_released_total{reason=\"clean\"} 1",
        "carbonkube_extender_requests_total{verb=\"filter\",result=\"unreadable\"} 1",
        "carbonkube_extender_fallbacks_total{reason=\"unknown-node\"} 1",
        "carbonkube_document_refused_total{document=\"threshold\"} 1",
        "carbonkube_gate_wait_seconds_sum 3600",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_alerts_look_at_is_counted_from_0() {
    let mut text = String::new();
    encode(&mut text, &Extender::empty("").service.registry).unwrap();
    for series in [
        "document_refused_total{document=\"intensity\"}",
        "document_refused_total{document=\"threshold\"}",
        "document_refused_total{document=\"policy\"}",
        "document_refused_total{document=\"status\"}",
        "gate_released_total{reason=\"clean\"}",
        "gate_released_total{reason=\"deadline\"}",
        "gate_released_total{reason=\"failopen\"}",
    ] {
        assert!(text.contains(&format!("carbonkube_{series} 0")), "{series}\n{text}");
    }
}

#[tokio::test]
async fn the_estimate_is_grams_of_the_first_offer_and_of_the_best_score() {
    // Nodes of 6.5 W per core x 1.2: 7.8 W. Two cores for two hours are 0.0312 kWh.
    let zones = [("EU-FR", 50.0, 1.0), ("EU-DE", 350.0, 1.0)];
    let extender = Extender::with("", "kind: lowest-zone", 2, &zones);
    let wishes = [("mode", "enforce"), ("expected-duration", "2h")];
    let request = names(&pod(&wishes), &["node-0000", "node-0001"]);
    for _ in 0..3 {
        extender.post("filter", request.clone()).await;
        extender.post("prioritize", request.clone()).await;
    }
    let mut text = String::new();
    encode(&mut text, &extender.service.registry).unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    // In France at 50 g/kWh, once: 1.56 g. On the mean of both, 200 g/kWh: 6.24 g.
    assert!((value("carbonkube_emissions_grams_total") - 1.56).abs() < 1e-9);
    // 0.0312 kWh, all of them French: 112.32 kJ.
    let french = "carbonkube_energy_joules_total{workload_namespace=\"team-a\",zone=\"EU-FR\"";
    assert!((value(french) - 112_320.0).abs() < 1e-6);
    assert!(!text.contains("zone=\"EU-DE\",method"), "{text}");
    assert!((value("carbonkube_counterfactual_emissions_grams_total") - 6.24).abs() < 1e-9);
}

#[tokio::test]
async fn what_the_tuner_says_is_shown_and_changes_no_answer() {
    let extender = Extender::with("", "kind: percentile", 2, &[("US-CA", 280.0, 200.0)]);
    let request = names(&pod(&[("mode", "enforce"), ("max-delay", "6h")]), &["node-0000"]);
    let documents = &extender.service.documents;
    let shown = || {
        let mut text = String::new();
        encode(&mut text, &extender.service.registry).unwrap();
        text
    };
    let before = extender.post("filter", request.clone()).await;
    assert!(!shown().contains("\ncarbonkube_tuner_"), "nobody has said anything: {}", shown());
    documents.status(Some(include_str!("../../../core/tests/documents/status.json")));
    let lines = [
        "carbonkube_tuner_last_run_timestamp_seconds 1780369842",
        "carbonkube_tuner_promotions 2",
        "carbonkube_tuner_result{result=\"promoted\"} 1",
        "carbonkube_tuner_saving_ratio{policy=\"in-force\"} 0.031",
        "carbonkube_tuner_saving_ratio{policy=\"percentile-20\"} 0.061",
        "carbonkube_tuner_delay_seconds{policy=\"percentile-20\"} 6840",
        "carbonkube_tuner_missed_ratio{policy=\"in-force\"} 0",
    ];
    let has_all = |text: &str| lines.iter().all(|line| text.contains(line));
    assert!(has_all(&shown()), "{}", shown());
    // What can't be read leaves what was there, and is counted.
    for text in ["no JSON", "{\"version\": 2}", "{\"version\": 1}", ""] {
        documents.status(Some(text));
    }
    let text = shown();
    assert!(has_all(&text), "{text}");
    assert!(text.contains("carbonkube_document_refused_total{document=\"status\"} 4"), "{text}");
    assert_eq!(extender.post("filter", request).await, before);
    documents.status(None);
    assert!(!shown().contains("\ncarbonkube_tuner_promotions "), "it is gone: {}", shown());
}
