//! NESO's API, in its shapes.

use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{Stand, shown, time, zone};

const NAME: ProviderName = ProviderName::GbCarbonIntensity;

fn half_hour(from: &str, to: &str, forecast: &str, actual: &str) -> String {
    format!(
        r#"{{"from":"2026-03-{from}Z","to":"2026-03-{to}Z","intensity":{{"forecast":{forecast},"actual":{actual},"index":"low"}}}}"#
    )
}

fn answer(half_hours: &[String]) -> String {
    format!(r#"{{"data":[{}]}}"#, half_hours.join(","))
}

#[tokio::test]
async fn what_was_is_measured_and_the_present_half_hour_is_an_estimate() {
    let stand = Stand::new().await;
    let body = answer(&[
        half_hour("29T00:30", "29T01:00", "146", "150"),
        half_hour("29T01:00", "29T01:30", "140", "141.5"),
        half_hour("29T01:30", "29T02:00", "139", "null"),
        half_hour("29T02:00", "29T02:30", "138", "null"),
    ]);
    Mock::given(path("/intensity/2026-03-28T01:30Z/2026-03-29T02:00Z"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).latest(&zone("EU-UK")).await.unwrap();
    assert_eq!(
        (reading.source, reading.factor_set.as_str()),
        (Source::GbCarbonIntensity, "gb-carbon-intensity")
    );
    assert_eq!(
        shown(&reading),
        [
            "2026-03-29T00:30:00Z 30m 150.00 measured",
            "2026-03-29T01:00:00Z 30m 141.50 measured",
            "2026-03-29T01:30:00Z 30m 139.00 estimated",
        ]
    );
    assert!((reading.confidence - 0.8).abs() < 1e-9);
}

#[tokio::test]
async fn values_that_no_grid_has_are_refused_and_nulls_are_no_data() {
    for (forecast, expected) in [
        ("-5", ErrorKind::Malformed),
        ("NaN", ErrorKind::Malformed),
        ("\"146\"", ErrorKind::Malformed),
        ("null", ErrorKind::NoData),
    ] {
        let stand = Stand::new().await;
        stand.says(answer(&[half_hour("29T01:00", "29T01:30", forecast, "null")])).await;
        let error = stand.provider(NAME).latest(&zone("EU-UK")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{forecast}: {error}");
    }
    let stand = Stand::new().await;
    stand.says(answer(&[half_hour("29T01:30", "29T01:00", "100", "null")])).await;
    assert!(stand.provider(NAME).latest(&zone("EU-UK")).await.is_err());
    stand.says(r#"{"data":[]}"#).await;
    let error = stand.provider(NAME).latest(&zone("EU-UK")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoData);
}

/// The day on which clocks go back has 50 half-hours by the clock and 48 in UTC, which is what counts.
#[tokio::test]
async fn a_day_of_25_hours_is_asked_for_and_read_in_utc() {
    let stand = Stand::new().await;
    let start = time("2025-10-25T23:00:00Z");
    let half = carbon_kube_core::Span::MINUTE * 30;
    let text = |at: carbon_kube_core::Time| at.utc().strftime("%Y-%m-%dT%H:%MZ").to_string();
    let item = |i: i64| {
        let (from, to) = (text(start + half * i), text(start + half * (i + 1)));
        format!(
            r#"{{"from":"{from}","to":"{to}","intensity":{{"forecast":100,"actual":{}}}}}"#,
            100 + i
        )
    };
    // The API begins with the half-hour before.
    let items: Vec<String> = (-1..50).map(item).collect();
    stand.says(answer(&items)).await;
    let reading =
        stand.provider(NAME).history(&zone("EU-UK"), start, start + half * 50).await.unwrap();
    assert_eq!(reading.points.len(), 50);
    assert_eq!(shown(&reading)[0], "2025-10-25T23:00:00Z 30m 100.00 measured");
    assert_eq!(shown(&reading)[49], "2025-10-26T23:30:00Z 30m 149.00 measured");
}

#[tokio::test]
async fn the_forecast_takes_the_expected_value_even_where_there_is_an_actual_one() {
    let stand = Stand::new().await;
    let body = answer(&[
        half_hour("29T01:30", "29T02:00", "139", "120"),
        half_hour("29T02:00", "29T02:30", "138", "null"),
    ]);
    Mock::given(path("/intensity/2026-03-29T01:30Z/fw48h"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).forecast(&zone("EU-UK")).await.unwrap();
    assert_eq!(
        shown(&reading),
        ["2026-03-29T01:30:00Z 30m 139.00 estimated", "2026-03-29T02:00:00Z 30m 138.00 estimated"]
    );
}

#[tokio::test]
async fn only_great_britain_is_served() {
    let stand = Stand::new().await;
    let provider = stand.provider(NAME);
    assert!(provider.serves(&zone("GB")) && provider.serves(&zone("EU-UK")));
    assert!(!provider.serves(&zone("EU-DE")));
}
