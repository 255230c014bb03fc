//! Electricity Maps, in the shapes of its API.

use carbon_kube_core::Span;
use carbon_kube_core::intensity::Signal;
use carbon_kube_providers::config::{ElectricityMapsConfig, ProviderName};
use carbon_kube_providers::electricity_maps::ElectricityMaps;
use carbon_kube_providers::{Circuit, ErrorKind, Provider, Source};
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{KEY, NOW, Stand, shown, time, zone};

const NAME: ProviderName = ProviderName::ElectricityMaps;

fn latest(zone: &str, value: &str, datetime: &str) -> String {
    format!(
        r#"{{"zone":"{zone}","carbonIntensity":{value},"datetime":"{datetime}",
            "updatedAt":"2026-03-29T00:42:30.000Z","createdAt":"2026-03-26T10:42:02.000Z",
            "emissionFactorType":"direct","isEstimated":true,
            "estimationMethod":"TIME_SLICER_AVERAGE","temporalGranularity":"hourly","new":[1]}}"#
    )
}

/// What one answer of `latest` for Germany becomes.
async fn check(body: String, expected: Result<&str, ErrorKind>) {
    let stand = Stand::new().await;
    stand.says(body).await;
    let result = stand.provider(NAME).latest(&zone("EU-DE")).await;
    match (result, expected) {
        (Ok(reading), Ok(expected)) => assert_eq!(shown(&reading), [expected]),
        (Err(error), Err(expected)) => assert_eq!(error.kind(), expected, "{error}"),
        (result, expected) => panic!("{result:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn the_latest_value_keeps_what_is_said_of_it() {
    let stand = Stand::new().await;
    Mock::given(path("/carbon-intensity/latest"))
        .and(query_param("zone", "DE"))
        .and(query_param("shouldUseFallbackCallerLookup", "false"))
        .and(query_param("emissionFactorType", "direct"))
        .and(header("auth-token", KEY))
        .respond_with(ResponseTemplate::new(200).set_body_string(latest(
            "DE",
            "302.5",
            "2026-03-29T01:00:00.000Z",
        )))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).latest(&zone("DE")).await.unwrap();
    assert_eq!(reading.zone, zone("EU-DE"));
    assert_eq!(reading.source, Source::ElectricityMaps);
    assert_eq!(reading.signal, Signal::Average);
    assert_eq!(reading.factor_set, "electricity-maps-direct");
    assert_eq!(reading.updated_at, Some(time("2026-03-29T00:42:30Z")));
    assert_eq!(shown(&reading), ["2026-03-29T01:00:00Z 1h 302.50 estimated"]);
    // An estimate is trusted less than a measurement.
    assert!((reading.confidence - 0.8).abs() < 1e-9);
}

#[tokio::test]
async fn a_value_that_no_grid_has_is_refused_and_a_null_is_no_data() {
    let at = "2026-03-29T01:00:00.000Z";
    check(latest("DE", "302.5", at), Ok("2026-03-29T01:00:00Z 1h 302.50 estimated")).await;
    check(latest("DE", "null", at), Err(ErrorKind::NoData)).await;
    for value in ["NaN", "-1", "1e6", "\"302\"", "true"] {
        check(latest("DE", value, at), Err(ErrorKind::Malformed)).await;
    }
    check(latest("DE", "302", "yesterday"), Err(ErrorKind::Malformed)).await;
    let whole = latest("DE", "302", at);
    check(whole[..whole.len() / 2].to_owned(), Err(ErrorKind::Malformed)).await;
    check(whole.replace("hourly", "daily"), Err(ErrorKind::Malformed)).await;
}

/// Without the switch the API answers with the zone of the caller; it must not be taken for ours.
#[tokio::test]
async fn another_zone_is_refused() {
    let at = "2026-03-29T01:00:00.000Z";
    check(latest("FR", "30", at), Err(ErrorKind::Malformed)).await;
    check(latest("DE", "30", at).replace(r#""zone":"DE","#, ""), Err(ErrorKind::Malformed)).await;
}

#[tokio::test]
async fn what_is_counted_is_what_the_answer_says() {
    let stand = Stand::new().await;
    let body = latest("DE", "302.5", "2026-03-29T01:00:00.000Z").replace("direct", "lifecycle");
    stand.says(body).await;
    let reading = stand.provider(NAME).latest(&zone("EU-DE")).await.unwrap();
    assert_eq!(reading.factor_set, "electricity-maps-lifecycle");
}

#[tokio::test]
async fn the_history_has_corrections_and_leaves_out_nulls() {
    let stand = Stand::new().await;
    // Three hours around the one that clocks in Germany skip: in UTC nothing is missing.
    let item = |hour: u32, value: &str, estimated: bool| {
        format!(
            r#"{{"zone":"DE","carbonIntensity":{value},"datetime":"2026-03-29T0{hour}:00:00.000Z",
                "updatedAt":"2026-03-29T01:00:00.000Z","emissionFactorType":"direct",
                "isEstimated":{estimated},"estimationMethod":null}}"#
        )
    };
    let items = [item(2, "null", true), item(0, "310", false), item(1, "305", true)].join(",");
    stand.says(format!(r#"{{"zone":"DE","history":[{items}]}}"#)).await;
    let provider = stand.provider(NAME);
    let (from, to) = (time("2026-03-28T02:00:00Z"), time("2026-03-29T02:00:00Z"));
    let reading = provider.history(&zone("EU-DE"), from, to).await.unwrap();
    assert_eq!(
        shown(&reading),
        ["2026-03-29T00:00:00Z 1h 310.00 measured", "2026-03-29T01:00:00Z 1h 305.00 estimated"]
    );
}

#[tokio::test]
async fn a_long_range_is_asked_for_in_parts_of_ten_days() {
    let stand = Stand::new().await;
    let part = |start: &str, value: u32| {
        let body = format!(
            r#"{{"zone":"DE","data":[{{"zone":"DE","carbonIntensity":{value},"datetime":"{start}","isEstimated":false}}]}}"#
        );
        Mock::given(path("/carbon-intensity/past-range"))
            .and(query_param("start", start))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
    };
    part("2026-01-01T00:00:00Z", 301).mount(&stand.server).await;
    part("2026-01-11T00:00:00Z", 302).mount(&stand.server).await;
    let provider = stand.provider(NAME);
    let (from, to) = (time("2026-01-01"), time("2026-01-15"));
    let reading = provider.history(&zone("EU-DE"), from, to).await.unwrap();
    assert_eq!(stand.requests().await, 2);
    assert_eq!(stand.last_query().await.matches("end=2026-01-15").count(), 1);
    assert_eq!(
        shown(&reading),
        ["2026-01-01T00:00:00Z 1h 301.00 measured", "2026-01-11T00:00:00Z 1h 302.00 measured"]
    );
}

#[tokio::test]
async fn a_forecast_may_be_shorter_than_a_day_and_is_an_estimate() {
    let stand = Stand::new().await;
    let point = |hour: u32| {
        format!(
            r#"{{"carbonIntensity":{},"datetime":"2026-03-29T0{hour}:00:00.000Z"}}"#,
            300 + hour
        )
    };
    let points: Vec<String> = (1..4).map(point).collect();
    let body = format!(
        r#"{{"zone":"DE","forecast":[{}],"updatedAt":"2026-03-29T00:50:00.000Z","temporalGranularity":"hourly"}}"#,
        points.join(",")
    );
    stand.says(body).await;
    let reading = stand.provider(NAME).forecast(&zone("EU-DE")).await.unwrap();
    assert_eq!(reading.points.len(), 3);
    assert!(reading.points.iter().all(|point| point.is_estimated));
    assert_eq!(reading.points[2].end(), time("2026-03-29T04:00:00Z"));
}

/// The free plan has no forecasts. That must neither be asked again and again nor cost the value.
#[tokio::test]
async fn a_plan_without_forecasts_still_has_the_latest_value() {
    let stand = Stand::new().await;
    let value = latest("DE", "302", "2026-03-29T00:00:00.000Z");
    Mock::given(path("/carbon-intensity/latest"))
        .respond_with(ResponseTemplate::new(200).set_body_string(value))
        .mount(&stand.server)
        .await;
    Mock::given(path("/carbon-intensity/forecast"))
        .respond_with(ResponseTemplate::new(403))
        .expect(1)
        .mount(&stand.server)
        .await;
    let provider = stand.provider(NAME);
    let germany = zone("EU-DE");
    assert_eq!(provider.forecast(&germany).await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(provider.forecast(&germany).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert!(provider.latest(&germany).await.is_ok());
}

#[tokio::test]
async fn the_value_of_an_hour_is_asked_for_once() {
    let stand = Stand::new().await;
    stand.says(latest("DE", "302", "2026-03-29T01:00:00.000Z")).await;
    let provider = stand.provider(NAME);
    for _ in 0..5 {
        provider.latest(&zone("EU-DE")).await.unwrap();
    }
    assert_eq!(stand.requests().await, 1);
    let health = provider.health();
    let counted = &health.zones[&zone("EU-DE")].requests;
    assert_eq!((counted["success"], counted["cached"]), (1, 4));
}

#[tokio::test]
async fn without_a_key_nothing_is_asked() {
    let stand = Stand::new().await;
    let mut config = stand.config("{}").electricity_maps.unwrap();
    config.key_file = None;
    config.key_env = Some("CARBON_KUBE_TEST_NO_SUCH_KEY".to_owned());
    let provider = ElectricityMaps::new(&config, &stand.context);
    let error = provider.latest(&zone("EU-DE")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration: no key: the variable `CARBON_KUBE_TEST_NO_SUCH_KEY` is not set"
    );
    assert_eq!(stand.requests().await, 0);
    // It is in the metrics, and a key that comes later is used at once.
    let health = provider.health();
    assert_eq!(health.zones[&zone("EU-DE")].last_error, Some(ErrorKind::Configuration));
    assert_eq!(health.zones[&zone("EU-DE")].requests["configuration"], 1);
    assert_eq!(health.zones[&zone("EU-DE")].circuit, Circuit::Closed);
}

/// The last day is in every plan, and a moment passes between asking and looking at the clock.
#[tokio::test]
async fn the_last_day_needs_no_paid_call() {
    let stand = Stand::new().await;
    stand.answers(ResponseTemplate::new(404)).await;
    let now = time(NOW);
    let provider = stand.provider(NAME);
    let _ = provider.history(&zone("EU-DE"), now - Span::DAY, now).await;
    let requests = stand.server.received_requests().await.unwrap();
    assert_eq!(requests[0].url.path(), "/carbon-intensity/history");
}

#[tokio::test]
async fn the_power_breakdown_is_read_leniently() {
    let stand = Stand::new().await;
    stand
        .says(
            r#"{"zone":"DE","datetime":"2026-03-29T01:00:00.000Z",
                "powerConsumptionBreakdown":{"nuclear":null,"wind":21000,"hydro discharge":120.5},
                "powerProductionBreakdown":{"gas":5000},"powerImportBreakdown":{"FR":900},
                "fossilFreePercentage":71,"renewablePercentage":66,"isEstimated":false,"later":{}}"#,
        )
        .await;
    let config = ElectricityMapsConfig { ..stand.config("{}").electricity_maps.unwrap() };
    let provider = ElectricityMaps::new(&config, &stand.context);
    let breakdown = provider.power_breakdown(&zone("EU-DE")).await.unwrap();
    assert_eq!(breakdown.power_consumption_breakdown["wind"].map(|mw| mw as i64), Some(21_000));
    assert!(breakdown.power_consumption_breakdown["nuclear"].is_none());
    assert_eq!(breakdown.is_estimated, Some(false));
}

/// The clock of the server is an hour ahead: the chain, which knows the time, refuses it.
#[tokio::test]
async fn a_clock_that_is_ahead_is_not_believed() {
    let stand = Stand::new().await;
    stand.says(latest("DE", "302", "2026-03-29T02:30:00.000Z")).await;
    let mut config = stand.config("{retries: 0}");
    config.chain.order = Some(vec![NAME]);
    let chain = carbon_kube_providers::sources::chain(&config, &stand.context);
    let answer = chain.latest(&zone("EU-DE")).await.unwrap();
    assert_eq!(answer.reading.source, Source::TypicalYear);
    let reason = answer.passed_over[0].reason.to_string();
    assert!(
        reason.starts_with("not believed: is ") && reason.ends_with("ahead of our clock"),
        "{reason}"
    );
    assert!(answer.observed_at.is_none());
}
