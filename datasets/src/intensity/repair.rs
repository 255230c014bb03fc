//! What becomes of gaps and glitches, and means over longer steps.

use std::ops::Range;

use carbon_kube_core::{Span, Time};

use super::request::Gaps;
use crate::error::ReadError;

/// Values at equal steps; `None` is a gap.
pub(super) struct Steps {
    pub(super) start: Time,
    pub(super) step: Span,
    pub(super) values: Vec<Option<f64>>,
    /// Indices of values that are glitches, sorted.
    pub(super) glitches: Vec<usize>,
}

impl Steps {
    fn at(&self, index: usize) -> Time {
        self.start + self.step * index as i64
    }

    fn span(&self, steps: usize) -> Span {
        self.step * steps as i64
    }
}

/// The longest run of steps without a value.
pub(super) fn longest_gap(steps: &Steps) -> Span {
    let longest = holes(&steps.values).iter().map(Range::len).max().unwrap_or(0);
    steps.span(longest)
}

/// Does what was asked; gives the number of steps that have a new value.
pub(super) fn repair(steps: &mut Steps, gaps: Gaps, path: &str) -> Result<usize, ReadError> {
    match gaps {
        Gaps::Keep => return Ok(0),
        Gaps::Error => return first_hole(steps, path).map_or(Ok(0), Err),
        Gaps::Hold | Gaps::Interpolate | Gaps::SameHour => {}
    }
    for &glitch in &steps.glitches {
        if let Some(value) = steps.values.get_mut(glitch) {
            *value = None;
        }
    }
    let published = steps.values.clone();
    let mut repaired = 0;
    for hole in holes(&published) {
        let short = steps.span(hole.len()) <= Gaps::LONGEST;
        for index in hole.clone() {
            let value = match gaps {
                Gaps::Hold if short => before(&published, &hole),
                Gaps::Interpolate if short => between(&published, &hole, index),
                Gaps::SameHour => same_hour(&published, index, steps.step),
                _ => None,
            };
            if let (Some(value), Some(slot)) = (value, steps.values.get_mut(index)) {
                *slot = Some(value);
                repaired += 1;
            }
        }
    }
    Ok(repaired)
}

fn first_hole(steps: &Steps, path: &str) -> Option<ReadError> {
    let gap = holes(&steps.values).into_iter().next();
    let glitch = steps.glitches.first().map(|index| *index..index + 1);
    let (what, hole) = match (gap, glitch) {
        (Some(gap), Some(glitch)) if glitch.start < gap.start => ("a glitch", glitch),
        (Some(gap), _) => ("a gap", gap),
        (None, Some(glitch)) => ("a glitch", glitch),
        (None, None) => return None,
    };
    let (from, to) = (steps.at(hole.start), steps.at(hole.end));
    Some(ReadError::Hole { path: path.to_owned(), what, from, to })
}

/// The runs of steps without a value.
fn holes(values: &[Option<f64>]) -> Vec<Range<usize>> {
    let mut holes: Vec<Range<usize>> = Vec::new();
    for (index, _) in values.iter().enumerate().filter(|(_, value)| value.is_none()) {
        match holes.last_mut() {
            Some(hole) if hole.end == index => hole.end = index + 1,
            _ => holes.push(index..index + 1),
        }
    }
    holes
}

fn before(values: &[Option<f64>], hole: &Range<usize>) -> Option<f64> {
    values.get(hole.start.checked_sub(1)?).copied().flatten()
}

fn between(values: &[Option<f64>], hole: &Range<usize>, index: usize) -> Option<f64> {
    let from = before(values, hole)?;
    let to = values.get(hole.end).copied().flatten()?;
    let part = (index - hole.start + 1) as f64 / (hole.len() + 1) as f64;
    Some(from + (to - from) * part)
}

/// The value as many days away as need be.
fn same_hour(values: &[Option<f64>], index: usize, step: Span) -> Option<f64> {
    let day = Span::DAY.millis();
    let steps_a_day = (day % step.millis() == 0).then_some((day / step.millis()) as usize)?;
    (1..=7).find_map(|days| {
        let earlier = index.checked_sub(days * steps_a_day);
        let known = |index: usize| values.get(index).copied().flatten();
        earlier.and_then(known).or_else(|| known(index + days * steps_a_day))
    })
}

