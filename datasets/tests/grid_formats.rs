//! Every grid format on a small sample whose numbers can be checked by reading.
//!
//! The samples are in `tests/samples/`, made by hand. Mixes are read with the global factors: gas
//! has 370 g/kWh, coal 760, wind, hydro and nuclear 0.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

use std::path::PathBuf;

use carbon_kube_core::intensity::{IntensitySeries, Provenance, Scope, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Zone};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Format, Gaps, Import, Request};

fn sample(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples")).join(name)
}

fn request(zone: &str) -> Request {
    Request { factors: FactorSet::Global, ..Request::of(zone.parse().unwrap()) }
}

fn read(names: &[&str], request: &Request) -> Result<Import, ReadError> {
    let paths: Vec<PathBuf> = names.iter().map(|name| sample(name)).collect();
    intensity::read(&paths, request)
}

/// Whole grams are enough to tell one row from another.
fn grams(series: &IntensitySeries) -> String {
    let value = |value: Option<carbon_kube_core::GramsPerKwh>| {
        value.map_or("-".to_owned(), |value| format!("{:.1}", value.get()))
    };
    series.steps().map(|(_, grams)| value(grams)).collect::<Vec<_>>().join(" ")
}

/// The same to the last bit; gaps are no numbers, and so not equal by themselves.
fn same(one: &IntensitySeries, other: &IntensitySeries) {
    let bits = |series: &IntensitySeries| {
        series.steps().map(|(at, grams)| (at, grams.map(|g| g.get().to_bits()))).collect::<Vec<_>>()
    };
    assert_eq!((one.label(), bits(one)), (other.label(), bits(other)));
    assert_eq!(one.step(), other.step());
}

/// Reads a sample, whose format has to be detected, and compares start, step and values.
fn check(name: &str, zone: &str, format: Format, start: &str, step: Span, values: &str) -> Import {
    let import = read(&[name], &request(zone)).unwrap();
    assert_eq!(import.found.formats, [format], "{name}");
    assert_eq!(import.series.start().to_string(), start, "{name}");
    assert_eq!(import.series.step(), step, "{name}");
    assert_eq!(grams(&import.series), values, "{name}");
    let forced = Request { format: Some(format), ..request(zone) };
    same(&read(&[name], &forced).unwrap().series, &import.series);
    import
}

const QUARTER: Span = Span::from_millis(15 * 60_000);
const HALF: Span = Span::from_millis(30 * 60_000);
const FIVE: Span = Span::from_millis(5 * 60_000);

#[test]
fn electricity_maps_portal_of_every_vintage() {
    let name = "electricity-maps.csv";
    let format = Format::ElectricityMaps;
    let start = "2024-02-28T22:00:00Z";
    let direct = check(name, "EU-FR", format, start, Span::HOUR, "20.5 21.5 22.5 - 24.5");
    assert_eq!((direct.found.estimated_rows, direct.found.gap_steps), (1, 1));
    assert_eq!(direct.series.label().factor_set, "Electricity Maps");
    assert_eq!(direct.series.label().area, "FR");
    let lifecycle = Request { factors: FactorSet::Lifecycle, ..request("EU-FR") };
    let lifecycle = read(&[name], &lifecycle).unwrap().series;
    assert_eq!(grams(&lifecycle), "40.2 41.2 42.2 - 44.2");
    assert_eq!(lifecycle.label().scope, Scope::Lifecycle);
    let name = "electricity-maps-2025.csv";
    check(name, "EU-FR", format, "2025-01-01T00:00:00Z", QUARTER, "20.5 21.5 22.5 23.5");
    let error = read(&[name], &request("EU-DE")).unwrap_err().to_string();
    assert!(error.ends_with("column `Zone id`: is about `FR`, not `DE`"), "{error}");
}

