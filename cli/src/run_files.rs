//! Logs that runs write side by side: a file for each, joined in the order of the runs at the end.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::report::{EventPart, OutputDirectory, ReportError};

/// A log of each run, in a file of its own until they are joined.
pub struct RunFiles {
    /// Whether anybody asked for them.
    pub wanted: bool,
    stem: &'static str,
    folder: PathBuf,
    target: PathBuf,
    failed: Arc<Failed>,
}

/// A log that could not be written ends all runs: on a full disk there will be no results, and
/// simulating on would only make the user wait for that message.
struct Failed {
    first: Mutex<Option<io::Error>>,
    stop: Arc<AtomicBool>,
}

impl Failed {
    fn note(&self, error: &io::Error) {
        let copy =
            error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl RunFiles {
    /// Parts called after `stem` in the folder of results until they are joined as `target`.
    pub fn new(
        stem: &'static str,
        wanted: bool,
        directory: &OutputDirectory,
        target: PathBuf,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let failed = Arc::new(Failed { first: Mutex::new(None), stop });
        Self { wanted, stem, folder: directory.path().to_owned(), target, failed }
    }

    fn path(&self, position: usize) -> PathBuf {
        self.folder.join(format!("{}-{position}.part", self.stem))
    }

    /// Opens the part of a run.
    pub fn open(&self, position: usize) -> io::Result<Box<dyn Write + Send>> {
        let file =
            File::create(self.path(position)).inspect_err(|error| self.failed.note(error))?;
        Ok(Box::new(BufWriter::new(RunFile { file, failed: Arc::clone(&self.failed) })))
    }

    /// What went wrong with any of the logs.
    pub fn failure(&self) -> Option<ReportError> {
        let source = self.failed.first.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(ReportError::Io { path: self.target.clone(), action: "can't write", source })
    }

    /// The parts of the runs that were finished.
    pub fn parts(&self, outcomes: &[Option<Outcome>]) -> Vec<EventPart> {
        let finished = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_some());
        let parts = finished.map(|(position, _)| EventPart::File(self.path(position)));
        if self.wanted { parts.collect() } else { Vec::new() }
    }

    /// Joins the parts of the finished runs as the target, all of it or nothing.
    pub fn join(&self, outcomes: &[Option<Outcome>]) -> Result<(), ReportError> {
        if !self.wanted {
            return Ok(());
        }
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let error =
            |source| ReportError::Io { path: self.target.clone(), action: "can't write", source };
        let mut whole =
            tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(error)?;
        for position in (0..outcomes.len()).filter(|position| outcomes[*position].is_some()) {
            let mut part = File::open(self.path(position)).map_err(error)?;
            io::copy(&mut part, &mut whole).map_err(error)?;
        }
        whole.persist(&self.target).map_err(|failed| error(failed.error))?;
        Ok(())
    }

    /// Takes the parts away; what is left of an interrupted run goes with them.
    pub fn remove(&self, runs: usize) {
        for position in 0..runs {
            // Where nobody asked for it there is none.
            let _ = std::fs::remove_file(self.path(position));
        }
    }
}

/// The log of one run, below its buffer. What fails as the buffer is dropped, nobody above
/// would hear of.
struct RunFile {
    file: File,
    failed: Arc<Failed>,
}

impl Write for RunFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        if let Err(error) = &written
            && error.kind() != ErrorKind::Interrupted
        {
            self.failed.note(error);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
