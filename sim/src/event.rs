//! The event log: what happened, in order, and its digest.

use std::io::Write;

use carbon_kube_core::Time;
use twox_hash::XxHash3_128;

use crate::world::World;

/// What happened to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was created.
    Submitted,
    /// The policy holds it until `until`: then the gate asks again. In the scheduler's queue the
    /// first time only; there other events decide when it is tried again.
    Held {
        /// When to ask again.
        until: Time,
    },
    /// The gate let it go, it waits for the pacer.
    Released,
    /// No node that the policy allows had room; it waits in the scheduler.
    Pending,
    /// It started on a node.
    Bound {
        /// Position of the pool.
        pool: u32,
        /// Number of the node in the pool.
        node: u32,
    },
    /// It was paused, its node is free.
    Paused,
    /// It left its node for this one.
    Migrated {
        /// Position of the pool.
        pool: u32,
        /// Number of the node in the pool.
        node: u32,
    },
    /// It has so many workers from now on.
    Scaled {
        /// Their number.
        workers: u32,
    },
    /// It lost its node: an outage, or a pod of higher priority.
    Evicted,
    /// It lost its node more often than its class allows.
    Failed,
    /// Its work is done.
    Finished,
    /// The run ended before its work was done.
    Unfinished,
}

impl EventKind {
    /// The word in `events.jsonl`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Held { .. } => "held",
            Self::Released => "released",
            Self::Pending => "pending",
            Self::Bound { .. } => "bound",
            Self::Paused => "paused",
            Self::Migrated { .. } => "migrated",
            Self::Scaled { .. } => "scaled",
            Self::Evicted => "evicted",
            Self::Failed => "failed",
            Self::Finished => "finished",
            Self::Unfinished => "unfinished",
        }
    }

    /// A stable number and the details, for the digest.
    fn encode(self) -> (u32, u64) {
        let place = |pool: u32, node: u32| (u64::from(pool) << 32) | u64::from(node);
        match self {
            Self::Submitted => (0, 0),
            Self::Held { until } => (1, until.millis() as u64),
            Self::Released => (2, 0),
            Self::Pending => (3, 0),
            Self::Bound { pool, node } => (4, place(pool, node)),
            Self::Paused => (5, 0),
            Self::Migrated { pool, node } => (6, place(pool, node)),
            Self::Finished => (7, 0),
            Self::Unfinished => (8, 0),
            Self::Scaled { workers } => (9, workers.into()),
            Self::Evicted => (10, 0),
            Self::Failed => (11, 0),
        }
    }
}

/// Counts, hashes and, where asked, writes events.
pub(crate) struct EventLog<'w> {
    hasher: XxHash3_128,
    count: u64,
    sink: Option<Sink<'w>>,
}

/// Where the lines of `events.jsonl` go.
struct Sink<'w> {
    out: Box<dyn Write + Send + 'w>,
    policy: &'w str,
    numbers: Vec<u32>,
    /// The first error of the writer; the run goes on, its caller reports it.
    error: Option<std::io::Error>,
}

impl<'w> EventLog<'w> {
    pub(crate) fn new(
        world: &World,
        policy: &'w str,
        out: Option<Box<dyn Write + Send + 'w>>,
    ) -> Self {
        let sink = out.map(|out| Sink { out, policy, numbers: world.pod_numbers(), error: None });
        Self { hasher: XxHash3_128::new(), count: 0, sink }
    }

    pub(crate) fn record(&mut self, world: &World, at: Time, pod: u32, kind: EventKind) {
        let (tag, detail) = kind.encode();
        let mut bytes = [0u8; 24];
        bytes[..8].copy_from_slice(&at.millis().to_le_bytes());
        bytes[8..12].copy_from_slice(&pod.to_le_bytes());
        bytes[12..16].copy_from_slice(&tag.to_le_bytes());
        bytes[16..].copy_from_slice(&detail.to_le_bytes());
        self.hasher.write(&bytes);
        self.count += 1;
        if let Some(sink) = &mut self.sink {
            sink.write(world, at, pod, kind);
        }
    }

    /// Number of events, digest, and the writer's first error.
    pub(crate) fn finish(self) -> (u64, u128, Option<std::io::Error>) {
        // The last lines may still be in a buffer, and a full disk shows only there.
        let error = self.sink.and_then(|mut sink| sink.error.or_else(|| sink.out.flush().err()));
        (self.count, self.hasher.finish_128(), error)
    }
}

impl Sink<'_> {
    fn write(&mut self, world: &World, at: Time, pod: u32, kind: EventKind) {
        if self.error.is_some() {
            return;
        }
        let class = &world.classes[world.pods[pod as usize].class as usize].name;
        let mut line = serde_json::json!({
            "policy": self.policy,
            "at": at.to_string(),
            "event": kind.name(),
            "pod": format!("{class}-{}", self.numbers[pod as usize]),
        });
        match kind {
            EventKind::Held { until } => line["until"] = until.to_string().into(),
            EventKind::Bound { pool, node } | EventKind::Migrated { pool, node } => {
                let pool = &world.pools[pool as usize];
                line["node"] = format!("{}-{node}", pool.name).into();
                line["zone"] = world.zones[pool.zone].zone.as_str().into();
            }
            EventKind::Scaled { workers } => line["workers"] = workers.into(),
            _ => {}
        }
        self.error = writeln!(self.out, "{line}").err();
    }
}
