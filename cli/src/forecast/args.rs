//! What can be typed after `carbon-kube forecast`.

use std::path::PathBuf;

#[cfg(feature = "train")]
use carbon_kube_core::Span;
use carbon_kube_core::{Time, Zone};
use carbon_kube_datasets::intensity::Format as FileFormat;
#[cfg(feature = "train")]
use carbon_kube_trainer::forecast::Learners;
use clap::{Args as ClapArgs, Subcommand};

use crate::args::{Format, ReadArgs};

#[derive(Debug, Subcommand)]
pub enum ForecastCommand {
    /// Train models of zones and a general one; write a folder that scenarios and clusters load
    #[cfg(feature = "train")]
    Train(TrainArgs),
    /// Say how far forecasts are off, and what planning with them saves
    #[cfg(feature = "train")]
    Evaluate(EvaluateArgs),
    /// Print the forecast of the next four days
    Predict(PredictArgs),
    /// Draw a forecast with its interval, and what came of it
    Plot(PlotArgs),
    /// Write a forecast as a ConfigMap for the cluster
    Export(ExportArgs),
}

/// A file of a zone.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    pub zone: Zone,
    pub path: PathBuf,
}

/// The data of zones.
#[derive(Debug, ClapArgs)]
pub struct DataArgs {
    /// Carbon intensity of a zone, in any format of `datasets import`; can be given several times,
    /// also for one zone
    #[arg(long, required = true, value_name = "ZONE=FILE", value_parser = zone_file)]
    pub intensity: Vec<ZoneFile>,
    /// Weather that was *forecast* for a zone: hourly means of GFS, or Open-Meteo; can be given
    /// several times
    #[arg(long, value_name = "ZONE=FILE", value_parser = zone_file)]
    pub weather: Vec<ZoneFile>,
    /// Generation by fuel of a zone, in the open format (columns `coal_mw` to `other_mw`); can be given
    /// several times
    #[arg(long, value_name = "ZONE=FILE", value_parser = zone_file)]
    pub mix: Vec<ZoneFile>,
    /// The format of the intensity files; if not given, it is detected
    #[arg(long, value_name = "FORMAT")]
    pub file_format: Option<FileFormat>,
    #[command(flatten)]
    pub read: ReadArgs,
}

#[cfg(feature = "train")]
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Each zone gets a model of its own, with weather one more; the general model serves \
                  zones that have none. A minute for each zone and year is ample.\n\n\
                  Example:\n  carbon-kube forecast train --name mine --out mine \\\n    \
                  --intensity EU-DE=DE_2020.csv --intensity EU-DE=DE_2021.csv --validate-from 2021-01-01"
)]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Name of the forecast, in reports
    #[arg(long)]
    pub name: String,
    /// What it is, for people
    #[arg(long, default_value = "")]
    pub description: String,
    /// Hours from here on give the intervals and the errors in the file, by models that have not seen
    /// them; if not given, and for zones with less than 90 days after it, the last quarter. In the
    /// end all hours are learned
    #[arg(long, value_name = "TIME")]
    pub validate_from: Option<Time>,
    #[command(flatten)]
    pub learners: LearnerArgs,
    /// Folder to write; it must not exist
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
}

/// What is added to the lines.
#[cfg(feature = "train")]
#[derive(Debug, ClapArgs)]
pub struct LearnerArgs {
    /// Learners of what the lines of a zone miss, each believed as far as it helps on hours that it
    /// has not seen; if not given, there are lines alone
    #[arg(long, value_name = "LEARNER", value_enum, value_delimiter = ',')]
    learners: Vec<Learner>,
}

#[cfg(feature = "train")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Learner {
    /// Boosted trees
    Trees,
    /// A small network
    Network,
}

#[cfg(feature = "train")]
impl LearnerArgs {
    pub fn chosen(&self) -> Learners {
        let has = |learner: Learner| self.learners.contains(&learner);
        Learners { trees: has(Learner::Trees), network: has(Learner::Network) }
    }
}

