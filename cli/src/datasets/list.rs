//! `datasets list`: what needs no file.

use std::process::ExitCode;

use carbon_kube_core::typical_year;
use carbon_kube_datasets::bundled;
use comfy_table::{Table, presets};
use serde_json::json;

use crate::args::{Format, ListArgs};
use crate::failure::Failure;
use crate::output;

pub fn run(args: &ListArgs) -> Result<ExitCode, Failure> {
    let modelled: Vec<&str> = typical_year::zones().map(|zone| zone.as_str()).collect();
    match args.format {
        Format::Json => {
            let measured: Vec<_> = bundled::catalogue()
                .iter()
                .map(|b| {
                    json!({
                        "zone": b.zone, "area": b.area, "signal": b.signal, "firstYear": b.first_year,
                        "lastYear": b.last_year, "source": b.source, "licence": b.licence,
                    })
                })
                .collect();
            let json = json!({"measured": measured, "modelled": modelled});
            output::print(&format!("{json:#}\n"))?;
        }
        Format::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header(["ZONE", "AREA", "SIGNAL", "YEARS", "SOURCE", "LICENCE"]);
            for b in bundled::catalogue() {
                let years = if b.first_year == b.last_year {
                    b.first_year.to_string()
                } else {
                    format!("{}-{}", b.first_year, b.last_year)
                };
                table.add_row([b.zone, b.area, &b.signal.to_string(), &years, b.source, b.licence]);
            }
            // Lines begin with the zone, so that `grep ^US` and `cut` do what they seem to do.
            if let Some(zones) = table.column_mut(0) {
                zones.set_padding((0, 1));
            }
            let text = format!(
                "{}\n\nTypical-year model for any period (labelled `modelled`): {}\n\
                 US-NE is New England, not Nebraska.\n",
                table.trim_fmt(),
                modelled.join(", ")
            );
            output::print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
