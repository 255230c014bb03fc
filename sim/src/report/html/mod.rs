//! `report.html`: a run for people, in one file that needs nothing else.
//!
//! ```text
//! summary.json, scenario.effective.yaml ----> folder --.
//! pods.parquet  --> columns --> delays --------^       +--> page --> sim/templates/report/*.html
//! zones.parquet --> columns --> hours ---------^       |
//!                                            pictures -'
//! ```
//!
//! It is made from the files that a run left, not from the run: so that a folder from another
//! machine, or from last year, can be looked at. The same folder gives the same bytes.

mod columns;
mod delays;
mod folder;
mod front;
mod headline;
mod headroom;
mod hours;
mod page;
mod panel;
mod pictures;

use std::io;
use std::path::{Path, PathBuf};

use super::Summary;

/// How the page starts: by this, a file is known as a report that may be written anew.
pub const MARK: &str = "<!doctype html>\n<!-- carbon-kube report -->\n";

/// The one style sheet, for pages that are made elsewhere.
pub const STYLE: &str = include_str!("../../../templates/report/style.css");

/// Reads a folder of results and returns the page.
///
/// # Errors
///
/// [`PageError`]: a file of the folder is missing or broken, or belongs to another run. A table
/// that the scenario left out on purpose (`outputs`) is not an error: the page says so.
pub fn page(folder: &Path) -> Result<String, PageError> {
    page_with(folder, &[])
}

/// The same with further sections, each a `<section>` in itself whose text is escaped.
///
/// # Errors
///
/// [`PageError`], as above.
pub fn page_with(folder: &Path, sections: &[String]) -> Result<String, PageError> {
    let kept = folder::read(folder)?;
    page::render(&kept, sections)
        .map_err(|reason| PageError::Drawing { path: folder.to_owned(), reason })
}

/// Why a folder can't be made into a page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file, or the folder, is not there.
    #[error("{}: there is no such {what}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
        /// `file` or `folder`.
        what: &'static str,
    },
    /// A file where a folder belongs.
    #[error("{}: this is a file; a report is made from a folder of results", path.display())]
    NotFolder {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: can't read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file that is not what its name says.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A format that is newer than this program.
    #[error("{}: version {found} of the format; this program reads {}", path.display(), super::summary::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: u32,
    },
    /// A table that the summary knows nothing of.
    #[error("{}: the table belongs to another run: {reason}", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// How that is known.
        reason: String,
    },
    /// The page could not be put together.
    #[error("{}: can't draw the report: {reason}", path.display())]
    Drawing {
        /// The folder.
        path: PathBuf,
        /// What the drawing library or the templates say.
        reason: String,
    },
}

impl PageError {
    /// What to do next, where there is an obvious answer.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { what: "folder", .. } => {
                Some("name the folder that `carbon-kube sim run` printed after `results:`")
            }
            Self::Missing { .. } => {
                Some("name a folder that `carbon-kube sim run` wrote, with all of its files")
            }
            Self::NotFolder { .. } => Some("name the folder that the file is in"),
            Self::Broken { .. } => {
                Some("run the scenario again, or copy the folder again, and then the report")
            }
            Self::OtherRun { .. } => Some("keep the files of a run together, as they were written"),
            Self::Version { .. } => Some("use a newer carbon-kube"),
            Self::Io { .. } | Self::Drawing { .. } => None,
        }
    }

    fn broken(path: &Path, reason: impl ToString) -> Self {
        Self::Broken { path: path.to_owned(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests;
