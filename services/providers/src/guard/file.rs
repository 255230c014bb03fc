//! Small JSON files that are there whole or not at all. One that can't be read or written is no
//! error: it is a cache, and the service works without.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use tracing::debug;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads a file; `None` where it isn't there or makes no sense.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if fs::metadata(path).ok()?.len() > LARGEST {
        return None;
    }
    let read = serde_json::from_slice(&fs::read(path).ok()?);
    read.map_err(|_| debug!(path = %path.display(), "a file of the cache makes no sense")).ok()
}

/// Writes a file beside its place, then puts it there.
pub fn write<T: Serialize>(path: &Path, value: &T) {
    let written = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    if let Err(error) = written() {
        debug!(path = %path.display(), error = %error.kind(), "a file of the cache can't be written");
    }
}
