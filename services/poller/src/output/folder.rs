//! Files of a folder, each replaced as a whole: whoever reads one never sees half of it.

use std::fs;
use std::path::Path;

use carbon_kube_core::cluster::{INTENSITY, THRESHOLD};

use super::{Documents, Left, OutputError};
use crate::history::HISTORY;

/// What the last cycle has left.
pub(super) fn left(folder: &Path) -> Left {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    Left { history: text(HISTORY), threshold: text(THRESHOLD.1) }
}

/// Writes every document into the folder, which is made where it is missing.
pub(super) fn write(
    folder: &Path,
    documents: &Documents,
) -> Result<Vec<&'static str>, OutputError> {
    let error = |path: &Path| {
        let path = path.display().to_string();
        move |error| OutputError::Folder { path, error }
    };
    fs::create_dir_all(folder).map_err(error(folder))?;
    let replace = |name: &str, bytes: &[u8]| {
        let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
        fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path)).map_err(error(&path))
    };
    let mut written = vec!["history", "intensity"];
    replace(HISTORY, documents.history.as_bytes())?;
    replace(INTENSITY.1, serde_json::to_string_pretty(&documents.intensity)?.as_bytes())?;
    if let Some(threshold) = &documents.threshold {
        replace(THRESHOLD.1, serde_json::to_string_pretty(threshold)?.as_bytes())?;
        written.push("threshold");
    }
    if let Some((name, exported)) = &documents.exported {
        replace(&format!("{name}.json"), &exported.records)?;
        written.push("carbon-intensity");
    }
    Ok(written)
}
