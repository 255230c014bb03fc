//! Pods per second of a year-long run under a carbon policy: `cargo bench -p carbon-kube-sim`.

mod support;

use carbon_kube_core::Span;
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::json;

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, pods: usize, nodes: u32, step: Span) {
    let world = support::year(pods, nodes, step);
    bencher
        .counter(ItemsCount::new(pods))
        .bench_local(|| support::run(&world, json!("percentile-lowest-zone")));
}

/// Cost must be linear in pods.
#[divan::bench(args = [10_000, 100_000, 1_000_000, 10_000_000], sample_count = 3, sample_size = 1)]
fn pods_on_1000_nodes(bencher: Bencher<'_, '_>, pods: usize) {
    run(bencher, pods, 1_000, Span::HOUR);
}

/// Cost must be sub-linear in nodes.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 3, sample_size = 1)]
fn nodes_for_100000_pods(bencher: Bencher<'_, '_>, nodes: u32) {
    run(bencher, 100_000, nodes, Span::HOUR);
}

/// The resolution of the trace must not matter.
#[divan::bench(args = [5, 60], sample_count = 5, sample_size = 1)]
fn minutes_per_step_of_the_trace(bencher: Bencher<'_, '_>, minutes: i64) {
    run(bencher, 1_000_000, 1_000, Span::MINUTE * minutes);
}
