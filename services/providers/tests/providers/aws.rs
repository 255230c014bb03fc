//! The AWS Sustainability API, in its shapes.

use carbon_kube_providers::ErrorKind;
use carbon_kube_providers::aws::api::Sustainability;
use carbon_kube_providers::config::AwsConfig;
use wiremock::matchers::{body_partial_json, header_exists, method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{KEY, Stand, time};

fn api(stand: &Stand) -> Sustainability {
    let key = stand.key_file();
    Sustainability::new(
        &AwsConfig {
            base_url: Some(stand.server.uri()),
            access_key_id_file: Some(key.clone()),
            secret_access_key_file: Some(key.clone()),
            session_token_file: Some(key),
            ..AwsConfig::default()
        },
        &stand.context,
    )
}

fn page(region: &str, tons: &str, next: &str) -> String {
    format!(
        r#"{{"Results":[{{"TimePeriod":{{"Start":"2026-01-01T00:00:00Z","End":"2026-02-01T00:00:00Z"}},
            "DimensionsValues":{{"REGION":"{region}"}},"ModelVersion":"v3.0.0",
            "EmissionsValues":{{"TOTAL_LBM_CARBON_EMISSIONS":{{"Value":{tons},"Unit":"MTCO2e"}}}}}}],"NextToken":{next}}}"#
    )
}

#[tokio::test]
async fn months_come_in_pages_and_requests_are_signed() {
    let stand = Stand::new().await;
    for (token, body) in [
        (
            serde_json::json!({"Granularity": "MONTHLY", "NextToken": "two"}),
            page("eu-north-1", "0.002", "null"),
        ),
        (
            serde_json::json!({"TimePeriod": {"Start": "2026-01-01", "End": "2026-02-01"}}),
            page("us-east-1", "0.5", "\"two\""),
        ),
    ] {
        Mock::given(method("POST"))
            .and(path("/v1/estimated-carbon-emissions"))
            .and(header_exists("x-amz-date"))
            .and(header_exists("x-amz-security-token"))
            .and(body_partial_json(token))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&stand.server)
            .await;
    }
    let months = api(&stand).months(time("2026-01-01"), time("2026-02-01")).await.unwrap();
    let shown: Vec<(&str, f64)> =
        months.iter().map(|row| (row.region.as_str(), row.location_based.kilograms())).collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0].0, "us-east-1");
    assert!((shown[0].1 - 500.0).abs() < 1e-9 && (shown[1].1 - 2.0).abs() < 1e-9, "{shown:?}");
    let requests = stand.server.received_requests().await.unwrap();
    let signature = requests[0].headers["authorization"].to_str().unwrap();
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential="), "{signature}");
    assert!(signature.contains("/us-east-1/sustainability/aws4_request"), "{signature}");
}

#[tokio::test]
async fn troubles_have_their_kinds_and_no_key_in_them() {
    for (status, body, expected) in [
        (403, r#"{"message":"AccessDenied"}"#.to_owned(), ErrorKind::Configuration),
        (429, "{}".to_owned(), ErrorKind::Throttled),
        (500, String::new(), ErrorKind::Unavailable),
        (200, page("us-east-1", "-1", "null"), ErrorKind::Malformed),
        (200, page("us-east-1", "1", "null").replace("MTCO2e", "lb"), ErrorKind::Malformed),
        (200, "<html>".to_owned(), ErrorKind::Malformed),
    ] {
        let stand = Stand::new().await;
        stand.answers(ResponseTemplate::new(status).set_body_string(body)).await;
        let api = api(&stand);
        let error = api.months(time("2026-01-01"), time("2026-02-01")).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert!(!format!("{error} {error:?} {api:?}").contains(KEY));
    }
}
