//! The program in an empty folder with a few files.
#![allow(dead_code, clippy::unwrap_used, reason = "test code; each test binary uses its part")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder to run in, so that messages show relative paths.
pub struct Workplace {
    folder: TempDir,
}

/// What a call printed and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A scenario of a day with forty pods, quick to run.
pub const TINY: &str = include_str!("../files/tiny.yaml");

impl Workplace {
    /// A folder with `tiny.yaml`.
    pub fn new() -> Self {
        let workplace = Self { folder: tempfile::tempdir().unwrap() };
        workplace.write("tiny.yaml", TINY);
        workplace
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Runs `carbon-kube` with words separated by blanks.
    pub fn run(&self, words: &str) -> Ended {
        self.run_args(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_args(&self, args: &[&str]) -> Ended {
        let output = Command::cargo_bin("carbon-kube")
            .unwrap()
            .current_dir(self.path())
            .args(args)
            .output()
            .unwrap();
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Names in the folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Ended {
    /// Exit status and what went to standard error, for snapshots.
    pub fn failure(&self) -> String {
        assert_eq!(self.out, "", "a failure prints nothing on standard output");
        format!("exit {}\n{}", self.code.unwrap_or(-1), self.err)
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
