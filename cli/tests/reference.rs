//! `docs/reference/cli.md` is what the program says of itself.

#![allow(clippy::unwrap_used, reason = "test code")]
// The page is of the program as it is released.
#![cfg(feature = "train")]

use std::fmt::Write;
use std::path::Path;

use assert_cmd::Command;

/// `carbon-kube help COMMAND...`, at the width that a file has.
fn help(command: &[String]) -> String {
    let run =
        Command::cargo_bin("carbon-kube").unwrap().arg("help").args(command).assert().success();
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let names = listed.lines().take_while(|line| !line.is_empty());
    names
        // A name is indented by two blanks; the rest of a long description by more.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn describe(command: &[String], page: &mut String) {
    let text = help(command);
    if !command.is_empty() {
        let level = "#".repeat(command.len() + 1);
        write!(page, "\n{level} carbon-kube {}\n", command.join(" ")).unwrap();
    }
    write!(page, "\n```text\n{}\n```\n", text.trim_end()).unwrap();
    for name in commands(&text) {
        describe(&[command, &[name]].concat(), page);
    }
}

#[test]
fn the_page_of_the_command_line_is_what_the_program_prints() {
    let mut page = "# The command line\n\nWritten by a test from the program itself (`make golden`). The same text is \
                    behind `--help`.\n"
        .to_owned();
    describe(&[], &mut page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cli.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == page, "{} is stale: run `make golden`", path.display());
}
