//! Weather forecasts as a model takes them: wind, its square and cube, temperature, the degrees by
//! which buildings are heated and cooled, and sun.
//!
//! The power of a wind turbine goes with the cube of the wind until it is full, and demand grows
//! with cold and with heat: with these a linear model bends. Each number is scaled to be about one.

use carbon_kube_core::{Span, Time};

/// Numbers per hour.
pub const QUANTITIES: usize = 7;

/// One hour as numbers of about one.
pub type Row = [f32; QUANTITIES];

/// Region means hour by hour, as they were forecast for that hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weather {
    start: Time,
    rows: Vec<Row>,
    /// Sum of the rows before each, for means.
    sums: Vec<[f64; QUANTITIES]>,
}

/// Hours that a missing value is replaced by the one before: GFS itself has steps of 3 hours.
const HELD_HOURS: usize = 6;

impl Weather {
    /// Hours from `start` on, each with wind in m/s, temperature in degrees Celsius and short-wave
    /// light in W/m2. A short gap takes the hour before; at a long one the weather ends.
    #[must_use]
    pub fn new(start: Time, hours: impl IntoIterator<Item = [Option<f64>; 3]>) -> Self {
        let mut weather = Self { start, rows: Vec::new(), sums: vec![[0.0; QUANTITIES]] };
        let mut missing = 0;
        for hour in hours {
            match (row(hour), weather.rows.last().copied()) {
                (Some(row), _) => {
                    missing = 0;
                    weather.push(row);
                }
                (None, Some(last)) if missing < HELD_HOURS => {
                    missing += 1;
                    weather.push(last);
                }
                _ => break,
            }
        }
        weather
    }

    /// These hours, then those of `next`, whose first hours may be among them.
    ///
    /// # Errors
    ///
    /// The range that neither has, where there is one.
    pub fn then(self, next: &Self) -> Result<Self, (Time, Time)> {
        if self.rows.is_empty() {
            return Ok(next.clone());
        }
        if next.start > self.end() {
            return Err((self.end(), next.start));
        }
        let known = (self.end() - next.start).millis() / Span::HOUR.millis();
        let more = next.rows.iter().skip(known as usize);
        let mut joined = self;
        more.for_each(|row| joined.push(*row));
        Ok(joined)
    }

    fn push(&mut self, row: Row) {
        let mut sum = *self.sums.last().unwrap_or(&[0.0; QUANTITIES]);
        sum.iter_mut().zip(&row).for_each(|(sum, value)| *sum += f64::from(*value));
        self.sums.push(sum);
        self.rows.push(row);
    }

    /// First hour.
    #[must_use]
    pub fn start(&self) -> Time {
        self.start
    }

    /// First instant after the last hour.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start + Span::HOUR * self.rows.len() as i64
    }

    /// The hour that `at` is in.
    #[must_use]
    pub fn at(&self, at: Time) -> Option<&Row> {
        self.rows.get(self.index(at)?)
    }

    /// The hour that `at` is in, or the last one of the forecast where that is before it.
    #[must_use]
    pub fn at_or_last(&self, at: Time) -> Option<&Row> {
        self.rows.get(self.index(at)?.min(self.rows.len().checked_sub(1)?))
    }

    /// Mean of the `hours` hours that end with the one `at` is in.
    #[must_use]
    pub fn mean(&self, at: Time, hours: usize) -> Option<Row> {
        let end = self.index(at)? + 1;
        let (from, to) = (self.sums.get(end.checked_sub(hours)?)?, self.sums.get(end)?);
        Some(std::array::from_fn(|i| ((to[i] - from[i]) / hours as f64) as f32))
    }

    fn index(&self, at: Time) -> Option<usize> {
        usize::try_from((at - self.start).millis().div_euclid(Span::HOUR.millis())).ok()
    }
}

/// Below it buildings are heated, in degrees Celsius.
const HEATED_BELOW: f64 = 15.0;

/// Above it they are cooled.
const COOLED_ABOVE: f64 = 20.0;

fn row([wind, temperature, sun]: [Option<f64>; 3]) -> Option<Row> {
    let (wind, temperature) = (wind? / 10.0, temperature?);
    let row = [
        wind,
        wind * wind,
        wind * wind * wind,
        temperature / 20.0,
        (HEATED_BELOW - temperature).max(0.0) / 10.0,
        (temperature - COOLED_ABOVE).max(0.0) / 10.0,
        sun? / 500.0,
    ];
    row.iter().all(|value| value.is_finite()).then(|| row.map(|value| value as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_gap_holds_and_a_long_one_ends_the_forecast() {
        let known = [Some(10.0), Some(20.0), Some(500.0)];
        let start = Time::from_millis(0);
        let weather = |gap: usize| {
            let hours = [vec![known], vec![[None; 3]; gap], vec![known]].concat();
            Weather::new(start, hours)
        };
        assert_eq!(weather(3).end(), start + Span::HOUR * 5);
        assert_eq!(weather(7).end(), start + Span::HOUR * 7);
        // At 20 degrees nothing is heated or cooled.
        let row = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(weather(3).at(start + Span::HOUR * 2), Some(&row));
        assert_eq!(weather(3).mean(start + Span::HOUR * 4, 5), Some(row));
        assert_eq!(weather(3).mean(start + Span::HOUR * 4, 6), None);
        assert_eq!(weather(0).at(start - Span::HOUR), None);
    }

    #[test]
    fn cold_is_heated_and_heat_is_cooled() {
        let degrees =
            |celsius: f64| row([Some(0.0), Some(celsius), Some(0.0)]).map(|row| [row[4], row[5]]);
        assert_eq!(degrees(5.0), Some([1.0, 0.0]));
        assert_eq!(degrees(17.0), Some([0.0, 0.0]));
        assert_eq!(degrees(30.0), Some([0.0, 1.0]));
        assert_eq!(degrees(f64::NAN), None);
    }

    #[test]
    fn two_files_are_joined_where_they_meet_or_overlap() {
        let from = |hour: i64| Time::from_millis(0) + Span::HOUR * hour;
        let file = |start: i64, hours: usize| {
            Weather::new(from(start), vec![[Some(start as f64), Some(20.0), Some(500.0)]; hours])
        };
        let joined = file(0, 10).then(&file(8, 10)).unwrap();
        assert_eq!((joined.start(), joined.end()), (from(0), from(18)));
        // Wind of the first file where both have the hour, in units of 10 m/s.
        let wind = |hour: i64| joined.at(from(hour)).map(|row| row[0]);
        assert_eq!((wind(9), wind(10)), (Some(0.0), Some(0.8)));
        assert_eq!(file(0, 10).then(&file(11, 10)), Err((from(10), from(11))));
        assert_eq!(file(0, 10).then(&file(2, 3)).map(|joined| joined.end()), Ok(from(10)));
    }
}
