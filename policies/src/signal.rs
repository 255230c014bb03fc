//! What is known of the grid when a decision falls: a snapshot per control interval.
//!
//! In the cluster it is made from the ConfigMaps that the poller writes, in the simulator from
//! the trace up to now. Every number can be missing, and missing means no opinion.

use std::sync::Arc;

use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::view::ZoneIndex;
use carbon_kube_core::zone::Clock;
use carbon_kube_core::{GramsPerKwh, Time};

use crate::plans::Plans;

/// The grid at one instant.
#[derive(Clone, Copy)]
pub struct Signal<'a> {
    /// The instant of the decision.
    pub now: Time,
    /// When the snapshot will be replaced by the next one.
    pub next_update: Time,
    /// The zones, in the order that pods and nodes refer to.
    pub zones: &'a [ZoneSignal<'a>],
    /// Energy of moving one gigabyte, at each end, in kWh.
    pub transfer_kwh_per_gb: f64,
    /// Plans that pods share; `None` where each makes its own.
    pub plans: Option<&'a Plans>,
}

/// One zone at one instant.
#[derive(Clone)]
pub struct ZoneSignal<'a> {
    /// The intensity in force; `None` where it is unknown or too old.
    pub intensity: Option<GramsPerKwh>,
    /// The threshold in force; `None` where the policy has none.
    pub threshold: Option<GramsPerKwh>,
    /// What a tuner added to it, in g/kWh, within the policy's bounds; 0 where none did. For
    /// policies whose threshold is a price that each pod has of its own
    /// ([`Policy::prices_windows`](crate::Policy::prices_windows)).
    pub adjustment: f64,
    /// What is expected of the hours to come; `None` where nobody forecasts.
    pub outlook: Option<Arc<dyn Outlook + Send + Sync + 'a>>,
    /// The zone's own clock; `None` where it is unknown.
    pub clock: Option<Clock>,
    /// Its place among the zones by name: an order that does not depend on who lists them.
    pub rank: usize,
}

/// A zone of which nothing is known.
static UNKNOWN: ZoneSignal<'static> = ZoneSignal {
    intensity: None,
    threshold: None,
    adjustment: 0.0,
    outlook: None,
    clock: None,
    rank: 0,
};

impl ZoneSignal<'_> {
    /// By how many g/kWh the zone is over its threshold; `None` where either is unknown.
    #[must_use]
    pub fn excess(&self) -> Option<f64> {
        Some(self.intensity?.get() - self.threshold?.get())
    }
}

impl<'a> Signal<'a> {
    /// The zone at a position; one of which nothing is known where there is none.
    #[must_use]
    pub fn zone(&self, index: ZoneIndex) -> &'a ZoneSignal<'a> {
        self.zones.get(index).unwrap_or(&UNKNOWN)
    }
}
