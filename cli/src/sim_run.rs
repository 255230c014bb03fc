//! `sim run SCENARIO`: every policy on one world, a table, and a folder of results.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_policies::Settings;
use carbon_kube_policies::file::{Bounds, PolicyFile};
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::report::{self, OutputDirectory, ReportError, Summary, Written};
use carbon_kube_sim::scenario::{self, Diagnostic, Parsed};
use carbon_kube_sim::world::World;

use crate::args::{Format, RunArgs};
use crate::failure::{Failure, INTERRUPTED};
use crate::output;
use crate::policy::source;
use crate::progress::Progress;
use crate::run_files::RunFiles;

pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let mut overrides = args.set.clone();
    if let Some(seed) = args.seed {
        overrides.push(("spec.seed".to_owned(), seed.to_string()));
    }
    let (mut parsed, world) = match load(&args.scenario, &overrides)? {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            output::remark(diagnostics_text(&diagnostics).trim_end());
            return Err(Failure::reported());
        }
    };
    if !args.quiet && !parsed.warnings.is_empty() {
        output::remark(diagnostics_text(&parsed.warnings).trim_end());
    }
    if let Some(file) = &args.record_decisions {
        can_be_written(file)?;
    }
    let entries = selected(&parsed.spec.spec.policies, args)?;
    parsed.spec.spec.policies = entries.iter().map(|entry| entry.settings.clone()).collect();
    // Before there is a folder: a Ctrl-C between the two would leave it behind.
    let stop = stop_on_interrupt()?;
    let directory = directory(args, &world.name)?;
    let logs = Logs::new(args, parsed.spec.spec.outputs.events, &directory, &stop);
    let outcomes = compare(&world, &entries, args, &stop, &logs)?;
    let finished = outcomes.iter().flatten().count();
    if finished == 0 {
        output::remark("interrupted before a run was finished; nothing was written");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let (summary, target) = keep(directory, &world, &parsed, &outcomes, &logs)?;
    show(&summary, &target, args)?;
    if finished == entries.len() {
        return Ok(ExitCode::SUCCESS);
    }
    let all = entries.len();
    output::remark(&format!("interrupted: {finished} of {all} runs were finished and kept"));
    Ok(ExitCode::from(INTERRUPTED))
}

/// Refuses a place for a file before hours of simulation, not after.
fn can_be_written(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failure = |problem: &str| {
        let name = file.display();
        Failure::new(format!("--record-decisions: {name}: {problem}"))
    };
    if !folder.unwrap_or(Path::new(".")).is_dir() {
        return Err(failure("its folder does not exist"));
    }
    if file.is_dir() {
        return Err(failure("this is a folder").hint("name a file in it"));
    }
    Ok(())
}

/// What runs write while they go.
struct Logs {
    events: RunFiles,
    decisions: RunFiles,
}

impl Logs {
    fn new(
        args: &RunArgs,
        events: bool,
        directory: &OutputDirectory,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let files =
            |stem, wanted, target| RunFiles::new(stem, wanted, directory, target, Arc::clone(stop));
        let (wanted, target) = (args.events || events, directory.target().join("events.jsonl"));
        let decisions = args.record_decisions.clone();
        Self {
            events: files("events", wanted, target),
            decisions: files("decisions", decisions.is_some(), decisions.unwrap_or_default()),
        }
    }
}

/// Writes the runs that were finished, all under the final name at once.
fn keep(
    directory: OutputDirectory,
    world: &World,
    parsed: &Parsed,
    outcomes: &[Option<Outcome>],
    logs: &Logs,
) -> Result<(Summary, PathBuf), Failure> {
    let finished: Vec<&Outcome> = outcomes.iter().flatten().collect();
    let outputs = &parsed.spec.spec.outputs;
    let written = Written {
        scenario: &scenario::effective_yaml(&parsed.spec),
        events: &logs.events.parts(outcomes),
        pods: outputs.pods,
        zones: outputs.zones,
        charts: outputs.charts,
        complete: finished.len() == outcomes.len(),
    };
    let summary =
        report::write_all(&directory, world, &finished, &written).map_err(report_failure)?;
    let joined = logs.decisions.join(outcomes);
    logs.events.remove(outcomes.len());
    logs.decisions.remove(outcomes.len());
    let target = directory.commit().map_err(report_failure)?;
    // The results are kept, whatever became of the file beside them.
    joined.map_err(report_failure)?;
    Ok((summary, target))
}

/// Prints the result, and where the files are: beside JSON, which stands alone, as a remark.
fn show(summary: &Summary, target: &Path, args: &RunArgs) -> Result<(), Failure> {
    let place = format!("results: {}", target.display());
    match args.format {
        Format::Json => output::print(&report::to_json(summary))?,
        Format::Table => output::print(&report::table(summary))?,
    }
    match args.format {
        _ if args.quiet => Ok(()),
        Format::Json => {
            output::remark(&place);
            Ok(())
        }
        Format::Table => output::print(&format!("{place}\n")),
    }
}

/// A scenario that can run, or everything that is wrong with it.
pub type Loaded = Result<(Parsed, World), Vec<Diagnostic>>;

