//! A carbon-aware-sdk web API, in its shapes.

use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{Stand, shown, zone};

const NAME: ProviderName = ProviderName::CarbonAwareSdk;

fn emission(time: &str, rating: &str) -> String {
    format!(
        r#"{{"location":"francecentral","time":"2026-03-{time}:00+00:00","rating":{rating},"duration":"00:30:00"}}"#
    )
}

async fn latest(body: String) -> Result<Vec<String>, ErrorKind> {
    let stand = Stand::new().await;
    stand.says(body).await;
    let result = stand.provider(NAME).latest(&zone("EU-FR")).await;
    result.map(|reading| shown(&reading)).map_err(|error| error.kind())
}

#[tokio::test]
async fn values_come_in_any_order_as_numbers_or_texts() {
    let stand = Stand::new().await;
    let body = format!("[{},{}]", emission("29T01:00", "\"31.5\""), emission("29T00:30", "30"));
    Mock::given(path("/emissions/bylocation"))
        .and(query_param("location", "francecentral"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).latest(&zone("EU-FR")).await.unwrap();
    assert_eq!(
        (reading.source, reading.factor_set.as_str()),
        (Source::CarbonAwareSdk, "carbon-aware-sdk")
    );
    assert_eq!(
        shown(&reading),
        ["2026-03-29T00:30:00Z 30m 30.00 estimated", "2026-03-29T01:00:00Z 30m 31.50 estimated"]
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let at = "29T01:00";
    for (what, body) in [
        ("location", emission(at, "30").replace("francecentral", "westeurope")),
        ("negative", emission(at, "-1")),
        ("text", emission(at, "\"low\"")),
        ("not a number", emission(at, "\"NaN\"")),
        ("no time", emission("soon", "30")),
        ("no duration", emission(at, "30").replace("00:30:00", "half")),
        ("nothing long", emission(at, "30").replace("00:30:00", "00:00:00")),
    ] {
        assert_eq!(latest(format!("[{body}]")).await, Err(ErrorKind::Malformed), "{what}");
    }
    assert_eq!(latest(format!("[{}]", emission(at, "null"))).await, Err(ErrorKind::NoData));
    assert_eq!(latest("[]".to_owned()).await, Err(ErrorKind::NoData));
}

#[tokio::test]
async fn a_forecast_may_be_shorter_than_was_hoped_for() {
    let stand = Stand::new().await;
    let body = r#"[{"requestedAt":"2026-03-29T01:30:00Z","generatedAt":"2026-03-29T01:25:00+00:00",
        "location":"francecentral","dataStartAt":"2026-03-29T01:30:00Z","dataEndAt":"2026-03-30T01:30:00Z","windowSize":5,
        "optimalDataPoints":[],"forecastData":[
            {"location":"francecentral","timestamp":"2026-03-29T01:30:00+00:00","duration":30,"value":28.1},
            {"location":"francecentral","timestamp":"2026-03-29T02:00:00+00:00","duration":30,"value":null}]}]"#;
    stand.says(body).await;
    let reading = stand.provider(NAME).forecast(&zone("EU-FR")).await.unwrap();
    assert_eq!(shown(&reading), ["2026-03-29T01:30:00Z 30m 28.10 estimated"]);
    stand.says("[]").await;
    let error = stand.provider(NAME).forecast(&zone("EU-FR")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoData);
}
