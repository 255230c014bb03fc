//! When to try again: exponential back-off with jitter by `backon`, `Retry-After` where the source
//! says so, and a budget for all calls of a source together, by `governor` on tokio's clock. In an
//! outage the budget is what keeps retries from multiplying the load.

use std::num::NonZeroU32;
use std::time::Duration;

use backon::ExponentialBuilder;
use carbon_kube_core::{Span, Time};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// A wait that a source asks for is believed up to here; beyond it is a mistake.
const LONGEST_WAIT: Span = Span::DAY;

/// tokio's clock, as governor reads one.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// How many retries are left.
#[derive(Debug)]
pub struct Budget(RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>);

impl Budget {
    /// So many retries in an hour; at first all of them.
    #[must_use]
    pub fn per_hour(retries: u32) -> Self {
        let quota = Quota::per_hour(NonZeroU32::new(retries).unwrap_or(NonZeroU32::MIN));
        Self(RateLimiter::direct_with_clock(quota, TokioClock(Instant::now())))
    }

    /// Takes one retry, if any is left.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.check().is_ok()
    }
}

/// The waits of one call: doubled each time, and between nothing and as much again on top.
#[must_use]
pub fn backoff(first: Duration, retries: u32) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(first * 16)
        .with_max_times(retries as usize)
        .with_jitter()
}

/// Reads `Retry-After`: seconds, or a date of HTTP. `None` for anything else.
#[must_use]
pub fn retry_after(text: &str, now: Time) -> Option<Span> {
    let text = text.trim();
    let span = match text.parse::<u32>() {
        Ok(seconds) => Span::SECOND * i64::from(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let since = date.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
            Time::from_millis(0) + crate::clock::span(since) - now
        }
    };
    Some(span.clamp(Span::ZERO, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date_and_never_negative_or_absurd() {
        let now: Time = "2026-03-29T01:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(Span::SECOND * 120)),
            ("Sun, 29 Mar 2026 01:02:00 GMT", Some(Span::SECOND * 120)),
            ("Sun, 29 Mar 2026 00:00:00 GMT", Some(Span::ZERO)),
            ("4000000000", Some(Span::DAY)),
            ("99999999999999", None),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_comes_back_with_time() {
        let budget = Budget::per_hour(4);
        assert!((0..4).all(|_| budget.take()));
        assert!(!budget.take());
        // A quarter of an hour is one of four.
        tokio::time::advance(Duration::from_secs(15 * 60)).await;
        assert!(budget.take());
        assert!(!budget.take());
    }
}
