//! The files of a run, read back and held against each other.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::columns::not_read;
use super::delays::{self, Pods};
use super::hours::{self, Hours};
use super::{PageError, Summary};
use crate::report::summary::VERSION;

/// What a run left.
pub struct Folder {
    pub summary: Summary,
    pub scenario: Scenario,
    /// By policy; `None` where the scenario left out `pods.parquet`.
    pub pods: Option<Vec<Pods>>,
    /// `None` where the scenario left out `zones.parquet`.
    pub hours: Option<Hours>,
}

/// What the page says of `scenario.effective.yaml`. Only looked at, not run: so that a folder of
/// an older format stays readable.
pub struct Scenario {
    /// The file as it is.
    pub text: String,
    document: Value,
}

impl Scenario {
    /// The text of a field below `spec`, such as `start`.
    pub fn field(&self, name: &str) -> Option<String> {
        self.document.pointer(&format!("/spec/{name}")).and_then(plain)
    }

    /// `metadata.description`.
    pub fn description(&self) -> Option<&str> {
        self.document.pointer("/metadata/description")?.as_str()
    }

    /// The settings of a part of `spec`, such as `forecast`, as `kind noisy, error 0.138`.
    pub fn settings(&self, part: &str) -> Option<String> {
        let fields = self.document.pointer(&format!("/spec/{part}"))?.as_object()?;
        let words = fields.iter().map(|(name, value)| format!("{name} {}", inline(value)));
        Some(words.collect::<Vec<_>>().join(", "))
    }

    fn wrote(&self, output: &str) -> bool {
        self.document.pointer(&format!("/spec/outputs/{output}")).and_then(Value::as_bool)
            != Some(false)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let words = fields.iter().map(|(name, value)| format!("{name} {}", inline(value)));
            format!("({})", words.collect::<Vec<_>>().join(", "))
        }
        Value::Array(values) => values.iter().map(inline).collect::<Vec<_>>().join("; "),
        Value::Null => "none".to_owned(),
        value => plain(value).unwrap_or_default(),
    }
}

/// Reads all of it.
pub fn read(folder: &Path) -> Result<Folder, PageError> {
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            return Err(PageError::NotFolder { path: folder.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(PageError::Missing { path: folder.to_owned(), what: "folder" });
        }
        Err(source) => return Err(PageError::Io { path: folder.to_owned(), source }),
    }
    let summary = summary(&folder.join("summary.json"))?;
    let scenario = scenario(&folder.join("scenario.effective.yaml"))?;
    let pods = scenario.wrote("pods").then(|| folder.join("pods.parquet"));
    let zones = scenario.wrote("zones").then(|| folder.join("zones.parquet"));
    Ok(Folder {
        pods: pods.map(|path| delays::read(&path, &summary)).transpose()?,
        hours: zones.map(|path| hours::read(&path, &summary)).transpose()?,
        summary,
        scenario,
    })
}

fn text(path: &Path) -> Result<String, PageError> {
    let bytes = fs::read(path).map_err(|source| not_read(path, source))?;
    String::from_utf8(bytes).map_err(|_| PageError::broken(path, "not text (UTF-8)"))
}

/// The version, before the rest: a newer file may have other types.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn summary(path: &Path) -> Result<Summary, PageError> {
    let text = text(path)?;
    let broken = |error: serde_json::Error| {
        PageError::broken(path, format!("not the summary of a run: {error}"))
    };
    let Versioned { version } = serde_json::from_str(&text).map_err(broken)?;
    if version != VERSION {
        return Err(PageError::Version { path: path.to_owned(), found: version });
    }
    let summary: Summary = serde_json::from_str(&text).map_err(broken)?;
    if summary.runs.is_empty() {
        return Err(PageError::broken(path, "there are no runs in it"));
    }
    Ok(summary)
}

fn scenario(path: &Path) -> Result<Scenario, PageError> {
    let text = text(path)?;
    // As in a scenario: `no` and `on` are texts.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document =
        serde_saphyr::from_str_with_options::<Value>(&text, options).map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            PageError::broken(path, format!("not the scenario of a run: {first}"))
        })?;
    Ok(Scenario { text, document })
}