#[test]
fn electricity_maps_export_and_answers() {
    let legacy = Format::ElectricityMapsLegacy;
    let start = "2021-01-01T00:00:00Z";
    let name = "electricity-maps-legacy.csv";
    let import = check(name, "EU-DE", legacy, start, Span::HOUR, "541.5 548.5");
    assert_eq!(import.series.label().scope, Scope::Lifecycle);
    let json = Format::ElectricityMapsJson;
    let hour = |hour| format!("2023-01-23T{hour}:00:00Z");
    let latest = "electricity-maps-latest.json";
    let import = check(latest, "EU-FR", json, &hour(17), Span::HOUR, "103.0");
    assert_eq!(import.found.estimated_rows, 1);
    check("co2signal.json", "EU-FR", json, &hour(17), Span::HOUR, "103.0");
    let history = "electricity-maps-history.json";
    check(history, "EU-FR", json, &hour(15), Span::HOUR, "90.0 - 103.0");
    // Files that continue each other, overlap where they agree, and a forecast beside them.
    let files =
        ["electricity-maps-past-range.json", latest, history, "electricity-maps-forecast.json"];
    let import = read(&files, &request("EU-FR")).unwrap();
    assert_eq!(grams(&import.series), "90.0 - 103.0 110.0 120.0");
    assert_eq!(import.found.repeated_rows, 1);
    let [(issued, issue)] = import.forecasts.issues.as_slice() else { panic!() };
    assert_eq!(issued.to_string(), "2023-01-23T17:10:00Z");
    let points: Vec<f64> = issue.points.iter().map(|(_, grams)| *grams).collect();
    assert_eq!(points, [104.0, 111.0]);
    assert_eq!(issue.end.unwrap().to_string(), "2023-01-23T20:00:00Z");
    let alone = read(&["electricity-maps-forecast.json"], &request("EU-FR")).unwrap_err();
    assert!(alone.to_string().contains("holds forecasts only"), "{alone}");
}

#[test]
fn eia_balance_takes_one_authority_and_the_adjusted_numbers() {
    // Of 40,000 MW: 5,000 coal x 760 + 10,000 gas x 370 = 7.5e6 g over 40,000 = 187.5.
    // The second hour was reported with 99,999 MW of wind; the adjusted column has 20,000.
    let format = Format::EiaBalance;
    let start = "2020-01-01T06:00:00Z";
    let values = "187.5 187.5 187.5";
    let import = check("eia-balance.csv", "US-TX", format, start, Span::HOUR, values);
    assert_eq!(import.series.label().area, "ERCO");
    assert_eq!(import.found.rows, 3);
    // 6,000 gas x 370 + 700 other x 575 over 11,200.
    let asked = Request { area: Some("ISNE".into()), ..request("XX") };
    let other = read(&["eia-balance.csv"], &asked).unwrap().series;
    assert_eq!(grams(&other), "234.2 234.2 234.2");
    let error = read(&["eia-balance.csv"], &request("US-NY")).unwrap_err().to_string();
    assert!(error.ends_with("is about `ERCO`, `ISNE`, not `NYIS`"), "{error}");
    // Mid-2024: 8,000 gas x 370 + 100 other x 575 over 20,000; the battery's 2,500 are not counted.
    let start = "2024-07-01T07:00:00Z";
    let import = check("eia-balance-2024.csv", "US-CA", format, start, Span::HOUR, "150.9 150.9");
    assert_eq!(import.found.estimated_rows, 1);
}

#[test]
fn eia_grid_monitor_has_the_hour_of_autumn_twice_and_outages_as_gaps() {
    // Gas of 8,000, 9,000, 7,000 and 6,000 MWh; 12 a.m. EDT ends the hour from 03:00Z.
    let start = "2020-11-01T03:00:00Z";
    let values = "231.2 246.7 - 211.4 - 185.0";
    let format = Format::EiaGridMonitor;
    let import = check("eia-grid-monitor.csv", "US-NE", format, start, Span::HOUR, values);
    assert_eq!((import.found.zero_rows, import.found.gap_steps), (1, 2));
    let repaired = Request { gaps: Gaps::Interpolate, ..request("US-NE") };
    let repaired = read(&["eia-grid-monitor.csv"], &repaired).unwrap();
    assert_eq!(grams(&repaired.series), "231.2 246.7 229.0 211.4 198.2 185.0");
    assert!((repaired.found.repaired_hours - 2.0).abs() < 1e-9);
    let source = &repaired.series.label().source;
    assert!(source.ends_with("; 2 h repaired (interpolate)"), "{source}");
}

