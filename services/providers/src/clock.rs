//! What time it is.
//!
//! Waiting, breakers and budgets go by tokio's clock; the age of data goes by this one. Outside of
//! tests that is the wall. In tests it starts at a given instant and moves with tokio's, so that
//! `tokio::time::pause` plays two days in a second.

use std::time::SystemTime;

use carbon_kube_core::{Span, Time};
use tokio::time::Instant;

/// A source of the present instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(Option<Played>);

#[derive(Clone, Copy, Debug)]
struct Played {
    start: Time,
    origin: Instant,
}

impl Clock {
    /// The wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that says `start` now, and moves with tokio's.
    #[must_use]
    pub fn starting_at(start: Time) -> Self {
        Self(Some(Played { start, origin: Instant::now() }))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Time {
        match self.0 {
            Some(Played { start, origin }) => start + span(origin.elapsed()),
            None => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                Time::from_millis(0) + since.map_or(Span::ZERO, span)
            }
        }
    }
}

/// As a span, cut to what one can hold.
pub(crate) fn span(duration: std::time::Duration) -> Span {
    Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// As a duration; nothing for a negative span.
pub(crate) fn duration(span: Span) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(span.millis()).unwrap_or(0))
}
