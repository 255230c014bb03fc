//! `policy verify DIR|FILE...`: whether a cluster would take them.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::parity::{self, Checked, Parity};
use super::source::{Problem, read};
use crate::args::{Format, VerifyArgs};
use crate::failure::{CHECK_FAILED, COULD_NOT_RUN, Failure};
use crate::output;

pub fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let checked = |path: &Path| read(path).and_then(|source| parity::check(path, source));
    let results: Vec<(&Path, Result<Checked, Problem>)> =
        args.policies.iter().map(|path| (path.as_path(), checked(path))).collect();
    match args.format {
        Format::Json => {
            let json: Vec<Value> =
                results.iter().map(|(path, result)| json(path, result)).collect();
            output::print(&format!("{:#}\n", json!({ "policies": json })))?;
        }
        Format::Table => {
            for (_, result) in &results {
                match result {
                    Ok(checked) => output::print(&line(checked))?,
                    Err(problem) => output::remark(&text(problem)),
                }
            }
        }
    }
    Ok(status(results.iter().filter_map(|(_, result)| result.as_ref().err())))
}

/// What could not be read weighs more than what is wrong: about that, nothing is known.
fn status<'a>(problems: impl Iterator<Item = &'a Problem>) -> ExitCode {
    let code = |problem: &Problem| if problem.is_read { CHECK_FAILED } else { COULD_NOT_RUN };
    problems.map(code).max().map_or(ExitCode::SUCCESS, ExitCode::from)
}

fn line(Checked { source, parity }: &Checked) -> String {
    let file = &source.policy.file;
    let short: String = source.policy.sha256.chars().take(8).collect();
    let promised = if source.promised { "" } else { ", no checksum to compare with" };
    let parity = parity.as_ref().map_or_else(String::new, |parity| format!(", {}", parity.text()));
    format!("ok {} ({}, sha256 {short}...{promised}{parity})\n", file.name, file.kind)
}

fn text(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    format!("error: {}{hint}", problem.message)
}

fn json(path: &Path, result: &Result<Checked, Problem>) -> Value {
    let path = path.display().to_string();
    match result {
        Ok(Checked { source, parity }) => json!({
            "path": path,
            "status": "ok",
            "name": source.policy.file.name,
            "kind": source.policy.file.kind,
            "sha256": source.policy.sha256,
            "checksumCompared": source.promised,
            "parity": parity.as_ref().map(Parity::json),
        }),
        Err(problem) => json!({
            "path": path,
            "status": if problem.is_read { "refused" } else { "unreadable" },
            "error": problem.message,
            "hint": problem.hint,
        }),
    }
}
