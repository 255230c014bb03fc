//! `policy diff A B`: where two policies decide differently.

use std::process::ExitCode;

use carbon_kube_core::Time;
use carbon_kube_trainer::evaluation::difference::{
    Difference, JobDifference, Ran, ZoneDifference, difference,
};
use carbon_kube_trainer::evaluation::protocol::Watch;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::source::{Source, find};
use crate::args::{DiffArgs, Format};
use crate::evaluate::zones::{Prepared, prepare};
use crate::failure::{CHECK_FAILED, Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::progress::Overall;
use crate::{evaluate, output};

pub fn run(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let (first, second) = (find(&args.first)?, find(&args.second)?);
    let Prepared { trial, notes, forecast, .. } = prepare(&args.trial, 1)?;
    let stop = stop_on_interrupt()?;
    let progress = Overall::new(trial.weeks().len() as u64, 0, args.trial.quiet);
    let watch = Watch { stop: &stop, progress: &|| progress.advance() };
    let policies = [&first.policy.policy(), &second.policy.policy()];
    let found = evaluate::threads(args.trial.jobs)?
        .install(|| difference(&trial, policies, args.top, &watch));
    progress.finish();
    let Ok(found) = found else {
        output::remark("interrupted: nothing was kept");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    output::print(&match args.format {
        Format::Json => json(&first, &second, &forecast, &found, &notes),
        Format::Table => text(&first, &second, &found, &notes),
    })?;
    let differ = found.zones.iter().any(|zone| zone.different > 0);
    Ok(if differ { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

fn json(
    first: &Source,
    second: &Source,
    forecast: &str,
    found: &Difference,
    notes: &[String],
) -> String {
    let policy = |source: &Source| {
        let file = &source.policy.file;
        json!({ "name": file.name, "kind": file.kind, "sha256": source.policy.sha256 })
    };
    let document = json!({
        "first": policy(first),
        "second": policy(second),
        "forecast": forecast,
        "zones": found.zones,
        "jobs": found.jobs,
        "notes": notes,
    });
    format!("{document:#}\n")
}

fn text(first: &Source, second: &Source, found: &Difference, notes: &[String]) -> String {
    let mut text = format!("A  {}\nB  {}\n\n{}\n", line(first), line(second), zones(&found.zones));
    if found.jobs.is_empty() {
        text += "\nthey decide alike on all of these jobs\n";
    } else {
        text += &format!("\nwhere they differ most, in grams:\n{}\n", jobs(&found.jobs));
    }
    for note in notes {
        text += &format!("note: {note}\n");
    }
    text
}

/// A policy in a line: name, kind, and the rule that decides with its settings.
fn line(source: &Source) -> String {
    let (file, settings) = (&source.policy.file, &source.policy.settings);
    let rule = serde_json::to_string(settings).unwrap_or_default();
    let short: String = source.policy.sha256.chars().take(8).collect();
    format!("{} ({}, sha256 {short}...): {rule}", file.name, file.kind)
}

fn zones(zones: &[ZoneDifference]) -> String {
    let header = ["ZONE", "JOBS", "DIFFERENT %", "B EARLIER", "B LATER", "SHIFT h", "A %", "B %"];
    let rows = zones.iter().map(|zone| {
        vec![
            zone.zone.clone(),
            zone.jobs.to_string(),
            format!("{:.1}", 100.0 * zone.different as f64 / zone.jobs.max(1) as f64),
            zone.earlier.to_string(),
            zone.later.to_string(),
            format!("{:+.2}", zone.mean_shift_hours),
            format!("{:.2}", zone.first_saving_percent),
            format!("{:.2}", zone.second_saving_percent),
        ]
    });
    table(&header, rows, 1)
}

fn jobs(jobs: &[JobDifference]) -> String {
    let header =
        ["ZONE", "ARRIVES", "LENGTH h", "MAY WAIT h", "A STARTS", "B STARTS", "A g", "B g"];
    let rows = jobs.iter().map(|job| {
        vec![
            job.zone.clone(),
            minute(job.arrival),
            format!("{:.1}", job.length_hours),
            format!("{:.0}", job.max_delay_hours),
            started(&job.first, job.arrival),
            started(&job.second, job.arrival),
            format!("{:.0}", job.first.grams),
            format!("{:.0}", job.second.grams),
        ]
    });
    table(&header, rows, 2)
}

/// How long after its arrival a job starts, and how often it is paused then.
fn started(ran: &Ran, arrival: Time) -> String {
    let pauses = if ran.pauses > 0 { format!(", {} pauses", ran.pauses) } else { String::new() };
    match ran.start {
        Some(start) => format!("+{:.1} h{pauses}", (start - arrival).hours()),
        None => "never".to_owned(),
    }
}

fn minute(at: Time) -> String {
    at.to_string().chars().take("2021-01-01T00:00".len()).collect()
}

/// Lines of cells; those from the column `numbers` on are set to the right.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, numbers: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    table.trim_fmt()
}
