//! The metrics of our own services, without a Prometheus in between.
//!
//! ```text
//!  carbonkube_migrations_total{zone}   counters; what they grew by in the last hour --.
//!  carbonkube_pods_migratable{zone}    over this, at least 1 -------------------------+--> moves
//!  carbonkube_zone_power_ratio{zone}   mean over those who say so --------------------> power
//! ```

use std::collections::{BTreeMap, VecDeque};

use carbon_kube_core::{Span, Time, Zone};
use tracing::warn;

use super::{ByZone, body, samples};

/// The services.
pub struct Metrics {
    client: reqwest::Client,
    addresses: Vec<String>,
    /// What the counters of an address said in the last hour, by zone.
    moves: BTreeMap<(usize, Zone), Counter>,
}

/// A counter over the last hour.
#[derive(Default)]
struct Counter(VecDeque<(Time, f64)>);

impl Metrics {
    /// Asks each of the addresses with `client`.
    #[must_use]
    pub fn new(client: reqwest::Client, addresses: Vec<String>) -> Self {
        Self { client, addresses, moves: BTreeMap::new() }
    }

    /// Moves and power by zone; a service that does not answer is left out.
    pub async fn read(&mut self, now: Time) -> (ByZone, ByZone) {
        let asked = self.addresses.iter().map(|address| body(self.client.get(address)));
        let answers = futures::future::join_all(asked).await;
        let mut texts = Vec::new();
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(body) => texts.push((at, String::from_utf8_lossy(&body).into_owned())),
                Err(error) => warn!(address = at, %error, "a service's metrics were not read"),
            }
        }
        self.take(now, &texts)
    }

    fn take(&mut self, now: Time, texts: &[(usize, String)]) -> (ByZone, ByZone) {
        let mut moves = ByZone::new();
        let mut migratable = ByZone::new();
        let mut power: BTreeMap<Zone, (f64, f64)> = BTreeMap::new();
        for (at, text) in texts {
            for (zone, value) in zones(text, "carbonkube_migrations_total") {
                let grown = self.moves.entry((*at, zone.clone())).or_default().grown(now, value);
                *moves.entry(zone).or_default() += grown;
            }
            for (zone, value) in zones(text, "carbonkube_pods_migratable") {
                *migratable.entry(zone).or_default() += value;
            }
            for (zone, value) in zones(text, "carbonkube_zone_power_ratio") {
                let (sum, count) = power.entry(zone).or_default();
                (*sum, *count) = (*sum + value, *count + 1.0);
            }
        }
        for (zone, moves) in &mut moves {
            *moves /= migratable.get(zone).copied().unwrap_or(0.0).max(1.0);
        }
        (moves, power.into_iter().map(|(zone, (sum, count))| (zone, sum / count)).collect())
    }
}

impl Counter {
    /// By how much it grew in the last hour, or since it was first seen. One that was set back has
    /// grown by what it says since.
    fn grown(&mut self, now: Time, value: f64) -> f64 {
        self.0.push_back((now, value));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(at, _)| now - *at >= Span::HOUR) {
            self.0.pop_front();
        }
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs
            .map(|((_, before), (_, after))| if after < before { *after } else { after - before })
            .sum()
    }
}

fn zones<'t>(text: &'t str, metric: &'t str) -> impl Iterator<Item = (Zone, f64)> + 't {
    samples::of(text, metric).filter_map(|(zone, value)| Some((zone.parse().ok()?, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_what_counters_grew_by_in_an_hour_over_the_pods_that_may_move() {
        let mut metrics = Metrics::new(reqwest_client(), Vec::new());
        let mut at = |minutes: i64, moved: u32| {
            let text = format!(
                "carbonkube_migrations_total{{zone=\"US-CA\"}} {moved}\n\
                 carbonkube_pods_migratable{{zone=\"US-CA\"}} 4\n\
                 carbonkube_zone_power_ratio{{zone=\"US-CA\"}} 0.5\n"
            );
            let other = "carbonkube_zone_power_ratio{zone=\"US-CA\"} 0.7\n".to_owned();
            let now = Time::from_millis(0) + Span::MINUTE * minutes;
            let (moves, power) = metrics.take(now, &[(0, text), (1, other)]);
            format!("{:?} {:?}", moves.values().next().unwrap(), power.values().next().unwrap())
        };
        assert_eq!(at(0, 100), "0.0 0.6");
        assert_eq!(at(30, 102), "0.5 0.6");
        assert_eq!(at(60, 103), "0.75 0.6");
        // The first half hour is over: one move after minute 30. Then a restart, and two more.
        assert_eq!(at(90, 103), "0.25 0.6");
        assert_eq!(at(100, 2), "0.75 0.6");
    }

    fn reqwest_client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
    }
}