#[cfg(feature = "train")]
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Errors are by day ahead over every hour of the test as an instant of issue. What \
                  counts is the last table: 3,000 jobs of 1 to 24 h that may wait 24 h, started by \
                  the policy `plan`; the share is of what a perfect plan saves.\n\n\
                  Examples:\n  carbon-kube forecast evaluate --intensity EU-DE=DE_2023.csv\n  \
                  carbon-kube forecast evaluate --train-until 2021-01-01 --refit 30d \\\n    \
                  --intensity US-TX=TX_2020.csv --intensity US-TX=TX_2021.csv \\\n    \
                  --weather US-TX=gfs_2020.csv --weather US-TX=gfs_2021.csv"
)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A shipped forecast, or a folder; if not given, the shipped one
    #[arg(long, value_name = "NAME|DIR", conflicts_with = "train_until")]
    pub model: Option<String>,
    /// Train on the hours before and test on those after
    #[arg(long, value_name = "TIME")]
    pub train_until: Option<Time>,
    /// The hours from --train-until to here give the intervals, the test begins after them
    #[arg(long, value_name = "TIME", requires = "train_until")]
    pub validate_until: Option<Time>,
    /// Fit again to all hours before, this often
    #[arg(long, value_name = "SPAN", requires = "train_until")]
    pub refit: Option<Span>,
    #[command(flatten)]
    pub learners: LearnerArgs,
    /// How late planning sees a forecast, in full hours: an hourly value is in force from its start
    /// on, and published after its end
    #[arg(long, value_name = "SPAN", default_value_t = Span::ZERO, value_parser = full_hours)]
    pub delay: Span,
    /// Jobs of the planning table
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub jobs: u32,
    /// Seed of the jobs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  carbon-kube forecast predict --intensity EU-DE=DE_2021.csv --at 2021-06-01T06:00:00Z"
)]
pub struct PredictArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A shipped forecast, or a folder; if not given, the shipped one
    #[arg(long, value_name = "NAME|DIR")]
    pub model: Option<String>,
    /// The instant of issue; if not given, the last hour of the file
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
    /// How the forecast is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  carbon-kube forecast plot --intensity EU-DE=DE_2021.csv --at 2021-06-01T06:00:00Z -o DE.svg"
)]
pub struct PlotArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A shipped forecast, or a folder; if not given, the shipped one
    #[arg(long, value_name = "NAME|DIR")]
    pub model: Option<String>,
    /// The instant of issue; if not given, four days before the end of the file
    #[arg(long, value_name = "TIME")]
    pub at: Option<Time>,
    /// Where to write the picture
    #[arg(long, short, value_name = "OUT.svg")]
    pub out: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  carbon-kube forecast export forecast-open-v1 | kubectl apply -f -"
)]
pub struct ExportArgs {
    /// A shipped forecast, or a folder
    #[arg(value_name = "NAME|DIR")]
    pub model: String,
    /// Namespace of the ConfigMap
    #[arg(long, value_name = "NS", default_value = crate::args::NAMESPACE, value_parser = crate::args::namespace)]
    pub namespace: String,
}

#[cfg(feature = "train")]
fn full_hours(text: &str) -> Result<Span, String> {
    let span: Span =
        text.parse().map_err(|error: carbon_kube_core::time::TimeError| error.to_string())?;
    let is_full = span >= Span::ZERO && span.millis() % Span::HOUR.millis() == 0;
    is_full.then_some(span).ok_or_else(|| "expected full hours, such as `1h`".to_owned())
}

fn zone_file(text: &str) -> Result<ZoneFile, String> {
    let (zone, path) = text
        .split_once('=')
        .filter(|(_, path)| !path.is_empty())
        .ok_or_else(|| format!("`{text}` is not ZONE=FILE, such as `EU-DE=DE_2021.csv`"))?;
    let zone =
        zone.parse().map_err(|error: carbon_kube_core::zone::ZoneNameError| error.to_string())?;
    Ok(ZoneFile { zone, path: PathBuf::from(path) })
}
