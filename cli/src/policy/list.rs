//! `policy list`: what can be exported and run by name.

use std::process::ExitCode;

use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::{Settings, library};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::rule;
use crate::args::{Format, PolicyListArgs};
use crate::failure::Failure;
use crate::output;

pub fn run(args: &PolicyListArgs) -> Result<ExitCode, Failure> {
    let shipped: Vec<Loaded> = library::ALL
        .iter()
        .map(|shipped| shipped.load().expect("shipped policies are right, as a test shows"))
        .collect();
    let rules = Settings::all();
    output::print(&match args.format {
        Format::Json => json(&shipped, &rules),
        Format::Table => table(&shipped, &rules),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn json(shipped: &[Loaded], rules: &[Settings]) -> String {
    let policy = |policy: &Loaded| {
        json!({
            "name": policy.file.name,
            "kind": policy.file.kind,
            "sha256": policy.sha256,
            "description": policy.file.provenance.description,
            "validation": policy.file.provenance.validation,
        })
    };
    let rule = |settings: &Settings| {
        json!({
            "name": settings.name(),
            "settings": rule::settings(settings),
            "description": rule::description(settings.name()),
        })
    };
    let policies: Vec<Value> = shipped.iter().map(policy).collect();
    let rules: Vec<Value> = rules.iter().map(rule).collect();
    format!("{:#}\n", json!({ "policies": policies, "rules": rules }))
}

fn table(shipped: &[Loaded], rules: &[Settings]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "WHAT", "DESCRIPTION"]);
    for Loaded { file, .. } in shipped {
        let what = format!("policy of {}", file.kind);
        table.add_row([&file.name, &what, first_clause(&file.provenance.description)]);
    }
    for settings in rules {
        let name = settings.name();
        table.add_row([name, "rule", first_clause(&rule::description(name))]);
    }
    // Lines begin with the name, so that `grep ^` and `cut` do what they seem to do.
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    format!("{}\n", table.trim_fmt())
}

/// The beginning of a description, short enough for a line.
fn first_clause(text: &str) -> &str {
    let end = [". ", "; "].iter().filter_map(|end| text.find(end)).min();
    end.map_or(text, |end| &text[..end]).trim_end_matches('.')
}
