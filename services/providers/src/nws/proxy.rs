//! From weather to intensity: what wind and sun differ from their usual, times what that is worth in
//! a zone, moves the zone's typical hour.
//!
//! ```text
//! g/kWh = typical(month, hour) + a (wind - usual wind of the month)
//!                              + b (sun - usual sky of the month x clear sky)
//! ```
//!
//! `a` and `b` are fitted by least squares and never above zero: more wind makes no grid dirtier. The
//! table `data/nws_proxy.csv` is written by the example `nws_skill`, which also measures what it is
//! worth: little. `docs/providers.md` has the numbers.

use std::sync::OnceLock;

use carbon_kube_core::{GramsPerKwh, Time, Zone};
use serde::Deserialize;

use super::sun::{self, Place};
use crate::fallback::typical_year;

/// Speed at the hub over the speed that stations measure at 10 m: 1.7 fits Texas best of 1.0 to 2.1;
/// it also makes up for stations that stand in calmer places than wind farms.
const HUB: f64 = 1.7;

/// Speeds in m/s at which a turbine starts, gives all it has, and is stopped.
const CUT_IN: f64 = 3.0;
const RATED: f64 = 12.0;
const CUT_OUT: f64 = 25.0;

/// What the weather of a zone is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// The zone.
    pub zone: Zone,
    /// g/kWh from no wind at all to turbines at full power.
    pub wind: f64,
    /// g/kWh from no sun at all to 1 kW/m2.
    pub sun: f64,
    /// Usual output of a turbine by month, 0 to 1.
    pub usual_wind: [f64; 12],
    /// Usual part of the clear sky's light that comes through, by month, 0 to 1.
    pub usual_sky: [f64; 12],
}

#[derive(Deserialize)]
struct Row {
    zone: Zone,
    quantity: String,
    worth_g_per_kwh: f64,
    #[serde(flatten)]
    months: std::collections::BTreeMap<String, f64>,
}

/// The output of a turbine where a station measures so many m/s at 10 m, 0 to 1.
#[must_use]
pub fn wind_power(metres_per_second: f64) -> f64 {
    let hub = metres_per_second * HUB;
    if !(CUT_IN..CUT_OUT).contains(&hub) {
        return 0.0;
    }
    // Power goes by the cube of the speed until the generator is full.
    let cube = |speed: f64| speed.powi(3);
    ((cube(hub) - cube(CUT_IN)) / (cube(RATED) - cube(CUT_IN))).min(1.0)
}

/// The zones whose weather is worth something.
pub fn table() -> &'static [Worth] {
    static TABLE: OnceLock<Vec<Worth>> = OnceLock::new();
    TABLE.get_or_init(|| read(include_str!("../../data/nws_proxy.csv")).unwrap_or_default())
}

fn read(text: &str) -> Option<Vec<Worth>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let rows: Vec<Row> = reader.deserialize().collect::<Result<_, _>>().ok()?;
    rows.chunks(2)
        .map(|pair| {
            let [wind, sun] = pair else { return None };
            let named = wind.quantity == "wind" && sun.quantity == "sun" && wind.zone == sun.zone;
            named.then_some(())?;
            Some(Worth {
                zone: wind.zone.clone(),
                wind: wind.worth_g_per_kwh,
                sun: sun.worth_g_per_kwh,
                usual_wind: by_month(wind)?,
                usual_sky: by_month(sun)?,
            })
        })
        .collect()
}

fn by_month(row: &Row) -> Option<[f64; 12]> {
    let mut months = [0.0; 12];
    for (month, value) in (1..).zip(&mut months) {
        *value = *row.months.get(&format!("month_{month:02}"))?;
    }
    Some(months)
}

impl Worth {
    /// What is known of a zone.
    #[must_use]
    pub fn of(zone: &Zone) -> Option<&'static Self> {
        table().iter().find(|worth| worth.zone == *zone)
    }

    /// How far wind and sun are from their usual, in parts of full power and in kW/m2. `wind` is the
    /// mean output of turbines, `sky` the mean part of the light that comes through, `clear` the
    /// light of a clear sky.
    #[must_use]
    pub fn unusual(&self, at: Time, wind: f64, sky: f64, clear: f64) -> (f64, f64) {
        let month = at.utc().month() as usize - 1;
        (wind - self.usual_wind[month], (sky - self.usual_sky[month]) * clear)
    }

    /// The intensity of the hour that starts at `at`; `None` for a zone without a typical year.
    #[must_use]
    pub fn intensity(&self, at: Time, wind: f64, sky: f64, clear: f64) -> Option<GramsPerKwh> {
        let typical = typical_year::mean(&self.zone, at)?;
        let (wind, sun) = self.unusual(at, wind, sky, clear);
        GramsPerKwh::new((typical.get() + self.wind * wind + self.sun * sun).max(0.0))
    }
}

/// The light of a clear sky over the hour from `at` on, in kW/m2: the mean of several places.
#[must_use]
pub fn clear_sky(places: &[Place], at: Time) -> f64 {
    let sum: f64 = places.iter().map(|place| sun::clear_sky(*place, at)).sum();
    sum / places.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_turbine_starts_fills_up_and_is_stopped() {
        // 5 m/s at 10 m are 8.5 at the hub: (614 - 27) / (1728 - 27) = 0.345.
        for (speed, power) in [(0.0, 0.0), (1.7, 0.0), (5.0, 0.345), (8.0, 1.0), (14.8, 0.0)] {
            assert!((wind_power(speed) - power).abs() < 1e-3, "{speed}: {}", wind_power(speed));
        }
        assert!(wind_power(f64::NAN).abs() < 1e-12);
    }

    #[test]
    fn the_four_zones_of_the_service_are_known_and_more_wind_makes_none_dirtier() {
        let zones: Vec<&str> = table().iter().map(|worth| worth.zone.as_str()).collect();
        assert_eq!(zones, ["US-CA", "US-TX", "US-NY", "US-NE"]);
        for worth in table() {
            assert!(worth.wind <= 0.0 && worth.sun <= 0.0, "{worth:?}");
            assert!(worth.usual_wind.iter().all(|part| (0.0..1.0).contains(part)));
            assert!(worth.usual_sky.iter().all(|part| (0.25..=1.0).contains(part)));
        }
    }

    #[test]
    fn usual_weather_is_the_typical_hour_and_a_storm_is_cleaner() {
        let texas: Zone = "US-TX".parse().unwrap();
        let worth = Worth::of(&texas).unwrap();
        let at: Time = "2026-03-29T08:00:00Z".parse().unwrap();
        let typical = typical_year::mean(&texas, at).unwrap();
        let usual = worth.intensity(at, worth.usual_wind[2], worth.usual_sky[2], 0.0).unwrap();
        assert!((usual.get() - typical.get()).abs() < 1e-9);
        let storm = worth.intensity(at, 1.0, worth.usual_sky[2], 0.0).unwrap();
        let expected = worth.wind * (1.0 - worth.usual_wind[2]);
        assert!((storm.get() - typical.get() - expected).abs() < 1e-9);
        assert!(storm < typical);
    }
}
