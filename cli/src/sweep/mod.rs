//! `sim sweep`: every combination of some values, seeds and policies.

mod kubernetes;
mod merge;
mod run;
#[cfg(not(feature = "cloud"))]
#[path = "no_store.rs"]
mod store;
#[cfg(feature = "cloud")]
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_kube_sim::comparison::Entry;
use carbon_kube_sim::scenario::spec::PolicyEntry;
use carbon_kube_sim::scenario::{self, Parsed};
use carbon_kube_sim::sweep::{Plan, SweepError, SweepFile};

use crate::args::SweepArgs;
use crate::failure::Failure;
use crate::selection::selected;
use crate::sim_run::{folder, read, reported, scenario_text};

pub fn run(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let Some(file) = &args.sweep else { return merge::run(args) };
    let sweep = Sweep::read(file)?;
    match &args.image {
        Some(image) if args.kubernetes => kubernetes::print(args, image, &sweep),
        _ => run::run(args, &sweep),
    }
}

/// A sweep file and its scenario, both found to be right.
struct Sweep {
    /// The sweep file.
    path: PathBuf,
    /// Its text.
    text: String,
    /// The scenario's file.
    scenario_path: PathBuf,
    /// Its text.
    scenario: Vec<u8>,
    /// The scenario as it is without changes.
    base: Parsed,
    /// Policies beside the reference.
    policies: Vec<String>,
    plan: Plan,
}

impl Sweep {
    fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let bytes = read(path)
            .map_err(|error| Failure::new(format!("{name}: can't read the sweep: {error}")))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{name}: this is no UTF-8 text")))?;
        let placed = |error: SweepError| sweep_failure(error).of(&name.to_string());
        let file = SweepFile::parse(&text).map_err(placed)?;
        let scenario_path = path.parent().unwrap_or(Path::new(".")).join(&file.scenario);
        let scenario = scenario_text(&scenario_path)?;
        let scenario_name = scenario_path.display().to_string();
        let base = scenario::parse(&scenario, &scenario_name, &[]).map_err(reported)?;
        let policies = file.policies.clone().unwrap_or_default();
        if file.policies.as_ref().is_some_and(Vec::is_empty) {
            return Err(placed(SweepError::Nothing("`policies` is empty".into())));
        }
        let spec = &base.spec.spec;
        let entries = selected(&spec.policies, folder(&scenario_path), &policies)
            .map_err(|failure| failure.of(&format!("{name}: policies")))?;
        let plan = file.plan(spec.seed, entries.len()).map_err(placed)?;
        let path = path.to_owned();
        let sweep = Self { path, text, scenario_path, scenario, base, policies, plan };
        sweep.check_values()?;
        Ok(sweep)
    }

    /// Tries each value by itself, the others at their first: a slip in the last of a thousand
    /// combinations should not cost the time of the others.
    fn check_values(&self) -> Result<(), Failure> {
        let first = self.plan.cell(0);
        for (position, (_, values)) in self.plan.axes().iter().enumerate() {
            for value in values {
                let mut cell = first.clone();
                cell.values[position] = value.clone();
                self.parse(&self.plan.overrides(&cell)).map_err(reported)?;
            }
        }
        Ok(())
    }

    fn parse(
        &self,
        overrides: &[(String, String)],
    ) -> Result<Parsed, Vec<carbon_kube_sim::scenario::Diagnostic>> {
        scenario::parse(&self.scenario, &self.scenario_path.display().to_string(), overrides)
    }

    /// The policies of a cell, the reference first.
    fn entries(&self, policies: &[PolicyEntry]) -> Result<Vec<Entry>, Failure> {
        selected(policies, folder(&self.scenario_path), &self.policies)
    }

    /// Identifies the sweep, its policies' settings included.
    fn digest(&self) -> Result<String, Failure> {
        let entries = self.entries(&self.base.spec.spec.policies)?;
        let policies = format!("{entries:?}");
        Ok(self.plan.digest(&[&self.scenario, policies.as_bytes()]))
    }
}

/// An error of a sweep, for people.
pub fn sweep_failure(error: SweepError) -> Failure {
    let hint = error.hint();
    Failure::new(error.to_string()).maybe_hint(hint)
}
