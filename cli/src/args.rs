//! What can be typed.

use std::path::PathBuf;

#[cfg(feature = "download")]
use carbon_kube_core::Time;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::zone::nearest_name;
use carbon_kube_core::{Span, intensity};
use carbon_kube_datasets::intensity as intensity_files;
use carbon_kube_datasets::intensity::Gaps;
use carbon_kube_datasets::workload::trace;
#[cfg(feature = "download")]
use carbon_kube_providers::config::ProviderName;
use carbon_kube_sim::reproduce::Study;
use carbon_kube_sim::sweep::Shard;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::datasets::import::ImportFormat;
#[cfg(feature = "train")]
use crate::evaluate::args::{EvaluateArgs, TrialArgs, TuneArgs};
use crate::forecast::args::ForecastCommand;
#[cfg(feature = "train")]
use crate::train::args::TrainArgs;

/// Simulate carbon-aware scheduling policies for Kubernetes on real grid history.
#[derive(Debug, Parser)]
#[command(
    name = "carbon-kube",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 a check failed, 2 could not run, 130 interrupted.\n\n\
                  Examples:\n  carbon-kube sim run scenarios/quickstart.yaml\n  \
                  carbon-kube datasets list\n  carbon-kube help sim run"
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run or check a scenario
    Sim {
        #[command(subcommand)]
        command: SimCommand,
    },
    /// Make one HTML page of the results of a run
    Report(ReportArgs),
    /// Run the studies of published papers, and compare with what they print
    Reproduce(ReproduceArgs),
    /// Policies: what is shipped, what a cluster loads, whether a file is right
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Judge policies on weeks that they have not seen, beside the best rules and the bound
    #[cfg(feature = "train")]
    Evaluate(EvaluateArgs),
    /// Search the settings of a rule; write the best as a policy
    #[cfg(feature = "train")]
    Tune(TuneArgs),
    /// About the scenario format
    Scenario {
        #[command(subcommand)]
        command: ScenarioCommand,
    },
    /// Grid data: what is bundled, and what a file holds
    Datasets {
        #[command(subcommand)]
        command: DatasetsCommand,
    },
    /// Train a tuner, which shifts a rule's threshold, and export the best
    #[cfg(feature = "train")]
    Train(TrainArgs),
    /// Forecasts of carbon intensity: train, judge, print, draw
    Forecast {
        #[command(subcommand)]
        command: ForecastCommand,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  carbon-kube completions bash > /etc/bash_completion.d/carbon-kube"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Run every policy of a scenario and compare them
    Run(RunArgs),
    /// Compare policies over several seeds, with intervals
    Compare(CompareArgs),
    /// Run every combination of some values, seeds and policies; a Parquet row per run
    Sweep(SweepArgs),
    /// Report every problem of a scenario, with line, column and hint
    Validate(ValidateArgs),
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Write a policy as a ConfigMap for the cluster, or as a folder to edit
    Export(ExportArgs),
    /// Check policies: checksum, version, rule, settings, bounds
    Verify(VerifyArgs),
    /// Run two policies on the same jobs, and show where they decide differently
    #[cfg(feature = "train")]
    Diff(Box<DiffArgs>),
    /// Show what a policy is made of: its card, the inputs of its network and their ranges
    Inspect(InspectArgs),
    /// List the shipped policies and the rules
    List(PolicyListArgs),
}

#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Print the JSON Schema of the scenario format
    #[command(after_help = "Example:\n  carbon-kube scenario schema > scenario.schema.json")]
    Schema,
}

#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// List the grid data that needs no file
    List(ListArgs),
    /// Bring grid data, workload traces and clusters from the files of others into forms of ours
    Import(ImportArgs),
    /// Mean, spread, daily swing and gaps of a zone or a file, and a picture of them
    Stats(StatsArgs),
    /// Turn a series that was imported from CSV into Parquet, or back
    Convert(ConvertArgs),
    /// Bring the history of a zone from a live source
    #[cfg(feature = "download")]
    Download(DownloadArgs),
    /// Fit the typical-year model to files in the open format
    FitTypicalYear(FitArgs),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    #[value(alias = "text")]
    Table,
    /// For programs
    Json,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  carbon-kube sim run scenarios/quickstart.yaml\n  \
                  carbon-kube sim run scenarios/quickstart.yaml --policy threshold --policy percentile\n  \
                  carbon-kube sim run scenarios/quickstart.yaml --policy percentile-v1 --policy ./mine\n  \
                  carbon-kube sim run scenarios/extender-only.yaml --record-decisions decisions.jsonl\n  \
                  carbon-kube sim run week.yaml --set spec.nodePools[0].count=40 --seed 9 --out runs/more\n  \
                  carbon-kube sim run week.yaml --format json --quiet | jq '.runs[].savingPercent'")]
