//! `sim run SCENARIO`: every policy on one world, a table, and a folder of results.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_sim::bound::job::JobBounds;
use carbon_kube_sim::bound::{self, CapacityBound};
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::report::{self, OutputDirectory, ReportError, Summary, Written};
use carbon_kube_sim::scenario::{self, Diagnostic, Parsed};
use carbon_kube_sim::world::World;

use crate::args::{Format, RunArgs};
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::progress::Progress;
use crate::run_files::RunFiles;
use crate::selection::{Chosen, chosen};

pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let mut overrides = args.set.clone();
    if let Some(seed) = args.seed {
        overrides.push(("spec.seed".to_owned(), seed.to_string()));
    }
    let (mut parsed, world) = load(&args.scenario, &overrides)?.map_err(reported)?;
    if !args.quiet && !parsed.warnings.is_empty() {
        output::remark(diagnostics_text(&parsed.warnings).trim_end());
    }
    if let Some(file) = &args.record_decisions {
        can_be_written(file)?;
    }
    let chosen = chosen(&parsed.spec.spec.policies, folder(&args.scenario), &args.policy)
        .map_err(|failure| failure.of("--policy"))?;
    let (entries, written): (Vec<_>, Vec<_>) =
        chosen.into_iter().map(|Chosen { entry, written }| (entry, written)).unzip();
    parsed.spec.spec.policies = written;
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
    let capacity = if args.bound { capacity(&world, &outcomes) } else { None };
    let (summary, target) = keep(directory, &world, &parsed, &outcomes, &logs, capacity.as_ref())?;
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

/// The bound with capacity. Where there is none the runs are kept all the same.
fn capacity(world: &World, outcomes: &[Option<Outcome>]) -> Option<CapacityBound> {
    let finished: Vec<&Outcome> = outcomes.iter().flatten().collect();
    let bound = JobBounds::new(world).and_then(|jobs| bound::with_capacity(&jobs, &finished));
    bound.inspect_err(|error| output::remark(&format!("warning: --bound: {error}"))).ok()
}

/// Writes the runs that were finished, all under the final name at once.
fn keep(
    directory: OutputDirectory,
    world: &World,
    parsed: &Parsed,
    outcomes: &[Option<Outcome>],
    logs: &Logs,
    capacity: Option<&CapacityBound>,
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
        capacity,
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
    let text = scenario_text(path)?;
    Ok(load_text(&text, path, overrides))
}

/// As [`load`], from the text of the file at `path`.
pub fn load_text(text: &[u8], path: &Path, overrides: &[(String, String)]) -> Loaded {
    let parsed = scenario::parse(text, &path.display().to_string(), overrides)?;
    scenario::build(&parsed, folder(path)).map(|world| (parsed, world))
}

/// The folder that a scenario's files lie relative to.
pub fn folder(scenario: &Path) -> &Path {
    scenario.parent().unwrap_or(Path::new("."))
}

/// The bytes of a scenario file.
pub fn scenario_text(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    read(path).map_err(|error| {
        let failure = Failure::new(format!("{name}: can't read the scenario: {error}"));
        if path.is_dir() {
            failure.hint("give the file itself, such as `scenarios/quickstart.yaml`")
        } else {
            failure.hint(
                "bundled examples are in `scenarios/`; `carbon-kube help sim run` shows the usage",
            )
        }
    })
}

/// More bytes than any scenario may have; what is longer is refused by the parser.
const MOST_BYTES: u64 = 32 << 20;

/// Reads a file, but not for ever: `/dev/zero` and a pipe that never ends have no last byte.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Prints what is wrong with a scenario, after which nothing is left to say.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub fn reported(diagnostics: Vec<Diagnostic>) -> Failure {
    output::remark(diagnostics_text(&diagnostics).trim_end());
    Failure::reported()
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

pub fn report_failure(error: ReportError) -> Failure {
    let hint = match &error {
        ReportError::Exists { .. } => {
            Some("name another folder, or replace the results in it with `--overwrite`")
        }
        _ => error.hint(),
    };
    Failure::new(error.to_string()).maybe_hint(hint)
}
