//! The folder of results: all of it under its final name, or nothing.
//!
//! ```text
//! create   .week.partial-4711/        beside the final name, so on the same disk
//! write    .week.partial-4711/...
//! commit   flush to disk, then one rename to week/
//! drop     without commit: .week.partial-4711/ is removed
//! ```
//!
//! A reader who finds `week/` finds complete files, after a crash and on a full disk too.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::tables::{PodTable, write_zones};
use super::{ReportError, Summary, charts, summary, to_json};
use crate::bound::CapacityBound;
use crate::outcome::Outcome;
use crate::world::World;

/// The file by which a folder is known as results of ours.
const SUMMARY: &str = "summary.json";

/// A folder in the making.
#[derive(Debug)]
pub struct OutputDirectory {
    staging: PathBuf,
    target: PathBuf,
    existing: Existing,
    committed: bool,
}

/// What happens where the final name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    /// Nothing is written.
    Keep,
    /// Earlier results are replaced.
    Replace,
    /// The results get a number after their name.
    Number,
}

impl OutputDirectory {
    /// Starts a folder that will be called `target`. Missing parents are made. With `overwrite`,
    /// earlier results of that name are replaced at the commit, not before.
    ///
    /// # Errors
    ///
    /// - [`ReportError::Exists`]: a folder with something in it, without `overwrite`.
    /// - [`ReportError::NotResults`]: a file, or a folder that holds something else than results;
    ///   that is never overwritten.
    /// - [`ReportError::Io`]: the parent can't be made or written to.
    ///
    /// An empty folder is not an error.
    pub fn create(target: &Path, overwrite: bool) -> Result<Self, ReportError> {
        // A link is followed: what is replaced is what it points at.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        check_target(&target, overwrite)?;
        Self::stage(target, if overwrite { Existing::Replace } else { Existing::Keep })
    }

    /// Starts a folder that will be called `target`, or `target-1`, `target-2` and so on: the
    /// first name that is free at the commit. Runs that end at the same time all keep theirs.
    ///
    /// # Errors
    ///
    /// [`ReportError::Io`]: the parent can't be made or written to.
    pub fn create_numbered(target: &Path) -> Result<Self, ReportError> {
        Self::stage(target.to_owned(), Existing::Number)
    }

    fn stage(target: PathBuf, existing: Existing) -> Result<Self, ReportError> {
        let name = target.file_name().ok_or_else(|| ReportError::Name { path: target.clone() })?;
        let parent = parent(&target);
        fs::create_dir_all(parent).map_err(ReportError::io(parent, "can't make the folder"))?;
        let staging = make_sibling(parent, &name.to_string_lossy(), "partial")
            .map_err(ReportError::io(parent, "can't make a folder in it"))?;
        Ok(Self { staging, target, existing, committed: false })
    }

