//! How many requests a source is sent per day.
//!
//! A counter per day of the calendar, UTC, as plans count; kept in a file where there is a cache, so
//! that runs from a CronJob share it. Own code: rate limiters such as governor refill bit by bit,
//! and so let almost twice the number through within a day.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use carbon_kube_core::{Span, Time};
use serde::{Deserialize, Serialize};

use super::file;

/// A counter of requests.
#[derive(Debug)]
pub struct Quota {
    per_day: Option<u32>,
    path: Option<PathBuf>,
    day: Mutex<Option<Day>>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Day {
    /// First instant of the day.
    start: Time,
    used: u32,
}

impl Quota {
    /// A counter that goes on where the file of the last run ended.
    #[must_use]
    pub fn new(per_day: Option<u32>, path: Option<PathBuf>) -> Self {
        Self { per_day, path, day: Mutex::new(None) }
    }

    /// Takes one request.
    ///
    /// # Errors
    ///
    /// The instant at which the next day begins, where none is left.
    pub fn take(&self, now: Time) -> Result<(), Time> {
        let Some(per_day) = self.per_day else { return Ok(()) };
        let mut kept = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        let mut day = self.today(*kept, now);
        if day.used >= per_day {
            *kept = Some(day);
            return Err(day.start + Span::DAY);
        }
        day.used += 1;
        *kept = Some(day);
        if let Some(path) = &self.path {
            file::write(path, &day);
        }
        Ok(())
    }

    /// What is left today; `None` without a limit.
    #[must_use]
    pub fn remaining(&self, now: Time) -> Option<u64> {
        let kept = *self.day.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.today(kept, now).used;
        self.per_day.map(|per_day| u64::from(per_day.saturating_sub(used)))
    }

    fn today(&self, kept: Option<Day>, now: Time) -> Day {
        let start = now.floor(Span::DAY);
        let from_file = || self.path.as_deref().and_then(file::read::<Day>);
        kept.or_else(from_file).filter(|day| day.start == start).unwrap_or(Day { start, used: 0 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn the_day_of_the_calendar_is_what_counts_and_another_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("quota.json"));
        let noon: Time = "2026-03-29T12:00:00Z".parse().unwrap();
        let midnight: Time = "2026-03-30".parse().unwrap();
        let quota = Quota::new(Some(3), path.clone());
        assert_eq!(quota.take(noon), Ok(()));
        assert_eq!(quota.take(noon), Ok(()));
        let quota = Quota::new(Some(3), path);
        assert_eq!(quota.remaining(noon), Some(1));
        assert_eq!(quota.take(noon), Ok(()));
        assert_eq!(quota.take(noon), Err(midnight));
        assert_eq!(quota.remaining(midnight), Some(3));
        assert_eq!(quota.take(midnight), Ok(()));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let quota = Quota::new(None, None);
        assert_eq!(quota.take(Time::default()), Ok(()));
        assert_eq!(quota.remaining(Time::default()), None);
    }
}
