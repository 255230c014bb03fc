//! Steps of the environment per second, on the standard small world: one zone, 40 deferrable jobs a
//! day, hourly control, episodes of a week with what follows from it.

use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::bundled;
use carbon_kube_trainer::environment::world::{WorldConfig, WorldEnvironment, ZoneSource};
use carbon_kube_trainer::environment::{Action, Environment};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const STEPS: usize = 20_000;

fn environment(forecast: ForecastModel, control_minutes: u32) -> WorldEnvironment {
    let zone: Zone = "EU-DE".parse().expect("a zone");
    let series = bundled::series(&zone, FactorSet::Local).expect("it is bundled");
    let time = |text: &str| -> Time { text.parse().expect("a date") };
    let zones = vec![ZoneSource {
        series: Arc::new(series.expect("it is read")),
        ranges: vec![(time("2020-01-08"), time("2020-12-24"))],
    }];
    let config = WorldConfig { control_minutes, ..WorldConfig::default() };
    WorldEnvironment::new(config, zones, forecast).expect("the settings are right")
}

/// Episodes one after the other, resets included, with actions that go up and down.
fn walk(environment: &mut WorldEnvironment) -> f32 {
    let (mut seed, mut total) = (0, 0.0);
    environment.reset(seed, &Default::default());
    for number in 0..STEPS {
        let action = (number % 11) as f32 * 10.0 - 50.0;
        let step = environment.step(Action::Continuous(&[action]));
        total += step.reward;
        if step.truncated {
            seed += 1;
            environment.reset(seed, &Default::default());
        }
    }
    total
}

fn steps(bencher: Bencher<'_, '_>, forecast: &ForecastModel, control_minutes: u32) {
    bencher
        .counter(ItemsCount::new(STEPS))
        .with_inputs(|| environment(forecast.clone(), control_minutes))
        .bench_local_refs(|environment| black_box(walk(environment)));
}

/// A forecast that is last day's.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn hourly_seasonal(bencher: Bencher<'_, '_>) {
    steps(bencher, &ForecastModel::Seasonal { period: Span::DAY }, 60);
}

/// The forecast with errors that grow, which is drawn anew each hour.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn hourly_noisy(bencher: Bencher<'_, '_>) {
    steps(bencher, &ForecastModel::Noisy, 60);
}

/// Twelve looks at the grid per hour.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn five_minutes_seasonal(bencher: Bencher<'_, '_>) {
    steps(bencher, &ForecastModel::Seasonal { period: Span::DAY }, 5);
}
