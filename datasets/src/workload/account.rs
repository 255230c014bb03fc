//! What became of the rows of a trace: how many were passed over, and what was assumed for the
//! rest. A trace never says all that a simulation needs; a run that does not name what was filled
//! in can't be judged.

use std::collections::BTreeMap;

/// Something that the trace does not say, and what was taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// A short name, the same in every report.
    pub name: &'static str,
    /// What was taken, as a sentence without a full stop.
    pub text: String,
    /// Rows that it was needed for.
    pub rows: u64,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Rows that were read, headers and comments not counted.
    pub rows: u64,
    /// Rows that were passed over, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What was assumed, in the order in which the need arose.
    pub assumptions: Vec<Assumption>,
}

impl Account {
    /// Counts a row that is passed over.
    pub(crate) fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Counts a row that needs an assumption; the text is made once.
    pub(crate) fn assume(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        match self.assumptions.iter_mut().find(|assumption| assumption.name == name) {
            Some(assumption) => assumption.rows += 1,
            None => self.assumptions.push(Assumption { name, text: text(), rows: 1 }),
        }
    }
}
