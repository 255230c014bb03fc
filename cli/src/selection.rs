//! Which policies run: those of the scenario, the library, a folder.

use carbon_kube_policies::Settings;
use carbon_kube_sim::comparison::{self, Entry};

use crate::failure::Failure;
use crate::policy::source;

/// The policies to run: all, or the reference and those that were asked for.
pub fn selected(all: &[Settings], names: &[String]) -> Result<Vec<Entry>, Failure> {
    if names.is_empty() {
        return Ok(comparison::entries(all.iter().cloned()));
    }
    let mut selected: Vec<Entry> = all.iter().take(1).map(entry).collect();
    for name in names {
        for entry in asked(all, name)? {
            if !selected.contains(&entry) {
                selected.push(entry);
            }
        }
    }
    Ok(numbered(selected))
}

/// What a name stands for: policies of the scenario before anything else, which then have the
/// scenario's settings.
fn asked(all: &[Settings], name: &str) -> Result<Vec<Entry>, Failure> {
    let listed = all.iter().filter(|settings| settings.name() == name);
    let found: Vec<Entry> = listed.map(entry).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let policy = source::find(name)?.policy;
    Ok(vec![Entry { name: policy.file.name.clone(), policy: policy.policy() }])
}

fn entry(settings: &Settings) -> Entry {
    Entry { name: settings.name().to_owned(), policy: settings.clone().into() }
}

/// Gives names that are taken a number, so that every row has a name of its own.
fn numbered(entries: Vec<Entry>) -> Vec<Entry> {
    let mut numbered: Vec<Entry> = Vec::with_capacity(entries.len());
    for Entry { name, policy } in entries {
        let is_free = |name: &String| numbered.iter().all(|entry| entry.name != *name);
        let names = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(names).find(is_free);
        numbered.push(Entry { name: free.unwrap_or(name), policy });
    }
    numbered
}
