//! What a user keeps of a run: numbers, tables, pictures, and the folder that holds them.
//!
//! ```text
//! World + Outcomes --> summary --> text     a table for the terminal
//!                        |    \--> charts   three pictures (SVG)
//!                        |         tables   pods.parquet, zones.parquet
//!                        +------------+---> directory: all of it, or nothing
//! ```
//!
//! Nothing here reads a clock or depends on a hash order: the same outcomes give the same bytes.

mod beside;
pub mod charts;
pub mod directory;
pub mod html;
pub mod summary;
pub mod tables;
pub mod text;

#[cfg(test)]
pub(crate) mod fixture;

use std::io;
use std::path::PathBuf;

use carbon_kube_core::Span;

pub use beside::Beside;
pub use directory::{EventPart, OutputDirectory, Written, write_all};
pub use summary::{Summary, summary, to_json};
pub use text::{table, traces};

use crate::outcome::{PodOutcome, PodState};
use crate::world::{Owner, Pod, PodClass};

/// Why results could not be written. Each names the path that it is about.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder of the results is in use.
    #[error("{}: the folder exists and is not empty", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Overwriting would delete something that is not a result of ours.
    #[error("{}: not overwritten: {reason}", path.display())]
    NotResults {
        /// The folder, or whatever it is.
        path: PathBuf,
        /// Why it is taken for something else.
        reason: &'static str,
    },
    /// The path does not end in a name, such as `/`.
    #[error("{}: not a name for a folder", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused: no permission, no space, not a folder, ...
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A table could not be written for another reason than the disk.
    #[error("{}: can't write the table: {reason}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What the Parquet writer says.
        reason: String,
    },
    /// A picture could not be drawn.
    #[error("{}: can't draw the picture: {reason}", path.display())]
    Chart {
        /// The file.
        path: PathBuf,
        /// What the drawing library says.
        reason: String,
    },
}

impl ReportError {
    /// What to do next, where there is an obvious answer.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exists { .. } => Some("name another folder, or allow it to be overwritten"),
            Self::NotResults { .. } => {
                Some("name another folder; only earlier results are replaced")
            }
            Self::Name { .. } => Some("name a folder, such as `results/week`"),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("name a folder that you may write to")
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space, or name a folder on another disk; nothing was kept")
                }
                io::ErrorKind::NotADirectory => {
                    Some("a part of the path is a file; name another folder")
                }
                // The parent is there, and yet nothing can be made in it: `/proc` and its like.
                io::ErrorKind::NotFound | io::ErrorKind::Unsupported => {
                    Some("name a folder on a disk that takes new folders")
                }
                _ => None,
            },
            Self::Table { .. } | Self::Chart { .. } => None,
        }
    }

    fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}

/// Finish - arrival - length of a completed pod of a Job; the length is that on the nodes it ran
/// on, so that a slower node is no wait. Services do not count: they end when
/// the window does, whenever they started.
#[must_use]
pub fn delay(class: &PodClass, pod: &Pod, outcome: &PodOutcome) -> Option<Span> {
    let counts = class.owner == Owner::Job && outcome.state == PodState::Completed;
    let finish = outcome.finish.filter(|_| counts)?;
    Some(finish - pod.arrival - pod.duration - outcome.slowed)
}

/// Whether a pod with a maximum delay ended after it, or not at all.
#[must_use]
pub fn deadline_missed(pod: &Pod, outcome: &PodOutcome) -> bool {
    let Some(max_delay) = pod.max_delay else {
        return false;
    };
    let length = pod.duration.saturating_add(outcome.slowed);
    let latest = pod.arrival.saturating_add(length).saturating_add(max_delay);
    outcome.state != PodState::Completed || outcome.finish.is_none_or(|finish| finish > latest)
}
