//! Rows of a mix that can't be true, though each number in them could.
//!
//! In the British half-hours of ENTSO-E, some 600 times a year, all thermal plant reads 0 or one
//! wind column falls away and is back in the next row. The intensity of such a row is a number like
//! any other. Two rules find them, neither touches a value:
//!
//! - a column with at least a twentieth of the generation in the row before *and* in the row after
//!   reads exactly 0;
//! - all thermal plant reads exactly 0 though it was a tenth or more of the last row that had any,
//!   at most six hours ago: a grid does not lose a tenth of its plant to the last watt.

use carbon_kube_core::{Span, Time};

use super::mix::{Generation, Mix};
use super::request::Gaps;

const SHARE_OF_COLUMN: f64 = 0.05;
const SHARE_OF_THERMAL: f64 = 0.10;

/// The last rows of a mix.
#[derive(Debug, Default)]
pub(super) struct Window {
    before: Option<(Time, Generation)>,
    current: Option<(Time, Generation)>,
    /// The last row with thermal plant, and whether that was a tenth of it.
    thermal: Option<(Time, bool)>,
}

/// Which of the last two rows are glitches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) this_row: bool,
    pub(super) row_before: bool,
}

impl Window {
    /// Looks at the next row.
    pub(super) fn push(&mut self, at: Time, row: Generation, mix: &Mix) -> Verdict {
        let total = row.total();
        let thermal = mix.thermal(&row);
        let lost = |since: Time| at - since <= Gaps::LONGEST;
        let this_row = total > 0.0
            && thermal <= 0.0
            && self.thermal.is_some_and(|(since, much)| much && lost(since));
        if thermal > 0.0 {
            self.thermal = Some((at, thermal >= SHARE_OF_THERMAL * total));
        }
        let row_before = match (&self.before, &self.current) {
            (Some((first, before)), Some((second, current))) => {
                at - *second == *second - *first && fell_away(before, current, &row)
            }
            _ => false,
        };
        self.before = self.current.replace((at, row));
        Verdict { this_row, row_before }
    }

    /// A row without values comes next: what follows has no row before it.
    pub(super) fn interrupt(&mut self) {
        (self.before, self.current) = (None, None);
    }
}

fn fell_away(before: &Generation, current: &Generation, after: &Generation) -> bool {
    let (least_before, least_after) =
        (SHARE_OF_COLUMN * before.total(), SHARE_OF_COLUMN * after.total());
    let columns = before.values.iter().zip(&current.values).zip(&after.values);
    current.total() > 0.0
        && columns.into_iter().any(|((before, current), after)| {
            // Exactly zero: what is merely small may be true.
            *before > 0.0
                && *after > 0.0
                && *before >= least_before
                && *after >= least_after
                && current.abs() <= 0.0
        })
}

const _: () = assert!(Gaps::LONGEST.millis() == 6 * Span::HOUR.millis(), "the text above says six");
