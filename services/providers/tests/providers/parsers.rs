//! Parsers on what nobody has thought of: they answer or refuse, and never panic; and what they
//! answer is in order, and what a grid can have.

use carbon_kube_providers::config::EmissionFactorType;
use carbon_kube_providers::gb_carbon_intensity::Wanted;
use carbon_kube_providers::nws::weather;
use carbon_kube_providers::{
    Values, carbon_aware_sdk, eia, electricity_maps, entsoe, gb_carbon_intensity, watttime,
};
use proptest::prelude::*;

use crate::stand::zone;

/// Everything that a body can be given to.
fn all(body: &[u8]) {
    let direct = EmissionFactorType::Direct;
    sane(electricity_maps::parse_latest(body, "DE", direct));
    sane(electricity_maps::parse_list(body, "DE", direct));
    sane(gb_carbon_intensity::parse(body, Wanted::Actual));
    sane(gb_carbon_intensity::parse(body, Wanted::Forecast));
    sane(watttime::parse(body, "CAISO_NORTH"));
    sane(carbon_aware_sdk::parse(body, "x", "y"));
    sane(carbon_aware_sdk::parse_forecast(body, "x", "y"));
    sane(eia::parse(body, "CISO").and_then(|page| eia::values(&page.rows, &zone("US-CA"))));
    sane(entsoe::parse(body, "10Y1001A1001A82H").and_then(|hours| hours.values(&zone("EU-DE"))));
    let _ = weather::observation(body);
    let _ = weather::grid(body);
    let _ = weather::square(body);
    let _ = weather::hourly_wind(body);
}

fn sane<E>(result: Result<Values, E>) {
    let Ok(values) = result else { return };
    assert!(!values.points.is_empty());
    assert!(values.points.windows(2).all(|pair| pair[0].start < pair[1].start));
    assert!(values.points.iter().all(|point| (0.0..10_000.0).contains(&point.value.get())));
    assert!(values.points.iter().all(|point| point.span.is_positive()));
}

/// Bodies that are right, to be cut, spliced and bent.
const BODIES: [&str; 8] = [
    r#"{"zone":"DE","carbonIntensity":124,"datetime":"2024-05-17T10:00:00.000Z","updatedAt":"2024-05-17T09:42:30.000Z","isEstimated":true}"#,
    r#"{"zone":"DE","history":[{"zone":"DE","carbonIntensity":999,"datetime":"2099-01-01T00:00:00.000Z"},{"carbonIntensity":null,"datetime":"2099-01-01T01:00:00Z"}]}"#,
    r#"{"data":[{"from":"2020-09-19T11:30Z","to":"2020-09-19T12:00Z","intensity":{"forecast":83,"actual":85,"index":"low"}}]}"#,
    r#"{"data":[{"point_time":"2026-04-01T00:00:00+00:00","value":412.5}],"meta":{"region":"CAISO_NORTH","signal_type":"co2_moer","units":"lbs_co2_per_mwh","data_point_period_seconds":300}}"#,
    r#"[{"location":"x","time":"2021-10-25T14:50:00+00:00","rating":90,"duration":"01:00"}]"#,
    r#"{"response":{"total":"2","data":[{"period":"2026-05-12T00","respondent":"CISO","fueltype":"NG","value":"4886","value-units":"megawatthours"}]}}"#,
    r#"{"properties":{"timestamp":"2026-03-29T11:53:00Z","gridId":"HNX","gridX":1,"gridY":2,"windSpeed":{"uom":"wmoUnit:km_h-1","unitCode":"wmoUnit:km_h-1","value":28,"values":[{"validTime":"2026-03-29T03:00:00Z/P7DT22H","value":3}]},"cloudLayers":[{"amount":"FEW"}],"periods":[]}}"#,
    "<GL_MarketDocument><TimeSeries><inBiddingZone_Domain.mRID>10Y1001A1001A82H</inBiddingZone_Domain.mRID><MktPSRType><psrType>B04</psrType></MktPSRType><Period><timeInterval><start>2026-03-28T23:00Z</start><end>2026-03-29T01:00Z</end></timeInterval><resolution>PT60M</resolution><Point><position>1</position><quantity>5</quantity></Point></Period></TimeSeries></GL_MarketDocument>",
];

#[test]
fn each_body_is_read_by_its_parser() {
    // The corpus is worth something only where it is understood as it is.
    assert!(
        electricity_maps::parse_latest(BODIES[0].as_bytes(), "DE", EmissionFactorType::Direct)
            .is_ok()
    );
    assert!(
        electricity_maps::parse_list(BODIES[1].as_bytes(), "DE", EmissionFactorType::Direct)
            .is_ok()
    );
    assert!(gb_carbon_intensity::parse(BODIES[2].as_bytes(), Wanted::Actual).is_ok());
    assert!(watttime::parse(BODIES[3].as_bytes(), "CAISO_NORTH").is_ok());
    assert!(carbon_aware_sdk::parse(BODIES[4].as_bytes(), "x", "y").is_ok());
    assert!(eia::parse(BODIES[5].as_bytes(), "CISO").is_ok());
    assert!(weather::observation(BODIES[6].as_bytes()).is_ok());
    assert!(
        entsoe::parse(BODIES[7].as_bytes(), "10Y1001A1001A82H")
            .unwrap()
            .values(&zone("EU-DE"))
            .is_ok()
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        all(&body);
    }

    #[test]
    fn right_bodies_that_were_bent_are_answered_or_refused(
        index in 0..BODIES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        numbers in prop::collection::vec(prop_oneof![
            Just("1e308".to_owned()), Just("-1e308".to_owned()), Just("null".to_owned()),
            Just("99999999999999999999".to_owned()), Just("\"\"".to_owned()), Just("[]".to_owned()),
            any::<f64>().prop_map(|number| number.to_string()),
            any::<i64>().prop_map(|number| number.to_string()),
        ], 0..3),
    ) {
        let mut body = BODIES[index].as_bytes().to_vec();
        for (at, byte) in &cuts {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        all(&body);
        // Numbers in place of numbers keep the form, so that what is behind it is reached.
        let mut text = BODIES[index].to_owned();
        for number in &numbers {
            for digit in ["124", "999", "83", "85", "412.5", "300", "90", "\"4886\"", "28", "<quantity>5", "<position>1"] {
                text = text.replacen(digit, number, 1);
            }
        }
        all(text.as_bytes());
    }

    #[test]
    fn instants_of_all_times_are_read_or_refused(
        year in -9999..9999_i32, month in 0..14_u32, day in 0..33_u32, hour in 0..26_u32, minute in 0..62_u32,
    ) {
        let stamp = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}");
        for body in BODIES {
            for old in ["2024-05-17T10:00", "2099-01-01T00:00", "2020-09-19T11:30", "2026-04-01T00:00", "2021-10-25T14:50", "2026-03-29T03:00", "2026-03-29T11:53", "2026-03-28T23:00", "2026-05-12T00"] {
                all(body.replacen(old, &stamp, 1).as_bytes());
            }
        }
    }
}
