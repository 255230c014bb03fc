//! The documents of the cluster: golden files that older and newer versions must agree on, and
//! what a reader makes of bad ones.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_core::documents::{
    DocumentError, HistoryDocument, IntensityDocument, StatusDocument, ThresholdDocument,
};
use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::{Span, Time};
use proptest::prelude::*;

const INTENSITY: &str = include_str!("documents/intensity.json");
const THRESHOLD: &str = include_str!("documents/threshold.json");
const HISTORY: &str = include_str!("documents/history.json");
const STATUS: &str = include_str!("documents/status.json");

fn pretty<T: serde::Serialize>(document: &T) -> String {
    serde_json::to_string_pretty(document).unwrap() + "\n"
}

#[test]
fn the_golden_documents_are_written_as_they_are_read() {
    let (intensity, left_out) = IntensityDocument::parse(INTENSITY).unwrap();
    assert_eq!(left_out, []);
    assert_eq!(pretty(&intensity), INTENSITY);
    let (threshold, left_out) = ThresholdDocument::parse(THRESHOLD).unwrap();
    assert_eq!(left_out, []);
    assert_eq!(pretty(&threshold), THRESHOLD);
    assert_eq!(pretty(&HistoryDocument::parse(HISTORY).unwrap()), HISTORY);
    assert_eq!(pretty(&StatusDocument::parse(STATUS).unwrap()), STATUS);
}

#[test]
fn a_step_of_the_history_is_known_or_not_and_nothing_is_made_up() {
    let absurd = HISTORY.replace("191.5", "-191.5");
    let document = HistoryDocument::parse(&absurd).unwrap();
    let steps: Vec<String> = document.series[0]
        .steps()
        .map(|(start, value)| format!("{start} {:?}", value.map(|value| value.get())))
        .collect();
    let expected = [
        "2026-06-01T09:00:00Z Some(210.0)",
        "2026-06-01T10:00:00Z None",
        "2026-06-01T11:00:00Z None",
        "2026-06-01T12:00:00Z Some(182.5)",
    ];
    assert_eq!(steps, expected);
    for minutes in ["0", "1441"] {
        let text = HISTORY.replace("\"stepMinutes\": 60", &format!("\"stepMinutes\": {minutes}"));
        let error = HistoryDocument::parse(&text).unwrap_err().to_string();
        assert!(error.contains("zone `US-CA`: a step of"), "{error}");
    }
}

#[test]
fn a_status_that_says_what_can_not_be_is_refused_as_a_whole() {
    for (from, to, problem) in [
        ("\"savingRatio\": 0.061", "\"savingRatio\": 1.5", "savingRatio 1.5"),
        ("\"missedRatio\": 0.0", "\"missedRatio\": -1.0", "missedRatio -1"),
        ("\"grams\": 96900.0", "\"grams\": -1.0", "grams -1"),
        ("\"policy\": \"in-force\"", "\"policy\": \"a\\nb\"", "can't name a policy"),
        ("\"policy\": \"in-force\"", "\"policy\": \"percentile-20\"", "is there twice"),
        ("\"promotions\": 2", "\"promotions\": -2", "invalid value"),
        ("\"result\": \"promoted\"", "\"result\": \"won\"", "unknown variant `won`"),
        ("\"version\": 1", "\"version\": 2", "has version 2"),
    ] {
        assert!(STATUS.contains(from), "{from}");
        let error = StatusDocument::parse(&STATUS.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(problem), "{to}: {error}");
    }
}

/// Changes one place of the golden intensity and says which zones are left, and what was wrong.
fn check(from: &str, to: &str, left: &[&str], problem: &str) {
    assert!(INTENSITY.contains(from), "{from}");
    let (document, left_out) = IntensityDocument::parse(&INTENSITY.replacen(from, to, 1)).unwrap();
    let zones: Vec<&str> = document.zones.keys().map(|zone| zone.as_str()).collect();
    assert_eq!(zones, left, "{from} -> {to}");
    let problems: Vec<&str> = left_out.iter().map(|zone| zone.problem.as_str()).collect();
    assert!(problems.iter().any(|found| found.contains(problem)), "{problems:?}");
}

