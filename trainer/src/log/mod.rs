//! What a training tells, as CSV, JSON lines and TensorBoard event files.
//!
//! One record is a step and named values. CSV has one value per row (`step,name,value`), because
//! an evaluation has other names than an update; JSON lines have one record per line.

mod recorder;
mod tensorboard;

pub use recorder::Recorder;
pub use tensorboard::Events;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value};

const CSV: &str = "metrics.csv";
const HEADER: &str = "step,name,value";
const JSON_LINES: &str = "metrics.jsonl";

/// The files of one training.
#[derive(Debug)]
pub struct Log {
    csv: BufWriter<File>,
    json_lines: BufWriter<File>,
    events: Option<Events>,
}

impl Log {
    /// Opens the files in a directory that is there, and TensorBoard's where one is given for it. A
    /// training that goes on from `step` says again what it said after that, so such records go.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn open(directory: &Path, tensorboard: Option<&Path>, step: u64) -> io::Result<Self> {
        let csv_step = |line: &str| line.split(',').next()?.parse().ok();
        let mut csv = kept(&directory.join(CSV), step, csv_step)?;
        if csv.get_ref().metadata()?.len() == 0 {
            writeln!(csv, "{HEADER}")?;
        }
        let json_step =
            |line: &str| serde_json::from_str::<Value>(line).ok()?.get("step")?.as_u64();
        let json_lines = kept(&directory.join(JSON_LINES), step, json_step)?;
        let events = tensorboard.map(|directory| Events::create(directory, step)).transpose()?;
        Ok(Self { csv, json_lines, events })
    }

    /// Adds a record to every file. Values that are no number are empty in CSV and null in JSON.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn write(&mut self, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut record = Map::from_iter([("step".to_string(), Value::from(step))]);
        for (name, value) in values {
            let text = if value.is_finite() { value.to_string() } else { String::new() };
            writeln!(self.csv, "{step},{name},{text}")?;
            record.insert((*name).into(), Value::from(*value));
        }
        writeln!(self.json_lines, "{}", Value::Object(record))?;
        if let Some(events) = &mut self.events {
            events.write(step, values)?;
        }
        self.csv.flush()?;
        self.json_lines.flush()
    }
}

/// The file with the lines until a step, and a header, open for more.
fn kept(
    path: &Path,
    step: u64,
    step_of: impl Fn(&str) -> Option<u64>,
) -> io::Result<BufWriter<File>> {
    let mut lines = Vec::new();
    if path.exists() {
        for line in BufReader::new(File::open(path)?).lines() {
            let line = line?;
            if line == HEADER || step_of(&line).is_some_and(|at| at <= step) {
                lines.push(line);
            }
        }
    }
    let mut file =
        BufWriter::new(OpenOptions::new().create(true).write(true).truncate(true).open(path)?);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_resumed_log_says_nothing_twice() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::open(directory.path(), None, 0).unwrap();
        for step in [10, 20, 30] {
            log.write(step, &[("loss", f64::from(step as u32) / 4.0), ("none", f64::NAN)]).unwrap();
        }
        drop(log);
        let mut log = Log::open(directory.path(), None, 20).unwrap();
        log.write(30, &[("loss", 0.125)]).unwrap();
        drop(log);
        let text = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(
            text(CSV),
            "step,name,value\n10,loss,2.5\n10,none,\n20,loss,5\n20,none,\n30,loss,0.125\n"
        );
        assert_eq!(
            text(JSON_LINES),
            "{\"loss\":2.5,\"none\":null,\"step\":10}\n{\"loss\":5.0,\"none\":null,\"step\":20}\n\
             {\"loss\":0.125,\"step\":30}\n"
        );
    }
}