#[test]
fn entsoe_in_local_time_and_in_utc() {
    // Gas 500 of 1,000 is 185, 1,000 of 1,500 is 246.7; offshore wind is missing once.
    let start = "2020-10-24T23:00:00Z";
    let values = "185.0 185.0 246.7 - 185.0";
    let import = check("entsoe.csv", "EU-DE", Format::Entsoe, start, Span::HOUR, values);
    assert_eq!(import.found.incomplete_rows, 1);
    assert_eq!(import.series.label().area, "Germany (DE)");
    let start = "2021-03-28T00:00:00Z";
    let values = ["185.0"; 8].join(" ");
    check("entsoe-utc.csv", "EU-DE", Format::Entsoe, start, QUARTER, &values);
    let hourly = Request { step: Some(Span::HOUR), ..request("EU-DE") };
    let hourly = read(&["entsoe-utc.csv"], &hourly).unwrap().series;
    assert_eq!((hourly.step(), grams(&hourly)), (Span::HOUR, "185.0 185.0".to_owned()));
    // In spring the clock goes from 02:00 to 03:00; what pumps consume is not subtracted.
    let start = "2020-03-28T23:00:00Z";
    check("entsoe-py.csv", "EU-FR", Format::EntsoePy, start, Span::HOUR, "185.0 185.0 92.5");
}

#[test]
fn great_britain_by_api_and_as_a_mix() {
    let start = "2020-09-19T11:30:00Z";
    check("neso-range.json", "EU-UK", Format::NesoJson, start, HALF, "85.0 87.0 -");
    let start = "2022-12-31T23:30:00Z";
    let regional = check("neso-regional.json", "EU-UK", Format::NesoJson, start, HALF, "152.0");
    assert_eq!(regional.series.label().area, "South West England");
    assert_eq!(regional.series.label().provenance, Provenance::Modelled);
    // Imports and storage are left out: gas 500 of 1,000, 500 of 1,000, 750 of 1,000.
    let start = "2020-03-29T00:30:00Z";
    check("neso-mix.csv", "EU-UK", Format::NesoMix, start, HALF, "185.0 185.0 277.5");
}

#[test]
fn smard_has_decimal_commas_and_the_hour_of_autumn_twice() {
    // 1.500 is 1,500; equal parts are 185, 1,500 of 2,000 is 277.5, 500 of 2,000 is 92.5.
    let start = "2020-10-24T23:30:00Z";
    let values = "185.0 185.0 185.0 185.0 277.5 - 92.5 185.0 185.0 185.0 185.0";
    let import = check("smard.csv", "EU-DE", Format::Smard, start, QUARTER, values);
    assert_eq!(import.found.incomplete_rows, 1);
    let start = "2022-12-31T23:00:00Z";
    check("smard-2023.csv", "EU-DE", Format::Smard, start, QUARTER, "92.5 185.0");
    let text = std::fs::read_to_string(sample("smard.csv")).unwrap().replace(';', ",");
    let error = intensity::parse("x.csv", text.as_bytes(), &request("EU-DE")).unwrap_err();
    assert!(error.to_string().contains("SMARD separates fields by `;`"), "{error}");
}

#[test]
fn the_open_columns_without_a_mix() {
    let (name, format) = ("open-intensity.csv", Format::OpenIntensity);
    let start = "2023-01-01T00:00:00Z";
    let direct = check(name, "US-CA", format, start, Span::HOUR, "238.7 - 230.1 229.0");
    assert_eq!((direct.found.estimated_rows, direct.found.gap_steps), (1, 1));
    let label = direct.series.label();
    assert_eq!((label.factor_set.as_str(), label.scope), ("as published", Scope::Direct));
    let lifecycle = Request { factors: FactorSet::Lifecycle, ..request("US-CA") };
    let lifecycle = read(&[name], &lifecycle).unwrap().series;
    assert_eq!(grams(&lifecycle), "309.8 - 300.5 299.0");
}

#[test]
fn marginal_signals_and_their_issued_forecasts() {
    // 1,000 lb/MWh are 453.6 g/kWh.
    let start = "2026-04-01T00:00:00Z";
    let import = check("watttime.json", "US-CA", Format::Watttime, start, FIVE, "453.6 226.8");
    assert_eq!(import.series.label().signal, Signal::Marginal);
    let both = read(&["watttime.json", "watttime-issued.json"], &request("US-CA")).unwrap();
    let lengths: Vec<usize> =
        both.forecasts.issues.iter().map(|(_, issue)| issue.points.len()).collect();
    assert_eq!(lengths, [2, 1]);
    let start = "2020-01-01T00:00:00Z";
    let moer = check("sgip-moer.csv", "US-CA", Format::SgipMoer, start, FIVE, "250.0 255.0 260.0");
    assert_eq!(moer.found.issues, 3);
    let (_, first) = &moer.forecasts.issues[0];
    let expected: Vec<f64> = first.points.iter().map(|(_, grams)| grams.round()).collect();
    assert_eq!(expected, [250.0, 260.0, 270.0, 280.0]);
    assert_eq!(first.end.unwrap().to_string(), "2020-01-01T00:20:00Z");
    assert_eq!(moer.forecasts.issues[2].1.points.len(), 2, "it ends where a value is missing");
}

