//! What the README shows is what the program prints and draws.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Compares with the golden text, or writes it where `UPDATE_GOLDEN` is set.
fn hold(path: &Path, golden: &str, current: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, current).unwrap();
    } else {
        assert!(golden == current, "{} is stale: run `make golden`", path.display());
    }
}

#[test]
fn the_readme_shows_the_table_and_the_picture_of_the_quickstart() {
    let results = tempfile::tempdir().unwrap();
    let out = results.path().join("quickstart");
    let run = Command::cargo_bin("carbon-kube")
        .unwrap()
        .current_dir(root())
        .args(["sim", "run", "scenarios/quickstart.yaml", "--quiet", "--out"])
        .arg(&out)
        .assert()
        .success();
    let table = String::from_utf8(run.get_output().stdout.clone()).unwrap();

    let readme = root().join("README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    let (before, rest) = text.split_once("<!-- quickstart -->\n```text\n").unwrap();
    let (_, after) = rest.split_once("```\n<!-- /quickstart -->").unwrap();
    let current =
        format!("{before}<!-- quickstart -->\n```text\n{table}```\n<!-- /quickstart -->{after}");
    hold(&readme, &text, &current);

    let picture = root().join("docs/pictures/quickstart.svg");
    let drawn = std::fs::read_to_string(out.join("intensity-and-power.svg")).unwrap();
    hold(&picture, &std::fs::read_to_string(&picture).unwrap_or_default(), &drawn);
}
