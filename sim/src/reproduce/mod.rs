//! Published results, on the engine and the policies that everybody else uses.
//!
//! ```text
//! reference folder --> cases of a study --> worlds --> engine::run --> rows --> table, check
//! ```
//!
//! A study makes worlds in code (one zone, nodes without limit, the paper's jobs), runs the policies
//! of `carbon-kube-policies` on them and adds up what the paper adds up. Nothing is calculated
//! beside the engine but the paper's own totals: a mean, a price, the cost of a switch. Where a
//! peer's quirk must be copied to meet its numbers, it is a switch with a name: [`Options::strict`]
//! turns LWA's off, GAIA's is the world's `cleanup`.
//!
//! One file per study; `docs/reproduction.md` tells the papers, their quirks and our numbers.

mod carbonscaler;
mod check;
mod gaia;
mod lwa;
mod lwa_nightly;
mod lwa_project;
mod noise;
mod opendc;
mod pause_resume;
mod reference;
mod stays;
mod table;
mod worlds;

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::engine::RunError;

pub use check::{Check, Miss, check};
pub use reference::Reference;
pub use table::Table;

/// A published study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Study {
    /// "Let's Wait Awhile", scenario I: nightly jobs.
    LwaNightly,
    /// "Let's Wait Awhile", scenario II: an ML project.
    LwaProject,
    /// "Going Green for Less Green" (GAIA): carbon, cost and waiting.
    Gaia,
    /// "The Online Pause and Resume Problem".
    PauseResume,
    /// "CarbonScaler": jobs with a scaling profile.
    Carbonscaler,
    /// OpenDC's carbon accounts.
    Opendc,
}

impl Study {
    /// Every study, by the name that the command line knows.
    pub const ALL: [(&'static str, Study); 6] = [
        ("lwa-1", Study::LwaNightly),
        ("lwa-2", Study::LwaProject),
        ("gaia", Study::Gaia),
        ("pause-resume", Study::PauseResume),
        ("carbonscaler", Study::Carbonscaler),
        ("opendc", Study::Opendc),
    ];

    /// Whether our own forecast errors stand in for the authors', which the folder lacks.
    #[must_use]
    pub fn has_own_noise(self, reference: &Reference) -> bool {
        matches!(self, Self::LwaNightly | Self::LwaProject) && !reference.has(noise::FILE)
    }

    /// The columns of its rows, those of the published file.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::LwaNightly => lwa_nightly::COLUMNS,
            Self::LwaProject => lwa_project::COLUMNS,
            Self::Gaia => gaia::COLUMNS,
            Self::PauseResume => pause_resume::COLUMNS,
            Self::Carbonscaler => carbonscaler::COLUMNS,
            Self::Opendc => opendc::COLUMNS,
        }
    }

    /// The file of expected results in a reference folder.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::LwaNightly => "lwa_scenario1.csv",
            Self::LwaProject => "lwa_scenario2.csv",
            Self::Gaia => "gaia_results.csv",
            Self::PauseResume => "online_pause_resume.csv",
            Self::Carbonscaler => "carbonscaler.csv",
            Self::Opendc => "opendc_carbon_arithmetic.csv",
        }
    }
}

/// Which cases of a study run. An empty list is no choice: what the study published, and what the
/// reference folder has beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// Regions of LWA, such as `DE`; zones of OpenDC.
    pub regions: Vec<String>,
    /// Hourly traces, such as `DE-2020`.
    pub traces: Vec<String>,
    /// First hours of GAIA's month.
    pub start_hours: Vec<usize>,
    /// Rules of LWA's deadlines.
    pub deadlines: Vec<String>,
    /// Whether LWA's jobs may be paused.
    pub interruptible: Option<bool>,
    /// Forecast errors of LWA, in parts of the trace's mean.
    pub errors: Vec<f64>,
    /// GAIA's names of policies.
    pub policies: Vec<String>,
    /// Hours of a window: of pause-resume and CarbonScaler the whole, of LWA's nights each way.
    pub windows_h: Vec<f64>,
    /// Scaling profiles.
    pub profiles: Vec<String>,
    /// Reserved CPUs of GAIA.
    pub reserved: Vec<u32>,
}