#[test]
fn avert_counts_the_hours_of_a_year_in_standard_time() {
    // Midnight in Texas is 06:00 UTC; a value below zero is a gap.
    let start = "2023-01-01T06:00:00Z";
    let values = "675.9 - 512.0 600.1";
    let avert = check("avert_2023.csv", "US-TX", Format::Avert, start, Span::HOUR, values);
    assert_eq!(avert.series.label().signal, Signal::Marginal);
    assert_eq!(avert.series.label().factor_set, "AVERT");
    let error = read(&["avert_2023.csv"], &request("EU-FR")).unwrap_err().to_string();
    assert!(error.contains("no column `EU-FR_gco2_per_kwh`"), "{error}");
    let text = std::fs::read(sample("avert_2023.csv")).unwrap();
    let error = intensity::parse("avert.csv", text.as_slice(), &request("US-TX")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "avert.csv: the file's name has no year, and the file doesn't say it"
    );
}

#[test]
fn the_carbon_aware_sdk_and_research_mixes() {
    let sdk = Format::CarbonAwareSdk;
    let start = "2021-10-25T14:50:00Z";
    check("carbon-aware-sdk.json", "XX", sdk, start, Span::HOUR, "90.0 57.0");
    let west = Request { area: Some("westus".into()), ..request("XX") };
    let import = read(&["carbon-aware-sdk-object.json"], &west).unwrap();
    assert_eq!((grams(&import.series), import.series.step()), ("57.0".to_owned(), HALF));
    let error = read(&["carbon-aware-sdk-object.json"], &request("XX")).unwrap_err().to_string();
    assert!(error.ends_with("is about `eastus`, `westus`, not one place"), "{error}");
    // The published 999 is not read. The label ends the hour, but for CISO before June 2022.
    let values = "185.0 185.0 92.5";
    let carboncast = Format::Carboncast;
    let start = "2019-12-31T23:00:00Z";
    check("carboncast.csv", "US-TX", carboncast, start, Span::HOUR, values);
    let start = "2020-01-01T00:00:00Z";
    check("carboncast.csv", "US-CA", carboncast, start, Span::HOUR, values);
    let start = "2021-12-31T23:00:00Z";
    check("eia-api.csv", "US-NY", carboncast, start, Span::HOUR, "185.0 185.0");
}

#[test]
fn our_own_files_and_any_with_named_columns() {
    let start = "2020-02-28T23:00:00Z";
    let open = check("open.csv", "US-TX", Format::Open, start, Span::HOUR, "185.0 92.5 370.0");
    assert_eq!(open.series.label().factor_set, "global");
    let stored = check("series.csv", "EU-FR", Format::Series, start, Span::HOUR, "20.5 - 22.5");
    assert_eq!(stored.series.label().source, "by hand");
    let error = read(&["series.csv"], &request("EU-DE")).unwrap_err().to_string();
    assert!(error.ends_with("is about `EU-FR`, not `EU-DE`"), "{error}");
    let unit = IntensityUnit::PoundsPerMwh;
    let columns = Columns { time: "when".into(), value: "lbs".into(), unit };
    let named = Request { columns: Some(columns), ..request("EU-DE") };
    assert_eq!(grams(&read(&["columns.csv"], &named).unwrap().series), "453.6 907.2");
    let error = read(&["columns.csv"], &request("EU-DE")).unwrap_err();
    assert!(error.to_string().contains("in no format that is known"), "{error}");
    assert!(error.hint().unwrap().contains("name the columns"));
}

#[test]
fn a_stored_series_comes_back_to_the_last_bit() {
    let series = read(&["electricity-maps.csv"], &request("EU-FR")).unwrap().series;
    let notes = [("by".to_owned(), "a test\nof two lines".to_owned())].into();
    let (mut csv, mut parquet) = (Vec::new(), Vec::new());
    intensity::stored::write_csv(&series, &notes, &mut csv).unwrap();
    intensity::stored::write_parquet(&series, &notes, &mut parquet).unwrap();
    for bytes in [&csv, &parquet] {
        let back = intensity::parse("x", bytes.as_slice(), &request("EU-FR")).unwrap();
        same(&back.series, &series);
        assert_eq!(back.found.formats, [Format::Series]);
    }
    // Named columns of any Parquet file, ours being one.
    let columns = Columns {
        time: "timestamp_utc".into(),
        value: "carbon_intensity_g_per_kwh".into(),
        unit: IntensityUnit::GramsPerKwh,
    };
    let named = Request { columns: Some(columns), ..request("XX") };
    let back = intensity::parse("x", parquet.as_slice(), &named).unwrap().series;
    assert_eq!(grams(&back), grams(&series));
    assert_eq!(back.label().zone, "XX".parse::<Zone>().unwrap());
}

