//! A file that is there whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::failure::Failure;

/// Writes beside the target first, so that a full disk or Ctrl-C leaves no half of it.
pub fn write(
    target: &Path,
    overwrite: bool,
    content: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), Failure>,
) -> Result<(), Failure> {
    refuse_existing(target, overwrite)?;
    let failure = |error: io::Error| failure(target, &error);
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = builder().tempfile_in(folder.unwrap_or(Path::new("."))).map_err(failure)?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    content(&mut buffered)?;
    buffered.flush().map_err(failure)?;
    drop(buffered);
    let kept = if overwrite { file.persist(target) } else { file.persist_noclobber(target) };
    kept.map_err(|error| failure(error.error))?;
    Ok(())
}

/// Why a target could not be written. The error itself would name the temporary file.
pub fn failure(target: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: can't be written: {}", target.display(), error.kind()))
}

/// A temporary file is for its owner only; this one becomes a file as the umask has it.
fn builder() -> tempfile::Builder<'static, 'static> {
    #[allow(unused_mut, reason = "only Unix has modes")]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// The same message before the work as after it.
pub fn refuse_existing(target: &Path, overwrite: bool) -> Result<(), Failure> {
    if target.exists() && !overwrite {
        return Err(Failure::new(format!("{}: exists", target.display()))
            .hint("replace it with `--overwrite`, or choose another name"));
    }
    Ok(())
}