/// Means over longer steps that begin at whole multiples since 1970, so at full hours for an hour.
/// A long step with a gap inside, or one that the series does not cover, is a gap.
///
/// The mean is over time: what a consumer of constant power causes.
pub(super) fn means(steps: &Steps, wanted: Span, path: &str) -> Result<Steps, ReadError> {
    let fits = wanted.is_positive()
        && wanted.millis() % steps.step.millis() == 0
        && (steps.start - steps.start.floor(wanted)).millis() % steps.step.millis() == 0;
    if !fits {
        let path = path.to_owned();
        return Err(ReadError::Step { path, step: steps.step, wanted });
    }
    let start = steps.start.floor(wanted);
    let ahead = ((steps.start - start).millis() / steps.step.millis()) as usize;
    let many = (wanted.millis() / steps.step.millis()) as usize;
    let mut sums: Vec<(f64, usize)> = Vec::new();
    sums.resize((steps.values.len() + ahead).div_ceil(many), (0.0, 0));
    for (index, value) in steps.values.iter().enumerate() {
        if let (Some(value), Some(sum)) = (value, sums.get_mut((index + ahead) / many)) {
            *sum = (sum.0 + value, sum.1 + 1);
        }
    }
    let mean = |(sum, count): (f64, usize)| (count == many).then(|| sum / many as f64);
    let values = sums.into_iter().map(mean).collect();
    Ok(Steps { start, step: wanted, values, glitches: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(values: &[Option<f64>]) -> Steps {
        let start = "2020-01-01T00:30:00Z".parse().unwrap();
        Steps { start, step: Span::MINUTE * 30, values: values.to_vec(), glitches: Vec::new() }
    }

    fn repaired(values: &[Option<f64>], gaps: Gaps) -> Vec<Option<f64>> {
        let mut steps = steps(values);
        repair(&mut steps, gaps, "x.csv").unwrap();
        steps.values
    }

    #[test]
    fn a_gap_is_filled_as_asked_and_not_otherwise() {
        let values = [None, Some(10.0), None, None, Some(40.0), None];
        let some = |values: [f64; 4]| values.map(Some);
        assert_eq!(repaired(&values, Gaps::Keep), values);
        assert_eq!(repaired(&values, Gaps::Hold)[1..5], some([10.0, 10.0, 10.0, 40.0]));
        // 10 to 40 in three steps.
        assert_eq!(repaired(&values, Gaps::Interpolate)[1..5], some([10.0, 20.0, 30.0, 40.0]));
        assert_eq!(repaired(&values, Gaps::Interpolate)[5], None, "there is nothing after it");
        let error = repair(&mut steps(&values), Gaps::Error, "x.csv").unwrap_err();
        let expected = "x.csv: a gap from 2020-01-01T00:30:00Z to 2020-01-01T01:00:00Z";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_long_gap_stays_but_for_the_same_hour_of_another_day() {
        // Two days of half-hours; 13 of the second, six and a half hours, are missing.
        let mut values: Vec<Option<f64>> = (0..96).map(|step| Some(f64::from(step % 48))).collect();
        values[60..73].fill(None);
        assert_eq!(repaired(&values, Gaps::Hold), values);
        assert_eq!(repaired(&values, Gaps::Interpolate), values);
        assert_eq!(repaired(&values, Gaps::SameHour)[60..73], values[12..25]);
        values[72] = Some(24.0);
        assert!(repaired(&values, Gaps::Interpolate).iter().all(Option::is_some), "six hours");
    }

    #[test]
    fn a_glitch_is_a_gap_once_gaps_are_filled() {
        let mut glitched = steps(&[Some(10.0), Some(0.0), Some(30.0)]);
        glitched.glitches = vec![1];
        assert_eq!(repair(&mut glitched, Gaps::Keep, "x").unwrap(), 0);
        assert_eq!(glitched.values[1], Some(0.0));
        assert!(
            repair(&mut glitched, Gaps::Error, "x").unwrap_err().to_string().contains("glitch")
        );
        assert_eq!(repair(&mut glitched, Gaps::Interpolate, "x").unwrap(), 1);
        assert_eq!(glitched.values[1], Some(20.0));
    }

    #[test]
    fn an_hour_with_a_gap_is_a_gap() {
        // 00:30, 01:00, 01:30, 02:00, 02:30, 03:00.
        let values = [1.0, 2.0, 4.0, 5.0, 6.0, 7.0].map(Some);
        let hourly = means(&steps(&values), Span::HOUR, "x").unwrap();
        assert_eq!(hourly.start.to_string(), "2020-01-01T00:00:00Z");
        assert_eq!(hourly.values, [None, Some(3.0), Some(5.5), None]);
        assert!(means(&steps(&values), Span::MINUTE * 45, "x").is_err());
        assert!(means(&steps(&values), Span::MINUTE * 15, "x").is_err());
    }
}
