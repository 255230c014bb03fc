//! From generation by fuel, as it trickles in, to intensities of whole hours.
//!
//! Sources publish the fuels of an hour one by one. An hour without its gas plants would look clean,
//! so an hour counts only where every fuel is there that most hours have; the newest hours, which are
//! not complete, are left out, and an hour in which nothing runs is an outage of the source.

use std::collections::BTreeMap;

use carbon_kube_core::mix::{FactorSet, Factors, Fuel};
use carbon_kube_core::{Span, Time, Zone};

use crate::answer::Values;
use crate::error::ProviderError;
use crate::reading::Point;

/// Energy by hour and by the source's own code of the fuel, in any one unit.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    hours: BTreeMap<Time, BTreeMap<String, Energy>>,
}

#[derive(Clone, Copy, Debug)]
struct Energy {
    fuel: Fuel,
    amount: f64,
    /// How much of the hour the amount is of.
    covered: Span,
}

impl Hours {
    /// Adds what a fuel made from `start` on for `span`, which may be part of an hour or several.
    pub fn add(&mut self, code: &str, fuel: Fuel, start: Time, span: Span, power: f64) {
        let end = start.saturating_add(span);
        let mut from = start;
        while from < end {
            let hour = from.floor(Span::HOUR);
            let to = end.min(hour + Span::HOUR);
            let of_hour = self.hours.entry(hour).or_default();
            let energy = of_hour.entry(code.to_owned()).or_insert(Energy {
                fuel,
                amount: 0.0,
                covered: Span::ZERO,
            });
            energy.amount += power * (to - from).hours();
            energy.covered += to - from;
            from = to;
        }
    }

    /// The intensity of each complete hour, by the zone's own factors where `core` has any, else by
    /// those of the world.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NoData`] where no hour is complete.
    pub fn values(&self, zone: &Zone) -> Result<Values, ProviderError> {
        let usual = self.usual_codes();
        let local = Factors::find(FactorSet::Local, zone, 2020).is_some();
        let set = if local { FactorSet::Local } else { FactorSet::Global };
        let point = |(start, of_hour): (&Time, &BTreeMap<String, Energy>)| {
            let whole = |code: &&str| of_hour.get(*code).is_some_and(|e| e.covered == Span::HOUR);
            if !usual.iter().all(whole) {
                return None;
            }
            let mut mix = [0.0; Fuel::ALL.len()];
            for energy in of_hour.values() {
                mix[energy.fuel as usize] += energy.amount;
            }
            let value = Factors::find(set, zone, start.utc().year())?.intensity(&mix)?;
            Some(Point { start: *start, span: Span::HOUR, value, is_estimated: false })
        };
        Values::new(self.hours.iter().filter_map(point), None, set.to_string())
            .map_err(|_| ProviderError::NoData("no hour with all its fuels".to_owned()))
    }

    /// The codes that more than half of the hours have.
    fn usual_codes(&self) -> Vec<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for code in self.hours.values().flat_map(BTreeMap::keys) {
            *counts.entry(code).or_default() += 1;
        }
        let half = self.hours.len() / 2;
        counts.into_iter().filter(|(_, count)| *count > half).map(|(code, _)| code).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn hour(hour: i64) -> Time {
        "2026-03-29".parse::<Time>().unwrap() + Span::HOUR * hour
    }

    fn values(hours: &Hours) -> Vec<(i64, f64)> {
        let values = hours.values(&"XX".parse().unwrap()).unwrap();
        let since = |at: Time| (at - hour(0)).hours() as i64;
        values.points.iter().map(|point| (since(point.start), point.value.get())).collect()
    }

    #[test]
    fn an_hour_without_its_gas_does_not_look_clean() {
        let mut hours = Hours::default();
        for at in 0..3 {
            hours.add("WND", Fuel::Wind, hour(at), Span::HOUR, 500.0);
        }
        for at in 0..2 {
            hours.add("NG", Fuel::Gas, hour(at), Span::HOUR, 500.0);
        }
        // Half gas at 370 g/kWh is 185 g/kWh; the third hour has no gas yet.
        let values = values(&hours);
        assert_eq!(values.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1]);
        assert!(values.iter().all(|(_, value)| (value - 185.0).abs() < 1e-9));
    }

    #[test]
    fn quarters_of_an_hour_make_an_hour_and_three_do_not() {
        let mut hours = Hours::default();
        for quarter in 0..7 {
            let start = hour(0) + Span::MINUTE * 15 * quarter;
            hours.add("B04", Fuel::Gas, start, Span::MINUTE * 15, 400.0);
            hours.add("B19", Fuel::Wind, start, Span::MINUTE * 15, 100.0 * quarter as f64);
        }
        // Wind means (0 + 100 + 200 + 300) / 4 = 150: 400 of 550 parts of 370 g/kWh.
        let values = values(&hours);
        assert_eq!(values.len(), 1);
        assert!((values[0].1 - 370.0 * 400.0 / 550.0).abs() < 1e-9);
    }

    #[test]
    fn zeros_are_an_outage_and_what_a_plant_uses_itself_counts_as_nothing() {
        let mut hours = Hours::default();
        for (at, gas, sun) in [(0, 0.0, 0.0), (1, 500.0, -7.0)] {
            hours.add("NG", Fuel::Gas, hour(at), Span::HOUR, gas);
            hours.add("SUN", Fuel::Solar, hour(at), Span::HOUR, sun);
        }
        let values = values(&hours);
        assert_eq!(values.len(), 1);
        assert!((values[0].1 - 370.0).abs() < 1e-9);
    }
}