pub struct RunArgs {
    /// The scenario file (YAML)
    pub scenario: PathBuf,
    /// Folder for the results; if not given, `runs/<scenario>-<time>`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the results in --out
    #[arg(long, requires = "out")]
    pub overwrite: bool,
    /// What to print: a table, or summary.json alone
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Use this seed in place of the scenario's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Change a field of the scenario; can be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Run this policy only, beside the reference: one of the scenario, a rule, a shipped policy, or
    /// a folder with `policy.yaml`; can be given several times
    #[arg(long, value_name = "NAME|DIR")]
    pub policy: Vec<String>,
    /// Runs at a time; if not given, one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Also bound what all jobs could save on these nodes: a linear programme, for small scenarios;
    /// needs the feature `bound`
    #[arg(long)]
    pub bound: bool,
    /// Also write events.jsonl: every event of every run
    #[arg(long)]
    pub events: bool,
    /// Also write every scheduling cycle as requests to the extender, a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub record_decisions: Option<PathBuf>,
    /// Print the result and errors, nothing else
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Seeds are pairs: under one seed every policy meets the same pods, outages and \
                  forecasts. Intervals are 95 % bootstrap intervals of the mean. Ctrl-C keeps the \
                  seeds that are finished.\n\n\
                  Examples:\n  carbon-kube sim compare week.yaml --seeds 10\n  \
                  carbon-kube sim compare week.yaml --policies percentile,lowest-zone --seeds 30\n  \
                  carbon-kube sim compare week.yaml --json --quiet | jq '.pairs[] | select(.toldApart | not)'\n  \
                  carbon-kube sim compare week.yaml --out runs/compared"
)]
pub struct CompareArgs {
    /// The scenario file (YAML)
    pub scenario: PathBuf,
    /// Policies beside the reference, as `--policy` of `sim run` takes them; if not given, all of the
    /// scenario's
    #[arg(long, value_name = "NAME|DIR", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// How many seeds, counted from the scenario's on
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub seeds: u64,
    /// Change a field of the scenario; can be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Folder for comparison.json and runs.parquet; if not given, nothing is written
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What to print: a table, or comparison.json alone
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Runs at a time; if not given, one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print the result and errors, nothing else
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Studies: lwa-1 and lwa-2 (\"Let's Wait Awhile\", nightly jobs and an ML project), gaia, \
                  pause-resume, carbonscaler, opendc. A filter can be given several times or with \
                  commas; one that a study does not know changes nothing. docs/reproduction.md tells \
                  the papers, their quirks and our numbers.\n\n\
                  Examples:\n  carbon-kube reproduce lwa-1 --reference DIR --out lwa-1.csv --check\n  \
                  carbon-kube reproduce gaia --reference DIR --trace DE-2020 --policy carbon-time\n  \
                  carbon-kube reproduce lwa-2 --reference DIR --region GB --error 0 --interruptible true"
)]
pub struct ReproduceArgs {
    /// The study: lwa-1, lwa-2, gaia, pause-resume, carbonscaler or opendc
    #[arg(value_parser = study)]
    pub study: NamedStudy,
    /// The folder with traces, jobs and published results
    #[arg(long, value_name = "DIR")]
    pub reference: PathBuf,
    /// The CSV file to write; if not given, the rows are printed
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Compare with the published results; exit with 1 where a number is too far away
    #[arg(long)]
    pub check: bool,
    /// Regions of LWA or zones of OpenDC, such as DE
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub region: Vec<String>,
    /// Hourly traces, such as DE-2020
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub trace: Vec<String>,
    /// First hours of GAIA's month in the trace
    #[arg(long, value_name = "HOUR", value_delimiter = ',')]
    pub start_hour: Vec<usize>,
    /// Deadlines of LWA's second scenario: next_workday, semi_weekly, next_monday
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub deadline: Vec<String>,
    /// Whether jobs of LWA's second scenario may be paused
    #[arg(long, value_name = "BOOL", value_parser = boolean)]
    pub interruptible: Option<bool>,
    /// Forecast errors of LWA, in parts of the trace's mean
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub error: Vec<f64>,
    /// Policies of GAIA, such as carbon-time
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub policy: Vec<String>,
    /// Hours of a window: in pause-resume and carbonscaler the whole, in lwa-1 each way
    #[arg(long, value_name = "HOURS", value_delimiter = ',')]
    pub window_h: Vec<f64>,
    /// Scaling profiles of CarbonScaler, such as nbody100k
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub profile: Vec<String>,
    /// Reserved CPUs of GAIA
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub reserved: Vec<u32>,
    /// Without the mistakes of the authors' code, such as a mean over jobs that were dropped
    #[arg(long)]
    pub strict: bool,
    /// Root of our own forecast errors, where the folder has none of the authors'
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// What to print: a table, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Runs at a time; if not given, one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// No progress, no remarks
    #[arg(long, short)]
    pub quiet: bool,
}

