//! "Let's Wait Awhile", scenario I: a job of half an hour every night at one, which may run up to
//! eight hours earlier or later.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_policies::baselines::LowestWindow;

use super::lwa::{self, SLOT, SLOT_MINUTES};
use super::reference::{Reference, Trace};
use super::table::number;
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, Study, noise::Noise};

pub(super) const COLUMNS: &[&str] = &[
    "region",
    "error",
    "w_steps",
    "half_window_min",
    "mean_ci_g_per_kwh",
    "sd_over_seeds",
    "saving_pct",
];

/// The widest window, in slots each way.
const WIDEST: u32 = 16;

/// Nights of the study.
const NIGHTS: i64 = 365;

/// Slots of a day, and the one that jobs are planned for: 01:00.
const DAY: i64 = 48;
const PLANNED: i64 = 2;

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let windows = windows(options)?;
    let mut cases: Vec<Case<'a>> = Vec::new();
    let errors = lwa::errors(reference, options, Study::LwaNightly)?;
    let noise = Noise::read(reference, &errors, options.seed)?;
    for trace in lwa::traces(reference, options)? {
        for &error in &errors {
            let errors = noise.errors(&trace, error)?;
            let (trace, windows) = (trace.clone(), windows.clone());
            cases.push(Box::new(move |stop| {
                rows(&trace, error, &errors, &windows, options.strict, stop)
            }));
        }
    }
    Ok(cases)
}

/// Windows in slots each way: the chosen hours, or all.
fn windows(options: &Options) -> Result<Vec<u32>, ReproduceError> {
    let asked = &options.filters.windows_h;
    if asked.is_empty() {
        return Ok((0..=WIDEST).collect());
    }
    let slots = |hours: &f64| {
        let slots = hours * 2.0;
        let whole = slots.fract() == 0.0 && (0.0..=f64::from(WIDEST)).contains(&slots);
        whole.then_some(slots as u32).ok_or_else(|| ReproduceError::Nothing {
            why: format!("a window of {hours} h each way; there are 0, 0.5, 1, ... 8"),
        })
    };
    asked.iter().map(slots).collect()
}

fn rows(
    trace: &Trace,
    error: f64,
    errors: &[Option<Vec<f64>>],
    windows: &[u32],
    strict: bool,
    stop: &AtomicBool,
) -> Result<Vec<Vec<String>>, ReproduceError> {
    // Without a window there is one slot, whatever is expected of it.
    let without = mean(trace, None, 0, strict, stop)?;
    let row = |&window: &u32| {
        let means: Result<Vec<f64>, ReproduceError> = errors
            .iter()
            .map(|errors| mean(trace, errors.as_deref(), window, strict, stop))
            .collect();
        let (mean, deviation) = lwa::spread(&means?);
        Ok(vec![
            trace.name.clone(),
            number(error),
            window.to_string(),
            (window * SLOT_MINUTES).to_string(),
            number(mean),
            number(deviation),
            number(100.0 * (1.0 - mean / without)),
        ])
    };
    windows.iter().map(row).collect()
}

/// Mean intensity of the slots that the jobs took, in g/kWh. A job that would be decided before the
/// trace begins is dropped; unless `strict`, it still counts in the mean, as the authors have it.
fn mean(
    trace: &Trace,
    errors: Option<&[f64]>,
    window: u32,
    strict: bool,
    stop: &AtomicBool,
) -> Result<f64, ReproduceError> {
    let earliest = |night: i64| night * DAY + PLANNED - i64::from(window);
    let pods = (0..NIGHTS).map(earliest).filter(|&slot| slot >= 0);
    let pods: Vec<_> = pods
        .map(|slot| worlds::pod(START + SLOT * slot, SLOT, SLOT * i64::from(2 * window)))
        .collect();
    let counted = if strict { pods.len() as f64 } else { NIGHTS as f64 };
    let world = worlds::world(trace, vec![worlds::class("nightly")], pods)?;
    let world = match errors {
        Some(_) => worlds::expecting(world, trace.forecast(START, errors)),
        None => world,
    };
    let policy = LowestWindow { slot_minutes: SLOT_MINUTES, ..LowestWindow::default() };
    let outcome = worlds::run(&world, &policy, stop)?;
    // A watt for a slot.
    let kilowatt_hours = SLOT.hours() / 1_000.0;
    Ok(worlds::emitted(&outcome).get() / kilowatt_hours / counted)
}

const _: () = assert!(SLOT.millis() == Span::MINUTE.millis() * SLOT_MINUTES as i64);
