//! `report RUN_DIR`: the results of a run as one page for people.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_kube_sim::report::html::{self, MARK, PageError};

use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::output;

pub fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let target = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    // An `--out` that can't be is known before a table of ten million pods is read.
    if args.out.is_some() {
        may_be_written(&target)?;
    }
    let page = html::page_with(&args.run, &sections(args)?).map_err(page_failure)?;
    may_be_written(&target)?;
    write(&target, &page)?;
    output::print(&format!("report: {}\n", target.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What stands in the page beside the run.
#[cfg(feature = "train")]
fn sections(args: &ReportArgs) -> Result<Vec<String>, Failure> {
    use crate::evaluate::document::Document;
    let section =
        |file: &PathBuf| Document::read(file).map(|read| crate::evaluate::html::section(&read));
    args.evaluation
        .iter()
        .map(section)
        .map(|made| made.map_err(|failure| failure.of("--evaluation")))
        .collect()
}

#[cfg(not(feature = "train"))]
fn sections(_: &ReportArgs) -> Result<Vec<String>, Failure> {
    Ok(Vec::new())
}

fn page_failure(error: PageError) -> Failure {
    Failure::new(error.to_string()).maybe_hint(error.hint())
}

/// An earlier report may be replaced, and nothing else: a slip must not cost anybody the
/// `summary.json` that the report is made from.
pub fn may_be_written(target: &Path) -> Result<(), Failure> {
    if !folder(target).is_dir() {
        let message = format!("{}: its folder does not exist", target.display());
        return Err(Failure::new(message).hint("make the folder first, or name another"));
    }
    let mut head = Vec::new();
    match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_dir() => {
            return Err(Failure::new(format!("{}: this is a folder", target.display()))
                .hint("name a file in it, such as `report.html`"));
        }
        Ok(found) if found.is_file() => {
            let file = File::open(target).map_err(|error| refused(target, &error))?;
            file.take(MARK.len() as u64)
                .read_to_end(&mut head)
                .map_err(|error| refused(target, &error))?;
        }
        Ok(_) => {}
        Err(error) => return Err(refused(target, &error)),
    }
    if head == MARK.as_bytes() {
        return Ok(());
    }
    let message = format!("{}: not overwritten: it is no report of ours", target.display());
    Err(Failure::new(message).hint("name another file; only earlier reports are replaced"))
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// All of the page under its name, or what was there before.
pub fn write(target: &Path, page: &str) -> Result<(), Failure> {
    let written = tempfile::Builder::new().prefix(".report-").tempfile_in(folder(target)).and_then(
        |mut file| {
            file.write_all(page.as_bytes())?;
            readable(file.as_file())?;
            file.persist(target).map(drop).map_err(|failed| failed.error)
        },
    );
    written.map_err(|error| refused(target, &error))
}

/// A temporary file is its owner's alone; a report is to be passed around.
#[cfg(unix)]
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> io::Result<()> {
    Ok(())
}

fn refused(target: &Path, error: &io::Error) -> Failure {
    // Not the error's own words: they may name the temporary file.
    let failure = Failure::new(format!("{}: can't write: {}", target.display(), error.kind()));
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            failure.hint("name a file that you may write with --out")
        }
        _ => failure,
    }
}
