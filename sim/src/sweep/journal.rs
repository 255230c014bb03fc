//! The finished cells of a sweep, kept as they come, so that a killed sweep goes on where it was.
//!
//! ```text
//! <checksum> {"version":1,"sweep":"...","shard":"0/1"}
//! <checksum> {"cell":4,"rows":[[...],[...]]}
//! ```
//!
//! A line is written in one piece and then belongs to the operating system: it survives the death
//! of the process, not always that of the machine. A line whose checksum is wrong is told, and its
//! cell is done again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::{Row, Shard, SweepError};

/// The version of the format.
const VERSION: u32 = 1;

/// Hexadecimal digits of a checksum.
const CHECKSUM: usize = 32;

/// What a journal, and a table, is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// [`super::Plan::digest`].
    pub sweep: String,
    /// The part of it.
    pub shard: Shard,
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    sweep: String,
    shard: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    cell: u64,
    rows: Vec<Row>,
}

/// A journal that is open for writing, by this process alone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Where the line of each finished cell begins.
    done: BTreeMap<u64, u64>,
    end: u64,
}

impl Journal {
    /// Opens the journal at `path`, or starts it. Also gives what was found damaged in it, a
    /// sentence each.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`]; [`SweepError::Journal`] where it is something else, of another sweep or
    /// shard, or in use.
    pub fn open(path: &Path, stamp: &Stamp) -> Result<(Self, Vec<String>), SweepError> {
        let io = |action| SweepError::io(path, action);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(io("can't open the journal"))?;
        let problem = |problem: String| SweepError::Journal { path: path.to_owned(), problem };
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => problem("another process writes it".into()),
            std::fs::TryLockError::Error(error) => io("can't lock the journal")(error),
        })?;
        let mut journal = Self { file, path: path.to_owned(), done: BTreeMap::new(), end: 0 };
        let damaged = journal.read(stamp)?;
        if journal.end == 0 {
            let (sweep, shard) = (stamp.sweep.clone(), stamp.shard.to_string());
            journal.write(&Head { version: VERSION, sweep, shard })?;
        }
        Ok((journal, damaged))
    }

    /// Whether a cell was finished.
    #[must_use]
    pub fn has(&self, cell: u64) -> bool {
        self.done.contains_key(&cell)
    }

    /// Numbers of the finished cells, in order.
    pub fn cells(&self) -> impl Iterator<Item = u64> + '_ {
        self.done.keys().copied()
    }

    /// Keeps the rows of a cell.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`].
    pub fn keep(&mut self, cell: u64, rows: Vec<Row>) -> Result<(), SweepError> {
        let at = self.end;
        self.write(&Line { cell, rows })?;
        self.done.insert(cell, at);
        Ok(())
    }

    /// The rows of a finished cell; none for any other.
    ///
    /// # Errors
    ///
    /// [`SweepError::Io`]; [`SweepError::Journal`] where the file was changed meanwhile.
    pub fn rows(&mut self, cell: u64) -> Result<Vec<Row>, SweepError> {
        let Some(&at) = self.done.get(&cell) else { return Ok(Vec::new()) };
        let io = |error| SweepError::io(&self.path, "can't read the journal")(error);
        self.file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut text = Vec::new();
        BufReader::new(&self.file).read_until(b'\n', &mut text).map_err(io)?;
        let line = checked(&text).and_then(|json| serde_json::from_slice::<Line>(json).ok());
        line.map(|line| line.rows).ok_or_else(|| SweepError::Journal {
            path: self.path.clone(),
            problem: format!("the line of cell {cell} has changed since it was read"),
        })
    }

    fn write<T: Serialize>(&mut self, value: &T) -> Result<(), SweepError> {
        let json = serde_json::to_string(value).expect("numbers and texts");
        let line = format!("{:032x} {json}\n", XxHash3_128::oneshot(json.as_bytes()));
        let end = SeekFrom::Start(self.end);
        self.file
            .seek(end)
            .and_then(|_| self.file.write_all(line.as_bytes()))
            .map_err(SweepError::io(&self.path, "can't write the journal"))?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Finds the finished cells, and where to go on writing.
    fn read(&mut self, stamp: &Stamp) -> Result<Vec<String>, SweepError> {
        let read = |error| SweepError::io(&self.path, "can't read the journal")(error);
        let mut damaged = Vec::new();
        let mut reader = BufReader::new(self.file.try_clone().map_err(read)?);
        let mut text = Vec::new();
        for number in 1u64.. {
            text.clear();
            let length = reader.by_ref().read_until(b'\n', &mut text).map_err(read)? as u64;
            if length == 0 {
                break;
            }
            let whole = text.ends_with(b"\n");
            if !whole {
                damaged.push(format!("line {number} was cut off: its cell is done again"));
                self.file.set_len(self.end).map_err(read)?;
                break;
            }
            let json = checked(&text);
            if number == 1 {
                let head = json.and_then(|json| serde_json::from_slice::<Head>(json).ok());
                same(head, stamp)
                    .map_err(|problem| SweepError::Journal { path: self.path.clone(), problem })?;
            } else if let Some(line) = json.and_then(|j| serde_json::from_slice::<Line>(j).ok()) {
                self.done.insert(line.cell, self.end);
            } else {
                damaged.push(format!("line {number} is damaged: its cell is done again"));
            }
            self.end += length;
        }
        Ok(damaged)
    }
}

