//! EIA's API, in its shapes.

use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{KEY, Stand, shown, time, zone};

const NAME: ProviderName = ProviderName::Eia;

fn row(period: &str, respondent: &str, fuel: &str, value: &str) -> String {
    format!(
        r#"{{"period":"{period}","respondent":"{respondent}","respondent-name":"x","fueltype":"{fuel}","type-name":"y","value":{value},"value-units":"megawatthours"}}"#
    )
}

/// The answer echoes the request, its key included.
fn answer(total: &str, rows: &[String]) -> String {
    format!(
        r#"{{"response":{{"total":{total},"dateFormat":"YYYY-MM-DD\"T\"HH24","frequency":"hourly","data":[{}]}},
            "request":{{"command":"/v2/electricity/rto/fuel-type-data/data/","params":{{"api_key":"{KEY}"}}}},"apiVersion":"2.1.8"}}"#,
        rows.join(",")
    )
}

/// Two hours of gas and wind: 300 of 400 parts, then 200 of 400, of California's gas.
fn two_hours() -> Vec<String> {
    let mut rows = Vec::new();
    for (period, gas, wind) in [("2026-03-29T00", "300", "100"), ("2026-03-29T01", "200", "200")] {
        rows.push(row(period, "CISO", "NG", &format!("\"{gas}\"")));
        rows.push(row(period, "CISO", "WND", &format!("\"{wind}\"")));
    }
    rows
}

async fn latest(rows: &[String]) -> Result<Vec<String>, ErrorKind> {
    let stand = Stand::new().await;
    stand.says(answer("\"4\"", rows)).await;
    let result = stand.provider(NAME).latest(&zone("US-CA")).await;
    result.map(|reading| shown(&reading)).map_err(|error| error.kind())
}

#[tokio::test]
async fn texts_become_numbers_and_a_label_is_the_end_of_its_hour() {
    let stand = Stand::new().await;
    Mock::given(path("/electricity/rto/fuel-type-data/data/"))
        .and(query_param("api_key", KEY))
        .and(query_param("data[0]", "value"))
        .and(query_param("facets[respondent][]", "CISO"))
        .and(query_param("start", "2026-03-27T01"))
        .and(query_param("end", "2026-03-29T02"))
        .respond_with(ResponseTemplate::new(200).set_body_string(answer("\"4\"", &two_hours())))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).latest(&zone("US-CA")).await.unwrap();
    assert_eq!((reading.source, reading.factor_set.as_str()), (Source::Eia, "local"));
    let [first, second] = shown(&reading).try_into().unwrap();
    assert!(first.starts_with("2026-03-28T23:00:00Z 1h "), "{first}");
    assert!(second.starts_with("2026-03-29T00:00:00Z 1h "), "{second}");
    // The same gas plants: 3/4 of their factor, then 1/2.
    let [a, b] = [reading.points[0].value.get(), reading.points[1].value.get()];
    assert!((a / b - 1.5).abs() < 1e-9, "{a} {b}");
    assert!((300.0..600.0).contains(&(b * 2.0)), "a factor of gas: {}", b * 2.0);
}

#[tokio::test]
async fn an_hour_that_lacks_a_fuel_is_not_clean_but_incomplete() {
    let mut rows = two_hours();
    rows.push(row("2026-03-29T02", "CISO", "WND", "\"900\""));
    rows.push(row("2026-03-29T02", "CISO", "NG", "null"));
    assert_eq!(latest(&rows).await.unwrap().len(), 2);
    // A code that is newer than this, and a battery, change nothing.
    rows.push(row("2026-03-29T01", "CISO", "BAT", "\"-400\""));
    rows.push(row("2026-03-29T01", "CISO", "H2O", "\"77\""));
    assert_eq!(latest(&rows).await, latest(&two_hours()).await);
}

#[tokio::test]
async fn what_a_plant_uses_itself_counts_as_nothing_and_numbers_may_be_plain() {
    let mut rows = two_hours();
    for period in ["2026-03-29T00", "2026-03-29T01"] {
        rows.push(row(period, "CISO", "SUN", "-12.5"));
    }
    assert_eq!(latest(&rows).await, latest(&two_hours()).await);
}

#[tokio::test]
async fn zeros_everywhere_are_an_outage() {
    let rows =
        [row("2026-03-29T01", "CISO", "NG", "\"0\""), row("2026-03-29T01", "CISO", "WND", "\"0\"")];
    assert_eq!(latest(&rows).await, Err(ErrorKind::NoData));
    assert_eq!(latest(&[]).await, Err(ErrorKind::NoData));
}

#[tokio::test]
async fn another_respondent_another_unit_and_no_number_are_refused() {
    for bad in [
        row("2026-03-29T01", "ERCO", "NG", "\"5\""),
        row("2026-03-29T01", "CISO", "NG", "\"5\"").replace("megawatthours", "kilowatthours"),
        row("2026-03-29T01", "CISO", "NG", "\"many\""),
        row("2026-03-29T01", "CISO", "NG", "\"NaN\""),
        row("2026-03-29T01", "CISO", "NG", "\"inf\""),
        row("29.03.2026", "CISO", "NG", "\"5\""),
    ] {
        assert_eq!(latest(std::slice::from_ref(&bad)).await, Err(ErrorKind::Malformed), "{bad}");
    }
}

#[tokio::test]
async fn a_long_history_has_pages() {
    let stand = Stand::new().await;
    let rows = two_hours();
    for (offset, rows) in [("0", &rows[..2]), ("2", &rows[2..])] {
        Mock::given(query_param("offset", offset))
            .respond_with(ResponseTemplate::new(200).set_body_string(answer("4", rows)))
            .expect(1)
            .mount(&stand.server)
            .await;
    }
    let (from, to) = (time("2026-03-28T23:00:00Z"), time("2026-03-29T01:00:00Z"));
    let reading = stand.provider(NAME).history(&zone("US-CA"), from, to).await.unwrap();
    assert_eq!(reading.points.len(), 2);
}

/// An API that promises more rows than it has must not be asked for ever.
#[tokio::test]
async fn a_total_that_is_too_large_ends_with_the_rows() {
    let stand = Stand::new().await;
    stand.says(answer("1000000", &[])).await;
    let (from, to) = (time("2026-03-28"), time("2026-03-29"));
    let error = stand.provider(NAME).history(&zone("US-CA"), from, to).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoData);
    assert_eq!(stand.requests().await, 1);
}

/// Local noon of the day on which clocks go forward is an hour like any other in UTC.
#[tokio::test]
async fn a_day_of_23_hours_has_its_23_hours() {
    let stand = Stand::new().await;
    // 2026-03-08 in California: 08:00 UTC to 07:00 UTC of the next day.
    let start = time("2026-03-08T08:00:00Z");
    let hour = carbon_kube_core::Span::HOUR;
    let rows: Vec<String> = (1..=23)
        .flat_map(|i| {
            let label = (start + hour * i).utc().strftime("%Y-%m-%dT%H").to_string();
            ["NG", "WND"].map(|fuel| row(&label, "CISO", fuel, "\"100\""))
        })
        .collect();
    stand.says(answer("46", &rows)).await;
    let reading =
        stand.provider(NAME).history(&zone("US-CA"), start, start + hour * 23).await.unwrap();
    assert_eq!(reading.points.len(), 23);
    assert!(reading.points.windows(2).all(|pair| pair[1].start - pair[0].start == hour));
}
