//! What can be typed after `carbon-kube evaluate` and `carbon-kube tune`.

use std::path::PathBuf;

use carbon_kube_core::Time;
use clap::Args as ClapArgs;

use crate::args::Format;
use crate::forecast::args::DataArgs;

/// What policies are judged on.
#[derive(Debug, ClapArgs)]
#[command(mut_arg("intensity", |arg| arg.required(false)))]
pub struct TrialArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// How policies see the future: a shipped forecast or a folder, or perfect, persistence, yesterday
    /// (the same hour of it) or noisy (errors that grow); if not given, the shipped one
    #[arg(long, value_name = "NAME|DIR")]
    pub forecast: Option<String>,
    /// Judge weeks from here on; hours before it are the past that policies see
    #[arg(long, value_name = "TIME")]
    pub from: Option<Time>,
    /// Judge weeks whose last job ends before
    #[arg(long, value_name = "TIME")]
    pub to: Option<Time>,
    /// Root of the jobs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Runs at a time; if not given, one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print the result and errors, nothing else
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Each zone is cut into weeks; in each of them every policy meets the same jobs. docs/evaluation.md \
                  is the protocol: splits, numbers, and what counts as better. Without --intensity \
                  the bundled year 2020 is taken, on which policies were trained.\n\n\
                  Examples:\n  carbon-kube evaluate\n  \
                  carbon-kube evaluate --policy percentile-v1 --policy plan --policy ./mine \\\n    \
                  --intensity EU-DE=DE_2023.csv --intensity US-CA=CA_2023.csv --html table.html\n  \
                  carbon-kube evaluate --policy plan --policy sac=seed-1,seed-2,seed-3 --intensity EU-DE=DE_2023.csv\n  \
                  carbon-kube evaluate --training runs/sac --policy plan\n  \
                  carbon-kube evaluate --scenario week.yaml --policy plan --seeds 10 --format json"
)]
pub struct EvaluateArgs {
    /// A rule, a shipped policy, or a folder with `policy.yaml`; NAME=DIR,DIR,... are the seeds of one
    /// training; can be given several times. If not given, the baselines of the protocol and what is
    /// shipped
    #[arg(long, value_name = "NAME|DIR")]
    pub policy: Vec<String>,
    /// Judge on this scenario in place of the protocol's world
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["protocol", "intensity", "weather", "mix", "forecast", "from", "to", "against", "html"]
    )]
    pub scenario: Option<PathBuf>,
    /// Judge in the episodes that the training in this folder validated on, its seeds and what
    /// `--policy` names: each seed has the number that its training logged, or this fails
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["scenario", "protocol", "intensity", "weather", "mix", "forecast", "from", "to", "against", "html", "seeds", "seed"]
    )]
    pub training: Option<PathBuf>,
    /// Version of the protocol
    #[arg(long, value_name = "VERSION", default_value = "v1", value_parser = ["v1"])]
    pub protocol: String,
    #[command(flatten)]
    pub trial: TrialArgs,
    /// How often the jobs of a week are drawn, or seeds of the scenario; if not given, 1 of a week,
    /// 10 of a scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub seeds: Option<u32>,
    /// The policy of the table that the others are held against; if not given, the best rule
    #[arg(long, value_name = "NAME")]
    pub against: Option<String>,
    /// How the result is printed: a table (text) or JSON
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also write the tables as a page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Random search with successive halving: many settings on a few weeks, the best third of them on \
                  three times as many, and so on; the settings to start from go through to the end. The \
                  saving that it prints is on the weeks of the search: `carbon-kube evaluate` on other \
                  years says what it is worth.\n\n\
                  Examples:\n  carbon-kube tune --policy percentile --intensity EU-DE=DE_2020.csv --out tuned\n  \
                  carbon-kube tune --training train.yaml --budget 18 --out best.yaml\n  \
                  carbon-kube tune --policy plan --budget 27 --forecast mine \\\n    \
                  --intensity EU-DE=DE_2020.csv --intensity US-CA=CA_2020.csv --out plan-tuned"
)]
pub struct TuneArgs {
    /// The rule whose settings are searched, or a policy of such a rule to start from
    #[arg(long, value_name = "NAME|DIR", required_unless_present = "training")]
    pub policy: Option<String>,
    /// Search how a tuner is trained, from these settings on: discount, learning rate, batch, width and
    /// the reach of an action. Each round trains anew, for three times as many steps; `--out` is then
    /// the train.yaml to write
    #[arg(
        long,
        value_name = "train.yaml",
        conflicts_with_all = ["policy", "intensity", "weather", "mix", "forecast", "from", "to", "name"]
    )]
    pub training: Option<PathBuf>,
    #[command(flatten)]
    pub trial: TrialArgs,
    /// How many settings are tried at first
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub budget: u32,
    /// Folder for the policy, or file for the settings of a training; if not given, nothing is written
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Name of the policy; if not given, that of the rule with `-tuned`
    #[arg(long)]
    pub name: Option<String>,
    /// How the trace is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
