//! What the guard does between a provider and a server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use carbon_kube_core::Zone;
use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{Circuit, ErrorKind, Observer, sources};
use wiremock::matchers::{any, header};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{Stand, time, zone, zone_of};

const NAME: ProviderName = ProviderName::ElectricityMaps;

fn value(hour: &str) -> ResponseTemplate {
    let body = format!(
        r#"{{"zone":"DE","carbonIntensity":302,"datetime":"2026-03-29T{hour}:00:00Z","isEstimated":false}}"#
    );
    ResponseTemplate::new(200).set_body_string(body)
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let stand = Stand::new().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount(&stand.server)
        .await;
    Mock::given(any()).respond_with(value("01")).mount(&stand.server).await;
    let provider = stand.guarded(NAME, "{retries: 2, retryAfter: 1ms}");
    provider.latest(&zone("EU-DE")).await.unwrap();
    let health = &provider.health().zones[&zone("EU-DE")];
    assert_eq!((health.requests["unavailable"], health.requests["success"]), (2, 1));
    assert_eq!((health.circuit, health.last_error), (Circuit::Closed, None));
}

#[tokio::test]
async fn the_budget_of_retries_is_for_all_zones_together() {
    let stand = Stand::new().await;
    stand.answers(ResponseTemplate::new(503)).await;
    let provider = stand.guarded(NAME, "{retries: 10, retryAfter: 1ms, retriesPerHour: 3}");
    for name in ["EU-DE", "EU-FR", "US-CA"] {
        assert!(provider.latest(&zone(name)).await.is_err());
    }
    // Three calls, and three retries between them.
    assert_eq!(stand.requests().await, 6);
}

#[tokio::test]
async fn a_source_that_asks_for_time_is_left_alone_for_every_zone() {
    let stand = Stand::new().await;
    stand.answers(ResponseTemplate::new(429).insert_header("retry-after", "3600")).await;
    let provider = stand.guarded(NAME, "{retries: 5, retryAfter: 1ms}");
    for name in ["EU-DE", "EU-FR", "EU-DE"] {
        let error = provider.latest(&zone(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
    }
    assert_eq!(stand.requests().await, 1);
}

#[tokio::test]
async fn one_zone_that_fails_does_not_silence_another() {
    let stand = Stand::new().await;
    Mock::given(wiremock::matchers::query_param("zone", "DE"))
        .respond_with(value("01"))
        .mount(&stand.server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&stand.server).await;
    let provider = stand.guarded(NAME, "{retries: 0, failures: 1, refresh: 0s}");
    assert!(provider.latest(&zone("EU-FR")).await.is_err());
    let error = provider.latest(&zone("EU-FR")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert!(provider.latest(&zone("EU-DE")).await.is_ok());
    let health = provider.health();
    assert_eq!(health.zones[&zone("EU-FR")].circuit, Circuit::Open);
    assert_eq!(health.zones[&zone("EU-DE")].circuit, Circuit::Closed);
}

#[tokio::test]
async fn a_spent_quota_asks_for_nothing_and_outlives_a_restart() {
    let stand = Stand::new().await;
    stand.answers(value("00")).await;
    let guard = "{retries: 0, refresh: 0s, requestsPerDay: 2}";
    let provider = stand.guarded(NAME, guard);
    for name in ["DE", "DE"] {
        provider.latest(&zone(name)).await.unwrap();
    }
    let provider = stand.guarded(NAME, guard);
    let error = provider.latest(&zone("EU-DE")).await.unwrap_err();
    assert_eq!(error.to_string(), "the quota of requests is spent until 2026-03-30T00:00:00Z");
    assert_eq!(stand.requests().await, 2);
    assert_eq!(provider.health().quota_remaining, Some(0));
    // Nothing was asked, so nothing is held against the source.
    assert_eq!(provider.health().zones[&zone("EU-DE")].circuit, Circuit::Closed);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let stand = Stand::new().await;
    Mock::given(header("if-none-match", "\"v1\""))
        .respond_with(ResponseTemplate::new(304))
        .with_priority(1)
        .mount(&stand.server)
        .await;
    Mock::given(any())
        .respond_with(value("00").insert_header("etag", "\"v1\""))
        .mount(&stand.server)
        .await;
    let provider = stand.guarded(NAME, "{retries: 0, refresh: 0s}");
    let first = provider.latest(&zone("EU-DE")).await.unwrap();
    let second = provider.latest(&zone("EU-DE")).await.unwrap();
    assert_eq!(first.points, second.points);
    assert!(second.fetched_at >= first.fetched_at);
    // Another run, with the folder of this one.
    let again = stand.guarded(NAME, "{retries: 0, refresh: 0s}");
    assert_eq!(again.latest(&zone("EU-DE")).await.unwrap().points, first.points);
    assert_eq!(again.health().zones[&zone("EU-DE")].requests["not-modified"], 1);
}

/// The history is down, the live value is not.
#[tokio::test]
async fn a_history_that_fails_leaves_the_latest_value_alone() {
    for name in [ProviderName::ElectricityMaps, ProviderName::Eia, ProviderName::Entsoe] {
        let stand = Stand::new().await;
        stand.answers(ResponseTemplate::new(503)).await;
        let provider = stand.guarded(name, "{retries: 0, failures: 1, refresh: 0s}");
        let zone = zone_of(name);
        let (from, to) = (time("2026-03-01"), time("2026-03-02"));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(provider.history(&zone, from, to).await.unwrap_err().kind());
        }
        assert_eq!(kinds, [ErrorKind::Unavailable, ErrorKind::CircuitOpen], "{name:?}");
        assert_eq!(stand.requests().await, 1, "{name:?}: it alone is left out");
        assert_eq!(provider.health().zones[&zone].circuit, Circuit::Closed, "{name:?}");
        // The live value is asked for, and its own failure counts.
        assert_eq!(provider.latest(&zone).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(provider.health().zones[&zone].circuit, Circuit::Open, "{name:?}");
    }
}

/// Who is told, in words.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn request(&self, provider: &'static str, zone: &Zone, result: &'static str, _: Duration) {
        self.0.lock().unwrap().push(format!("asked {provider} {zone} {result}"));
    }

    fn unasked(&self, provider: &'static str, zone: &Zone, result: &'static str) {
        self.0.lock().unwrap().push(format!("unasked {provider} {zone} {result}"));
    }
}

#[tokio::test]
async fn a_source_without_its_key_is_told_of_though_nobody_asks_it() {
    let mut stand = Stand::new().await;
    let told = Arc::new(Told::default());
    stand.context.observer = told.clone();
    let mut config = stand.config("{retries: 0}");
    config.eia.as_mut().unwrap().key_file = Some("/nowhere/key".into());
    let provider = sources::one(ProviderName::Eia, &config, &stand.context).unwrap();
    let error = provider.latest(&zone("US-CA")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(*told.0.lock().unwrap(), ["unasked eia US-CA configuration"]);
    assert_eq!(stand.requests().await, 0);
}

/// A 304 to a request that had no validator makes no value.
#[tokio::test]
async fn not_modified_without_a_value_is_malformed() {
    let stand = Stand::new().await;
    stand.answers(ResponseTemplate::new(304)).await;
    let error = stand.provider(NAME).latest(&zone("EU-DE")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}
