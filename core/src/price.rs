//! What electricity costs, by the hour.
//!
//! A price changes at few instants, so it is a list of steps with the area under them: the cost of
//! any constant power over any interval is two look-ups, as with carbon intensity. Prices below
//! zero are real and allowed.
//!
//! ```text
//!  USD/kWh  ____      ____
//!               |____|    |___    area = what a kilowatt costs
//!          t0   t1   t2   t3
//! ```

use crate::time::{Span, Time};
use crate::zone::Clock;

/// Steps of one price.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceSeries {
    /// Where each price begins, rising; the first one also holds before, the last one also after.
    starts: Vec<Time>,
    /// US dollars per kWh.
    prices: Vec<f64>,
    /// Area under the steps before each start, in USD/kWh x hours.
    before: Vec<f64>,
}

/// Why a list of prices is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PriceError {
    #[error("there is no price")]
    Empty,
    #[error("the price of {0} does not come after the one before it")]
    Order(Time),
    #[error("the price of {0} is not a finite number")]
    NotFinite(Time),
}

impl PriceSeries {
    /// Prices in USD/kWh from an instant on, each until the next.
    ///
    /// # Errors
    ///
    /// [`PriceError`] for no prices, for instants that don't rise, and for NaN or infinity.
    pub fn new(steps: impl IntoIterator<Item = (Time, f64)>) -> Result<Self, PriceError> {
        let mut series = Self { starts: Vec::new(), prices: Vec::new(), before: Vec::new() };
        for (start, price) in steps {
            if !price.is_finite() {
                return Err(PriceError::NotFinite(start));
            }
            let area = match (series.starts.last(), series.prices.last(), series.before.last()) {
                (Some(&last), Some(&held), Some(&area)) => {
                    if start <= last {
                        return Err(PriceError::Order(start));
                    }
                    area + held * (start - last).hours()
                }
                _ => 0.0,
            };
            series.starts.push(start);
            series.prices.push(price);
            series.before.push(area);
        }
        if series.starts.is_empty() { Err(PriceError::Empty) } else { Ok(series) }
    }

    /// From where to where the prices are said: from the first to the last, and as long again as the
    /// one before the last held.
    #[must_use]
    pub fn known(&self) -> (Time, Time) {
        let first = self.starts[0];
        let last = self.starts[self.starts.len() - 1];
        let before = self.starts.get(self.starts.len().wrapping_sub(2)).copied().unwrap_or(last);
        (first, last.saturating_add(last - before))
    }

    /// The price at an instant in USD/kWh.
    #[must_use]
    pub fn at(&self, at: Time) -> f64 {
        self.prices[self.step(at)]
    }

    /// What one kilowatt costs from one instant to another, in US dollars.
    #[must_use]
    pub fn integral(&self, from: Time, to: Time) -> f64 {
        self.area(to) - self.area(from)
    }

    fn area(&self, at: Time) -> f64 {
        let step = self.step(at);
        self.before[step] + self.prices[step] * (at - self.starts[step]).hours()
    }

    /// The step that holds at an instant.
    fn step(&self, at: Time) -> usize {
        self.starts.partition_point(|&start| start <= at).saturating_sub(1)
    }
}

/// Prices that follow the local clock: time of use.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeOfUse {
    /// US dollars per kWh by local hour, Monday to Friday.
    pub weekday: [f64; 24],
    /// The same for Saturday and Sunday.
    pub weekend: [f64; 24],
}

/// Clocks of the world differ by whole quarters of an hour, so a price can only change at one.
const QUARTER: Span = Span::from_millis(900_000);

impl TimeOfUse {
    /// The steps from one instant to another by a clock, with its changes to and from summer time.
    ///
    /// # Errors
    ///
    /// As [`PriceSeries::new`]; there is always a price at `from`.
    pub fn series(&self, clock: &Clock, from: Time, to: Time) -> Result<PriceSeries, PriceError> {
        let mut steps: Vec<(Time, f64)> = Vec::new();
        let mut at = from;
        loop {
            let price = self.price(clock, at);
            if steps.last().is_none_or(|(_, held)| held.total_cmp(&price).is_ne()) {
                steps.push((at, price));
            }
            at = at.floor(QUARTER) + QUARTER;
            if at >= to {
                return PriceSeries::new(steps);
            }
        }
    }

