//! Hourly re-planning of 10,000 held pods over a month, beside a threshold that holds as many:
//! `cargo bench -p carbon-kube-sim --bench plan`. The goal is twice the threshold's cost at most.

mod support;

use std::sync::Arc;

use carbon_kube_core::forecast::{ForecastModel, History};
use carbon_kube_core::forecaster::{Forecaster, Learned, SteppedForecast};
use carbon_kube_core::{Span, Zone};
use carbon_kube_sim::world::World;
use divan::Bencher;
use serde_json::json;

fn main() {
    divan::main();
}

/// Each hour is a little cleaner than the one before, so that every pod waits to its limit.
#[derive(Debug)]
struct Falling;

impl Forecaster for Falling {
    fn issue(&self, _zone: &Zone, past: &History<'_>) -> Option<SteppedForecast> {
        let hours = (0..97).map(|hour| (300.0 - f64::from(hour), 50.0));
        Some(SteppedForecast::new(past.now().floor(Span::HOUR), Span::HOUR, hours))
    }
}

/// 10,000 pods that arrive within a day and may wait for a month.
fn held() -> World {
    let mut world = support::year(10_000, 1_000, Span::HOUR);
    for (number, pod) in (0i64..).zip(&mut world.pods) {
        pod.arrival = world.start + Span::from_millis(number * 8_640);
        pod.max_delay = Some(Span::DAY * 30);
    }
    world.end = world.start + Span::DAY * 32;
    world.forecast = ForecastModel::Learned(Learned(Arc::new(Falling)));
    world
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn threshold(bencher: Bencher<'_, '_>) {
    let world = held();
    bencher.bench_local(|| support::run(&world, json!({"threshold": {"gramsPerKwh": 0}})));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn plan(bencher: Bencher<'_, '_>) {
    let world = held();
    bencher.bench_local(|| support::run(&world, json!("plan")));
}