    /// Where the files go until the commit.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.staging
    }

    /// What the folder will be called, apart from a number.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes one file; its errors name the file as it would have been called.
    ///
    /// # Errors
    ///
    /// [`ReportError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        fs::write(self.staging.join(name), bytes)
            .map_err(ReportError::io(self.target.join(name), "can't write"))
    }

    /// Opens one file for writing.
    ///
    /// # Errors
    ///
    /// [`ReportError::Io`].
    pub fn open(&self, name: &str) -> Result<BufWriter<File>, ReportError> {
        File::create(self.staging.join(name))
            .map(BufWriter::new)
            .map_err(ReportError::io(self.target.join(name), "can't write"))
    }

    /// Makes sure that all is on disk, and gives the folder its name.
    ///
    /// # Errors
    ///
    /// As [`Self::create`], for what changed since. The final name is then as it was before.
    pub fn commit(mut self) -> Result<PathBuf, ReportError> {
        sync(&self.staging).map_err(ReportError::io(&self.target, "can't write to disk"))?;
        if self.existing == Existing::Number {
            return self.commit_numbered();
        }
        check_target(&self.target, self.existing == Existing::Replace)?;
        let parent = parent(&self.target).to_owned();
        let old = self.set_old_aside(&parent)?;
        if let Err(error) = fs::rename(&self.staging, &self.target) {
            if let Some(old) = old {
                // Best effort: the error that led here is the one to report.
                let _ = fs::rename(old, &self.target);
            }
            return Err(ReportError::io(&self.target, "can't rename the results to it")(error));
        }
        self.committed = true;
        if let Some(old) = old {
            fs::remove_dir_all(&old).map_err(ReportError::io(&old, "can't remove old results"))?;
        }
        sync_folder(&parent);
        Ok(self.target.clone())
    }

    /// Takes the first free name. Only the rename can tell which one is free: between a look and
    /// a rename, another process may take it.
    fn commit_numbered(mut self) -> Result<PathBuf, ReportError> {
        let numbered = |number: u32| match number {
            0 => self.target.clone(),
            n => {
                let mut name = self.target.clone().into_os_string();
                name.push(format!("-{n}"));
                name.into()
            }
        };
        for number in 0..MOST_NUMBERS {
            let path = numbered(number);
            match fs::rename(&self.staging, &path) {
                Ok(()) => {
                    self.committed = true;
                    sync_folder(parent(&path));
                    return Ok(path);
                }
                // A folder with something in it, or a file.
                Err(error) if taken(error.kind()) => {}
                Err(error) => {
                    return Err(ReportError::io(path, "can't rename the results to it")(error));
                }
            }
        }
        Err(ReportError::Exists { path: numbered(MOST_NUMBERS - 1) })
    }

    /// Moves what has the final name to a name beside it. An empty folder needs no keeping.
    fn set_old_aside(&self, parent: &Path) -> Result<Option<PathBuf>, ReportError> {
        if !self.target.exists() {
            return Ok(None);
        }
        let replace = ReportError::io(&self.target, "can't replace the folder");
        if fs::remove_dir(&self.target).is_ok() {
            return Ok(None);
        }
        let name = self.target.file_name().unwrap_or_default();
        let old = make_sibling(parent, &name.to_string_lossy(), "old")
            // Renaming a folder to an empty one replaces that: the name can't be taken between.
            .and_then(|old| fs::rename(&self.target, &old).map(|()| old));
        old.map(Some).map_err(replace)
    }
}

/// So many results of one name are more than anybody looks for.
const MOST_NUMBERS: u32 = 10_000;

