//! The weather service, in its shapes.

use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::nws::proxy::Worth;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::{header, path_regex};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{Stand, time, zone};

const NAME: ProviderName = ProviderName::Nws;

fn observation(at: &str, wind_km_h: &str, amount: &str) -> String {
    format!(
        r#"{{"properties":{{"timestamp":"{at}","textDescription":"Mostly Cloudy",
            "temperature":{{"unitCode":"wmoUnit:degC","value":11,"qualityControl":"V"}},
            "windSpeed":{{"unitCode":"wmoUnit:km_h-1","value":{wind_km_h}}},
            "cloudLayers":[{{"base":{{"unitCode":"wmoUnit:m","value":7620}},"amount":"{amount}"}}]}}}}"#
    )
}

const POINT: &str = r#"{"properties":{"cwa":"SJT","gridId":"SJT","gridX":65,"gridY":41}}"#;

fn grid(wind_km_h: &str) -> String {
    format!(
        r#"{{"properties":{{
            "skyCover":{{"uom":"wmoUnit:percent","values":[{{"validTime":"2026-03-29T00:00:00+00:00/P1D","value":50}}]}},
            "windSpeed":{{"uom":"wmoUnit:km_h-1","values":[{{"validTime":"2026-03-29T00:00:00+00:00/P1D","value":{wind_km_h}}}]}}}}}}"#
    )
}

const HOURLY: &str = r#"{"properties":{"periods":[{"number":1,"startTime":"2026-03-28T20:00:00-05:00",
    "endTime":"2026-03-28T21:00:00-05:00","temperature":45,"temperatureUnit":"F","windSpeed":"15 to 25 mph"}]}}"#;

async fn answers(stand: &Stand, path: &str, body: &str) {
    Mock::given(path_regex(path))
        .and(header(
            "user-agent",
            concat!("carbon-kube/", env!("CARGO_PKG_VERSION"), " (ops@example.org)"),
        ))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&stand.server)
        .await;
}

/// What the proxy should say with that much wind: it is night, so the sun is worth nothing.
fn expected(wind: f64) -> f64 {
    let worth = Worth::of(&zone("US-TX")).unwrap();
    worth.intensity(time("2026-03-29T01:00:00Z"), wind, 1.0, 0.0).unwrap().get()
}

#[tokio::test]
async fn observed_wind_moves_the_typical_hour_and_the_label_says_proxy() {
    let stand = Stand::new().await;
    // 36 km/h are 10 m/s, and 17 at the hub: full power.
    answers(
        &stand,
        "/observations/latest$",
        &observation("2026-03-29T01:00:00+00:00", "36", "FEW"),
    )
    .await;
    let reading = stand.provider(NAME).latest(&zone("US-TX")).await.unwrap();
    assert_eq!(reading.source, Source::NwsProxy);
    assert_eq!(reading.source.as_str(), "nws-proxy");
    assert!(reading.confidence < 0.2);
    let point = reading.last().unwrap();
    assert!(point.is_estimated);
    assert!((point.value.get() - expected(1.0)).abs() < 0.5, "{} {}", point.value, expected(1.0));
}

#[tokio::test]
async fn a_station_without_wind_is_replaced_by_the_grid_and_that_by_words() {
    let stand = Stand::new().await;
    answers(
        &stand,
        "/observations/latest$",
        &observation("2026-03-29T01:00:00+00:00", "null", "OVC"),
    )
    .await;
    answers(&stand, "^/points/", POINT).await;
    answers(&stand, "^/gridpoints/SJT/65,41$", &grid("36")).await;
    let reading = stand.provider(NAME).latest(&zone("US-TX")).await.unwrap();
    assert!((reading.last().unwrap().value.get() - expected(1.0)).abs() < 0.5);

    let stand = Stand::new().await;
    answers(&stand, "/observations/latest$", &observation("2026-03-28T12:00:00+00:00", "5", "OVC"))
        .await;
    answers(&stand, "^/points/", POINT).await;
    answers(&stand, "^/gridpoints/SJT/65,41$", &grid("null")).await;
    answers(&stand, "^/gridpoints/SJT/65,41/forecast/hourly$", HOURLY).await;
    let reading = stand.provider(NAME).latest(&zone("US-TX")).await.unwrap();
    // 20 mph are 8.9 m/s, and 15 at the hub: full power too. The old observation said calm.
    assert!((reading.last().unwrap().value.get() - expected(1.0)).abs() < 0.5);
}

#[tokio::test]
async fn a_wind_in_an_unknown_unit_is_not_taken_for_metres() {
    let stand = Stand::new().await;
    let body =
        observation("2026-03-29T01:00:00+00:00", "36", "FEW").replace("km_h-1", "furlong_h-1");
    stand.says(body).await;
    let error = stand.provider(NAME).latest(&zone("US-TX")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn without_a_contact_nothing_is_asked_and_other_countries_are_not_served() {
    let stand = Stand::new().await;
    let mut config = stand.config("{}");
    config.nws.as_mut().unwrap().contact.clear();
    let provider = carbon_kube_providers::sources::one(NAME, &config, &stand.context).unwrap();
    let error = provider.latest(&zone("US-TX")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(stand.requests().await, 0);
    assert!(!provider.serves(&zone("EU-DE")));
}
