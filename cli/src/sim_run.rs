//! `sim run SCENARIO`: every policy on one world, a table, and a folder of results.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_policies::Settings;
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::report::{self, EventPart, OutputDirectory, ReportError, Written};
use carbon_kube_sim::scenario::{self, Diagnostic, Parsed};
use carbon_kube_sim::world::World;

use crate::args::{Format, RunArgs};
use crate::failure::{Failure, INTERRUPTED};
use crate::output;
use crate::progress::Progress;

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
    parsed.spec.spec.policies = selected(&parsed.spec.spec.policies, &args.policy)?;
    let entries = comparison::entries(parsed.spec.spec.policies.iter().cloned());
    let target = args.out.clone().unwrap_or_else(|| default_target(&world.name));
    let directory = OutputDirectory::create(&target, args.overwrite).map_err(report_failure)?;

    let stop = stop_on_interrupt()?;
    let events = EventFiles::new(&directory, args.events || parsed.spec.spec.outputs.events);
    let outcomes = compare(&world, &entries, args, &stop, &events)?;
    let finished: Vec<&Outcome> = outcomes.iter().flatten().collect();
    let complete = finished.len() == entries.len();
    if finished.is_empty() {
        output::remark("interrupted before a run was finished; nothing was written");
        return Ok(ExitCode::from(INTERRUPTED));
    }

    let outputs = &parsed.spec.spec.outputs;
    let written = Written {
        scenario: &scenario::effective_yaml(&parsed.spec),
        events: &events.parts(&outcomes),
        pods: outputs.pods,
        zones: outputs.zones,
        charts: outputs.charts,
        complete,
    };
    let summary =
        report::write_all(&directory, &world, &finished, &written).map_err(report_failure)?;
    events.remove();
    let target = directory.commit().map_err(report_failure)?;

    match args.format {
        Format::Json => output::print(&report::to_json(&summary))?,
        Format::Table => output::print(&report::table(&summary))?,
    }
    if !args.quiet {
        let json = args.format == Format::Json;
        let place = format!("results: {}", target.display());
        if json { output::remark(&place) } else { output::print(&format!("{place}\n"))? }
    }
    if complete {
        return Ok(ExitCode::SUCCESS);
    }
    output::remark(&format!(
        "interrupted: {} of {} runs were finished and kept",
        finished.len(),
        entries.len()
    ));
    Ok(ExitCode::from(INTERRUPTED))
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
    let text = std::fs::read(path).map_err(|error| {
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
fn selected(all: &[Settings], names: &[String]) -> Result<Vec<Settings>, Failure> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut selected: Vec<Settings> = all.first().cloned().into_iter().collect();
    for name in names {
        let listed = all.iter().filter(|settings| settings.name() == name);
        let mut found: Vec<Settings> = listed.cloned().collect();
        if found.is_empty() {
            found.push(Settings::by_name(name).ok_or_else(|| unknown_policy(name))?);
        }
        for settings in found {
            if !selected.contains(&settings) {
                selected.push(settings);
            }
        }
    }
    Ok(selected)
}

fn unknown_policy(name: &str) -> Failure {
    let known: Vec<&str> = Settings::all().iter().map(Settings::name).collect();
    let nearest = carbon_kube_core::zone::nearest_name(name, known.iter().copied());
    let hint = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    Failure::new(format!("--policy: there is no policy `{name}`")).hint(hint)
}

fn compare(
    world: &World,
    entries: &[Entry],
    args: &RunArgs,
    stop: &AtomicBool,
    events: &EventFiles,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let progress = Progress::new(entries, world.start, world.end, args.quiet);
    let open = |position: usize| events.open(position);
    let watch = Watch {
        stop,
        progress: &|position, now| progress.advance(position, now),
        events: events.wanted.then_some(&open),
    };
    let results = comparison::compare(world, entries, args.jobs.unwrap_or(0).into(), &watch)
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
    progress.finish();
    results
        .into_iter()
        .map(|result| match result {
            Ok(outcome) => Ok(Some(outcome)),
            Err(RunError::Interrupted) => Ok(None),
            Err(error @ RunError::Events(_)) => Err(Failure::new(error.to_string())),
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

/// `runs/<scenario>-<time>`: a new folder for each run.
fn default_target(scenario: &str) -> PathBuf {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let stamp = now.datetime().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = |attempt: u32| match attempt {
        0 => PathBuf::from(format!("runs/{scenario}-{stamp}")),
        n => PathBuf::from(format!("runs/{scenario}-{stamp}-{n}")),
    };
    (0..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

fn report_failure(error: ReportError) -> Failure {
    let hint = error.hint();
    Failure::new(error.to_string()).maybe_hint(hint)
}

/// The event log of each run, in a file of its own until they are joined.
struct EventFiles {
    wanted: bool,
    folder: PathBuf,
}

impl EventFiles {
    fn new(directory: &OutputDirectory, wanted: bool) -> Self {
        Self { wanted, folder: directory.path().to_owned() }
    }

    fn path(&self, position: usize) -> PathBuf {
        self.folder.join(format!("events-{position}.part"))
    }

    fn open(&self, position: usize) -> std::io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(BufWriter::new(File::create(self.path(position))?)))
    }

    fn parts(&self, outcomes: &[Option<Outcome>]) -> Vec<EventPart> {
        let finished = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_some());
        let parts = finished.map(|(position, _)| EventPart::File(self.path(position)));
        if self.wanted { parts.collect() } else { Vec::new() }
    }

    /// Takes the parts away; what is left of an interrupted run goes with them.
    fn remove(&self) {
        for position in 0.. {
            if std::fs::remove_file(self.path(position)).is_err() {
                break;
            }
        }
    }
}