#[test]
fn one_absurd_zone_does_not_blind_the_others() {
    check("291.0", "-1", &["US-CA"], "value is -1 g/kWh");
    check("291.0", "412000", &["US-CA"], "a grid has 0 to 10,000");
    check("291.0", "null", &["US-CA"], "invalid type: null");
    check("291.0", "\"291\"", &["US-CA"], "invalid type: string");
    check("g/kWh", "lb/MWh", &["US-CA"], "unit `lb/MWh`");
    check("\"confidence\": 0.2", "\"confidence\": 1.5", &["US-CA"], "confidence 1.5");
    check("2026-06-01T12:00:00Z", "yesterday", &["US-CA"], "`yesterday` is not an instant");
    check("\"EU-DE\"", "\"../../etc\"", &["US-CA"], "can't name a grid zone");
    check("\"EU-DE\"", "\"CAISO\"", &["US-CA"], "another name of `US-CA`");
    check("2026-06-01T13:00:00Z", "2026-06-01T15:00:00Z", &["EU-DE"], "not in order of time");
    check("\"v\": 160.0", "\"v\": -3", &["EU-DE"], "forecast is -3");
}

#[test]
fn a_new_field_is_passed_over_and_a_new_version_is_refused() {
    let newer = INTENSITY.replace("\"isEstimated\"", "\"quality\": \"A\", \"isEstimated\"");
    assert_eq!(IntensityDocument::parse(&newer).unwrap().0.zones.len(), 2);
    let error = IntensityDocument::parse(r#"{"version": 2, "grids": []}"#).unwrap_err();
    assert_eq!(error, DocumentError::Version(2));
    assert_eq!(error.to_string(), "has version 2; this reader knows version 1");
    for text in ["", "null", "[]", "{", "{\"version\": 1}", "{\"zones\": {}}", "\u{0}"] {
        assert!(
            matches!(IntensityDocument::parse(text), Err(DocumentError::Malformed(_))),
            "{text}"
        );
    }
}

#[test]
fn an_adjustment_beyond_its_bounds_is_left_out() {
    let wild = THRESHOLD.replace("12.0", "51");
    let (document, left_out) = ThresholdDocument::parse(&wild).unwrap();
    assert!(document.zones.is_empty());
    assert_eq!(left_out[0].problem, "adjustment 51 is not within -50 to 50");
}

#[test]
fn the_last_point_of_a_forecast_holds_as_long_as_the_one_before() {
    let (document, _) = IntensityDocument::parse(INTENSITY).unwrap();
    let outlook = document.zones[&"US-CA".parse().unwrap()].outlook().unwrap();
    let at = |text: &str| text.parse::<Time>().unwrap();
    // Half an hour at 175 and one at 160 g/kWh: 87.5 + 160 = 247.5 g/kWh x h.
    let start = at("2026-06-01T13:30:00Z");
    let hours = outlook.integral_hours(start, start + Span::from_hours(1.5)).unwrap();
    assert!((hours - 247.5).abs() < 1e-9);
    assert_eq!(outlook.integral_hours(start, at("2026-06-01T15:00:01Z")), None);
    assert!(document.zones[&"EU-DE".parse().unwrap()].outlook().is_none());
}

proptest! {
    #[test]
    fn no_text_panics_a_reader(text in "\\PC*", cut in 0usize..900, byte in any::<u8>()) {
        let _ = IntensityDocument::parse(&text);
        let mut bytes = INTENSITY.as_bytes().to_vec();
        let position = cut.min(bytes.len() - 1);
        bytes[position] = byte;
        let _ = IntensityDocument::parse(&String::from_utf8_lossy(&bytes));
        let _ = ThresholdDocument::parse(&String::from_utf8_lossy(&bytes[..cut.min(bytes.len())]));
        for golden in [HISTORY, STATUS] {
            let _ = HistoryDocument::parse(&text);
            let _ = StatusDocument::parse(&text);
            let mut bytes = golden.as_bytes().to_vec();
            let position = cut.min(bytes.len() - 1);
            bytes[position] = byte;
            let text = String::from_utf8_lossy(&bytes);
            let _ = HistoryDocument::parse(&text).map(|it| it.series.iter().flat_map(|s| s.steps()).count());
            let _ = StatusDocument::parse(&text);
        }
    }

    #[test]
    fn numbers_come_back_to_the_last_bit(value in 0.0..9_999.0f64) {
        let (mut document, _) = IntensityDocument::parse(INTENSITY).unwrap();
        for zone in document.zones.values_mut() {
            zone.value = carbon_kube_core::GramsPerKwh::new(value).unwrap();
        }
        let text = serde_json::to_string(&document).unwrap();
        prop_assert_eq!(IntensityDocument::parse(&text).unwrap().0, document);
    }
}
