//! `tune --training train.yaml`: how a tuner is trained best, by validation.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_trainer::tuner::{
    FoundTraining, SearchError, TrainingSearch, TriedTraining, search_training,
};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use crate::args::Format;
use crate::cpu_time;
use crate::evaluate::args::TuneArgs;
use crate::evaluate::threads;
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::progress::Overall;
use crate::train::{plan, seed};

pub fn run(args: &TuneArgs, file: &Path) -> Result<ExitCode, Failure> {
    let (config, data) = plan::settings_and_data(file)?;
    let search = TrainingSearch { candidates: args.budget as usize, seed: args.trial.seed };
    let stop = stop_on_interrupt()?;
    let progress = Overall::new(search.trainings(config.steps) as u64, 0, args.trial.quiet);
    let found = threads(args.trial.jobs)?
        .install(|| search_training(&config, &data, search, &stop, &|| progress.advance()));
    progress.finish();
    let found = match found {
        Ok(found) => found,
        Err(SearchError::Interrupted) => {
            output::remark("interrupted before the search was over; nothing was written");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(SearchError::Lesson(error)) => return Err(seed::lesson_failure(error)),
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    if let Some(out) = &args.out {
        std::fs::write(out, found.config.yaml())
            .map_err(|error| Failure::new(format!("{}: can't write: {error}", out.display())))?;
    }
    output::print(&match args.format {
        Format::Json => json(&found),
        Format::Table => text(&found),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn json(found: &FoundTraining) -> String {
    let document = json!({
        "rounds": found.rounds,
        "steps": found.steps,
        "cpuSeconds": cpu_time::seconds(),
    });
    format!("{document:#}\n")
}

/// The last round in full, the ones before by their best.
fn text(found: &FoundTraining) -> String {
    let mut text = String::new();
    for round in &found.rounds {
        let is_last = round.steps == found.config.steps;
        let shown = if is_last { round.tried.len() } else { 3 };
        text += &format!("{} trainings of {} steps\n", round.tried.len(), round.steps);
        text += &format!("{}\n\n", table(&round.tried[..shown.min(round.tried.len())]));
    }
    text += &format!("{} steps in all", found.steps);
    if let Some(seconds) = cpu_time::seconds() {
        text += &format!(", {seconds:.0} CPU s");
    }
    text += "\nnote: the saving is on the episodes that chose the settings; `carbon-kube evaluate` on \
             other years says what it is worth\n";
    text
}

fn table(tried: &[TriedTraining]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "SAVING %", "OVER RULE", "SETTINGS"]);
    for one in tried {
        let number = |value: Option<f64>, sign: bool| match (value, sign) {
            (Some(value), true) => format!("{value:+.2}"),
            (Some(value), false) => format!("{value:.2}"),
            (None, _) => "diverged".to_owned(),
        };
        let changed = one.settings.iter().map(|(path, value)| {
            let key = path.rsplit('.').next().unwrap_or(path);
            format!("{key} {value}")
        });
        let changed: Vec<String> = changed.collect();
        table.add_row([
            one.candidate.to_string(),
            number(one.saving_percent, false),
            number(one.gain_over_rule_percent, true),
            if changed.is_empty() { "as they were".to_owned() } else { changed.join(", ") },
        ]);
    }
    for column in table.column_iter_mut().take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
