//! `hour-table`: start in certain hours of the day.

use carbon_kube_core::Span;
use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Run in these hours of the zone's own clock, and wait or pause in the others: what a cron
/// schedule does, and the least that any forecast has to beat. It looks at no grid at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct HourTable {
    /// Hours in which pods run, 0 to 23.
    #[schemars(inner(range(min = 0, max = 23)))]
    pub hours: Vec<u8>,
}

impl Default for HourTable {
    /// Around solar noon.
    fn default() -> Self {
        Self { hours: (10..16).collect() }
    }
}

impl Policy for HourTable {
    fn name(&self) -> &'static str {
        "hour-table"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let is_closed = |zone| self.is_closed(signal.zone(zone), signal) == Some(true);
        if !pod.zones.is_empty() && pod.zones.iter().all(is_closed) {
            Gate::Hold { until: next_quarter(signal) }
        } else {
            Gate::Release
        }
    }

    fn run(&self, _pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        match node.zone.and_then(|zone| self.is_closed(signal.zone(zone), signal)) {
            Some(true) => Run::Pause { until: next_quarter(signal) },
            _ => Run::Continue,
        }
    }
}

impl HourTable {
    fn is_closed(&self, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<bool> {
        let hour = signal.now.local(zone.clock.as_ref()?).hour();
        Some(!self.hours.iter().any(|&open| i64::from(open) == i64::from(hour)))
    }
}

/// Clocks differ by whole quarters of an hour: no local hour begins before the next one.
fn next_quarter(signal: &Signal<'_>) -> carbon_kube_core::Time {
    let quarter = Span::MINUTE * 15;
    signal.now.floor(quarter) + quarter
}
