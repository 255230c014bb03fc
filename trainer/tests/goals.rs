//! What the models are held to, on real data: the shares of the bound that the issue set.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::{generation, intensity, weather};
use carbon_kube_policies::baselines::Plan;
use carbon_kube_policies::forecast::{Mix, Weather};
use carbon_kube_sim::forecast;
use carbon_kube_trainer::forecast::fit::{self, Split};
use carbon_kube_trainer::forecast::{Issues, Learners, ZoneHours, accuracy, issues, planning};

/// The folder of data, or nothing where the variable is not set: the test says that it is skipped.
fn data() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        eprintln!("skipped: CARBON_KUBE_TEST_DATA is not set");
        return None;
    };
    let data = Path::new(&folder).join("data");
    assert!(data.is_dir(), "CARBON_KUBE_TEST_DATA: there is no folder {}", data.display());
    Some(data)
}

/// A zone's files of two years, the second of which is the test.
fn zone(data: &Path, name: &str, source: &str, years: [u32; 2], with_weather: bool) -> ZoneHours {
    let files = years.map(|year| data.join(format!("intensity/open/{name}_{year}_{source}.csv")));
    let zone: Zone = name.parse().unwrap();
    let series = intensity::read(&files, &intensity::Request::of(zone)).unwrap().series;
    let mix: Vec<_> = files.iter().map(|file| generation::read(file).unwrap()).collect();
    let hours = mix.iter().flat_map(|year| year.hours.clone());
    let mix = Mix::new(mix[0].start, hours);
    let weather = with_weather.then(|| {
        let year = |year: u32| {
            let file = data.join(format!("weather/{name}_{year}_gfs_region.csv.gz"));
            forecast::weather(&weather::read(&file).unwrap())
        };
        let joined: Weather = year(years[0]).then(&year(years[1])).unwrap();
        Arc::new(joined)
    });
    ZoneHours::of(&series, weather, Some(Arc::new(mix)))
}

/// Shares of the bound in the second year, in per cent: of a model that is trained once, and of one
/// that is fitted again each week.
fn shares(zone: &ZoneHours, test: u32) -> [f64; 2] {
    let from: Time = format!("{test}-01-01").parse().unwrap();
    let split = Split { zone, training: (zone.start, from), validation: None };
    let fitted = fit::zone(&split, zone.features(), Learners::default()).unwrap();
    let once = Issues::of(&issues::alone(zone, fitted.model.clone()), zone, from, zone.end());
    let refitted = Issues::refitted(&fitted, zone, from, zone.end(), Span::DAY * 7).unwrap();
    let jobs = planning::jobs(1, 3_000, from, zone.end() - Span::DAY * 2);
    [once, refitted].map(|issues| {
        let day = accuracy::by_day(&issues)[0];
        assert!((70.0..95.0).contains(&day.coverage80_percent), "{}: {day:?}", zone.zone);
        let outlooks = planning::outlooks(&issues, Span::ZERO);
        planning::saving(&Plan::default(), zone, &outlooks, &jobs).unwrap().share_percent
    })
}

#[test]
fn planning_takes_most_of_what_a_perfect_plan_would_save() {
    let Some(data) = data() else { return };
    let mut all = Vec::new();
    for (name, source, years, with_weather) in [
        ("US-CA", "eia930", [2020, 2021], true),
        ("US-TX", "eia930", [2020, 2021], true),
        ("US-NE", "eia930", [2020, 2021], true),
        ("EU-DE", "entsoe", [2020, 2021], true),
        ("US-NY", "eia930", [2020, 2021], false),
        ("EU-FR", "eco2mix", [2020, 2021], false),
        ("EU-UK", "entsoe", [2019, 2020], false),
    ] {
        let of_zone = shares(&zone(&data, name, source, years, with_weather), years[1]);
        let [once, refitted] = of_zone;
        eprintln!("{name} {}: {once:.1} % of the bound, refitted {refitted:.1}", years[1]);
        assert!(once >= 55.0 && refitted >= 55.0, "{name}: {once} and {refitted}");
        all.push(of_zone);
    }
    for way in 0..2 {
        let mean = |zones: &[[f64; 2]]| {
            zones.iter().map(|shares| shares[way]).sum::<f64>() / zones.len() as f64
        };
        assert!(mean(&all[..4]) >= 85.0, "with weather: {}", mean(&all[..4]));
        assert!(mean(&all) >= 78.0, "all seven: {}", mean(&all));
    }
}
