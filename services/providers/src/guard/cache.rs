//! What was fetched, with the validators that ask whether it has changed.
//!
//! Parsed values are kept, never the bytes that came: one source echoes the key in its answer. In
//! memory, and in a folder where there is one. Own code: `http-cache` keeps the bytes, and by rules
//! of freshness that these sources don't set; the clock of a value says better when to ask again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Time, Zone};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::file;
use crate::answer::Values;
use crate::reading::{Reading, Source};

/// The version of the files.
const VERSION: u32 = 1;

/// A value, when it was fetched, and its validators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored<T> {
    /// What was made of the answer.
    pub value: T,
    /// When the source last said so.
    pub fetched_at: Time,
    /// `ETag` of the answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    pub last_modified: Option<String>,
}

impl Stored<Values> {
    /// The values with what a reading has to say of them.
    #[must_use]
    pub fn reading(self, zone: &Zone, source: Source, signal: Signal, confidence: f64) -> Reading {
        Reading {
            zone: zone.clone(),
            source,
            signal,
            factor_set: self.value.factor_set,
            points: self.value.points,
            fetched_at: self.fetched_at,
            updated_at: self.value.updated_at,
            confidence,
        }
    }
}

#[derive(Deserialize)]
struct Versioned<T> {
    version: u32,
    stored: Stored<T>,
}

#[derive(Serialize)]
struct VersionedRef<'a, T> {
    version: u32,
    stored: &'a Stored<T>,
}

/// The values of one provider, by zone and call.
#[derive(Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    memory: Mutex<BTreeMap<String, String>>,
}

impl Cache {
    /// A cache in memory, and in a folder where one is given.
    #[must_use]
    pub fn new(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_owned), memory: Mutex::default() }
    }

    /// The value of a call, if there is one that can be read.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, zone: &Zone, call: &str) -> Option<Stored<T>> {
        let name = name(zone, call)?;
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = memory.get(&name).and_then(|text| serde_json::from_str(text).ok());
        drop(memory);
        let from_file = || file::read(&self.folder.as_ref()?.join(&name));
        let versioned: Versioned<T> = kept.or_else(from_file)?;
        (versioned.version == VERSION).then_some(versioned.stored)
    }

    /// Keeps the value of a call in place of the one before.
    pub fn put<T: Serialize>(&self, zone: &Zone, call: &str, stored: &Stored<T>) {
        let Some(name) = name(zone, call) else { return };
        let versioned = VersionedRef { version: VERSION, stored };
        let Ok(text) = serde_json::to_string(&versioned) else { return };
        if let Some(folder) = &self.folder {
            file::write(&folder.join(&name), &versioned);
        }
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(name, text);
    }
}

/// The name of the file. `None` for a zone whose name is no name, and might be a path.
fn name(zone: &Zone, call: &str) -> Option<String> {
    zone.as_str().parse::<Zone>().ok()?;
    Some(format!("{zone}.{call}.json"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn stored() -> Stored<Vec<f64>> {
        let fetched_at = "2026-03-29T01:00:00Z".parse().unwrap();
        Stored { value: vec![1.5], fetched_at, etag: Some("\"x\"".into()), last_modified: None }
    }

    #[test]
    fn another_run_finds_what_this_one_kept() {
        let folder = tempfile::tempdir().unwrap();
        let zone: Zone = "EU-DE".parse().unwrap();
        Cache::new(Some(folder.path())).put(&zone, "latest", &stored());
        let again = Cache::new(Some(folder.path()));
        assert_eq!(again.get(&zone, "latest"), Some(stored()));
        assert_eq!(again.get::<Vec<f64>>(&zone, "history"), None);
    }

    #[test]
    fn a_damaged_file_and_one_of_another_version_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let zone: Zone = "EU-DE".parse().unwrap();
        let path = folder.path().join("EU-DE.latest.json");
        for text in ["", "{", r#"{"version":2,"stored":{"value":[1.5],"fetched_at":"2026-03-29"}}"#]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Cache::new(Some(folder.path())).get::<Vec<f64>>(&zone, "latest"), None);
        }
    }

    #[test]
    fn a_name_that_might_be_a_path_is_not_kept() {
        let zone = Zone::try_from("../../etc".to_owned()).unwrap();
        let cache = Cache::new(None);
        cache.put(&zone, "latest", &stored());
        assert_eq!(cache.get::<Vec<f64>>(&zone, "latest"), None);
    }
}