/// Whether a rename failed because something has the name.
fn taken(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(kind, AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

impl Drop for OutputDirectory {
    fn drop(&mut self) {
        if !self.committed {
            // Nowhere to report to; a hidden folder that says `partial` is the worst that stays.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes `.<name>.<what>-<process>`. Where that is taken, by a crash or by the same process
/// number in another container, a number is added: nobody's folder is ever shared or removed.
fn make_sibling(parent: &Path, name: &str, what: &str) -> io::Result<PathBuf> {
    let first = format!(".{name}.{what}-{}", std::process::id());
    for attempt in 0..1_000 {
        let path = match attempt {
            0 => parent.join(&first),
            _ => parent.join(format!("{first}-{attempt}")),
        };
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn check_target(target: &Path, overwrite: bool) -> Result<(), ReportError> {
    let path = || target.to_owned();
    let read = ReportError::io(target, "can't read the folder");
    let metadata = match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(target).is_ok() {
                let reason = "it is a link to something that does not exist";
                return Err(ReportError::NotResults { path: path(), reason });
            }
            return Ok(());
        }
        result => result.map_err(read)?,
    };
    if !metadata.is_dir() {
        let reason = "it is a file";
        return Err(ReportError::NotResults { path: path(), reason });
    }
    let mut entries =
        fs::read_dir(target).map_err(ReportError::io(target, "can't read the folder"))?;
    if entries.next().is_none() {
        return Ok(());
    }
    if !overwrite {
        return Err(ReportError::Exists { path: path() });
    }
    // `--overwrite` with a slip in the path must not cost anybody their home directory.
    if !target.join(SUMMARY).is_file() {
        let reason = "it holds something else than results, there is no summary.json in it";
        return Err(ReportError::NotResults { path: path(), reason });
    }
    Ok(())
}

fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    sync_folder(folder);
    Ok(())
}

/// Flushes the names in a folder. Some file systems can't, and then it is on its own.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// The event log of one run, a JSON object per line, each with its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventPart {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file; it stays where it is.
    File(PathBuf),
}

/// What is written besides the outcomes.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// Text of `scenario.effective.yaml`: the scenario with its defaults filled in.
    pub scenario: &'a str,
    /// Event logs in the order of the runs; `events.jsonl` is written where there are any.
    pub events: &'a [EventPart],
    /// Whether there is a row per pod.
    pub pods: bool,
    /// Whether there is a row per zone and interval.
    pub zones: bool,
    /// Whether the pictures are drawn.
    pub charts: bool,
    /// `false` when the run was interrupted.
    pub complete: bool,
    /// The bound with capacity, where somebody asked for it.
    pub capacity: Option<&'a CapacityBound>,
}

/// Writes everything about some runs of one scenario into a folder and returns the summary. The
/// folder is not committed yet: the caller may add files.
///
/// # Errors
///
/// [`ReportError`], which names the file; drop the folder then.
pub fn write_all(
    directory: &OutputDirectory,
    world: &World,
    outcomes: &[&Outcome],
    written: &Written<'_>,
) -> Result<Summary, ReportError> {
    let summary = Summary {
        capacity_bound: written.capacity.map(Into::into),
        ..summary(world, outcomes, written.complete)
    };
    directory.write(SUMMARY, to_json(&summary).as_bytes())?;
    directory.write("scenario.effective.yaml", written.scenario.as_bytes())?;

    if written.pods {
        let path = directory.target.join("pods.parquet");
        let mut pods = PodTable::new(world, directory.open("pods.parquet")?, &path)?;
        for outcome in outcomes {
            pods.write(outcome)?;
        }
        flush(pods.finish()?, &path)?;
    }
    if written.zones {
        let path = directory.target.join("zones.parquet");
        let zones = write_zones(world, outcomes, directory.open("zones.parquet")?, &path)?;
        flush(zones, &path)?;
    }
    if written.charts {
        for (name, svg) in charts::all(world, outcomes, &summary)? {
            directory.write(name, svg.as_bytes())?;
        }
    }
    if !written.events.is_empty() {
        write_events(directory, written.events)?;
    }
    Ok(summary)
}

fn write_events(directory: &OutputDirectory, parts: &[EventPart]) -> Result<(), ReportError> {
    let path = directory.target.join("events.jsonl");
    let mut output = directory.open("events.jsonl")?;
    for part in parts {
        match part {
            EventPart::Bytes(bytes) => {
                output.write_all(bytes).map_err(ReportError::io(&path, "can't write"))?
            }
            EventPart::File(part) => {
                let mut input =
                    File::open(part).map_err(ReportError::io(part, "can't read the events"))?;
                io::copy(&mut input, &mut output).map_err(ReportError::io(&path, "can't write"))?;
            }
        }
    }
    flush(output, &path)
}

/// The last bytes of a file are where a full disk shows; a dropped writer would swallow it.
fn flush(mut output: BufWriter<File>, path: &Path) -> Result<(), ReportError> {
    output.flush().map_err(ReportError::io(path, "can't write"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn results(target: &Path, text: &str) -> Result<PathBuf, ReportError> {
        let directory = OutputDirectory::create(target, true)?;
        directory.write(SUMMARY, text.as_bytes())?;
        directory.commit()
    }

    #[test]
    fn everything_is_written_under_the_final_name_at_once() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("results/week");
        let (world, outcomes) = fixture::tiny();
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let part = root.path().join("part.jsonl");
        fs::write(&part, "{\"policy\":\"threshold\"}\n").unwrap();
        let events = [
            EventPart::Bytes(b"{\"policy\":\"default-scheduler\"}\n".to_vec()),
            EventPart::File(part),
        ];
        let written = Written {
            scenario: "kind: Scenario\n",
            events: &events,
            pods: true,
            zones: true,
            charts: true,
            complete: true,
            capacity: None,
        };
        let directory = OutputDirectory::create(&target, false).unwrap();
        let summary = write_all(&directory, &world, &outcomes, &written).unwrap();
        assert!(!target.exists());
        let target = directory.commit().unwrap();
        assert_eq!(
            names(&target),
            [
                "delay.svg",
                "emissions.svg",
                "events.jsonl",
                "intensity-and-power.svg",
                "pods.parquet",
                "scenario.effective.yaml",
                "summary.json",
                "zones.parquet",
            ]
        );
        assert_eq!(names(target.parent().unwrap()), ["week"]);
        let json = fs::read_to_string(target.join(SUMMARY)).unwrap();
        assert_eq!(json, to_json(&summary));
        let events = fs::read_to_string(target.join("events.jsonl")).unwrap();
        assert_eq!(events, "{\"policy\":\"default-scheduler\"}\n{\"policy\":\"threshold\"}\n");
    }

    #[test]
    fn a_folder_without_commit_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directory = OutputDirectory::create(&root.path().join("week"), false).unwrap();
        directory.write(SUMMARY, b"{}").unwrap();
        assert!(names(root.path())[0].starts_with(".week.partial-"));
        drop(directory);
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn earlier_results_stay_unless_overwriting_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("week");
        results(&target, "old").unwrap();
        let error = OutputDirectory::create(&target, false).unwrap_err();
        assert!(matches!(error, ReportError::Exists { .. }), "{error}");
        assert!(error.hint().is_some());
        // Until the commit the old ones are there.
        let directory = OutputDirectory::create(&target, true).unwrap();
        directory.write(SUMMARY, b"new").unwrap();
        assert_eq!(fs::read(target.join(SUMMARY)).unwrap(), b"old");
        directory.commit().unwrap();
        assert_eq!(fs::read(target.join(SUMMARY)).unwrap(), b"new");
        assert_eq!(names(root.path()), ["week"]);
    }

    #[test]
    fn results_that_appear_during_a_run_are_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("week");
        let directory = OutputDirectory::create(&target, false).unwrap();
        results(&target, "theirs").unwrap();
        assert!(matches!(directory.commit(), Err(ReportError::Exists { .. })));
        assert_eq!(fs::read(target.join(SUMMARY)).unwrap(), b"theirs");
        assert_eq!(names(root.path()), ["week"]);
    }

    /// Runs that started in one second all took the same free name, and all but the first to end
    /// lost their results.
    #[test]
    fn numbered_results_that_end_together_are_all_kept() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("runs/week");
        let create = || OutputDirectory::create_numbered(&target).unwrap();
        let directories = [create(), create(), create()];
        fs::write(root.path().join("runs/week-1"), "a file has this name").unwrap();
        for directory in directories {
            directory.write(SUMMARY, b"{}").unwrap();
            directory.commit().unwrap();
        }
        assert_eq!(names(&root.path().join("runs")), ["week", "week-1", "week-2", "week-3"]);
        assert_eq!(names(&root.path().join("runs/week-3")), [SUMMARY]);
    }

    /// It used to be found out at the commit, when all was simulated.
    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_refused_at_the_start() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("week");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let error = OutputDirectory::create(&link, true).unwrap_err();
        assert!(matches!(error, ReportError::NotResults { .. }), "{error}");
        assert_eq!(names(root.path()), ["week"]);
    }

    #[test]
    fn what_is_no_result_is_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("thesis.tex"), "").unwrap();
        for target in [home.clone(), home.join("thesis.tex")] {
            let error = OutputDirectory::create(&target, true).unwrap_err();
            assert!(matches!(error, ReportError::NotResults { .. }), "{error}");
        }
        assert_eq!(names(&home), ["thesis.tex"]);
    }

    #[test]
    fn an_empty_folder_is_filled() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("week");
        fs::create_dir(&target).unwrap();
        let directory = OutputDirectory::create(&target, false).unwrap();
        directory.write(SUMMARY, b"new").unwrap();
        directory.commit().unwrap();
        assert_eq!(names(&target), [SUMMARY]);
    }

    #[test]
    fn a_parent_that_is_a_file_is_named_with_a_hint() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("notes.txt");
        fs::write(&file, "").unwrap();
        for target in [file.join("week"), file.join("deep/week")] {
            let error = OutputDirectory::create(&target, false).unwrap_err();
            assert!(error.to_string().contains("notes.txt"), "{error}");
            assert!(matches!(error, ReportError::Io { .. }), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
        assert_eq!(names(root.path()), ["notes.txt"]);
    }

    #[test]
    fn the_leftover_of_a_crash_is_neither_used_nor_removed() {
        let root = tempfile::tempdir().unwrap();
        let leftover = root.path().join(format!(".week.partial-{}", std::process::id()));
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("pods.parquet"), "half").unwrap();
        let target = results(&root.path().join("week"), "new").unwrap();
        assert_eq!(names(&target), [SUMMARY]);
        assert!(leftover.exists());
    }

    #[test]
    fn a_path_without_a_name_is_an_error() {
        assert!(OutputDirectory::create(Path::new("/"), true).is_err());
        assert!(OutputDirectory::create(Path::new(""), true).is_err());
    }
}
