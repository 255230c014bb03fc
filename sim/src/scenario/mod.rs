//! The scenario file: from text to a [`World`](crate::world::World) that is ready to run.
//!
//! ```text
//! bytes --yaml--> tree --overrides--> tree --schema--> JSON --serde--> Scenario
//!                                                                         |
//!            World <--build (reads traces)-- Parsed <--check-- resolve <--+
//! ```
//!
//! [`parse`] needs nothing but the text; [`build`] reads the files that the scenario names. Both
//! report every problem they find, each as a [`Diagnostic`] with a stable [`Code`], the line and,
//! where possible, a hint.

mod build;
mod check;
mod cluster;
mod diagnostic;
mod overrides;
mod path;
mod resolve;
mod room;
mod rules;
mod schema;
mod sources;
pub mod spec;
mod yaml;

use serde_json::Value as Json;

pub use build::build;
pub use diagnostic::{Code, Diagnostic, Severity, reference};
pub use spec::Scenario;

use diagnostic::Report;
use path::{Path, Tree};
use yaml::Position;

/// A scenario that is valid as far as can be said without reading its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The scenario, with every default filled in.
    pub spec: Scenario,
    /// What its author should know, though it can be used.
    pub warnings: Vec<Diagnostic>,
    file: String,
    tree: Tree,
}

/// Reads a scenario and checks it. `file_name` is used in messages only. `overrides` are pairs of
/// path and value, as `--set spec.seed=9` gives them.
///
/// # Errors
///
/// Everything that is wrong, and the warnings, in the order of the file.
pub fn parse(
    text: &[u8],
    file_name: &str,
    overrides: &[(String, String)],
) -> Result<Parsed, Vec<Diagnostic>> {
    let mut report = Report::new(file_name);
    let Some(mut root) = yaml::parse(text, &mut report) else {
        return Err(report.into_sorted());
    };
    overrides::apply(&mut root, overrides, &mut report);
    let json = schema::check(&root, &json_schema(), &mut report);
    if report.has_errors() {
        return Err(report.into_sorted());
    }
    let mut spec = match serde_json::from_value::<Scenario>(json) {
        Ok(spec) => spec,
        Err(error) => {
            let message = format!("the schema allows it, but: {error}");
            report.error_at(Code::Mismatch, Position::default(), &Path::default(), message);
            return Err(report.into_sorted());
        }
    };
    let tree = Tree(root);
    let mut report = report.with_tree(&tree);
    resolve::fill(&mut spec, &mut report);
    check::check(&spec, &mut report);
    if report.has_errors() {
        return Err(report.into_sorted());
    }
    let warnings = report.into_sorted();
    Ok(Parsed { spec, warnings, file: file_name.to_owned(), tree })
}

/// The JSON Schema of a scenario, for editors and for the reference.
#[must_use]
pub fn json_schema() -> Json {
    schemars::schema_for!(Scenario).to_value()
}

/// The scenario as YAML with every default filled in. Reading it back gives the same scenario.
#[must_use]
pub fn effective_yaml(scenario: &Scenario) -> String {
    serde_saphyr::to_string(scenario).expect("a scenario has text keys and plain values only")
}
