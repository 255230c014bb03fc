//! Long ranges, in as many calls as a source wants.

use std::future::Future;

use carbon_kube_core::{Span, Time};

use crate::error::ProviderError;
use crate::reading::Reading;

/// The values whose periods start in `[from, to)`, asked for in parts of at most `longest`. A part for
/// which the source has nothing is a gap.
///
/// # Errors
///
/// The first error of a part; [`ProviderError::NoData`] where no part has a value.
pub async fn in_parts<Part>(
    from: Time,
    to: Time,
    longest: Span,
    ask: impl Fn(Time, Time) -> Part,
) -> Result<Reading, ProviderError>
where
    Part: Future<Output = Result<Reading, ProviderError>>,
{
    let mut whole: Option<Reading> = None;
    let mut start = from;
    while start < to {
        let end = start.saturating_add(longest).min(to);
        match (ask(start, end).await, &mut whole) {
            (Ok(part), Some(whole)) => whole.append(part)?,
            (Ok(part), None) => whole = Some(part),
            (Err(ProviderError::NoData(_)), _) => {}
            (Err(error), _) => return Err(error),
        }
        start = end;
    }
    let empty = || ProviderError::NoData(format!("nothing from {from} to {to}"));
    whole.ok_or_else(empty)?.within(from, to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::cell::RefCell;

    use carbon_kube_core::GramsPerKwh;
    use carbon_kube_core::intensity::Signal;

    use super::*;
    use crate::reading::{Point, Source};

    fn day(number: i64) -> Time {
        Time::from_millis(0) + Span::DAY * number
    }

    /// One value a day, and one before the range, as some sources have it.
    fn part(from: Time, to: Time) -> Reading {
        let days = (0..).map(|i| from - Span::DAY + Span::DAY * i).take_while(|at| *at < to);
        let value = GramsPerKwh::new(100.0).unwrap();
        let point = |start| Point { start, span: Span::DAY, value, is_estimated: false };
        Reading {
            zone: "XX".parse().unwrap(),
            source: Source::Eia,
            signal: Signal::Average,
            factor_set: "local".into(),
            points: days.map(point).collect(),
            fetched_at: to,
            updated_at: None,
            confidence: 1.0,
        }
    }

    type Days = Result<Vec<i64>, ProviderError>;

    /// The parts that were asked for, and the days that came of them, from day 1 on.
    fn join(to: i64, missing: i64) -> (Vec<(i64, i64)>, Days) {
        let asked = RefCell::new(Vec::new());
        let number = |at: Time| at.millis() / Span::DAY.millis();
        let ask = |from: Time, to: Time| {
            asked.borrow_mut().push((number(from), number(to)));
            let gone = number(from) == missing;
            let none = || Err(ProviderError::NoData("gone".into()));
            std::future::ready(if gone { none() } else { Ok(part(from, to)) })
        };
        let joined = futures::executor::block_on(in_parts(day(1), day(to), Span::DAY * 2, ask));
        let days = joined.map(|whole| whole.points.iter().map(|p| number(p.start)).collect());
        (asked.into_inner(), days)
    }

    #[test]
    fn parts_are_joined_once_each_and_what_is_outside_falls_away() {
        let (asked, days) = join(6, -1);
        assert_eq!(asked, [(1, 3), (3, 5), (5, 6)]);
        assert_eq!(days.unwrap(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_part_that_is_missing_is_a_gap_and_all_of_them_are_an_error() {
        // The part from day 5 on brings day 4 too.
        assert_eq!(join(6, 3).1.unwrap(), [1, 2, 4, 5]);
        assert!(matches!(join(3, 1).1, Err(ProviderError::NoData(_))));
        assert!(matches!(join(1, -1).1, Err(ProviderError::NoData(_))));
    }
}
