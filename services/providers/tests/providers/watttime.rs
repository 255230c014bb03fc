//! WattTime's API, in its shapes.

use carbon_kube_core::intensity::Signal;
use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{Stand, shown, zone};

const NAME: ProviderName = ProviderName::Watttime;

fn answer(values: &[&str]) -> String {
    let item = |(i, value): (usize, &&str)| {
        format!(
            r#"{{"point_time":"2026-03-29T01:{:02}:00+00:00","value":{value},"version":"2026-03-01"}}"#,
            i * 5
        )
    };
    let items: Vec<String> = values.iter().enumerate().map(item).collect();
    format!(
        r#"{{"data":[{}],"meta":{{"region":"CAISO_NORTH","signal_type":"co2_moer","model":{{"date":"2026-03-01"}},
            "units":"lbs_co2_per_mwh","data_point_period_seconds":300,"warnings":[],"generated_at":"2026-03-29T01:25:00+00:00"}}}}"#,
        items.join(",")
    )
}

async fn latest(body: String) -> Result<Vec<String>, ErrorKind> {
    let stand = Stand::new().await;
    stand.says(body).await;
    let result = stand.provider(NAME).latest(&zone("US-CA")).await;
    result.map(|reading| shown(&reading)).map_err(|error| error.kind())
}

#[tokio::test]
async fn pounds_per_megawatt_hour_become_grams_and_the_signal_is_marginal() {
    let stand = Stand::new().await;
    // s3cr3t-k3y-...:s3cr3t-k3y-... in base 64.
    let basic =
        "Basic czNjcjN0LWszeS0wMTIzNDU2Nzg5YWJjZGVmOnMzY3IzdC1rM3ktMDEyMzQ1Njc4OWFiY2RlZg==";
    Mock::given(path("/login"))
        .and(header("authorization", basic))
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"token":"abc.def"}"#))
        .expect(1)
        .mount(&stand.server)
        .await;
    Mock::given(path("/v3/historical"))
        .and(header("authorization", "Bearer abc.def"))
        .and(query_param("region", "CAISO_NORTH"))
        .and(query_param("signal_type", "co2_moer"))
        .respond_with(ResponseTemplate::new(200).set_body_string(answer(&["1000", "null", "0"])))
        .mount(&stand.server)
        .await;
    let provider = stand.provider(NAME);
    let reading = provider.latest(&zone("US-CA")).await.unwrap();
    // A second call takes the same token.
    provider.latest(&zone("US-CA")).await.unwrap();
    assert_eq!((reading.source, reading.signal), (Source::Watttime, Signal::Marginal));
    assert_eq!(reading.factor_set, "watttime-moer");
    // 1000 lb/MWh x 453.59237 g/lb / 1000 kWh/MWh.
    assert_eq!(
        shown(&reading),
        ["2026-03-29T01:00:00Z 5m 453.59 estimated", "2026-03-29T01:10:00Z 5m 0.00 estimated"]
    );
}

#[tokio::test]
async fn another_region_another_unit_and_no_intensity_are_refused() {
    let whole = answer(&["1000"]);
    for (what, body) in [
        ("region", whole.replace("CAISO_NORTH", "ERCOT_EASTTX")),
        ("unit", whole.replace("lbs_co2_per_mwh", "g_per_kwh")),
        ("signal", whole.replace("co2_moer", "health_damage")),
        ("negative", answer(&["-1"])),
        ("not a number", answer(&["NaN"])),
        ("absurd", answer(&["99999999"])),
        ("a step of nothing", whole.replace("300", "0")),
        ("truncated", whole[..whole.len() / 2].to_owned()),
    ] {
        assert_eq!(latest(body).await, Err(ErrorKind::Malformed), "{what}");
    }
    assert_eq!(latest(answer(&["null"])).await, Err(ErrorKind::NoData));
    assert_eq!(latest(answer(&[])).await, Err(ErrorKind::NoData));
}

#[tokio::test]
async fn a_refused_login_asks_for_nothing_more() {
    let stand = Stand::new().await;
    Mock::given(path("/login")).respond_with(ResponseTemplate::new(401)).mount(&stand.server).await;
    let provider = stand.provider(NAME);
    for expected in [ErrorKind::Configuration, ErrorKind::CircuitOpen] {
        let error = provider.latest(&zone("US-CA")).await.unwrap_err();
        assert_eq!(error.kind(), expected);
    }
    assert_eq!(stand.requests().await, 1);
}

/// An average chain never asks it, however it is configured.
#[tokio::test]
async fn it_has_no_say_in_an_average_chain() {
    let stand = Stand::new().await;
    stand.says(answer(&["1000"])).await;
    let mut config = stand.config("{}");
    config.chain.order = Some(vec![NAME]);
    let chain = carbon_kube_providers::sources::chain(&config, &stand.context);
    let answer = chain.latest(&zone("US-CA")).await.unwrap();
    assert_eq!(answer.reading.source, Source::TypicalYear);
    assert_eq!(stand.requests().await, 0);
    config.chain.signal = Signal::Marginal;
    let chain = carbon_kube_providers::sources::chain(&config, &stand.context);
    let answer = chain.latest(&zone("US-CA")).await.unwrap();
    assert_eq!(answer.reading.source, Source::Watttime);
    // And where it is silent, no typical year speaks in its place: that is average.
    assert!(chain.latest(&zone("US-TX")).await.is_none());
}