/// Reads a scenario and its traces.
///
/// # Errors
///
/// Where the file itself can't be read; what is wrong inside it is a [`Diagnostic`].
pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Loaded, Failure> {
    let name = path.display().to_string();
    let text = read(path).map_err(|error| {
        let failure = Failure::new(format!("{name}: can't read the scenario: {error}"));
        if path.is_dir() {
            failure.hint("give the file itself, such as `scenarios/quickstart.yaml`")
        } else {
            failure.hint(
                "bundled examples are in `scenarios/`; `carbon-kube help sim run` shows the usage",
            )
        }
    })?;
    let parsed = match scenario::parse(&text, &name, overrides) {
        Ok(parsed) => parsed,
        Err(diagnostics) => return Ok(Err(diagnostics)),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(scenario::build(&parsed, folder).map(|world| (parsed, world)))
}

/// More bytes than any scenario may have; what is longer is refused by the parser.
const MOST_BYTES: u64 = 32 << 20;

/// Reads a file, but not for ever: `/dev/zero` and a pipe that never ends have no last byte.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Diagnostics for people, and their number.
pub fn diagnostics_text(diagnostics: &[Diagnostic]) -> String {
    let mut text: String = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    if errors > 0 {
        let plural = if errors == 1 { "" } else { "s" };
        text.push_str(&format!(
            "{errors} error{plural}; the codes are explained in docs/scenario-errors.md\n"
        ));
    }
    text
}

/// The policies to run: all, or the reference and those that were asked for.
fn selected(all: &[Settings], args: &RunArgs) -> Result<Vec<Entry>, Failure> {
    if args.policy.is_empty() {
        return Ok(comparison::entries(all.iter().cloned()));
    }
    let mut selected: Vec<Entry> = all.iter().take(1).map(entry).collect();
    for name in &args.policy {
        for entry in asked(all, name, args.quiet)? {
            if !selected.contains(&entry) {
                selected.push(entry);
            }
        }
    }
    Ok(numbered(selected))
}

/// What a name stands for: policies of the scenario before anything else, which then have the
/// scenario's settings.
fn asked(all: &[Settings], name: &str, quiet: bool) -> Result<Vec<Entry>, Failure> {
    let listed = all.iter().filter(|settings| settings.name() == name);
    let found: Vec<Entry> = listed.map(entry).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let policy = source::find(name).map_err(|failure| failure.of("--policy"))?.policy;
    if !quiet {
        warn_of_bounds(&policy.file);
    }
    Ok(vec![Entry { name: policy.file.name, settings: policy.settings }])
}

/// The simulator takes a rule and its settings, and no bounds: a run with narrow ones would say
/// something else than the cluster does.
fn warn_of_bounds(file: &PolicyFile) {
    if file.bounds != Bounds::default() {
        output::remark(&format!(
            "warning: `bounds` of policy `{}` are kept by the cluster, not by this run",
            file.name
        ));
    }
}

fn entry(settings: &Settings) -> Entry {
    Entry { name: settings.name().to_owned(), settings: settings.clone() }
}

/// Gives names that are taken a number, so that every row has a name of its own.
fn numbered(entries: Vec<Entry>) -> Vec<Entry> {
    let mut numbered: Vec<Entry> = Vec::with_capacity(entries.len());
    for Entry { name, settings } in entries {
        let is_free = |name: &String| numbered.iter().all(|entry| entry.name != *name);
        let names = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(names).find(is_free);
        numbered.push(Entry { name: free.unwrap_or(name), settings });
    }
    numbered
}

fn compare(
    world: &World,
    entries: &[Entry],
    args: &RunArgs,
    stop: &AtomicBool,
    logs: &Logs,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let progress = Progress::new(entries, world.start, world.end, args.quiet);
    let open_events = |position: usize| logs.events.open(position);
    let open_decisions = |position: usize| logs.decisions.open(position);
    let watch = Watch {
        stop,
        progress: &|position, now| progress.advance(position, now),
        events: logs.events.wanted.then_some(&open_events),
        decisions: logs.decisions.wanted.then_some(&open_decisions),
    };
    let results = comparison::compare(world, entries, args.jobs.unwrap_or(0).into(), &watch)
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
    progress.finish();
    if let Some(error) = logs.events.failure().or_else(|| logs.decisions.failure()) {
        return Err(report_failure(error));
    }
    results
        .into_iter()
        .map(|result| match result {
            Ok(outcome) => Ok(Some(outcome)),
            Err(RunError::Interrupted) => Ok(None),
            // `logs` knows of it already; no log fails on its way to a file that it has not.
            Err(error) => Err(Failure::new(error.to_string())),
        })
        .collect()
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .map_err(|error| Failure::new(format!("can't watch for Ctrl-C: {error}")))?;
    Ok(stop)
}

/// The folder of results. Without `--out` it is `runs/<scenario>-<time>`, new for each run.
fn directory(args: &RunArgs, scenario: &str) -> Result<OutputDirectory, Failure> {
    let directory = if let Some(target) = &args.out {
        OutputDirectory::create(target, args.overwrite)
    } else {
        let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
        let stamp = now.datetime().strftime("%Y%m%dT%H%M%SZ");
        OutputDirectory::create_numbered(Path::new(&format!("runs/{scenario}-{stamp}")))
    };
    directory.map_err(report_failure)
}

fn report_failure(error: ReportError) -> Failure {
    let hint = match &error {
        ReportError::Exists { .. } => {
            Some("name another folder, or replace the results in it with `--overwrite`")
        }
        _ => error.hint(),
    };
    Failure::new(error.to_string()).maybe_hint(hint)
}
