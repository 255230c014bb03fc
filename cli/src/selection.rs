//! Which policies run: those of the scenario, the library, a folder.

use std::path::{self, Path};

use carbon_kube_sim::comparison::Entry;
use carbon_kube_sim::scenario::spec::{FileEntry, PolicyEntry, TunerFile};

use crate::failure::Failure;
use crate::policy::source::{self, Source};

/// A policy that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The policy, and its name in reports.
    pub entry: Entry,
    /// How a scenario writes it, from wherever it is read.
    pub written: PolicyEntry,
}

/// The policies to run: all, or the reference and those that were asked for. Files that the scenario
/// names lie relative to `folder`, its own.
pub fn chosen(
    all: &[PolicyEntry],
    folder: &Path,
    names: &[String],
) -> Result<Vec<Chosen>, Failure> {
    let listed = |entry: &PolicyEntry| self::listed(entry, folder);
    if names.is_empty() {
        return Ok(numbered(all.iter().map(listed).collect::<Result<_, Failure>>()?));
    }
    let mut chosen: Vec<Chosen> = all.iter().take(1).map(listed).collect::<Result<_, Failure>>()?;
    for name in names {
        for one in asked(all, folder, name)? {
            if !chosen.contains(&one) {
                chosen.push(one);
            }
        }
    }
    Ok(numbered(chosen))
}

/// The same without how they are written.
pub fn selected(
    all: &[PolicyEntry],
    folder: &Path,
    names: &[String],
) -> Result<Vec<Entry>, Failure> {
    Ok(chosen(all, folder, names)?.into_iter().map(|chosen| chosen.entry).collect())
}

/// What a name stands for: policies of the scenario before anything else, which then have the
/// scenario's settings.
fn asked(all: &[PolicyEntry], folder: &Path, name: &str) -> Result<Vec<Chosen>, Failure> {
    let found = all.iter().filter(|entry| entry.name() == name);
    let found: Vec<Chosen> = found.map(|entry| listed(entry, folder)).collect::<Result<_, _>>()?;
    if !found.is_empty() {
        return Ok(found);
    }
    Ok(vec![of_source(&source::find(name)?, name)])
}

fn listed(entry: &PolicyEntry, folder: &Path) -> Result<Chosen, Failure> {
    match entry {
        PolicyEntry::Rule(settings) => {
            let entry = Entry { name: settings.name().to_owned(), policy: settings.clone().into() };
            Ok(Chosen { entry, written: settings.clone().into() })
        }
        PolicyEntry::File(FileEntry { tuner }) => {
            let beside = folder.join(&tuner.file);
            let place =
                if beside.exists() { beside.display().to_string() } else { tuner.file.clone() };
            let found = source::find(&place).map_err(|failure| failure.of("spec.policies"))?;
            Ok(of_source(&found, &place))
        }
    }
}

/// A policy from where it was found. A scenario has a place for a rule and for a tuner's file.
fn of_source(found: &Source, place: &str) -> Chosen {
    let policy = &found.policy;
    let written = if policy.tuner.is_some() {
        let absolute = Path::new(place).exists().then(|| path::absolute(place).ok()).flatten();
        let file = absolute.map_or_else(|| place.to_owned(), |path| path.display().to_string());
        PolicyEntry::File(FileEntry { tuner: TunerFile { file } })
    } else {
        policy.settings.clone().into()
    };
    Chosen { entry: Entry { name: policy.file.name.clone(), policy: policy.policy() }, written }
}

/// Gives names that are taken a number, so that every row has a name of its own.
fn numbered(all: Vec<Chosen>) -> Vec<Chosen> {
    let mut numbered: Vec<Chosen> = Vec::with_capacity(all.len());
    for mut chosen in all {
        let is_free = |name: &String| numbered.iter().all(|other| other.entry.name != *name);
        let name = &chosen.entry.name;
        let names = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(names).find(is_free);
        chosen.entry.name = free.unwrap_or_else(|| name.clone());
        numbered.push(chosen);
    }
    numbered
}
