//! The forecast of a zone in slots, as every plan here reads it.

use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::view::PodView;
use carbon_kube_core::{Span, Time};

use crate::signal::{Signal, ZoneSignal};

/// The usual length of a slot, in minutes: the grids' own hour.
pub(super) const HOURLY: u32 = 60;

/// A stretch of time and the mean intensity that is expected of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    pub start: Time,
    pub end: Time,
    /// In g/kWh.
    pub mean: f64,
}

impl Slot {
    pub fn length(&self) -> Span {
        self.end - self.start
    }
}

/// `[from, to)` cut at the full slots of the clock; the first and the last may be shorter. `None`
/// where not all of it is expected.
pub(super) fn between(
    outlook: &dyn Outlook,
    from: Time,
    to: Time,
    minutes: u32,
) -> Option<Vec<Slot>> {
    let step = Span::MINUTE * i64::from(minutes.max(1));
    let mut slots = Vec::new();
    let mut start = from;
    while start < to {
        let end = (start.floor(step) + step).min(to);
        let mean = outlook.integral_hours(start, end)? / (end - start).hours();
        slots.push(Slot { start, end, mean });
        start = end;
    }
    Some(slots)
}

/// Slots of the day that begins at `from`; where the outlook doesn't reach back that far, of the
/// one that begins now.
pub(super) fn day_from(
    zone: &ZoneSignal<'_>,
    from: Time,
    signal: &Signal<'_>,
) -> Option<Vec<Slot>> {
    let outlook = zone.outlook.as_deref()?;
    let day = |from: Time| between(outlook, from, from + Span::DAY, HOURLY);
    day(from).or_else(|| day(signal.now))
}

/// The value under which the part `quantile` (0 to 1) of the time lies; `None` without slots.
pub(super) fn quantile(mut slots: Vec<Slot>, quantile: f64) -> Option<f64> {
    slots.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let total: Span = slots.iter().map(Slot::length).fold(Span::ZERO, |sum, span| sum + span);
    let wanted = total.hours() * quantile;
    let mut passed = 0.0;
    let at = slots.iter().find(|slot| {
        passed += slot.length().hours();
        passed > wanted
    });
    at.or(slots.last()).map(|slot| slot.mean)
}

/// Something that can be less or more, without the last digits: equal hours stay equal however a
/// sum over them was rounded, so that "the first of equals" means something.
pub(super) fn rank(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

/// What a rank stands for.
pub(super) fn value(rank: i64) -> f64 {
    rank as f64 / 1e6
}

/// The candidate of least rank, the first of equals.
pub(super) fn first_least<T>(candidates: impl Iterator<Item = (f64, T)>) -> Option<T> {
    let mut best: Option<(i64, T)> = None;
    for (value, candidate) in candidates {
        let value = rank(value);
        if best.as_ref().is_none_or(|(least, _)| value < *least) {
            best = Some((value, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The least that any of the pod's zones expects over `[from, to)`, in g/kWh x hours; `None` where
/// none expects anything.
pub(super) fn cleanest(pod: &PodView, signal: &Signal<'_>, from: Time, to: Time) -> Option<f64> {
    let expected = |zone| signal.zone(zone).outlook.as_deref()?.integral_hours(from, to);
    pod.zones.iter().filter_map(expected).min_by(f64::total_cmp)
}

/// The instants `first`, one slot later, ... up to `last`, and `last` itself.
pub(super) fn starts(first: Time, last: Time, minutes: u32) -> impl Iterator<Item = Time> {
    let step = Span::MINUTE * i64::from(minutes.max(1));
    let mut next = (first <= last).then_some(first);
    std::iter::from_fn(move || {
        let at = next?;
        next = (at < last).then(|| (at + step).min(last));
        Some(at)
    })
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::forecast::StatedForecast;

    use super::*;

    fn minute(minute: i64) -> Time {
        Time::from_millis(0) + Span::MINUTE * minute
    }

    #[test]
    fn slots_are_cut_at_the_clock_and_end_with_what_is_expected() {
        let outlook = StatedForecast::new(minute(0), Span::HOUR, [100.0, 200.0, 300.0]);
        let slots = between(&outlook, minute(30), minute(130), HOURLY).unwrap();
        let found: Vec<_> = slots.iter().map(|slot| (slot.start, slot.mean.round())).collect();
        assert_eq!(found, [(minute(30), 100.0), (minute(60), 200.0), (minute(120), 300.0)]);
        assert_eq!(between(&outlook, minute(30), minute(200), HOURLY), None);
    }

    #[test]
    fn a_quantile_weighs_slots_by_their_length() {
        let slot = |start, end, mean| Slot { start: minute(start), end: minute(end), mean };
        let slots = vec![slot(0, 30, 300.0), slot(30, 90, 100.0), slot(90, 150, 200.0)];
        // 2.5 hours: the first 40 % are at 100, the next 40 % at 200.
        assert_eq!(quantile(slots.clone(), 0.3), Some(100.0));
        assert_eq!(quantile(slots.clone(), 0.4), Some(200.0));
        assert_eq!(quantile(slots, 1.0), Some(300.0));
        assert_eq!(quantile(Vec::new(), 0.5), None);
    }

    #[test]
    fn the_last_start_is_the_limit_itself() {
        let found: Vec<Time> = starts(minute(0), minute(150), HOURLY).collect();
        assert_eq!(found, [0, 60, 120, 150].map(minute));
        assert_eq!(starts(minute(1), minute(0), HOURLY).count(), 0);
    }
}
