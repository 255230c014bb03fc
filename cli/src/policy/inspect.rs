//! `policy inspect NAME|DIR`: the card of a policy, and what its network takes.

use std::process::ExitCode;

use carbon_kube_policies::Tuner;
use carbon_kube_policies::file::PolicyFile;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::source::{Source, find};
use crate::args::{Format, InspectArgs};
use crate::failure::Failure;
use crate::output;

pub fn run(args: &InspectArgs) -> Result<ExitCode, Failure> {
    let source = find(&args.policy)?;
    output::print(&match args.format {
        Format::Json => json(&source),
        Format::Table => text(&source),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn json(source: &Source) -> String {
    let file = serde_json::to_value(&source.policy.file).unwrap_or(Value::Null);
    let network = source.policy.tuner.as_ref().map(|tuner| {
        json!({
            "inputs": tuner.network.inputs(),
            "widths": tuner.network.widths(),
            "parameters": parameters(tuner),
        })
    });
    let document = json!({ "file": file, "sha256": source.policy.sha256, "network": network });
    format!("{document:#}\n")
}

fn text(source: &Source) -> String {
    let file = &source.policy.file;
    let mut text = String::new();
    for (name, value) in card(source, file) {
        if !value.is_empty() {
            text += &format!("{name:<12} {value}\n");
        }
    }
    if let Some(tuner) = &source.policy.tuner {
        text += &format!("\n{}\n", inputs(tuner));
    }
    text
}

fn card(source: &Source, file: &PolicyFile) -> Vec<(&'static str, String)> {
    let provenance = &file.provenance;
    let list = |items: Vec<String>| items.join(", ");
    let validation = provenance.validation.iter().map(|(name, value)| format!("{name} {value:.3}"));
    let seeds = provenance.seeds.iter().map(u64::to_string).collect();
    let bounds =
        format!("{} to {} g/kWh", file.bounds.min_grams_per_kwh, file.bounds.max_grams_per_kwh);
    let base = serde_json::to_string(&source.policy.settings).unwrap_or_default();
    let mut card = vec![
        ("name", file.name.clone()),
        ("kind", file.kind.clone()),
        ("about", provenance.description.clone()),
        ("rule", base),
        ("bounds", bounds),
        ("fallback", file.fallback.clone()),
        ("sha256", source.policy.sha256.clone()),
        ("validation", list(validation.collect())),
        ("seeds", list(seeds)),
        ("data", list(provenance.datasets.keys().cloned().collect())),
        ("made with", list(vec![provenance.code_version.clone(), provenance.command.clone()])),
    ];
    if let Some(tuner) = &source.policy.tuner {
        let action = match tuner.action.spreads {
            Some(spreads) => format!("{spreads} spreads of the zone, at most 50 g/kWh"),
            None => format!("{} g/kWh", tuner.action.grams_per_kwh),
        };
        card.push(("shifts by", format!("up to {action}, every {}", tuner.control_interval)));
        card.push(("network", shape(tuner)));
    }
    card
}

fn shape(tuner: &Tuner) -> String {
    let widths = tuner.network.widths();
    let widths: Vec<String> =
        [tuner.network.inputs()].iter().chain(&widths).map(usize::to_string).collect();
    let output = format!("{:?}", tuner.network.output()).to_lowercase();
    format!("{} ({output}), {} parameters", widths.join(" -> "), parameters(tuner))
}

fn parameters(tuner: &Tuner) -> usize {
    tuner.network.layers().iter().map(|(weights, bias)| weights.len() + bias.len()).sum()
}

fn inputs(tuner: &Tuner) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["INPUT", "MEAN", "MIN", "MAX", "CENTER", "SCALE"]);
    for input in &tuner.observation.inputs {
        let name = serde_json::to_value(input.name).unwrap_or_default();
        let number = |value: f64| format!("{value:.3}");
        table.add_row([
            name.as_str().unwrap_or_default().to_owned(),
            number(input.mean),
            number(input.min),
            number(input.max),
            number(input.center),
            number(input.scale),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    table
}
