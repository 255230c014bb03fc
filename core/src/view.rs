//! What a decision may know of a pod and of a node; the same in simulator and cluster.

use crate::time::{Span, Time};
use crate::units::{Bytes, MilliCpu, Watts};

/// Position of a grid zone in the list of zones that a [`ZoneSet`] and a signal refer to.
pub type ZoneIndex = usize;

/// A set of grid zones, by position. At most [`ZoneSet::MAX_ZONES`] zones take part in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneSet(u64);

impl ZoneSet {
    /// The most zones that a set can hold.
    pub const MAX_ZONES: usize = 64;

    /// The set with one more zone; positions from [`Self::MAX_ZONES`] on are ignored.
    #[must_use]
    pub fn with(self, zone: ZoneIndex) -> Self {
        Self(self.0 | 1u64.checked_shl(zone as u32).unwrap_or(0))
    }

    /// Whether the zone is in the set.
    #[must_use]
    pub fn contains(self, zone: ZoneIndex) -> bool {
        zone < Self::MAX_ZONES && self.0 & (1 << zone) != 0
    }

    /// The zones in the set, in order of position.
    pub fn iter(self) -> impl Iterator<Item = ZoneIndex> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let zone = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (zone < Self::MAX_ZONES).then_some(zone)
        })
    }

    /// Whether no zone is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<ZoneIndex> for ZoneSet {
    fn from_iter<I: IntoIterator<Item = ZoneIndex>>(zones: I) -> Self {
        zones.into_iter().fold(Self::default(), Self::with)
    }
}

/// What a decision may know of a pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PodView {
    /// When the pod was created.
    pub created: Time,
    /// From this instant on the pod must run without a break, or it is late. `None`: the pod
    /// does not wait at all.
    pub must_run_by: Option<Time>,
    /// How long it still has to run at full speed, if anybody said so.
    pub remaining: Option<Span>,
    /// The work that it has done, in time at full speed.
    pub done: Span,
    /// Whether it has run before: it is paused, not new.
    pub started: bool,
    /// Whether it may be paused and resumed.
    pub interruptible: bool,
    /// Work lost and repeated by one pause or one move.
    pub checkpoint: Span,
    /// Requested CPU.
    pub cpu: MilliCpu,
    /// The part of the requested CPU that is really busy, 0 to 1; 1 where nobody said.
    pub cpu_utilisation: f64,
    /// What has to be copied when the pod moves.
    pub data: Bytes,
    /// Zones with a node that the pod may run on, by its selectors, affinity and tolerations.
    pub zones: ZoneSet,
}

/// What a decision may know of a job that can use more or fewer workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobView<'a> {
    /// The job as a pod; its requests are those of one worker, its remaining time that of one.
    pub pod: PodView,
    /// How many workers it has now; 0 before it starts.
    pub workers: u32,
    /// Work per hour of 1, 2, ... workers over that of one: the scaling profile. Never empty.
    pub speedup: &'a [f64],
    /// Power of 1, 2, ... workers over that of one; as long as `speedup`.
    pub draw: &'a [f64],
}

impl JobView<'_> {
    /// When its work has to be done, whatever it has done so far; `None` where it does not wait.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        Some(self.pod.must_run_by? + self.pod.remaining?)
    }
}

/// What a decision may know of a node, or of a class of equal nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeView {
    /// The node's grid zone; `None` where nobody said which.
    pub zone: Option<ZoneIndex>,
    /// Watts at the meter that one more busy core adds, as [`NodePower::watts_per_core`] has them.
    ///
    /// [`NodePower::watts_per_core`]: crate::power::NodePower::watts_per_core
    pub watts_per_core: Watts,
    /// Price of one core for an hour, in US dollars.
    pub usd_per_core_hour: f64,
    /// The part of the emptiest such node that would be free with the pod on it, 0 to 1; `None`
    /// where nobody knows.
    pub free: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_set_ignores_what_it_cannot_hold() {
        let set: ZoneSet = [3, 0, 64, 1_000].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3]);
        assert!(!set.contains(64));
        assert!(ZoneSet::default().is_empty());
    }
}
