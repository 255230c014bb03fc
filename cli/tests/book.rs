//! The command blocks of the documentation: each runs here, or says why it doesn't.
//!
//! A block that begins with ```` ```sh ```` and nothing else is run, in the order of its page: the
//! blocks of a page share a folder that has `scenarios/` and `objects.json`, the objects of a small
//! cluster, and `carbon-kube` in their path. Where an
//! output follows (a block of ```` ```text ```` right behind), it is what the block printed, and
//! `UPDATE_GOLDEN=1` writes it. Any other block has one of the [`REASONS`] behind `sh`.

#![allow(clippy::unwrap_used, reason = "test code")]
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a block is not run here.
const REASONS: [(&str, &str); 6] = [
    ("cluster", "needs a Kubernetes cluster"),
    ("cloud", "needs an account of a cloud"),
    ("data", "needs files that can't be part of this repository, or the reader's own"),
    (
        "long",
        "takes more than a few seconds; run by `.ci/run` or by hand for the figures beside it",
    ),
    ("tool", "needs a tool that is not of this project, or the network"),
    ("elsewhere", "the same command is run by another test"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The README and every page below `docs/`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// A fenced block of `sh`.
struct Block {
    /// What stands behind `sh`.
    word: String,
    script: String,
    /// Line of the fence, from 1.
    line: usize,
    /// Lines of the output behind it, without the fences.
    output: Option<std::ops::Range<usize>>,
}

fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let end = |from: usize| (from..lines.len()).find(|at| lines[*at].trim() == "```").unwrap();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(info) = lines[at].trim().strip_prefix("```") else {
            at += 1;
            continue;
        };
        let close = end(at + 1);
        if let Some(word) =
            info.strip_prefix("sh").filter(|rest| !rest.starts_with(char::is_alphabetic))
        {
            let next = (close + 1..lines.len()).find(|at| !lines[*at].trim().is_empty());
            let output = next.filter(|at| lines[*at].trim() == "```text");
            blocks.push(Block {
                word: word.trim().to_owned(),
                script: lines[at + 1..close].join("\n"),
                line: at + 1,
                output: output.map(|at| at + 1..end(at + 1)),
            });
        }
        at = close + 1;
    }
    blocks
}

#[test]
fn every_command_block_runs_in_a_test_or_says_why_not() {
    let mut run = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in blocks(&text) {
            let known = REASONS.iter().any(|(word, _)| *word == block.word);
            run += usize::from(block.word.is_empty());
            assert!(
                known || block.word.is_empty(),
                "{}:{}: `{}` is no reason of {REASONS:?}",
                page.display(),
                block.line,
                block.word
            );
        }
    }
    assert!(run >= 10, "only {run} blocks are run");
}

#[test]
fn command_blocks_do_what_their_pages_say() {
    let mut stale = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let current = with_outputs(&page, &text);
        if current != text && std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&page, current).unwrap();
        } else if current != text {
            let line =
                current.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or_default();
            stale.push(format!("{}:{}", page.display(), line + 1));
        }
    }
    assert!(stale.is_empty(), "outputs are stale, run `make golden`: {stale:?}");
}

/// The page with the output of each of its blocks as it is now.
fn with_outputs(page: &Path, text: &str) -> String {
    let blocks: Vec<Block> =
        blocks(text).into_iter().filter(|block| block.word.is_empty()).collect();
    if blocks.is_empty() {
        return text.to_owned();
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("scenarios"), folder.path().join("scenarios")).unwrap();
    let objects = root().join("datasets/tests/samples/workload/kubernetes.json");
    std::os::unix::fs::symlink(objects, folder.path().join("objects.json")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut outputs = Vec::new();
    for block in blocks {
        let printed = run(page, &block, folder.path());
        outputs.extend(block.output.map(|range| (range, printed)));
    }
    for (range, printed) in outputs.into_iter().rev() {
        lines.splice(range, printed.lines().map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

fn run(page: &Path, block: &Block, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_carbon-kube")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let ended = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &block.script])
        .current_dir(folder)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}:{}: {}\n{}{}",
        page.display(),
        block.line,
        block.script,
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    String::from_utf8(ended.stdout).unwrap()
}
