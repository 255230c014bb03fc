//! Files of a folder, each replaced as a whole: whoever reads one never sees half of it.

use std::fs;
use std::path::Path;

use carbon_kube_core::cluster::{POLICY, STATUS};
use carbon_kube_core::documents::StatusDocument;
use carbon_kube_policies::file::ACTOR;

use super::OutputError;
use crate::candidates::Files;

/// What the last run has said.
pub(super) fn status(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(STATUS.1)).ok()
}

/// Writes the status into the folder, which is made where it is missing.
pub(super) fn write(folder: &Path, status: &StatusDocument) -> Result<(), OutputError> {
    replace(folder, STATUS.1, serde_json::to_string_pretty(status)?.as_bytes())
}

/// Writes the policy: the description last, for it is what readers look at. Until it is there the checksum or the
/// weights are others than it promises, and readers keep what they have.
pub(super) fn promote(folder: &Path, files: &Files) -> Result<(), OutputError> {
    if let Some(actor) = &files.actor {
        replace(folder, ACTOR, actor)?;
    }
    let sums = format!("{}  {}\n", files.loaded.sha256, POLICY.1);
    replace(folder, "SHA256SUMS", sums.as_bytes())?;
    replace(folder, POLICY.1, files.yaml.as_bytes())
}

fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
    let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, bytes))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| OutputError::File { path: path.display().to_string(), error })
}