/// `true` or `false`, also as Python writes it.
fn boolean(text: &str) -> Result<bool, String> {
    text.to_ascii_lowercase().parse().map_err(|_| "write `true` or `false`".to_owned())
}

/// A study that was named.
#[derive(Clone, Copy, Debug)]
pub struct NamedStudy(pub Study);

fn study(name: &str) -> Result<NamedStudy, String> {
    let found = Study::ALL.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, study)| NamedStudy(study)).ok_or_else(|| {
        let names = Study::ALL.map(|(known, _)| known);
        match nearest_name(name, names.into_iter()) {
            Some(nearest) => format!("no such study; did you mean `{nearest}`?"),
            None => format!("no such study; there are {}", names.join(", ")),
        }
    })
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "A sweep file has `scenario: FILE`, `set: {PATH: [VALUES]}`, `policies: [NAMES]` and \
                  `seeds: N` or a list. Finished runs are kept in OUT.journal: after Ctrl-C or a \
                  crash the same command goes on. docs/sweeps.md has the whole story.\n\n\
                  Examples:\n  carbon-kube sim sweep sweep.yaml -o nodes.parquet\n  \
                  carbon-kube sim sweep sweep.yaml --shard 0/4 -o part-0.parquet\n  \
                  carbon-kube sim sweep --merge part-*.parquet -o nodes.parquet\n  \
                  carbon-kube sim sweep sweep.yaml --kubernetes --shards 20 --image IMAGE | kubectl apply -f -"
)]
pub struct SweepArgs {
    /// The sweep file (YAML)
    #[arg(required_unless_present = "merge", conflicts_with = "merge")]
    pub sweep: Option<PathBuf>,
    /// The table to write; if not given, the sweep file's name with `.parquet` (and the shard)
    #[arg(long, short, value_name = "FILE", required_unless_present = "sweep")]
    pub out: Option<PathBuf>,
    /// Run one part of several only: `0/4` to `3/4` on four machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Also put the table into an object store, such as `s3://bucket/sweep`; needs the feature `cloud`
    #[arg(long, value_name = "URL", conflicts_with = "merge", value_parser = store_url)]
    pub store: Option<String>,
    /// Put the tables of all shards together: files, or a place in an object store
    #[arg(long, value_name = "FILE|URL", num_args = 1..)]
    pub merge: Vec<PathBuf>,
    /// Print a Kubernetes Job that runs the sweep, a shard per pod, instead of running it
    #[arg(long, conflicts_with_all = ["merge", "shard", "out"], requires = "image")]
    pub kubernetes: bool,
    /// Pods of the Job
    #[arg(long, value_name = "N", default_value_t = 10, requires = "kubernetes", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,
    /// Container image with `carbon-kube` as its entry point
    #[arg(long, requires = "kubernetes")]
    pub image: Option<String>,
    /// Persistent volume claim that takes the tables; with --store, a Secret with credentials
    #[arg(long, default_value = "carbon-kube-sweep", requires = "kubernetes", value_parser = namespace)]
    pub claim: String,
    /// Service account of the pods, whose identity the object store knows
    #[arg(long, value_name = "NAME", requires_all = ["kubernetes", "store"], value_parser = namespace)]
    pub service_account: Option<String>,
    /// Namespace of the Job; if not given, `carbon-kube`
    #[arg(long, value_name = "NS", requires = "kubernetes", value_parser = namespace)]
    pub namespace: Option<String>,
    /// Runs at a time; if not given, one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print the result and errors, nothing else
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  carbon-kube sim validate scenarios/quickstart.yaml --format json"
)]
pub struct ValidateArgs {
    /// The scenario file (YAML)
    pub scenario: PathBuf,
    /// Change a field of the scenario; can be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The page needs no network and no other file. An earlier report is replaced, and \
                  nothing else.\n\n\
                  Examples:\n  carbon-kube report runs/quickstart\n  \
                  carbon-kube report runs/quickstart --out quickstart.html\n  \
                  carbon-kube evaluate --policy plan --format json > table.json\n  \
                  carbon-kube report runs/quickstart --evaluation table.json"
)]
pub struct ReportArgs {
    /// The folder that `sim run` wrote
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// Where to write the page; if not given, `report.html` in RUN_DIR
    #[arg(long, short, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// An evaluation to show as a section: what `evaluate --format json` wrote
    #[cfg(feature = "train")]
    #[arg(long, value_name = "FILE.json")]
    pub evaluation: Option<PathBuf>,
}

