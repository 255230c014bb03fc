//! ENTSO-E's platform, in its shapes.

use carbon_kube_providers::config::ProviderName;
use carbon_kube_providers::{ErrorKind, Source};
use wiremock::matchers::query_param;
use wiremock::{Mock, ResponseTemplate};

use crate::stand::{KEY, Stand, shown, time, zone};

const NAME: ProviderName = ProviderName::Entsoe;
const GERMANY: &str = "10Y1001A1001A82H";

fn series(domain: &str, kind: &str, period: &str) -> String {
    format!(
        r#"<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>
        <{domain}_Domain.mRID codingScheme="A01">{GERMANY}</{domain}_Domain.mRID>
        <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>A03</curveType>
        <MktPSRType><psrType>{kind}</psrType></MktPSRType>{period}</TimeSeries>"#
    )
}

fn period(start: &str, end: &str, resolution: &str, points: &[(u32, &str)]) -> String {
    let point = |(position, quantity): &(u32, &str)| {
        format!("<Point><position>{position}</position><quantity>{quantity}</quantity></Point>")
    };
    let points: String = points.iter().map(point).collect();
    format!(
        "<Period><timeInterval><start>{start}</start><end>{end}</end></timeInterval><resolution>{resolution}</resolution>{points}</Period>"
    )
}

fn document(series: &[String]) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
        <GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">
        <mRID>x</mRID><type>A75</type><process.processType>A16</process.processType>
        <time_Period.timeInterval><start>2026-03-28T23:00Z</start><end>2026-03-29T01:00Z</end></time_Period.timeInterval>
        {}</GL_MarketDocument>"#,
        series.join("")
    )
}

const ACKNOWLEDGEMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
    <Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">
    <mRID>y</mRID><Reason><code>999</code><text>No matching data found for Data item</text></Reason>
    </Acknowledgement_MarketDocument>"#;

/// Wind in hours, gas in quarters of an hour of which two are left out, because nothing changed.
fn two_hours() -> Vec<String> {
    let (start, end) = ("2026-03-28T23:00Z", "2026-03-29T01:00Z");
    let wind = period(start, end, "PT60M", &[(1, "1000"), (2, "1000")]);
    let gas = [(1, "1000"), (5, "3000"), (6, "3000"), (7, "3000")];
    let gas = period(start, end, "PT15M", &gas);
    vec![series("inBiddingZone", "B19", &wind), series("inBiddingZone", "B04", &gas)]
}

async fn latest(body: String) -> Result<Vec<String>, ErrorKind> {
    let stand = Stand::new().await;
    stand.says(body).await;
    let result = stand.provider(NAME).latest(&zone("EU-DE")).await;
    result.map(|reading| shown(&reading)).map_err(|error| error.kind())
}

#[tokio::test]
async fn steps_of_all_lengths_become_hours_and_a_missing_position_repeats_the_last() {
    let stand = Stand::new().await;
    Mock::given(query_param("securityToken", KEY))
        .and(query_param("documentType", "A75"))
        .and(query_param("processType", "A16"))
        .and(query_param("in_Domain", GERMANY))
        .and(query_param("periodStart", "202603270100"))
        .and(query_param("periodEnd", "202603290200"))
        .respond_with(ResponseTemplate::new(200).set_body_string(document(&two_hours())))
        .mount(&stand.server)
        .await;
    let reading = stand.provider(NAME).latest(&zone("DE-LU")).await.unwrap();
    assert_eq!((reading.source, reading.factor_set.as_str()), (Source::Entsoe, "local"));
    let [first, second] = shown(&reading).try_into().unwrap();
    assert!(first.starts_with("2026-03-28T23:00:00Z 1h "), "{first}");
    assert!(second.starts_with("2026-03-29T00:00:00Z 1h "), "{second}");
    // Half of the first hour is gas, three quarters of the second.
    let [a, b] = [reading.points[0].value.get(), reading.points[1].value.get()];
    assert!((b / a - 1.5).abs() < 1e-9, "{a} {b}");
}

#[tokio::test]
async fn pumping_and_batteries_make_nothing() {
    let (start, end) = ("2026-03-28T23:00Z", "2026-03-29T01:00Z");
    let pumping = period(start, end, "PT60M", &[(1, "5000"), (2, "5000")]);
    let mut all = two_hours();
    all.push(series("outBiddingZone", "B10", &pumping));
    all.push(series("inBiddingZone", "B25", &pumping));
    assert_eq!(latest(document(&all)).await, latest(document(&two_hours())).await);
}

#[tokio::test]
async fn no_matching_data_is_no_data() {
    assert_eq!(latest(ACKNOWLEDGEMENT.to_owned()).await, Err(ErrorKind::NoData));
    assert_eq!(latest(document(&[])).await, Err(ErrorKind::NoData));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let whole = document(&two_hours());
    for (what, body) in [
        ("another area", whole.replace(GERMANY, "10YFR-RTE------C")),
        ("another unit", whole.replace("MAW", "KWH")),
        ("truncated", whole[..whole.len() / 2].to_owned()),
        ("not a number", whole.replace("3000", "NaN")),
        ("no number", whole.replace("3000", "viel")),
        ("a resolution of a year", whole.replace("PT15M", "P1Y")),
        (
            "a period that ends first",
            whole.replace("<end>2026-03-29T01:00Z", "<end>2026-03-28T01:00Z"),
        ),
        ("a position outside", whole.replace("<position>7</position>", "<position>99</position>")),
        ("a publication", whole.replace("GL_MarketDocument", "Publication_MarketDocument")),
    ] {
        assert_eq!(latest(body).await, Err(ErrorKind::Malformed), "{what}");
    }
}

/// The day on which clocks go forward begins at 23:00 UTC and has 23 hours, 92 quarters.
#[tokio::test]
async fn a_day_of_23_hours_is_complete() {
    let stand = Stand::new().await;
    let quarters: Vec<(u32, &str)> = (1..=92).map(|position| (position, "1000")).collect();
    let (start, end) = ("2026-03-28T23:00Z", "2026-03-29T22:00Z");
    let gas = period(start, end, "PT15M", &quarters);
    stand.says(document(&[series("inBiddingZone", "B04", &gas)])).await;
    let (from, to) = (time("2026-03-28T23:00:00Z"), time("2026-03-29T22:00:00Z"));
    let reading = stand.provider(NAME).history(&zone("EU-DE"), from, to).await.unwrap();
    assert_eq!(reading.points.len(), 23);
}

#[tokio::test]
async fn a_long_history_is_asked_for_by_weeks() {
    let stand = Stand::new().await;
    stand.says(document(&two_hours())).await;
    let (from, to) = (time("2026-03-15"), time("2026-03-30"));
    let reading = stand.provider(NAME).history(&zone("EU-DE"), from, to).await.unwrap();
    assert_eq!((stand.requests().await, reading.points.len()), (3, 2));
}
