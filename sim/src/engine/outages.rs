//! Nodes that break, and spot capacity that is taken back.
//!
//! Each node has a stream of random numbers per reason, drawn in the same order whatever runs on
//! it: every policy meets the same outages at the same instants.

use carbon_kube_core::{Span, Time, seed};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use super::fleet::NodeState;
use super::{Due, Simulation};
use crate::world::{OutageKind, World};

/// The outages to come.
pub(super) struct Outages {
    sources: Vec<Source>,
}

/// One reason for one node.
struct Source {
    pool: u32,
    node: u32,
    /// Position in the pool's outages.
    outage: usize,
    random: Pcg64,
}

impl Outages {
    pub(super) fn new(world: &World) -> Self {
        let mut sources = Vec::new();
        for (pool, spec) in (0u32..).zip(&world.pools) {
            for (outage, reason) in spec.outages.iter().enumerate() {
                let word = match reason.kind {
                    OutageKind::Failure => "failure",
                    OutageKind::Reclaim => "reclaim",
                };
                for node in 0..spec.count {
                    let name = format!("{word}/{}/{node}", spec.name);
                    let random = seed::stream(world.seed, &name);
                    sources.push(Source { pool, node, outage, random });
                }
            }
        }
        Self { sources }
    }

    /// The first outage of each source, as seconds from the start.
    pub(super) fn first(&mut self, world: &World) -> Vec<(Time, u32)> {
        (0u32..)
            .zip(&mut self.sources)
            .map(|(number, source)| {
                let mean = world.pools[source.pool as usize].outages[source.outage].mean_between;
                (world.start + exponential(mean, &mut source.random), number)
            })
            .collect()
    }
}

/// At least a millisecond, so that time goes on; a thousand years at most.
fn exponential(mean: Span, random: &mut Pcg64) -> Span {
    let draw: f64 = Exp1.sample(random);
    let millis = (mean.millis() as f64 * draw).round().clamp(1.0, 3.2e13);
    Span::from_millis(millis as i64)
}

impl Simulation<'_> {
    /// Schedules an outage. Those beyond the horizon never come: a run must end.
    pub(super) fn schedule_outage(&mut self, at: Time, source: u32) {
        if at < self.horizon {
            self.schedule(at, Due::Outage { source });
        }
    }

    /// A node goes away. One that is off or away already draws its numbers all the same.
    pub(super) fn outage(&mut self, source: u32) {
        let Source { pool, node, outage, random } = &mut self.outages.sources[source as usize];
        let (pool, node) = (*pool, *node);
        let spec = &self.world.pools[pool as usize];
        let reason = spec.outages[*outage];
        let away = match reason.kind {
            OutageKind::Failure => exponential(reason.away, random),
            OutageKind::Reclaim => reason.away,
        };
        let next = self.now + away + exponential(reason.mean_between, random);
        self.schedule_outage(next, source);
        if self.fleets[pool as usize].state(node) != NodeState::On {
            return;
        }
        let residents = self.residents.as_ref().map(|residents| residents.of(pool, node));
        let residents = residents.unwrap_or_default();
        for &pod in &residents {
            self.leave_node(pod);
        }
        let scales = spec.autoscaling.is_some() && reason.kind == OutageKind::Reclaim;
        self.set_node(pool, node, if scales { NodeState::Off } else { NodeState::Away });
        if scales {
            self.ask_for_nodes();
        } else {
            self.schedule(self.now + away, Due::NodeUp { pool, node });
        }
        for pod in residents {
            self.replace(pod);
        }
    }
}
