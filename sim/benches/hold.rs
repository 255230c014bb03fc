//! The hold model: N entities, each puts itself back a uniform(0, 1) s later; events per second.

use carbon_kube_core::{Span, Time, seed};
use carbon_kube_sim::queue::EventQueue;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::Rng;

fn main() {
    divan::main();
}

const EVENTS: usize = 3_000_000;

#[divan::bench(args = [1_000, 100_000], sample_count = 5, sample_size = 1)]
fn hold(bencher: Bencher<'_, '_>, entities: u32) {
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut rng = seed::stream(7, "hold");
        let mut delay = || Span::from_millis((rng.next_u32() % 1_000) as i64);
        let mut queue = EventQueue::with_capacity(entities as usize);
        for entity in 0..entities {
            queue.push(Time::from_millis(0) + delay(), 0, entity);
        }
        for _ in 0..EVENTS {
            let (now, entity) = queue.pop().expect("each event puts its entity back");
            queue.push(now + delay(), 0, entity);
        }
        black_box(queue.len())
    });
}
