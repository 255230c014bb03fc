//! `tune`: random search with successive halving over the settings of a rule, or of a training.

mod training;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use carbon_kube_core::cluster::POLICY;
use carbon_kube_policies::Settings;
use carbon_kube_policies::file::{Loaded, PolicyFile, Provenance, TUNER, VERSION};
use carbon_kube_sim::report::{OutputDirectory, ReportError};
use carbon_kube_trainer::evaluation::protocol::Watch;
use carbon_kube_trainer::evaluation::search::{self, Found, Search, Tried};
use serde_json::json;

use crate::args::Format;
use crate::cpu_time;
use crate::evaluate::args::TuneArgs;
use crate::evaluate::zones::{Prepared, prepare};
use crate::evaluate::{candidates, threads};
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::policy::source::CHECKSUMS;
use crate::progress::Overall;

pub fn run(args: &TuneArgs) -> Result<ExitCode, Failure> {
    if let Some(out) = args.out.as_deref().filter(|out| out.symlink_metadata().is_ok()) {
        return Err(Failure::new(format!(
            "{}: there is something of that name already",
            out.display()
        ))
        .of("--out")
        .hint("name another one; nothing is overwritten"));
    }
    match (&args.policy, &args.training) {
        (Some(policy), _) => of_rule(args, policy),
        (None, Some(file)) => training::run(args, file),
        (None, None) => Err(Failure::new("nothing to tune").hint("name a rule with `--policy`")),
    }
}

