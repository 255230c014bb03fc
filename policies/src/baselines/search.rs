//! Online search under bounds: what `one-min`, `k-min` and `double-threshold` share.
//!
//! The grid is known to stay between two intensities, and nothing else: each slot is taken or left
//! as it comes. The slots that are left at the end are taken as they are: that is the pod's limit.
//! Formulas: Lechowicz et al. 2023, "The Online Pause and Resume Problem".

use carbon_kube_core::Span;
use carbon_kube_core::view::{NodeView, PodView};

use super::slots::{self, Slot};
use crate::decision::{Gate, Run};
use crate::signal::{Signal, ZoneSignal};

/// The least and the most that a grid is known to have, in g/kWh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Least, L.
    pub low: f64,
    /// Most, U.
    pub high: f64,
}

impl Range {
    /// What the settings state; where they state nothing, what is expected up to the pod's
    /// deadline. `None` where the two bounds aren't a range of a grid.
    pub(super) fn of(
        low: Option<f64>,
        high: Option<f64>,
        pod: &PodView,
        zone: &ZoneSignal<'_>,
        signal: &Signal<'_>,
    ) -> Option<Self> {
        let range = match (low, high) {
            (Some(low), Some(high)) => Self { low, high },
            (low, high) => {
                let deadline = pod.must_run_by? + pod.remaining?;
                let outlook = zone.outlook.as_deref()?;
                let slots = slots::between(outlook, signal.now, deadline, slots::HOURLY)?;
                let expected = Self::over(&slots)?;
                Self { low: low.unwrap_or(expected.low), high: high.unwrap_or(expected.high) }
            }
        };
        (range.low > 0.0 && range.high > range.low && range.high.is_finite()).then_some(range)
    }

    /// The least and the most of some slots; `None` without any.
    pub(super) fn over(slots: &[Slot]) -> Option<Self> {
        let means = || slots.iter().map(|slot| slots::rank(slot.mean));
        Some(Self { low: slots::value(means().min()?), high: slots::value(means().max()?) })
    }

    /// What a search for one least value accepts: the geometric mean of the bounds.
    #[must_use]
    pub fn one_min(&self) -> f64 {
        (self.low * self.high).sqrt()
    }

    /// How many times the optimum a search for `slots` least values can cost at worst, where each
    /// change between running and waiting costs `switch` g/kWh. The root A of
    /// (U - L - 2b) / (U (1 - 1/A) - 2b (1 - 1/k - 1/(kA))) = (1 + 1/(kA))^k. `None` where `switch`
    /// is not under half of the range: a root beyond that means nothing.
    #[must_use]
    pub fn competitive_ratio(&self, slots: u32, switch: f64) -> Option<f64> {
        let (low, high, k) = (self.low, self.high, f64::from(slots.max(1)));
        if !(0.0..(high - low) / 2.0).contains(&switch) {
            return None;
        }
        // Positive below the root, negative above it.
        let excess = |a: f64| {
            let worst = high * (1.0 - 1.0 / a) - 2.0 * switch * (1.0 - 1.0 / k - 1.0 / (k * a));
            high - low - 2.0 * switch - worst * (1.0 + 1.0 / (k * a)).powf(k)
        };
        let (mut under, mut over) = (1.0, high / low);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(under, over);
            if excess(middle) > 0.0 { under = middle } else { over = middle }
        }
        Some(f64::midpoint(under, over))
    }

    /// What a search for `slots` values accepts as its `position`th (from 1) while it runs: H of the
    /// double threshold, F of the k-min search where `switch` is 0. While it waits, it accepts two
    /// `switch` less.
    #[must_use]
    pub fn accepted(&self, slots: u32, position: u32, switch: f64) -> Option<f64> {
        let (a, k) = (self.competitive_ratio(slots, switch)?, f64::from(slots.max(1)));
        let growth = (1.0 + 1.0 / (a * k)).powf(f64::from(position.max(1) - 1));
        let searched = self.high * (1.0 - (1.0 - 1.0 / a) * growth);
        Some(searched + 2.0 * switch * (1.0 / (k * a) - 1.0 / k + 1.0) * growth)
    }
}

/// Halvings of an interval of intensities' ratios until doubles tell no more.
const BISECTIONS: u32 = 64;

/// Slots that the pod takes in all, and the position of the next one, from 1.
pub(super) fn position(pod: &PodView, minutes: u32) -> Option<(u32, u32)> {
    let slot = (Span::MINUTE * i64::from(minutes.max(1))).millis();
    let done = pod.done.millis() / slot;
    let all = (pod.done + pod.remaining?).millis();
    let slots = (all + slot - 1) / slot;
    Some((u32::try_from(slots).ok()?, u32::try_from(done).ok()? + 1))
}

/// Holds the pod where each of its zones is known to be over what it accepts there.
pub(super) fn gate(
    pod: &PodView,
    signal: &Signal<'_>,
    accepted: impl Fn(&ZoneSignal<'_>) -> Option<f64>,
) -> Gate {
    let is_over = |zone| is_over(signal.zone(zone), &accepted);
    if !pod.zones.is_empty() && pod.zones.iter().all(is_over) {
        Gate::Hold { until: signal.next_update }
    } else {
        Gate::Release
    }
}

/// Pauses the pod where its zone is known to be over what it accepts.
pub(super) fn run(
    node: &NodeView,
    signal: &Signal<'_>,
    accepted: impl Fn(&ZoneSignal<'_>) -> Option<f64>,
) -> Run {
    match node.zone {
        Some(zone) if is_over(signal.zone(zone), &accepted) => {
            Run::Pause { until: signal.next_update }
        }
        _ => Run::Continue,
    }
}

fn is_over(zone: &ZoneSignal<'_>, accepted: impl Fn(&ZoneSignal<'_>) -> Option<f64>) -> bool {
    let excess = || Some(slots::rank(zone.intensity?.get()) > slots::rank(accepted(zone)?));
    excess() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_without_switch_cost_is_the_k_min_search() {
        let range = Range { low: 100.0, high: 400.0 };
        let a = range.competitive_ratio(6, 0.0).unwrap();
        // (1 - L/U) / (1 - 1/A) = (1 + 1/(kA))^k
        let sides = ((1.0 - 0.25) / (1.0 - 1.0 / a), (1.0 + 1.0 / (6.0 * a)).powi(6));
        assert!((sides.0 - sides.1).abs() < 1e-12, "{sides:?}");
        // The first acceptance is U/A, and later ones take less.
        let accepted: Vec<f64> = (1..=6).map(|i| range.accepted(6, i, 0.0).unwrap()).collect();
        assert!((accepted[0] - 400.0 / a).abs() < 1e-9);
        assert!(accepted.is_sorted_by(|a, b| a > b) && accepted[5] > 100.0, "{accepted:?}");
    }

    #[test]
    fn a_switch_that_costs_half_of_the_range_has_no_threshold() {
        let range = Range { low: 100.0, high: 400.0 };
        assert!(range.competitive_ratio(6, 149.0).is_some());
        assert_eq!(range.competitive_ratio(6, 150.0), None);
        assert_eq!(range.competitive_ratio(6, -1.0), None);
    }
}
