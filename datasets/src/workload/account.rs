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
    /// What was assumed for the pods that arrive in the window, in the order in which the need
    /// arose.
    pub assumptions: Vec<Assumption>,
    /// What was assumed for the row in hand: whether that comes to a pod is not yet known.
    pending: Vec<(&'static str, String)>,
}

impl Account {
    /// Counts a row that is passed over.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Counts rows that are passed over.
    pub(crate) fn skip_all(&mut self, reason: &'static str, rows: u64) {
        if rows > 0 {
            *self.skipped.entry(reason).or_default() += rows;
        }
    }

    /// Adds what became of other rows.
    pub(crate) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        for (reason, rows) in other.skipped {
            self.skip_all(reason, rows);
        }
        for assumption in other.assumptions {
            match self.assumptions.iter_mut().find(|known| known.name == assumption.name) {
                Some(known) => known.rows += assumption.rows,
                None => self.assumptions.push(assumption),
            }
        }
    }

    /// Notes that the row in hand needs an assumption; the text is made when the name is new.
    pub(crate) fn assume(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        let known = self.assumptions.iter().any(|assumption| assumption.name == name);
        let text = if known { String::new() } else { text() };
        self.pending.push((name, text));
    }

    /// The row in hand comes to pods.
    pub(crate) fn keep(&mut self) {
        for (name, text) in self.pending.drain(..) {
            match self.assumptions.iter_mut().find(|assumption| assumption.name == name) {
                Some(assumption) => assumption.rows += 1,
                None => self.assumptions.push(Assumption { name, text, rows: 1 }),
            }
        }
    }

    /// The row in hand comes to none.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }

    /// Notes an assumption that is none of a single row's.
    pub fn note(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        self.assume(name, text);
        self.keep();
    }
}
