use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Request};
use carbon_kube_datasets::stats::Stats;

use crate::test_data;

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

fn series(name: &str, set: FactorSet) -> IntensitySeries {
    bundled::series(&zone(name), set).unwrap().unwrap()
}

/// A published intensity column of a file as a series.
fn published(path: &std::path::Path, zone: &str, column: &str) -> IntensitySeries {
    let columns = Columns {
        time: "timestamp_utc".into(),
        value: column.into(),
        unit: IntensityUnit::GramsPerKwh,
    };
    let request = Request { columns: Some(columns), ..Request::of(self::zone(zone)) };
    intensity::read(&[path], &request).unwrap().series
}

/// The largest difference of two series over the same steps, in g/kWh.
fn largest_difference(a: &IntensitySeries, b: &IntensitySeries) -> f64 {
    assert_eq!((a.start(), a.end(), a.step()), (b.start(), b.end(), b.step()));
    a.steps()
        .zip(b.steps())
        .map(|((_, a), (_, b))| (a.unwrap().get() - b.unwrap().get()).abs())
        .fold(0.0, f64::max)
}

#[test]
fn the_computed_intensity_is_the_published_one() {
    let files = [
        ("US-CA", "US-CA-region_2020_eia930"),
        ("US-NE", "US-NE_2020_eia930"),
        ("EU-DE", "EU-DE_2020_entsoe"),
        ("EU-FR", "EU-FR_2020_entsoe"),
        ("EU-UK", "EU-UK_2020_entsoe"),
    ];
    let sets = [
        (FactorSet::Global, "carbon_intensity_gco2_per_kwh"),
        (FactorSet::Lifecycle, "carbon_intensity_lifecycle_gco2_per_kwh"),
        (FactorSet::Local, "carbon_intensity_localfactors_gco2_per_kwh"),
    ];
    for (name, file) in files {
        let Some(path) = test_data::file(&format!("intensity/bundle_pypi/{file}.csv")) else {
            return;
        };
        for (set, column) in sets {
            let ours = series(name, set);
            let theirs = published(&path, name, column);
            let difference = largest_difference(&ours, &theirs);
            eprintln!("{name} {set}: {difference:.3} g");
            // The published column has one decimal and the mix whole megawatts.
            assert!(difference < 0.1, "{name} {set}: {difference}");
        }
    }
}

#[test]
fn the_bundled_year_has_the_stated_statistics() {
    // data/README.md: global mean, lifecycle mean, local mean, local sd, local daily swing.
    for (name, global, lifecycle, local, sd, swing) in [
        ("US-CA", 240.4, 320.3, 250.2, 71.8, 151.0),
        ("US-NE", 231.9, 309.1, 243.4, 36.1, 49.0),
        ("EU-DE", 240.4, 303.4, 322.6, 123.1, 159.0),
        ("EU-FR", 30.6, 54.9, 39.5, 16.4, 14.0),
        ("EU-UK", 158.4, 232.0, 177.9, 60.8, 99.0),
    ] {
        let near = |got: f64, stated: f64, part: f64| {
            assert!((got / stated - 1.0).abs() < part, "{name}: {got}, stated {stated}");
        };
        let stats = Stats::of(&series(name, FactorSet::Local));
        near(stats.mean.get(), local, 0.005);
        near(stats.sd.get(), sd, 0.005);
        // Stated in whole grams: half a gram of 14 is 4 %.
        near(stats.mean_daily_swing.get(), swing, 0.04);
        assert_eq!((stats.gaps, stats.step), (0, Span::HOUR));
        assert!((stats.hours - 8_784.0).abs() < 1e-9);
        let mean = |set| Stats::of(&series(name, set)).mean.get();
        near(mean(FactorSet::Global), global, 0.005);
        near(mean(FactorSet::Lifecycle), lifecycle, 0.005);
    }
}

#[test]
fn every_entry_of_the_catalogue_can_be_read_and_says_what_it_is() {
    for entry in bundled::catalogue() {
        let zone = zone(entry.zone);
        let read = match entry.signal {
            carbon_kube_core::intensity::Signal::Average => {
                bundled::series(&zone, FactorSet::Local)
            }
            carbon_kube_core::intensity::Signal::Marginal => bundled::marginal(&zone),
        };
        let series = read.unwrap().unwrap();
        assert_eq!(series.label().signal, entry.signal);
        assert_eq!(series.label().area, entry.area);
        assert_eq!(series.start().to_string(), "2020-01-01T00:00:00Z");
        assert_eq!(series.end().to_string(), "2021-01-01T00:00:00Z");
    }
    assert!(bundled::series(&zone("US-TX"), FactorSet::Local).is_none());
    assert!(bundled::marginal(&zone("EU-DE")).is_none());
    assert!(bundled::marginal_forecasts(&zone("EU-DE")).is_none());
}

#[test]
fn the_issued_forecasts_are_wrong_by_what_real_ones_are_wrong_by() {
    let truth = bundled::marginal(&zone("US-CA")).unwrap().unwrap();
    let issued = bundled::marginal_forecasts(&zone("US-CA")).unwrap().unwrap();
    assert_eq!(issued.issues.len(), 8_784);
    // Mean absolute error against the hourly mean, by hours ahead: it must grow.
    let error = |ahead: usize| {
        let errors: Vec<f64> = issued
            .issues
            .iter()
            .filter_map(|(_, issue)| {
                let (at, value): (Time, f64) = issue.points[ahead];
                truth.at(at).ok().map(|known| (known.get() - value).abs())
            })
            .collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    let errors = [0, 1, 2, 3].map(error);
    eprintln!("mean absolute error by hour ahead: {errors:.1?} g/kWh");
    assert!(errors.is_sorted(), "{errors:?}");
    assert!(errors[0] > 1.0 && errors[3] < truth.overall_mean().get() / 4.0);
}
