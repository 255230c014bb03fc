//! One forecast of four days by the shipped models: `cargo bench -p carbon-kube-policies`.

#![allow(clippy::unwrap_used, reason = "a bench stops where its data are wrong")]

use std::sync::Arc;

use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_policies::forecast::{Forecaster, PAST_HOURS, Past, Weather, library};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn now() -> Time {
    "2022-03-01".parse().unwrap()
}

fn past() -> Past {
    Past::new(now(), (0..PAST_HOURS).map(|hour| Some(200.0 + 50.0 * (hour as f64 * 0.26).sin())))
}

fn forecaster(zone: &Zone) -> Forecaster {
    let mut forecaster = library::find(library::DEFAULT).unwrap().load().unwrap().forecaster;
    let hours = vec![[Some(6.0), Some(10.0), Some(200.0)]; 24 * 14];
    let weather = Weather::new(now() - Span::DAY * 8, hours);
    forecaster.weather.insert(zone.clone(), Arc::new(weather));
    forecaster
}

/// A zone with a model of its own and weather, one without weather, and one that nobody has seen.
#[divan::bench(args = ["EU-DE", "EU-FR", "AU-NSW"])]
fn four_days(bencher: Bencher<'_, '_>, zone: &str) {
    let zone: Zone = zone.parse().unwrap();
    let (forecaster, past) = (forecaster(&zone), past());
    bencher.bench_local(|| forecaster.forecast(black_box(&zone), black_box(&past)));
}

/// What is believed of eleven days of values.
#[divan::bench]
fn the_past(bencher: Bencher<'_, '_>) {
    bencher.bench_local(past);
}
