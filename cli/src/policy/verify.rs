//! `policy verify DIR|FILE...`: whether a cluster would take them.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::source::{Problem, Source, read};
use crate::args::{Format, VerifyArgs};
use crate::failure::{CHECK_FAILED, COULD_NOT_RUN, Failure};
use crate::output;

pub fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let results: Vec<(&Path, Result<Source, Problem>)> =
        args.policies.iter().map(|path| (path.as_path(), read(path))).collect();
    match args.format {
        Format::Json => {
            let json: Vec<Value> =
                results.iter().map(|(path, result)| json(path, result)).collect();
            output::print(&format!("{:#}\n", json!({ "policies": json })))?;
        }
        Format::Table => {
            for (_, result) in &results {
                match result {
                    Ok(source) => output::print(&line(source))?,
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

fn line(source: &Source) -> String {
    let file = &source.policy.file;
    let short: String = source.policy.sha256.chars().take(8).collect();
    let promised = if source.promised { "" } else { ", no checksum to compare with" };
    format!("ok {} ({}, sha256 {short}...{promised})\n", file.name, file.kind)
}

fn text(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    format!("error: {}{hint}", problem.message)
}

fn json(path: &Path, result: &Result<Source, Problem>) -> Value {
    let path = path.display().to_string();
    match result {
        Ok(source) => json!({
            "path": path,
            "status": "ok",
            "name": source.policy.file.name,
            "kind": source.policy.file.kind,
            "sha256": source.policy.sha256,
            "checksumCompared": source.promised,
        }),
        Err(problem) => json!({
            "path": path,
            "status": if problem.is_read { "refused" } else { "unreadable" },
            "error": problem.message,
            "hint": problem.hint,
        }),
    }
}
