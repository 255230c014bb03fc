//! Where the documents go, and where those of the last cycle are found.

pub mod cluster;
pub mod folder;

use std::io::{self, Write};
use std::path::PathBuf;

use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use tokio::time::Instant;

use crate::exporter::Exported;
use cluster::Cluster;

/// What a cycle has made.
#[derive(Clone, Debug, PartialEq)]
pub struct Documents {
    /// `intensity.json`.
    pub intensity: IntensityDocument,
    /// `history.json`, as text.
    pub history: String,
    /// `threshold.json`; `None` where no thresholds are set.
    pub threshold: Option<ThresholdDocument>,
    /// Name and contents of the other exporter's ConfigMap, where it is asked for.
    pub exported: Option<(String, Exported)>,
}

/// What the last cycle has left, of whatever replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// `history.json`.
    pub history: Option<String>,
    /// `threshold.json`.
    pub threshold: Option<String>,
}

/// Where the documents go.
pub enum Output {
    /// ConfigMaps.
    Cluster(Box<Cluster>),
    /// Files of a folder.
    Folder(PathBuf),
    /// Standard output.
    Stdout,
}

/// Why documents were not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The API server refuses them or does not answer.
    #[error("{config_map}: {error}")]
    Cluster {
        /// The ConfigMap.
        config_map: String,
        /// What it says.
        error: kube::Error,
    },
    /// Leadership ended before the API server answered.
    #[error("{0}: the lease ended before it was written")]
    LeaseEnded(String),
    /// Somebody else has written since.
    #[error("{0}: somebody else has written it since it was read")]
    Fenced(String),
    /// The folder.
    #[error("{path}: {error}")]
    Folder {
        /// The file.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// Standard output is gone.
    #[error("standard output: {0}")]
    Stdout(io::Error),
    /// A document that is no JSON.
    #[error("a document can't be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Output {
    /// What the last cycle has left.
    ///
    /// # Errors
    ///
    /// Where the API server does not say; a folder without files has left nothing.
    pub async fn left(&mut self) -> Result<Left, OutputError> {
        match self {
            Self::Cluster(cluster) => cluster.left().await,
            Self::Folder(folder) => Ok(folder::left(folder)),
            Self::Stdout => Ok(Left::default()),
        }
    }

    /// Writes the documents, before `until`, and says which.
    ///
    /// # Errors
    ///
    /// [`OutputError`] for the first that could not be written.
    pub async fn write(
        &mut self,
        documents: &Documents,
        until: Instant,
    ) -> Result<Vec<&'static str>, OutputError> {
        match self {
            Self::Cluster(cluster) => cluster.write(documents, until).await,
            Self::Folder(folder) => folder::write(folder, documents),
            Self::Stdout => print(documents),
        }
    }
}

fn print(documents: &Documents) -> Result<Vec<&'static str>, OutputError> {
    let mut written = vec!["intensity"];
    let mut text = serde_json::to_string_pretty(&documents.intensity)?;
    text.push('\n');
    if let Some(threshold) = &documents.threshold {
        text.push_str(&serde_json::to_string_pretty(threshold)?);
        text.push('\n');
        written.push("threshold");
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(OutputError::Stdout)?;
    Ok(written)
}
