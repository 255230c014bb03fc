//! Hours and weekdays on a zone's own clock, for each hour of a horizon.

use carbon_kube_core::zone::Clock;
use carbon_kube_core::{Span, Time};

/// The local calendar around an instant. A look-up costs arithmetic only, unless the clocks change
/// within the horizon.
#[derive(Clone, Debug)]
pub struct Calendar {
    clock: Clock,
    /// Local time less UTC, where it is the same over the whole horizon.
    offset: Option<Span>,
}

/// An hour on the local clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalHour {
    /// 0 to 23.
    pub hour: usize,
    /// 0 = Monday.
    pub weekday: usize,
}

impl LocalHour {
    /// Saturday and Sunday.
    #[must_use]
    pub fn is_weekend(self) -> bool {
        self.weekday >= 5
    }
}

impl Calendar {
    /// The calendar of `[from, to]` by `clock`.
    #[must_use]
    pub fn new(clock: &Clock, from: Time, to: Time) -> Self {
        let (first, last) = (offset(clock, from), offset(clock, to));
        Self { clock: clock.clone(), offset: (first == last).then_some(first) }
    }

    /// The local hour that `at` is in.
    #[must_use]
    pub fn at(&self, at: Time) -> LocalHour {
        let local = at + self.offset.unwrap_or_else(|| offset(&self.clock, at));
        let hours = local.millis().div_euclid(Span::HOUR.millis());
        // 1 January 1970 was a Thursday.
        let weekday = (hours.div_euclid(24) + 3).rem_euclid(7);
        LocalHour { hour: hours.rem_euclid(24) as usize, weekday: weekday as usize }
    }
}

fn offset(clock: &Clock, at: Time) -> Span {
    let seconds = jiff::Timestamp::from_millisecond(at.millis())
        .map_or(0, |instant| clock.to_offset(instant).seconds());
    Span::from_millis(i64::from(seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::Zone;

    use super::*;

    #[test]
    fn the_hour_is_that_of_the_wall_clock_also_when_the_clocks_change() {
        let clock = "US-CA".parse::<Zone>().unwrap().clock();
        let time = |text: &str| text.parse::<Time>().unwrap();
        let calendar = Calendar::new(&clock, time("2020-03-07"), time("2020-03-09"));
        // Clocks went from 02:00 to 03:00 on Sunday, 8 March 2020, which was 10:00 UTC.
        let before = calendar.at(time("2020-03-08T09:00:00Z"));
        let after = calendar.at(time("2020-03-08T10:00:00Z"));
        assert_eq!((before.hour, after.hour), (1, 3));
        assert!(after.is_weekend());
        assert_eq!(calendar.at(time("2020-03-09T07:00:00Z")), LocalHour { hour: 0, weekday: 0 });
    }
}
