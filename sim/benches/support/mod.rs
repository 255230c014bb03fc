//! The standard worlds that the figures of `docs/performance.md` are measured on.

use carbon_kube_core::{Span, Time, seed};
use carbon_kube_sim::world::{Pod, World};
use rand::Rng;

#[path = "../../tests/support/mod.rs"]
mod worlds;
pub use worlds::{pool, resources, run};

/// A year of 2020 in four zones with `nodes` nodes of 32 cores in all, and `pods` deferrable pods
/// that load them evenly: a share of one core for a few hours each.
pub fn year(pods: usize, nodes: u32, step: Span) -> World {
    let start: Time = "2020-01-01".parse().expect("a date");
    let year = Span::DAY * 366;
    let steps = (Span::DAY * 369).millis() / step.millis();
    let zones = ["US-CA", "US-TX", "EU-DE", "EU-FR"]
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let value = move |n: i64| {
                let hour = (n * step.millis()).div_euclid(3_600_000) as f64;
                let day = (hour / 24.0 * std::f64::consts::TAU + i as f64).sin();
                let weather = (hour / 113.0 + i as f64).sin();
                250.0 + 80.0 * day + 60.0 * weather
            };
            worlds::zone_from(name, start, step, (0..steps).map(value))
        })
        .collect();
    let pools = (0..4)
        .map(|zone| {
            let mut pool = pool(&format!("pool-{zone}"), zone, nodes / 4);
            pool.allocatable = resources(32.0, 128);
            pool
        })
        .collect();
    let mut world = worlds::world(zones, pools, vec![worlds::class("batch")], Vec::new());
    world.start = start;
    world.end = start + year;
    world.scheduler.releases_per_minute = (pods as f64 / 1_000.0).max(600.0);
    let mut rng = seed::stream(7, "benchmark");
    let mut part = || rng.next_u64() as f64 / u64::MAX as f64;
    world.pods = (0..pods)
        .map(|_| Pod {
            class: 0,
            arrival: start + Span::from_millis((part() * year.millis() as f64) as i64),
            duration: Span::from_hours(0.25 - 2.0 * (1.0 - part()).ln()),
            max_delay: Some(Span::HOUR * 12),
            requests: resources(0.25 * (1.0 + (part() * 4.0).floor()), 1 + (part() * 4.0) as u64),
        })
        .collect();
    world.pods.sort_by_key(|pod| pod.arrival);
    world
}