fn same(head: Option<Head>, stamp: &Stamp) -> Result<(), String> {
    let head = head.ok_or("this is no journal of a sweep")?;
    if head.version != VERSION {
        return Err(format!("its version is {}, this program writes {VERSION}", head.version));
    }
    if head.sweep != stamp.sweep {
        return Err("it is of another sweep, or of another version of this one".into());
    }
    if head.shard != stamp.shard.to_string() {
        return Err(format!("it is of shard {}, not of {}", head.shard, stamp.shard));
    }
    Ok(())
}

/// The JSON of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (checksum, rest) = line.split_at_checked(CHECKSUM)?;
    let json = rest.strip_prefix(b" ")?.strip_suffix(b"\n")?;
    let expected = format!("{:032x}", XxHash3_128::oneshot(json));
    (checksum == expected.as_bytes()).then_some(json)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Value;
    use super::*;

    fn stamp(sweep: &str) -> Stamp {
        Stamp { sweep: sweep.into(), shard: Shard::WHOLE }
    }

    fn row(cell: u64) -> Vec<Row> {
        vec![vec![Value::Count(cell), Value::Number(0.1), Value::Text("a".into()), Value::None]]
    }

    /// A journal with cells 0, 1 and 2.
    fn written(path: &Path) {
        let (mut journal, damaged) = Journal::open(path, &stamp("a")).unwrap();
        assert!(damaged.is_empty());
        for cell in [0, 2, 1] {
            journal.keep(cell, row(cell)).unwrap();
        }
    }

    fn reopened(path: &Path) -> (Vec<u64>, Vec<String>) {
        let (mut journal, damaged) = Journal::open(path, &stamp("a")).unwrap();
        let cells: Vec<u64> = journal.cells().collect();
        for &cell in &cells {
            assert_eq!(journal.rows(cell).unwrap(), row(cell));
        }
        (cells, damaged)
    }

    #[test]
    fn what_was_kept_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        written(&path);
        assert_eq!(reopened(&path), (vec![0, 1, 2], vec![]));
    }

    #[test]
    fn a_line_that_a_kill_cut_off_is_told_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        written(&path);
        let whole = fs::read(&path).unwrap();
        // Wherever it was cut, in the last line or in any other, or in the head.
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let lines = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
            let (cells, damaged) = reopened(&path);
            assert_eq!(cells.len(), lines.saturating_sub(1));
            let cut = length > 0 && whole[length - 1] != b'\n';
            assert_eq!(damaged.len(), usize::from(cut), "{length}");
            let (mut journal, damaged) = Journal::open(&path, &stamp("a")).unwrap();
            assert!(damaged.is_empty(), "{damaged:?}");
            journal.keep(9, row(9)).unwrap();
            drop(journal);
            assert!(reopened(&path).0.contains(&9));
        }
    }

    #[test]
    fn a_changed_byte_costs_its_own_line_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        written(&path);
        let mut bytes = fs::read(&path).unwrap();
        let second = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 40;
        bytes[second] ^= 1;
        fs::write(&path, bytes).unwrap();
        let damaged = "line 2 is damaged: its cell is done again".to_owned();
        assert_eq!(reopened(&path), (vec![1, 2], vec![damaged]));
    }

    #[test]
    fn anothers_journal_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        written(&path);
        let before = fs::read(&path).unwrap();
        let error = Journal::open(&path, &stamp("b")).unwrap_err().to_string();
        assert!(error.contains("of another sweep"), "{error}");
        let part = Stamp { shard: Shard { index: 1, of: 2 }, ..stamp("a") };
        let error = Journal::open(&path, &part).unwrap_err().to_string();
        assert!(error.contains("it is of shard 0/1, not of 1/2"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::write(&path, "years of work\n").unwrap();
        let error = Journal::open(&path, &stamp("a")).unwrap_err().to_string();
        assert!(error.contains("no journal of a sweep"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"years of work\n");
    }

    #[test]
    fn two_processes_never_write_one_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        let _first = Journal::open(&path, &stamp("a")).unwrap();
        let error = Journal::open(&path, &stamp("a")).unwrap_err().to_string();
        assert!(error.contains("another process writes it"), "{error}");
    }
}
