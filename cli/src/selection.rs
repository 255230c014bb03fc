//! Which policies run: those of the scenario, the library, a folder.

use carbon_kube_policies::Settings;
use carbon_kube_policies::file::{Bounds, PolicyFile};
use carbon_kube_sim::comparison::{self, Entry};

use crate::failure::Failure;
use crate::output;
use crate::policy::source;

/// The policies to run: all, or the reference and those that were asked for.
pub fn selected(all: &[Settings], names: &[String], quiet: bool) -> Result<Vec<Entry>, Failure> {
    if names.is_empty() {
        return Ok(comparison::entries(all.iter().cloned()));
    }
    let mut selected: Vec<Entry> = all.iter().take(1).map(entry).collect();
    for name in names {
        for entry in asked(all, name, quiet)? {
            if !selected.contains(&entry) {
                selected.push(entry);
            }
        }
    }
    Ok(numbered(selected))
}

/// What a name stands for: policies of the scenario before anything else, which then have the
/// scenario's settings.
fn asked(all: &[Settings], name: &str, quiet: bool) -> Result<Vec<Entry>, Failure> {
    let listed = all.iter().filter(|settings| settings.name() == name);
    let found: Vec<Entry> = listed.map(entry).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let policy = source::find(name)?.policy;
    if !quiet {
        warn_of_bounds(&policy.file);
    }
    Ok(vec![Entry { name: policy.file.name, settings: policy.settings }])
}

/// The simulator takes a rule and its settings, and no bounds: a run with narrow ones would say
/// something else than the cluster does.
fn warn_of_bounds(file: &PolicyFile) {
    if file.bounds != Bounds::default() {
        output::remark(&format!(
            "warning: `bounds` of policy `{}` are kept by the cluster, not by this run",
            file.name
        ));
    }
}

fn entry(settings: &Settings) -> Entry {
    Entry { name: settings.name().to_owned(), settings: settings.clone() }
}

/// Gives names that are taken a number, so that every row has a name of its own.
fn numbered(entries: Vec<Entry>) -> Vec<Entry> {
    let mut numbered: Vec<Entry> = Vec::with_capacity(entries.len());
    for Entry { name, settings } in entries {
        let is_free = |name: &String| numbered.iter().all(|entry| entry.name != *name);
        let names = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(names).find(is_free);
        numbered.push(Entry { name: free.unwrap_or(name), settings });
    }
    numbered
}