#[test]
fn glitches_are_found_and_stay_until_they_are_to_be_repaired() {
    // Wind falls to nothing for one hour; then all thermal plant does; solar sets as it should.
    let text = "timestamp_utc,coal_mw,lignite_mw,gas_mw,oil_mw,nuclear_mw,hydro_mw,wind_mw,\
        solar_mw,biomass_mw,geothermal_mw,other_mw\n\
        2020-01-01T00:00Z,0,0,500,0,0,0,400,100,0,0,0\n\
        2020-01-01T01:00Z,0,0,500,0,0,0,0,100,0,0,0\n\
        2020-01-01T02:00Z,0,0,500,0,0,0,400,100,0,0,0\n\
        2020-01-01T03:00Z,0,0,500,0,0,0,500,0,0,0,0\n\
        2020-01-01T04:00Z,0,0,0,0,0,0,500,0,0,0,0\n\
        2020-01-01T05:00Z,0,0,0,0,0,0,500,0,0,0,0\n\
        2020-01-01T06:00Z,0,0,500,0,0,0,500,0,0,0,0\n";
    let parse = |gaps| intensity::parse("x", text.as_bytes(), &Request { gaps, ..request("XX") });
    let kept = parse(Gaps::Keep).unwrap();
    assert_eq!(kept.found.glitches, 3);
    assert_eq!(grams(&kept.series), "185.0 308.3 185.0 185.0 0.0 0.0 185.0");
    let held = parse(Gaps::Hold).unwrap();
    assert_eq!(grams(&held.series), ["185.0"; 7].join(" "));
    assert!((held.found.repaired_hours - 3.0).abs() < 1e-9);
    let error = parse(Gaps::Error).unwrap_err().to_string();
    assert_eq!(error, "x: a glitch from 2020-01-01T01:00:00Z to 2020-01-01T02:00:00Z");
}

#[test]
fn files_that_disagree_make_no_series() {
    let first = "when,grams\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n";
    let folder = tempfile::tempdir().unwrap();
    let unit = IntensityUnit::GramsPerKwh;
    let columns = Columns { time: "when".into(), value: "grams".into(), unit };
    let request = Request { columns: Some(columns), ..request("XX") };
    let join = |second: &str| {
        let paths = [folder.path().join("a.csv"), folder.path().join("b.csv")];
        std::fs::write(&paths[0], first).unwrap();
        std::fs::write(&paths[1], second).unwrap();
        intensity::read(&paths, &request)
    };
    let good = join("when,grams\n2020-01-01 01:00,2\n2020-01-01 02:00,3\n").unwrap();
    assert_eq!((grams(&good.series).as_str(), good.found.repeated_rows), ("1.0 2.0 3.0", 1));
    let bad = join("when,grams\n2020-01-01 01:00,2.5\n").unwrap_err().to_string();
    assert!(bad.contains("b.csv: line 2: 2020-01-01T01:00:00Z is 2.5 g/kWh, but 2 in"), "{bad}");
    // A value in one file fills the gap in the other.
    let filled = join("when,grams\n2020-01-01 02:00,3\n2020-01-01 03:00,\n").unwrap();
    assert_eq!(grams(&filled.series), "1.0 2.0 3.0 -");
}

#[test]
fn a_forced_format_that_does_not_fit_says_why() {
    for (name, format, message) in [
        ("open.csv", Format::Watttime, "is a table of text, but `watttime` is JSON"),
        ("watttime.json", Format::Entsoe, "is JSON, but `entsoe` is a table of text"),
        ("open.csv", Format::Smard, "SMARD separates fields by `;`"),
        ("open.csv", Format::EiaBalance, "column `timestamp_utc` is not known to `eia-balance`"),
        ("open.csv", Format::Columns, "needs the names of the columns"),
        ("neso-range.json", Format::Watttime, "column `meta`"),
    ] {
        let forced = Request { format: Some(format), ..request("US-CA") };
        let error = read(&[name], &forced).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
