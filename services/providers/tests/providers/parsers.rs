//! Parsers on what nobody has thought of: they answer or refuse, and never panic; and what they
//! answer is in order, and what a grid can have.

use carbon_kube_providers::config::EmissionFactorType;
use carbon_kube_providers::gb_carbon_intensity::Wanted;
use carbon_kube_providers::nws::weather;
use carbon_kube_providers::{
    ErrorKind, Values, aws, carbon_aware_sdk, eia, electricity_maps, entsoe, gb_carbon_intensity,
    watttime,
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
    let _ = aws::read_csv(body);
}

fn sane<E>(result: Result<Values, E>) {
    let Ok(values) = result else { return };
    assert!(!values.points.is_empty());
    assert!(values.points.windows(2).all(|pair| pair[0].start < pair[1].start));
    assert!(values.points.iter().all(|point| (0.0..10_000.0).contains(&point.value.get())));
    assert!(values.points.iter().all(|point| point.span.is_positive()));
}

/// Bodies that are right, to be cut, spliced and bent. The fuzzers begin with them too.
const BODIES: [&str; 14] = [
    include_str!("bodies/electricity_maps/latest.json"),
    include_str!("bodies/electricity_maps/history.json"),
    include_str!("bodies/gb_carbon_intensity/range.json"),
    include_str!("bodies/watttime/historical.json"),
    include_str!("bodies/carbon_aware_sdk/emissions.json"),
    include_str!("bodies/carbon_aware_sdk/forecast.json"),
    include_str!("bodies/eia/page.json"),
    include_str!("bodies/entsoe/generation.xml"),
    include_str!("bodies/entsoe/none.xml"),
    include_str!("bodies/nws/observation.json"),
    include_str!("bodies/nws/grid.json"),
    include_str!("bodies/nws/point.json"),
    include_str!("bodies/nws/hourly.json"),
    include_str!("bodies/aws/export.csv"),
];

/// The corpus is worth something only where it is understood as it is.
#[test]
fn each_body_is_read_by_its_parser() {
    let direct = EmissionFactorType::Direct;
    let body = |index: usize| BODIES[index].as_bytes();
    electricity_maps::parse_latest(body(0), "DE", direct).unwrap();
    electricity_maps::parse_list(body(1), "DE", direct).unwrap();
    gb_carbon_intensity::parse(body(2), Wanted::Actual).unwrap();
    watttime::parse(body(3), "CAISO_NORTH").unwrap();
    carbon_aware_sdk::parse(body(4), "x", "y").unwrap();
    carbon_aware_sdk::parse_forecast(body(5), "x", "y").unwrap();
    eia::values(&eia::parse(body(6), "CISO").unwrap().rows, &zone("US-CA")).unwrap();
    entsoe::parse(body(7), "10Y1001A1001A82H").unwrap().values(&zone("EU-DE")).unwrap();
    assert_eq!(entsoe::parse(body(8), "x").unwrap_err().kind(), ErrorKind::NoData);
    weather::observation(body(9)).unwrap();
    weather::grid(body(10)).unwrap();
    weather::square(body(11)).unwrap();
    weather::hourly_wind(body(12)).unwrap();
    assert_eq!(aws::read_csv(body(13)).unwrap().len(), 1);
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
        index in 0..BODIES.len(),
        year in -9999..9999_i32,
        month in 0..14_u32,
        day in 0..33_u32,
        hour in 0..26_u32,
        minute in 0..62_u32,
    ) {
        let stamp = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}");
        let mut body = BODIES[index].to_owned();
        for old in [
            "2024-05-17T10:00", "2099-01-01T00:00", "2020-09-19T11:30", "2026-04-01T00:00",
            "2021-10-25T14:50", "2026-03-29T01:30", "2026-03-29T03:00", "2026-03-29T11:53",
            "2026-03-28T23:00", "2026-03-28T20:00", "2026-05-12T00", "2026-01-01T00:00",
        ] {
            body = body.replacen(old, &stamp, 1);
        }
        all(body.as_bytes());
    }
}
