//! Whatever comes back, a provider says what kind of trouble it is, in time, and never panics.

use carbon_kube_core::Span;
use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, ProviderError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use crate::stand::{Stand, zone_of};

/// How each provider takes an answer.
async fn check(what: &str, template: ResponseTemplate, expected: ErrorKind) {
    let stand = Stand::new().await;
    stand.answers(template).await;
    for name in ProviderName::ALL {
        let provider = stand.guarded(name, "{retries: 0, refresh: 0s, timeout: 60s}");
        let error = provider.latest(&zone_of(name)).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{what} from {}: {error}", name.as_str());
        let health = provider.health();
        let counted = health.zones[&zone_of(name)].requests.get(expected.as_str());
        assert!(counted.is_some(), "{what} from {}: {health:?}", name.as_str());
    }
}

fn body(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(text)
}

#[tokio::test]
async fn a_page_of_html_is_malformed() {
    let page = "<!DOCTYPE html><html><body>Welcome to the hotel's network</body></html>";
    check("HTML", body(page), ErrorKind::Malformed).await;
}

#[tokio::test]
async fn an_empty_body_a_null_and_another_form_are_malformed() {
    for text in ["", "null", "[1]", "\"text\"", "42", "{\"data\":", "\u{0}\u{1}"] {
        check(text, body(text), ErrorKind::Malformed).await;
    }
}

#[tokio::test]
async fn a_refused_key_is_a_matter_of_configuration() {
    for status in [400, 401, 403] {
        let template = ResponseTemplate::new(status).set_body_string(r#"{"error":"no"}"#);
        check("refusal", template, ErrorKind::Configuration).await;
    }
}

#[tokio::test]
async fn nothing_there_is_no_data() {
    let text = r#"{"error":"No recent data for zone \"US-MIDW-MISO\""}"#;
    let template = ResponseTemplate::new(404).set_body_string(text);
    check("404", template, ErrorKind::NoData).await;
}

#[tokio::test]
async fn errors_of_the_server_may_pass() {
    for status in [500, 502, 503, 504, 408] {
        check("error", ResponseTemplate::new(status), ErrorKind::Unavailable).await;
    }
}

#[tokio::test]
async fn too_many_requests_say_for_how_long() {
    for name in ProviderName::ALL {
        let stand = Stand::new().await;
        stand.answers(ResponseTemplate::new(429).insert_header("retry-after", "120")).await;
        let error = stand.provider(name).latest(&zone_of(name)).await.unwrap_err();
        let expected = ProviderError::Throttled { retry_after: Some(Span::SECOND * 120) };
        assert_eq!(error, expected, "{}", name.as_str());
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let template =
        ResponseTemplate::new(302).insert_header("location", "http://192.0.2.1/carbon?x=1");
    check("redirect", template, ErrorKind::Malformed).await;
}

/// The answer would take an hour; the limit ends it.
#[tokio::test]
async fn a_hang_ends_at_the_limit() {
    for name in ProviderName::ALL {
        let stand = Stand::new().await;
        stand.answers(body("{}").set_delay(std::time::Duration::from_secs(3_600))).await;
        let provider = stand.guarded(name, "{retries: 0, timeout: 100ms, failures: 1}");
        // The login of WattTime is answered at once: its limit must not be what ends it.
        let error = provider.latest(&zone_of(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}: {error}", name.as_str());
    }
}

/// A byte at a time, and never the last one.
#[tokio::test]
async fn a_slow_drip_ends_at_the_limit_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{";
                let mut sent = stream.write_all(head.as_bytes()).await;
                while sent.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    sent = stream.write_all(b" ").await;
                }
            });
        }
    });
    let stand = Stand::new().await;
    for name in [ProviderName::GbCarbonIntensity, ProviderName::ElectricityMaps] {
        let mut config = stand.config("{retries: 0, timeout: 200ms}");
        config.gb_carbon_intensity.as_mut().unwrap().base_url.clone_from(&url);
        config.electricity_maps.as_mut().unwrap().base_url.clone_from(&url);
        let provider = carbon_kube_providers::sources::one(name, &config, &stand.context).unwrap();
        let error = provider.latest(&zone_of(name)).await.unwrap_err();
        assert_eq!(error.to_string(), "unavailable: no answer in 200ms", "{}", name.as_str());
    }
    server.abort();
}

#[tokio::test]
async fn more_than_a_body_may_have_is_not_read() {
    let stand = Stand::new().await;
    stand.says(" ".repeat((8 << 20) + 1)).await;
    let provider = stand.provider(ProviderName::GbCarbonIntensity);
    let error = provider.latest(&zone_of(ProviderName::GbCarbonIntensity)).await.unwrap_err();
    assert_eq!(error.to_string(), "malformed answer: the answer is larger than 8 MiB");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let stand = Stand::new().await;
    // A port that was free a moment ago, and is again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = stand.config("{retries: 0}");
    config.gb_carbon_intensity.as_mut().unwrap().base_url = format!("http://{free}");
    let name = ProviderName::GbCarbonIntensity;
    let provider = carbon_kube_providers::sources::one(name, &config, &stand.context).unwrap();
    let error = provider.latest(&zone_of(name)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().starts_with("unavailable: no connection"), "{error}");
}
