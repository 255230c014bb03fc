//! What a zone's electricity was made from, as a model takes it: the shares that move its intensity.
//!
//! An intensity says how clean the last hours were, a mix why: wind that dies down and sun that goes
//! down are forecast in different ways.

use carbon_kube_core::mix::Fuel;
use carbon_kube_core::{Span, Time};

/// Numbers per hour: the shares of wind, sun, coal, nuclear and hydro, and the total in 10 GW.
pub const SHARES: usize = 6;

/// One hour as numbers of about one.
pub type Row = [f32; SHARES];

/// Hours that a missing value is replaced by the one before.
const HELD_HOURS: usize = 6;

/// Hourly generation of a zone by fuel. A model only asks for hours up to its `now`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mix {
    start: Time,
    rows: Vec<Option<Row>>,
}

impl Mix {
    /// Hours from `start` on, each with the generation in MW by [`Fuel::ALL`]; `None` is a gap.
    #[must_use]
    pub fn new(
        start: Time,
        hours: impl IntoIterator<Item = Option<[f64; Fuel::ALL.len()]>>,
    ) -> Self {
        let mut held = 0;
        let mut last = None;
        let rows = hours
            .into_iter()
            .map(|hour| match hour.and_then(row) {
                Some(row) => {
                    held = 0;
                    last = Some(row);
                    last
                }
                None => {
                    held += 1;
                    last.filter(|_| held <= HELD_HOURS)
                }
            })
            .collect();
        Self { start, rows }
    }

    /// The hour that `at` is in.
    #[must_use]
    pub fn at(&self, at: Time) -> Option<&Row> {
        let hour = (at - self.start).millis().div_euclid(Span::HOUR.millis());
        self.rows.get(usize::try_from(hour).ok()?)?.as_ref()
    }
}

fn row(generation: [f64; Fuel::ALL.len()]) -> Option<Row> {
    let of = |fuel: Fuel| -> Option<f64> {
        Some(generation[Fuel::ALL.iter().position(|&other| other == fuel)?])
    };
    let total: f64 = generation.iter().sum();
    let row = [
        of(Fuel::Wind)? / total,
        of(Fuel::Solar)? / total,
        (of(Fuel::Coal)? + of(Fuel::Lignite)?) / total,
        of(Fuel::Nuclear)? / total,
        of(Fuel::Hydro)? / total,
        total / 10_000.0,
    ];
    row.iter().all(|value| value.is_finite()).then(|| row.map(|value| value as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_total_and_a_short_gap_holds() {
        // 2 GW of coal, 1 of lignite, 5 of wind, 2 of gas.
        let mut mix = [0.0; Fuel::ALL.len()];
        for (fuel, megawatts) in
            [(Fuel::Coal, 2e3), (Fuel::Lignite, 1e3), (Fuel::Wind, 5e3), (Fuel::Gas, 2e3)]
        {
            mix[Fuel::ALL.iter().position(|&other| other == fuel).unwrap()] = megawatts;
        }
        let start = Time::from_millis(0);
        let hours = [vec![Some(mix)], vec![None; 8], vec![Some([0.0; Fuel::ALL.len()])]].concat();
        let mix = Mix::new(start, hours);
        let expected = [0.5, 0.0, 0.3, 0.0, 0.0, 1.0];
        assert_eq!(mix.at(start), Some(&expected));
        assert_eq!(mix.at(start + Span::HOUR * 6), Some(&expected));
        assert_eq!(mix.at(start + Span::HOUR * 7), None);
        assert_eq!(mix.at(start + Span::HOUR * 9), None, "nothing is made: no shares");
        assert_eq!(mix.at(start - Span::HOUR), None);
    }
}
