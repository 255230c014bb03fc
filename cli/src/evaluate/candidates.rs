//! The policies of a table, from what was typed.

use std::collections::BTreeMap;
use std::path::Path;

use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::{Settings, library};
use carbon_kube_trainer::evaluation::table::{Candidate, Training};

use crate::failure::Failure;
use crate::policy::source;
use crate::train::cost::Cost;

/// The baselines of the protocol.
const BASELINES: [&str; 10] = [
    "default-scheduler",
    "threshold",
    "percentile",
    "hour-table",
    "double-threshold",
    "lowest-window",
    "carbon-time",
    "wait-awhile",
    "lowest-zone",
    "plan",
];

/// The policies to judge, the reference first, and the notes on those that have seen `files`
/// before.
pub fn candidates(
    names: &[String],
    files: &BTreeMap<String, String>,
) -> Result<(Vec<Candidate>, Vec<String>), Failure> {
    let standard = BASELINES.into_iter().chain(library::ALL.map(|shipped| shipped.name));
    let asked: Vec<String> = match names {
        [] => standard.map(str::to_owned).collect(),
        names => names.to_vec(),
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut notes = Vec::new();
    for text in std::iter::once(BASELINES[0]).chain(asked.iter().map(String::as_str)) {
        let (name, loaded) = read(text).map_err(|failure| failure.of("--policy"))?;
        let runs: Vec<_> = loaded.iter().map(Loaded::policy).collect();
        if let Some(known) = candidates.iter().find(|known| known.runs == runs) {
            if known.name != name {
                notes.push(format!("{name} decides as {}: they share a row", known.name));
            }
            continue;
        }
        notes.extend(loaded.iter().find_map(|policy| leak(policy, &name, files)));
        let training = training(text);
        candidates.push(Candidate { name: free(&candidates, name), runs, training });
    }
    Ok((candidates, notes))
}

/// `NAME=DIR,DIR,...`, or one policy.
fn read(text: &str) -> Result<(String, Vec<Loaded>), Failure> {
    let Some((name, folders)) = text.split_once('=') else {
        let policy = source::find(text)?.policy;
        return Ok((policy.file.name.clone(), vec![policy]));
    };
    if name.is_empty() || folders.split(',').any(str::is_empty) {
        return Err(Failure::new(format!("`{text}` is not NAME=DIR,DIR,..."))
            .hint("write `sac=runs/seed-1,runs/seed-2`"));
    }
    let found = folders.split(',').map(|folder| Ok(source::find(folder)?.policy));
    Ok((name.to_owned(), found.collect::<Result<_, Failure>>()?))
}

/// Whether a policy was made with one of the files that it is judged on.
fn leak(policy: &Loaded, name: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let datasets = &policy.file.provenance.datasets;
    let is_seen = |sum: &String| datasets.values().any(|known| known == sum);
    let seen: Vec<&str> =
        files.iter().filter(|(_, sum)| is_seen(sum)).map(|(name, _)| name.as_str()).collect();
    (!seen.is_empty()).then(|| format!("LEAK: {name} was made with {}", seen.join(", ")))
}

/// What the trainings of all folders together took; `None` where no folder says it.
fn training(text: &str) -> Option<Training> {
    let folders = text.split_once('=').map_or(text, |(_, folders)| folders);
    let known: Vec<Cost> =
        folders.split(',').filter_map(|folder| Cost::read(Path::new(folder))).collect();
    let sum = |of: fn(&Cost) -> f64| Some(known.iter().map(of).sum());
    (!known.is_empty()).then(|| Training {
        cpu_seconds: sum(|cost| cost.cpu_seconds),
        grams: sum(|cost| cost.grams_co2e),
    })
}

/// A name that no other row has.
fn free(taken: &[Candidate], name: String) -> String {
    let is_free = |name: &String| taken.iter().all(|one| one.name != *name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let names = std::iter::once(name.clone()).chain(numbered);
    names.into_iter().find(is_free).unwrap_or(name)
}

/// The rule of a policy that is to be tuned.
pub fn rule(text: &str) -> Result<(Settings, Loaded), Failure> {
    let policy = source::find(text).map_err(|failure| failure.of("--policy"))?.policy;
    Ok((policy.settings.clone(), policy))
}