/// As what a policy is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PolicyForm {
    /// The manifest of a ConfigMap
    #[default]
    Configmap,
    /// A folder with policy.yaml and SHA256SUMS
    Dir,
    /// The network of a tuner with its normalisation, as a model of opset 13
    Onnx,
}

/// The namespace of an exported ConfigMap, unless told otherwise: that of the chart.
pub const NAMESPACE: &str = "carbon-kube";

#[derive(Debug, ClapArgs)]
#[command(after_help = "Nothing is overwritten: a target that exists is refused.\n\n\
                  Examples:\n  carbon-kube policy export percentile-v1 | kubectl apply -f -\n  \
                  carbon-kube policy export lowest-zone --namespace batch -o lowest-zone.yaml\n  \
                  carbon-kube policy export percentile-v1 --format dir -o mine\n  \
                  carbon-kube policy export ./mine | kubectl apply -f -\n  \
                  carbon-kube policy export ./tuner --format onnx -o tuner.onnx")]
pub struct ExportArgs {
    /// A shipped policy, a rule with its defaults, or a folder with `policy.yaml`
    #[arg(value_name = "NAME|DIR")]
    pub policy: String,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: PolicyForm,
    /// Namespace of the ConfigMap; if not given, `carbon-kube`
    #[arg(long, value_name = "NS", value_parser = namespace)]
    pub namespace: Option<String>,
    /// Where to write it; without it, a manifest goes to standard output
    #[arg(long, short, value_name = "PATH", required_if_eq_any([("format", "dir"), ("format", "onnx")]))]
    pub out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit status: 0 all are right, 1 one is refused, 2 one could not be read.\n\n\
                  Examples:\n  carbon-kube policy verify policies/library/percentile-v1\n  \
                  carbon-kube policy verify mine exported.yaml --format json"
)]
pub struct VerifyArgs {
    /// A folder with `policy.yaml`, the file itself, or the manifest of a ConfigMap
    #[arg(required = true, value_name = "DIR|FILE")]
    pub policies: Vec<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[cfg(feature = "train")]
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The weeks are those of `carbon-kube evaluate`: one zone, room for all jobs, an hour of control. \
                  SHIFT is by how much jobs start later under B.\n\n\
                  Exit status: 0 they decide alike, 1 they do not, 2 could not run.\n\n\
                  Examples:\n  carbon-kube policy diff percentile-v1 plan\n  \
                  carbon-kube policy diff ./mine sac-v1 --intensity EU-DE=DE_2023.csv --top 20\n  \
                  carbon-kube policy diff ./old ./new --format json"
)]
pub struct DiffArgs {
    /// A shipped policy, a rule with its defaults, or a folder with `policy.yaml`
    #[arg(value_name = "A")]
    pub first: String,
    /// The other one
    #[arg(value_name = "B")]
    pub second: String,
    /// How many jobs are shown, those with the greatest difference in grams
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    #[command(flatten)]
    pub trial: TrialArgs,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  carbon-kube policy inspect runs/train-tuner/policy\n  \
                  carbon-kube policy inspect percentile-v1 --format json")]
pub struct InspectArgs {
    /// A shipped policy, a rule with its defaults, or a folder with `policy.yaml`
    #[arg(value_name = "NAME|DIR")]
    pub policy: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  carbon-kube policy list --format json")]
pub struct PolicyListArgs {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  carbon-kube datasets list --format json")]
pub struct ListArgs {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Which question an intensity answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Signal {
    /// Emissions of all generation over all energy
    #[default]
    Average,
    /// Emissions of the plant that answers one more kWh
    Marginal,
}

impl From<Signal> for intensity::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Average => Self::Average,
            Signal::Marginal => Self::Marginal,
        }
    }
}

/// How the files of a zone are to be read.
#[derive(Debug, ClapArgs)]
pub struct ReadArgs {
    /// Which place of a file about several, such as the balancing authority CISO; for others what
    /// was measured, for reports
    #[arg(long)]
    pub area: Option<String>,
    /// Emission factors for a generation mix: local, global or lifecycle; of files with both,
    /// lifecycle takes the lifecycle column
    #[arg(long, visible_alias = "factors")]
    pub factor_set: Option<FactorSet>,
    /// What becomes of gaps and glitches: keep, error, hold, interpolate (both for 6 hours at most)
    /// or same-hour
    #[arg(long, default_value_t)]
    pub gaps: Gaps,
    /// Means over steps of this length, such as 1h; if not given, the step of the files
    #[arg(long, value_name = "SPAN")]
    pub step: Option<Span>,
    /// Column with the start of each step; with --value-column, for a file of intensities
    #[arg(long, requires = "value_column")]
    pub time_column: Option<String>,
    /// Column with the intensity
    #[arg(long, requires = "time_column")]
    pub value_column: Option<String>,
    /// Unit of the intensity
    #[arg(long, default_value = "g/kWh", requires = "value_column")]
    pub unit: String,
    /// Which intensity: of all generation, or of the plant that answers one more kWh; for files
    /// that do not say it
    #[arg(long, value_enum, default_value_t)]
    pub signal: Signal,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = formats(), after_long_help = formats())]
