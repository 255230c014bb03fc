use carbon_kube_core::Time;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::typical_year;
use carbon_kube_datasets::intensity::{self, Request};
use carbon_kube_datasets::stats::Stats;
use carbon_kube_datasets::typical_year::fit;

use crate::test_data;

/// Zone, area and files. France's 2020 comes from ENTSO-E; its eCO2mix twin would count it twice.
const DATA: [(&str, &str, &[&str]); 7] = [
    ("US-CA", "CAISO", &["2019_eia930", "2020_eia930", "2021_eia930"]),
    ("US-TX", "ERCOT", &["2019_eia930", "2020_eia930", "2021_eia930"]),
    ("US-NY", "NYISO", &["2020_eia930", "2021_eia930"]),
    ("US-NE", "ISO-NE", &["2019_eia930", "2020_eia930", "2021_eia930"]),
    ("EU-DE", "Germany", &["2018_entsoe", "2019_entsoe", "2020_entsoe", "2021_entsoe"]),
    ("EU-FR", "France", &["2018_entsoe", "2019_entsoe", "2020_entsoe", "2021_eco2mix"]),
    ("EU-UK", "Great Britain", &["2019_entsoe", "2020_entsoe"]),
];

const COMMENT: &str = "\
Typical-year model: mean and spread of the average direct carbon intensity (local factors).
Written by `carbon-kube datasets fit-typical-year` from hourly generation of US EIA (form 930),
ENTSO-E Transparency Platform and, for France 2021, RTE eCO2mix. See core/data/README.md.";

fn real(zone: &str, area: &str, years: &[&str]) -> Option<Vec<IntensitySeries>> {
    let request = Request {
        area: Some(area.into()),
        factors: FactorSet::Local,
        ..Request::of(zone.parse().unwrap())
    };
    years
        .iter()
        .map(|year| {
            let path = test_data::file(&format!("intensity/open/{zone}_{year}.csv"))?;
            Some(intensity::read(&[path], &request).unwrap().series)
        })
        .collect()
}

#[test]
fn the_committed_table_is_what_a_fresh_fit_gives() {
    let mut all = Vec::new();
    for (zone, area, years) in DATA {
        let Some(series) = real(zone, area, years) else {
            return;
        };
        all.extend(series);
    }
    let fresh = typical_year::write(COMMENT, &fit(&all).unwrap());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/data/typical_year.csv");
    if std::env::var_os("CARBON_KUBE_UPDATE").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        fresh == committed,
        "core/data/typical_year.csv is stale: run this test with CARBON_KUBE_UPDATE=1"
    );
}

#[test]
fn a_modelled_year_is_like_the_real_ones() {
    let time = |text: &str| -> Time { text.parse().unwrap() };
    for (zone, area, years) in DATA {
        let Some(real) = real(zone, area, years) else {
            return;
        };
        let mean_of = |what: fn(&Stats) -> f64| {
            real.iter().map(|series| what(&Stats::of(series))).sum::<f64>() / real.len() as f64
        };
        // Ten modelled years: one alone differs from the next by some per cent, as real ones do.
        let zone = zone.parse().unwrap();
        let modelled = typical_year::series(&zone, time("2015-01-01"), time("2025-01-01")).unwrap();
        let modelled = Stats::of(&modelled);
        let mean = modelled.mean.get() / mean_of(|s| s.mean.get()) - 1.0;
        let sd = modelled.sd.get() / mean_of(|s| s.sd.get()) - 1.0;
        let swing = modelled.mean_daily_swing.get() / mean_of(|s| s.mean_daily_swing.get()) - 1.0;
        eprintln!(
            "{zone}: mean {:+.1} %, sd {:+.1} %, daily swing {:+.1} %",
            mean * 100.0,
            sd * 100.0,
            swing * 100.0
        );
        assert!(mean.abs() < 0.02, "{zone}: mean {mean}");
        assert!(sd.abs() < 0.15, "{zone}: sd {sd}");
        assert!(swing.abs() < 0.20, "{zone}: daily swing {swing}");
    }
}