/// How a study runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Which cases.
    pub filters: Filters,
    /// Leave a peer's mistakes out: LWA divides by the jobs that it dropped.
    pub strict: bool,
    /// Root of our own forecast errors, where the folder has none.
    pub seed: u64,
}

/// Why a study has no rows.
#[derive(Debug, thiserror::Error)]
pub enum ReproduceError {
    /// A file that the study needs.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, with line and column where there are any.
        reason: String,
    },
    /// A filter that names nothing.
    #[error("no {what} `{asked}`; there is {known}")]
    Unknown {
        /// What was asked for.
        what: &'static str,
        /// Its name.
        asked: String,
        /// What there is, or the nearest of it.
        known: String,
    },
    /// Filters that leave no case.
    #[error("the filters select no case of this study: {why}")]
    Nothing {
        /// Which of them, and why.
        why: String,
    },
    /// A run that was stopped.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Some rows that are worked out together.
type Case<'a> =
    Box<dyn Fn(&AtomicBool) -> Result<Vec<Vec<String>>, ReproduceError> + Send + Sync + 'a>;

/// Runs a study. `progress` hears how many cases are done and how many there are.
///
/// # Errors
///
/// Any [`ReproduceError`].
pub fn reproduce(
    study: Study,
    reference: &Reference,
    options: &Options,
    stop: &AtomicBool,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Table, ReproduceError> {
    let cases = match study {
        Study::LwaNightly => lwa_nightly::cases(reference, options)?,
        Study::LwaProject => lwa_project::cases(reference, options)?,
        Study::Gaia => gaia::cases(reference, options)?,
        Study::PauseResume => pause_resume::cases(reference, options)?,
        Study::Carbonscaler => carbonscaler::cases(reference, options)?,
        Study::Opendc => opendc::cases(reference, options)?,
    };
    let done = std::sync::atomic::AtomicU64::new(0);
    let all = cases.len() as u64;
    let one = |case: &Case<'_>| {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Interrupted.into());
        }
        let rows = case(stop);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
        rows
    };
    let rows: Result<Vec<_>, _> = cases.par_iter().with_max_len(1).map(one).collect();
    Ok(Table::new(study.columns(), rows?.into_iter().flatten().collect()))
}

/// The chosen of what is there; without a choice all of it. A choice that is not there is an error.
fn chosen(
    what: &'static str,
    asked: &[String],
    known: &[String],
) -> Result<Vec<String>, ReproduceError> {
    if asked.is_empty() {
        return Ok(known.to_vec());
    }
    let mut found: Vec<String> = Vec::new();
    for name in asked {
        // Names differ in more than their case.
        let same = known.iter().find(|known| known.eq_ignore_ascii_case(name));
        if let Some(same) = same {
            if !found.contains(same) {
                found.push(same.clone());
            }
        } else {
            let nearest =
                carbon_kube_core::zone::nearest_name(name, known.iter().map(String::as_str));
            let all = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let known = nearest.map_or(all, |nearest| format!("`{nearest}`"));
            return Err(ReproduceError::Unknown { what, asked: name.clone(), known });
        }
    }
    Ok(found)
}

/// A window of whole hours that a trace has; `None` for any other, which is an error only where it was
/// asked for.
fn whole_hours(window: f64, trace: usize, asked: bool) -> Result<Option<usize>, ReproduceError> {
    let fits = window.fract() == 0.0 && (1.0..=trace as f64).contains(&window);
    if asked && !fits {
        let why = format!("a window of {window} h; windows are whole hours, up to {trace} here");
        return Err(ReproduceError::Nothing { why });
    }
    Ok(fits.then_some(window as usize))
}

/// The chosen numbers; without a choice the usual ones and what the column of the published file
/// has beside them, in order.
fn numbers(asked: &[f64], usual: &[f64], published: Vec<f64>) -> Vec<f64> {
    let of_paper = usual.iter().copied().chain(published);
    let mut all: Vec<f64> = if asked.is_empty() { of_paper.collect() } else { asked.to_vec() };
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}
