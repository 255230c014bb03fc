//! What both scenarios of "Let's Wait Awhile" (Wiesner et al. 2021) share.

use carbon_kube_core::Span;

use super::reference::{Reference, Trace};
use super::{Options, ReproduceError, Study, chosen, numbers};

/// A slot of the study.
pub(super) const SLOT: Span = Span::from_millis(1_800_000);

/// The same in minutes, as policies have it.
pub(super) const SLOT_MINUTES: u32 = 30;

/// Forecast errors that make sense, in parts of the mean.
const ERRORS: std::ops::RangeInclusive<f64> = 0.0..=10.0;

/// The traces of the chosen regions.
pub(super) fn traces(
    reference: &Reference,
    options: &Options,
) -> Result<Vec<Trace>, ReproduceError> {
    let found = reference.traces("lwa_", "_2020_30min.csv")?;
    let regions = chosen("region", &options.filters.regions, &found)?;
    regions.iter().map(|region| reference.half_hourly(region)).collect()
}

/// The chosen forecast errors.
pub(super) fn errors(
    reference: &Reference,
    options: &Options,
    study: Study,
) -> Result<Vec<f64>, ReproduceError> {
    let published = reference.column(study, "error", ERRORS)?;
    let errors = numbers(&options.filters.errors, &[0.0, 0.05, 0.1], published);
    match errors.iter().find(|error| !ERRORS.contains(*error)) {
        Some(error) => Err(ReproduceError::Nothing {
            why: format!("an error of {error} is not a part of the mean, 0 to 10"),
        }),
        None => Ok(errors),
    }
}

/// Mean and standard deviation over repetitions.
pub(super) fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}
