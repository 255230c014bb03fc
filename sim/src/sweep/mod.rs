//! A sweep: one scenario under every combination of some values, seeds and policies.
//!
//! ```text
//! sweep.yaml --plan--> cells --(one world each)--> rows --> journal --> table (Parquet)
//!                        |                                                |
//!                        '-- a shard has every n-th of them     merge <---'
//! ```
//!
//! A *cell* is one combination of values and one seed: every policy runs on its world, and its rows,
//! one per policy, are kept together or not at all. Cells are numbered, the seed fastest; all else
//! goes by that number, so neither threads nor shards nor interruptions change a byte of the table.

mod journal;
mod plan;
mod table;

use std::path::PathBuf;

pub use journal::{Journal, Stamp};
pub use plan::{Cell, MOST_RUNS, Plan, Seeds, Shard, SweepFile};
pub use table::{Column, Kind, Row, Table, Value, columns, merge, rows};

use crate::report::ReportError;

/// Why a sweep can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The file is no sweep.
    #[error("{0}")]
    Malformed(String),
    /// Nothing to do.
    #[error("{0}: 0 runs")]
    Nothing(String),
    /// More than anybody wants by mistake.
    #[error("this sweep has {0} runs; the most is {MOST_RUNS}")]
    TooMany(u128),
    /// A file could not be read or written.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The journal is another's.
    #[error("{}: {problem}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why it can't be used.
        problem: String,
    },
    /// These files are not the shards of one sweep.
    #[error("{0}")]
    Merge(String),
    /// The table could not be written.
    #[error(transparent)]
    Table(#[from] ReportError),
}

impl SweepError {
    /// What to do next, where there is an obvious answer.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Nothing(_) => Some("give every list at least one value, or leave it out"),
            Self::TooMany(_) => Some(
                "take fewer values, seeds or policies, or write several sweeps: `--shard` splits \
                 the work, not the number",
            ),
            Self::Journal { .. } => {
                Some("name another `--out`, or remove the journal to start anew")
            }
            Self::Merge(_) => Some("give every shard of one sweep once"),
            Self::Malformed(_) => Some(
                "a sweep has `scenario: FILE`, `set: {path: [values]}`, `policies: [names]` and \
                 `seeds: 10`",
            ),
            Self::Io { .. } => None,
            Self::Table(error) => error.hint(),
        }
    }

    fn io(path: &std::path::Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}
