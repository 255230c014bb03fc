//! `policy export NAME|DIR`: a ConfigMap for the cluster, or a folder to edit.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use carbon_kube_core::cluster::POLICY;
use carbon_kube_policies::file::ACTOR;
use carbon_kube_sim::report::{OutputDirectory, ReportError};

use super::source::{CHECKSUMS, Source, find};
use super::{manifest, onnx};
use crate::args::{ExportArgs, NAMESPACE, PolicyForm};
use crate::failure::Failure;
use crate::output;

pub fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    if args.format != PolicyForm::Configmap && args.namespace.is_some() {
        let what = if args.format == PolicyForm::Dir { "folder" } else { "model" };
        return Err(Failure::new(format!("--namespace: a {what} has no namespace"))
            .hint("leave it out, or export with `--format configmap`"));
    }
    let source = find(&args.policy)?;
    match (args.format, &args.out) {
        (PolicyForm::Dir, Some(folder)) => write_folder(&source, folder)?,
        (PolicyForm::Onnx, Some(file)) => write_file(&model(&source)?, file)?,
        (_, None) => output::print(&text(&source, args))?,
        (PolicyForm::Configmap, Some(file)) => write_file(text(&source, args).as_bytes(), file)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn model(source: &Source) -> Result<Vec<u8>, Failure> {
    let file = &source.policy.file;
    match &source.policy.tuner {
        Some(tuner) => Ok(onnx::model(&file.name, tuner)),
        None => Err(Failure::new(format!("`{}` is a rule: it has no network", file.name))
            .hint("export a policy of `kind: tuner`, such as `carbon-kube train` writes")),
    }
}

fn text(source: &Source, args: &ExportArgs) -> String {
    manifest::write(source, args.namespace.as_deref().unwrap_or(NAMESPACE))
}

/// Writes the folder as a whole: whoever sees it sees both files.
fn write_folder(source: &Source, folder: &Path) -> Result<(), Failure> {
    let is_empty = || folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if folder.symlink_metadata().is_ok() && !is_empty() {
        return Err(taken(folder));
    }
    let write = || {
        let directory = OutputDirectory::create(folder, false)?;
        directory.write(POLICY.1, source.yaml.as_bytes())?;
        let sums = format!("{}  {}\n", source.policy.sha256, POLICY.1);
        if let Some(actor) = &source.policy.actor {
            directory.write(ACTOR, actor)?;
        }
        directory.write(CHECKSUMS, sums.as_bytes())?;
        directory.commit()
    };
    write()
        .map(|_| ())
        .map_err(|error: ReportError| Failure::new(error.to_string()).maybe_hint(error.hint()))
}

/// Writes the file as a whole, under its name only when it is complete.
fn write_file(bytes: &[u8], file: &Path) -> Result<(), Failure> {
    if file.symlink_metadata().is_ok() {
        return Err(taken(file));
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let what = format!("{}: there is no folder `{}`", file.display(), parent.display());
        return Err(Failure::new(what).hint("make it first, or name a file in another one"));
    }
    let write = || -> io::Result<()> {
        let mut staging = staging().tempfile_in(parent)?;
        staging.write_all(bytes)?;
        staging.as_file().sync_all()?;
        // Another process may have taken the name since.
        staging.persist_noclobber(file)?;
        Ok(())
    };
    write().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => taken(file),
        _ => Failure::new(format!("{}: can't write it: {}", file.display(), plain(&error)))
            .hint("name a file in a folder that you may write to"),
    })
}

/// A file that others may read as the umask says, unlike what is usual for temporary ones.
fn staging() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".carbon-kube-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// The operating system's words, without the path of the temporary file around them.
fn plain(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn taken(path: &Path) -> Failure {
    Failure::new(format!("{}: there is something of that name already", path.display()))
        .hint("name another one; nothing is overwritten")
}
