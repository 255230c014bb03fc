//! `sim validate FILE`: every problem at once.

use std::process::ExitCode;

use carbon_kube_sim::report;

use crate::args::{Format, ValidateArgs};
use crate::failure::{CHECK_FAILED, Failure};
use crate::output;
use crate::sim_run::{diagnostics_text, load};

pub fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let mut traces = Vec::new();
    let (diagnostics, summary) = match load(&args.scenario, &args.set)? {
        Ok((parsed, world)) => {
            let summary = format!(
                "{} is valid: {}, {}, {}, {}\n",
                args.scenario.display(),
                counted(world.zones.len(), "zone", "zones"),
                counted(world.pools.iter().map(|pool| pool.count as usize).sum(), "node", "nodes"),
                counted(world.pods.len(), "pod", "pods"),
                counted(parsed.spec.spec.policies.len(), "policy", "policies"),
            );
            traces = world.traces;
            (parsed.warnings, Some(summary))
        }
        Err(diagnostics) => (diagnostics, None),
    };
    match args.format {
        Format::Json => {
            let mut json =
                serde_json::json!({"valid": summary.is_some(), "diagnostics": diagnostics});
            if !traces.is_empty() {
                json["traces"] = serde_json::json!(traces);
            }
            output::print(&format!("{json:#}\n"))?;
        }
        Format::Table => {
            output::print(&diagnostics_text(&diagnostics))?;
            output::print(summary.as_deref().unwrap_or_default())?;
            output::print(&report::traces(&traces))?;
        }
    }
    Ok(if summary.is_some() { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