pub struct ImportArgs {
    /// Grid data of one zone in any order (where they overlap they have to agree), one workload
    /// trace, or the objects of a cluster as JSON
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Zone that grid data stand for, which also chooses the local factors; of objects, the grid of
    /// nodes that don't say where they are
    #[arg(long)]
    pub zone: Option<String>,
    /// Where to write: a series as .parquet or .csv, a trace as .csv, a scenario as .yaml
    #[arg(long, short, value_name = "OUT")]
    pub out: PathBuf,
    /// Replace OUT
    #[arg(long)]
    pub overwrite: bool,
    /// The format of the files; if not given, it is detected
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ImportFormat>,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Of objects: numbers in place of the names of namespaces, owners, labels and machines
    #[arg(long)]
    pub anonymise: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// The examples and the formats, from the table of formats.
fn formats() -> String {
    let mut text = "Formats of grid data, which need --zone; detected unless forced:\n".to_owned();
    for format in intensity_files::Format::ALL {
        text.push_str(&format!("  {:<24} {}\n", format.name(), format.about()));
    }
    text.push_str(&format!(
        "\nFormats of workload traces: {}.\nOf a cluster: its objects (kubernetes), or the series of \
         kube-state-metrics as Prometheus answers (prometheus). OUT is a scenario, and the pods of \
         its jobs are beside it in a file that ends in .workload.csv.\n",
        trace::Format::names()
    ));
    text.push_str(
        "\nExamples:\n  carbon-kube datasets import EIA930_BALANCE_2020_*.csv --zone US-TX -o US-TX.parquet\n  \
         carbon-kube datasets import FR_2024_hourly.csv --zone EU-FR --factors lifecycle -o FR.parquet\n  \
         carbon-kube datasets import smard.csv --zone EU-DE --step 1h --gaps interpolate -o DE.csv\n  \
         carbon-kube datasets import log.swf.gz -o log.csv\n  \
         kubectl get nodes,pods,jobs,deployments,statefulsets -A -o json > objects.json\n  \
         carbon-kube datasets import objects.json -o mine.yaml",
    );
    text
}

#[cfg(feature = "download")]
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Keys, unless --config says otherwise, are in ELECTRICITY_MAPS_API_KEY, EIA_API_KEY, \
                  ENTSOE_SECURITY_TOKEN, WATTTIME_USER and WATTTIME_PASSWORD; gb-carbon-intensity needs none.\n\n\
                  Examples:\n  carbon-kube datasets download --zone EU-UK --from 2026-01-01 --to 2026-02-01 \
                  --source gb-carbon-intensity -o UK.parquet\n  \
                  carbon-kube datasets download --zone US-TX --from 2025-01-01 --to 2026-01-01 --source eia -o TX.parquet"
)]
pub struct DownloadArgs {
    /// Zone, such as US-TX
    #[arg(long)]
    pub zone: String,
    /// First instant: a date, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Time,
    /// First instant that is not wanted any more
    #[arg(long, value_name = "TIME")]
    pub to: Time,
    /// Who is asked: electricity-maps, eia, entsoe, gb-carbon-intensity, watttime or carbon-aware-sdk
    #[arg(long, value_name = "NAME")]
    pub source: ProviderName,
    /// Where to write: .parquet or .csv
    #[arg(long, short, value_name = "OUT")]
    pub out: PathBuf,
    /// Replace OUT
    #[arg(long)]
    pub overwrite: bool,
    /// The section `providers` of a poller's configuration, as a file of its own (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  carbon-kube datasets convert US-TX.parquet -o US-TX.csv")]
pub struct ConvertArgs {
    /// A series that `datasets import` or `convert` wrote
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Where to write it: .parquet or .csv
    #[arg(long, short, value_name = "OUT")]
    pub out: PathBuf,
    /// Replace OUT
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  carbon-kube datasets stats US-CA\n  \
                  carbon-kube datasets stats US-CA --signal marginal\n  \
                  carbon-kube datasets stats EU-DE --factor-set lifecycle --chart EU-DE.svg\n  \
                  carbon-kube datasets stats FR_2024_hourly.csv --zone EU-FR\n  \
                  carbon-kube datasets stats mine.csv --zone EU-DE --time-column Datetime \
                  --value-column intensity --unit lb/MWh")]
pub struct StatsArgs {
    /// A zone with bundled or modelled data, or a file in one of the formats of `datasets import`
    #[arg(value_name = "FILE|ZONE")]
    pub source: String,
    /// Zone that a file stands for; it also chooses the local factors
    #[arg(long)]
    pub zone: Option<String>,
    /// The format of the file; if not given, it is detected
    #[arg(long, value_name = "FORMAT")]
    pub file_format: Option<intensity_files::Format>,
    #[command(flatten)]
    pub read: ReadArgs,
    /// Also draw it: hours by days, and the mean day
    #[arg(long, value_name = "OUT.svg")]
    pub chart: Option<PathBuf>,
    /// How the statistics are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  carbon-kube datasets fit-typical-year --zone US-TX --area ERCOT US-TX_*.csv \
                  > typical_year.csv"
)]
pub struct FitArgs {
    /// Files in the open format, one zone, one or more years
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The zone of the files
    #[arg(long)]
    pub zone: String,
    /// What the files measured, for reports
    #[arg(long)]
    pub area: String,
}

/// Splits `path=value` at the first `=`.
fn assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, value)| (path.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not PATH=VALUE, such as `spec.seed=9`"))
}

/// A place in an object store; which stores there are is for the build that has them.
fn store_url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, place)) if !scheme.is_empty() && !place.is_empty() => Ok(text.to_owned()),
        _ => Err("name a place such as `s3://bucket/sweep`, `gs://...` or `az://...`".to_owned()),
    }
}

/// A name that the API server takes for a namespace (RFC 1123, a label).
pub fn namespace(text: &str) -> Result<String, String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if (1..=63).contains(&text.len()) && text.bytes().all(inner) && ends {
        return Ok(text.to_owned());
    }
    Err("use 1 to 63 lower-case letters, digits and, between them, `-`".to_owned())
}
