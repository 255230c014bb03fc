//! The circuit breaker of one provider and zone.
//!
//! ```text
//!           enough failures in a row             time is up
//!  closed -------------------------> open ------------------> half-open: one call tries
//!    ^                                 ^   it fails: twice as long  |
//!    |                                 '---------------------------'|
//!    '----------------------------------------- it succeeds --------'
//! ```
//!
//! Own code: the crates that are kept (failsafe, recloser, tower-resilience) read the system's
//! clock, which no test can play, and none opens at once for a refused key.

use std::time::Duration;

use tokio::time::Instant;

use crate::provider::Circuit;

/// A circuit breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    /// Failures in a row that open the circuit.
    threshold: u32,
    /// The first time that it stays open, and the longest.
    open: Duration,
    most: Duration,
    failures: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
        length: Duration,
    },
    /// A call is under way. One that never comes back, because its caller was dropped, must not
    /// hold the place for ever: at `until` another may try.
    Trying {
        until: Instant,
        length: Duration,
    },
}

impl Breaker {
    /// A closed circuit.
    #[must_use]
    pub fn new(threshold: u32, open: Duration, most: Duration) -> Self {
        Self { threshold: threshold.max(1), open, most, failures: 0, state: State::Closed }
    }

    /// Lets a call through, or says when one may try again.
    ///
    /// # Errors
    ///
    /// The instant from which on a call is let through.
    pub fn permit(&mut self, now: Instant) -> Result<(), Instant> {
        match self.state {
            State::Closed => Ok(()),
            State::Open { until, length } | State::Trying { until, length } if now >= until => {
                self.state = State::Trying { until: now + length, length };
                Ok(())
            }
            State::Open { until, .. } | State::Trying { until, .. } => Err(until),
        }
    }

    /// A call succeeded.
    pub fn success(&mut self) {
        self.failures = 0;
        self.state = State::Closed;
    }

    /// A call failed in a way that may pass.
    pub fn failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let length = match self.state {
            State::Trying { length, .. } | State::Open { length, .. } => {
                (length * 2).min(self.most)
            }
            State::Closed if self.failures >= self.threshold => self.open,
            State::Closed => return,
        };
        self.state = State::Open { until: now + length, length };
    }

    /// A call failed in a way that only a person can mend.
    pub fn refused(&mut self, now: Instant) {
        self.state = State::Open { until: now + self.most, length: self.most };
    }

    /// The state, as metrics show it. An open circuit whose time is up is half-open: the next call
    /// goes through.
    #[must_use]
    pub fn circuit(&self, now: Instant) -> Circuit {
        match self.state {
            State::Closed => Circuit::Closed,
            State::Open { until, .. } if now < until => Circuit::Open,
            State::Open { .. } | State::Trying { .. } => Circuit::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn breaker() -> Breaker {
        Breaker::new(3, 5 * MINUTE, 60 * MINUTE)
    }

    #[test]
    fn the_third_failure_in_a_row_opens_and_a_success_in_between_starts_anew() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.failure(now);
        breaker.failure(now);
        breaker.success();
        breaker.failure(now);
        breaker.failure(now);
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        breaker.failure(now);
        assert_eq!(breaker.permit(now), Err(now + 5 * MINUTE));
    }

    #[test]
    fn one_call_tries_and_each_failure_doubles_the_time() {
        let (mut breaker, mut now) = (breaker(), Instant::now());
        for _ in 0..3 {
            breaker.failure(now);
        }
        for minutes in [5, 10, 20, 40, 60, 60] {
            assert_eq!(breaker.permit(now), Err(now + minutes * MINUTE));
            now += minutes * MINUTE;
            assert_eq!(breaker.circuit(now), Circuit::HalfOpen);
            assert_eq!(breaker.permit(now), Ok(()));
            assert!(breaker.permit(now).is_err(), "a second call while the first one tries");
            breaker.failure(now);
        }
        now += 60 * MINUTE;
        assert_eq!(breaker.permit(now), Ok(()));
        breaker.success();
        assert_eq!(breaker.circuit(now), Circuit::Closed);
    }

    #[test]
    fn a_call_that_never_came_back_does_not_hold_the_place_for_ever() {
        let (mut breaker, mut now) = (breaker(), Instant::now());
        for _ in 0..3 {
            breaker.failure(now);
        }
        now += 5 * MINUTE;
        assert_eq!(breaker.permit(now), Ok(()));
        now += 5 * MINUTE;
        assert_eq!(breaker.permit(now), Ok(()));
    }

    #[test]
    fn a_refused_key_opens_at_once_for_the_longest_time() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.refused(now);
        assert_eq!(breaker.permit(now), Err(now + 60 * MINUTE));
    }
}