fn of_rule(args: &TuneArgs, policy: &str) -> Result<ExitCode, Failure> {
    let (rule, from) = candidates::rule(policy)?;
    may_be_searched(&from)?;
    let prepared = prepare(&args.trial, 1)?;
    let search = Search { candidates: args.budget as usize, seed: args.trial.seed };
    let stop = stop_on_interrupt()?;
    let progress = Overall::new(search.steps(&rule, &prepared.trial) as u64, 0, args.trial.quiet);
    let watch = Watch { stop: &stop, progress: &|| progress.advance() };
    let before = cpu_time::seconds();
    let found = threads(args.trial.jobs)?
        .install(|| search::search(&rule, search, &prepared.trial, &watch));
    progress.finish();
    let Ok(found) = found else {
        output::remark("interrupted before the search was over; nothing was written");
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let took = before.zip(cpu_time::seconds()).map(|(before, after)| after - before);
    let (file, yaml) = self::policy(args, policy, &from, &found, &prepared)?;
    if let Some(out) = &args.out {
        write(out, &file, &yaml)?;
    }
    output::print(&match args.format {
        Format::Json => json(&found, took, &prepared.notes),
        Format::Table => text(args, &found, took, &prepared.notes),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn may_be_searched(policy: &Loaded) -> Result<(), Failure> {
    let kind = &policy.file.kind;
    if search::space(kind).is_some() {
        return Ok(());
    }
    let what = if kind == TUNER {
        "a tuner is trained, not searched".to_owned()
    } else {
        format!("the rule `{kind}` has nothing to search")
    };
    let hint = format!("these have: {}", search::searchable().join(", "));
    Err(Failure::new(what).of("--policy").hint(hint))
}

/// The best candidate of the last round, and the settings that the search began with.
fn last(found: &Found) -> Option<(&Tried, &Tried)> {
    let tried = &found.rounds.last()?.tried;
    Some((tried.first()?, tried.iter().find(|tried| tried.candidate == 0)?))
}

/// What was found, as a policy of its own.
fn policy(
    args: &TuneArgs,
    asked: &str,
    from: &Loaded,
    found: &Found,
    prepared: &Prepared,
) -> Result<(Loaded, String), Failure> {
    let kind = from.file.kind.clone();
    let mut validation = std::collections::BTreeMap::new();
    if let Some((best, default)) = last(found) {
        validation.insert("searchSavingPercent".to_owned(), rounded(best.saving_percent));
        validation.insert("searchSavingAtStartPercent".to_owned(), rounded(default.saving_percent));
        validation.insert("searchMissedPercent".to_owned(), rounded(best.missed * 100.0));
    }
    validation.insert("searchCandidates".to_owned(), f64::from(args.budget));
    validation.insert("searchSimulatedWeeks".to_owned(), found.simulated_weeks as f64);
    let file = PolicyFile {
        version: VERSION,
        name: args.name.clone().unwrap_or_else(|| format!("{kind}-tuned")),
        settings: settings(&found.settings),
        tuner: None,
        bounds: from.file.bounds,
        fallback: from.file.fallback.clone(),
        provenance: Provenance {
            description: format!("{kind} with the best settings of a random search"),
            scenario: "evaluation protocol v1".to_owned(),
            seeds: vec![args.trial.seed],
            datasets: prepared.files.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command(args, asked),
            validation,
        },
        kind,
    };
    let yaml =
        serde_saphyr::to_string(&file).expect("a policy file has text keys and plain values");
    let loaded =
        Loaded::parse(&yaml, None).map_err(|error| Failure::new(error.to_string()).of("--name"))?;
    Ok((loaded, yaml))
}

fn settings(rule: &Settings) -> serde_json::Map<String, serde_json::Value> {
    let tagged = serde_json::to_value(rule).expect("settings have text keys and finite numbers");
    tagged[rule.name()].as_object().cloned().unwrap_or_default()
}

/// The command that makes it again, with the names of the files alone: folders differ.
fn command(args: &TuneArgs, policy: &str) -> String {
    let mut command = format!(
        "carbon-kube tune --policy {} --budget {} --seed {}",
        base_name(Path::new(policy)),
        args.budget,
        args.trial.seed
    );
    let mut add = |option: &str, value: &dyn std::fmt::Display| {
        let _ = write!(command, " --{option} {value}");
    };
    if let Some(forecast) = &args.trial.forecast {
        add("forecast", &base_name(Path::new(forecast)));
    }
    if let Some(from) = args.trial.from {
        add("from", &from);
    }
    if let Some(to) = args.trial.to {
        add("to", &to);
    }
    let data = &args.trial.data;
    let columns =
        [("time-column", &data.read.time_column), ("value-column", &data.read.value_column)];
    for (option, column) in columns {
        if let Some(column) = column {
            add(option, column);
        }
    }
    for (option, files) in
        [("intensity", &data.intensity), ("weather", &data.weather), ("mix", &data.mix)]
    {
        for file in files {
            add(option, &format!("{}={}", file.zone, base_name(&file.path)));
        }
    }
    command
}

fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Writes the folder as a whole: whoever sees it sees both files.
fn write(folder: &Path, policy: &Loaded, yaml: &str) -> Result<(), Failure> {
    let write = || -> Result<(), ReportError> {
        let directory = OutputDirectory::create(folder, false)?;
        directory.write(POLICY.1, yaml.as_bytes())?;
        directory.write(CHECKSUMS, format!("{}  {}\n", policy.sha256, POLICY.1).as_bytes())?;
        directory.commit().map(drop)
    };
    write().map_err(|error| Failure::new(error.to_string()).maybe_hint(error.hint()))
}

fn text(args: &TuneArgs, found: &Found, took: Option<f64>, notes: &[String]) -> String {
    let mut text = String::new();
    let compact = |tried: &Tried| serde_json::Value::from(tried.settings.clone()).to_string();
    for (number, round) in (1..).zip(&found.rounds) {
        let candidates = round.tried.len();
        let _ = writeln!(text, "round {number}: {candidates} candidates on {} weeks", round.weeks);
        for tried in round.tried.iter().take(3) {
            let _ = writeln!(text, "  {:6.3} %  {}", tried.saving_percent, compact(tried));
        }
    }
    if let Some((best, default)) = last(found) {
        let _ = writeln!(
            text,
            "found: {} saves {:.3} % on the weeks of the search; the settings at the start, {}, {:.3} %",
            compact(best),
            best.saving_percent,
            compact(default),
            default.saving_percent,
        );
    }
    let cpu = took.map_or_else(String::new, |seconds| format!(", {seconds:.1} CPU s"));
    let _ = writeln!(
        text,
        "budget: {} settings drawn, {} simulated weeks of {} jobs in all{cpu}",
        args.budget, found.simulated_weeks, found.simulated_jobs
    );
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some(out) = &args.out {
        let _ = writeln!(text, "policy: {}", out.display());
    }
    text
}

fn json(found: &Found, took: Option<f64>, notes: &[String]) -> String {
    let json = json!({
        "policy": found.settings,
        "rounds": found.rounds,
        "budget": {
            "simulatedWeeks": found.simulated_weeks,
            "simulatedJobs": found.simulated_jobs,
            "cpuSeconds": took,
        },
        "notes": notes,
    });
    format!("{json:#}\n")
}