    fn price(&self, clock: &Clock, at: Time) -> f64 {
        let local = at.local(clock);
        let prices = if local.weekday().to_monday_zero_offset() >= 5 {
            &self.weekend
        } else {
            &self.weekday
        };
        prices[local.hour().unsigned_abs() as usize % 24]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_kilowatt_costs_the_area_under_the_prices() {
        let series = PriceSeries::new([
            (at("2020-06-01T06:00:00Z"), 0.30),
            (at("2020-06-01T22:00:00Z"), -0.10),
        ])
        .unwrap();
        // Two hours at 0.30 and one at -0.10; before the first step its price holds.
        let (from, to) = (at("2020-06-01T20:00:00Z"), at("2020-06-01T23:00:00Z"));
        assert!((series.integral(from, to) - 0.50).abs() < 1e-12);
        assert!((series.integral(at("2020-06-01T05:00:00Z"), from) - 4.5).abs() < 1e-12);
        assert!((series.at(to) + 0.10).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_list_of_prices_is_refused() {
        let (a, b) = (at("2020-06-01T00:00:00Z"), at("2020-06-02T00:00:00Z"));
        assert_eq!(PriceSeries::new([]), Err(PriceError::Empty));
        assert_eq!(PriceSeries::new([(b, 1.0), (a, 1.0)]), Err(PriceError::Order(a)));
        assert_eq!(PriceSeries::new([(a, 1.0), (a, 1.0)]), Err(PriceError::Order(a)));
        assert_eq!(PriceSeries::new([(a, f64::NAN)]), Err(PriceError::NotFinite(a)));
    }

    #[test]
    fn time_of_use_follows_the_local_clock_through_summer_time() {
        let mut weekday = [0.1; 24];
        weekday[17..21].fill(0.5);
        let prices = TimeOfUse { weekday, weekend: [0.1; 24] };
        let clock = crate::zone::Clock::get("Europe/Berlin").unwrap();
        // 2020-03-27 is a Friday in winter (UTC+1), 2020-03-30 a Monday in summer (UTC+2).
        let (from, to) = (at("2020-03-27T00:00:00Z"), at("2020-03-31T00:00:00Z"));
        let series = prices.series(&clock, from, to).unwrap();
        let changes: Vec<String> = series.starts.iter().map(Time::to_string).collect();
        let expected = [
            "2020-03-27T00:00:00Z",
            "2020-03-27T16:00:00Z",
            "2020-03-27T20:00:00Z",
            "2020-03-30T15:00:00Z",
            "2020-03-30T19:00:00Z",
        ];
        assert_eq!(changes, expected);
        // Two times four hours at 0.5, the other 88 at 0.1.
        assert!((series.integral(from, to) - 12.8).abs() < 1e-9);
        // India is half an hour off: 17:00 there is 11:30 UTC.
        let india = crate::zone::Clock::get("Asia/Kolkata").unwrap();
        let series = prices.series(&india, from, to).unwrap();
        assert_eq!(series.starts[1], at("2020-03-27T11:30:00Z"));
    }

    proptest! {
        #[test]
        fn the_cost_of_an_interval_is_that_of_its_parts(
            steps in prop::collection::vec((1i64..10_000_000, -1.0..1.0), 1..40),
            mut cuts in prop::collection::vec(-10_000_000i64..100_000_000, 3),
        ) {
            let mut start = 0;
            let steps = steps.into_iter().map(|(step, price)| {
                start += step;
                (Time::from_millis(start), price)
            });
            let series = PriceSeries::new(steps).unwrap();
            cuts.sort_unstable();
            let [a, b, c] = [cuts[0], cuts[1], cuts[2]].map(Time::from_millis);
            let (parts, whole) = (series.integral(a, b) + series.integral(b, c), series.integral(a, c));
            prop_assert!((parts - whole).abs() < 1e-9);
        }
    }
}
