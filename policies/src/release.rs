//! Paced releases: when a grid turns clean, held pods leave by urgency, never all at once.
//!
//! A cluster that gets a thousand pods in one second answers with back-off, preemption and
//! alarms. The pacer is a token bucket: it fills at a steady rate, holds at most one interval's
//! worth, and whoever releases also checks that there is room. Pods at their limit don't ask it.

use carbon_kube_core::{Span, Time};

/// How often released pods are let out in one go.
pub const RELEASE_INTERVAL: Span = Span::from_millis(10_000);

/// A token bucket over simulated or real time.
#[derive(Clone, Debug, PartialEq)]
pub struct Pacer {
    per_minute: f64,
    tokens: f64,
    last: Time,
}

impl Pacer {
    /// A pacer that lets `per_minute` pods out, from `now` on.
    #[must_use]
    pub fn new(per_minute: f64, now: Time) -> Self {
        Self { per_minute, tokens: 0.0, last: now }
    }

    /// How many pods may leave at `now`.
    pub fn allowance(&mut self, now: Time) -> usize {
        let burst = (self.per_minute * RELEASE_INTERVAL.seconds() / 60.0).max(1.0);
        let earned = self.per_minute * (now - self.last).seconds() / 60.0;
        self.tokens = (self.tokens + earned).min(burst);
        self.last = now;
        self.tokens as usize
    }

    /// Counts a pod that left.
    pub fn spend(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_earns_no_more_than_one_interval() {
        let mut pacer = Pacer::new(600.0, Time::from_millis(0));
        // 600 per minute are 100 in ten seconds, also after an hour of silence.
        assert_eq!(pacer.allowance(Time::from_millis(3_600_000)), 100);
        for _ in 0..100 {
            pacer.spend();
        }
        assert_eq!(pacer.allowance(Time::from_millis(3_600_000)), 0);
        assert_eq!(pacer.allowance(Time::from_millis(3_601_000)), 10);
    }
}
