//! When pods ran, and where, from a run's event log.

use std::collections::BTreeMap;

use carbon_kube_core::{Span, Time};
use serde::Deserialize;

use crate::world::World;

/// A stretch in which a pod ran on one node with the same workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    /// Position in the world's pods.
    pub pod: usize,
    /// Position of the pool.
    pub pool: usize,
    pub start: Time,
    pub end: Time,
    pub workers: u32,
    /// Whether it ran up to this one's start.
    pub goes_on: bool,
}

impl Stay {
    pub fn length(&self) -> Span {
        self.end - self.start
    }
}

/// A line of `events.jsonl`.
#[derive(Deserialize)]
struct Line<'a> {
    at: Time,
    event: &'a str,
    pod: &'a str,
    node: Option<&'a str>,
    workers: Option<u32>,
}

/// The stays of a log in order of their start. Lines that say nothing of a stay are passed over.
pub(super) fn read(log: &[u8], world: &World) -> Vec<Stay> {
    let names: BTreeMap<String, usize> = (world.pods.iter().zip(world.pod_numbers()).enumerate())
        .map(|(position, (pod, number))| {
            (format!("{}-{number}", world.classes[pod.class as usize].name), position)
        })
        .collect();
    let mut open: Vec<Option<Stay>> = vec![None; world.pods.len()];
    let mut workers = vec![1; world.pods.len()];
    let mut stays = Vec::new();
    let lines = log.split(|&byte| byte == b'\n');
    for line in lines.filter_map(|line| serde_json::from_slice::<Line<'_>>(line).ok()) {
        let Some(&pod) = names.get(line.pod) else { continue };
        let running = open[pod].take();
        let closed = running.map(|stay| Stay { end: line.at, ..stay });
        stays.extend(closed.filter(|stay| stay.length().is_positive()));
        let pool = line.node.and_then(|node| pool_of(world, node));
        workers[pod] = line.workers.unwrap_or(workers[pod]);
        open[pod] = match line.event {
            "bound" | "migrated" => pool.map(|pool| (pool, running.is_some())),
            "scaled" => running.map(|stay| (stay.pool, stay.start < line.at || stay.goes_on)),
            _ => None,
        }
        .map(|(pool, goes_on)| Stay {
            pod,
            pool,
            start: line.at,
            end: line.at,
            workers: workers[pod],
            goes_on,
        });
    }
    stays.sort_by_key(|stay| (stay.start, stay.pod));
    stays
}

/// The pool of a node called `<pool>-<number>`.
fn pool_of(world: &World, node: &str) -> Option<usize> {
    let (name, _) = node.rsplit_once('-')?;
    world.pools.iter().position(|pool| pool.name == name)
}
