//! Where the inputs of the cluster come from, and where the result goes.

pub mod cluster;
pub mod folder;

use std::io;
use std::path::PathBuf;

use carbon_kube_core::documents::StatusDocument;

use crate::candidates::Files;
use cluster::Cluster;

/// Where the result goes.
pub enum Output {
    /// ConfigMaps.
    Cluster(Box<Cluster>),
    /// Files of a folder.
    Folder(PathBuf),
    /// Standard output.
    Stdout,
}

/// Why something can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The API server refuses it or does not answer.
    #[error("{config_map}: {error}")]
    Cluster {
        /// The ConfigMap.
        config_map: String,
        /// What it says.
        error: Box<kube::Error>,
    },
    /// The file.
    #[error("{path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// A document that is no JSON.
    #[error("a document can't be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A policy that does not read as it was judged: never written.
    #[error("the policy to promote can't be read: {0}")]
    Policy(String),
}

/// What became of a promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promoted {
    /// It is in force.
    Done,
    /// Somebody has changed the policy since it was read.
    Changed,
    /// There is nowhere to put it.
    Nowhere,
}

impl Output {
    /// What the last run has said, where there is something.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn before(&self) -> Result<Option<String>, OutputError> {
        match self {
            Self::Cluster(cluster) => cluster.status().await,
            Self::Folder(folder) => Ok(folder::status(folder)),
            Self::Stdout => Ok(None),
        }
    }

    /// Puts a policy in force. It is read once more before it is written.
    ///
    /// # Errors
    ///
    /// [`OutputError`], also for a policy that does not read as what was judged; nothing is written then.
    pub async fn promote(&self, files: &Files) -> Result<Promoted, OutputError> {
        let Files { yaml, actor, loaded } = files;
        let again = Files::parse(yaml.clone(), actor.clone(), Some(&loaded.sha256))
            .map_err(|error| OutputError::Policy(error.to_string()))?;
        if again != *files {
            return Err(OutputError::Policy("it is another than the one judged".to_owned()));
        }
        match self {
            Self::Cluster(cluster) => cluster.promote(files).await,
            Self::Folder(folder) => folder::promote(folder, files).map(|()| Promoted::Done),
            Self::Stdout => Ok(Promoted::Nowhere),
        }
    }

    /// Writes the status; on standard output the caller prints it.
    ///
    /// # Errors
    ///
    /// [`OutputError`].
    pub async fn write(&self, status: &StatusDocument) -> Result<(), OutputError> {
        match self {
            Self::Cluster(cluster) => cluster.write(status).await,
            Self::Folder(folder) => folder::write(folder, status),
            Self::Stdout => Ok(()),
        }
    }
}
