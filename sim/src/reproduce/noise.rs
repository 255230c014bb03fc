//! The forecast errors of "Let's Wait Awhile": independent, normal, one draw of the whole trace per
//! repetition.

use carbon_kube_core::seed;
use rand_distr::{Distribution, StandardNormal};

use super::ReproduceError;
use super::reference::{Column, Reference, Trace};

/// The standard normal numbers behind the authors' ten repetitions, a column each.
pub(super) const FILE: &str = "lwa_noise_z.csv.gz";

/// Repetitions with an error.
const REPETITIONS: usize = 10;

/// A forecast error in g/kWh per step of a trace, for each repetition: those of the folder, or our
/// own where it has none. Without an error there is one repetition, and nothing to add.
pub(super) fn errors(
    reference: &Reference,
    trace: &Trace,
    error: f64,
    root: u64,
) -> Result<Vec<Option<Vec<f64>>>, ReproduceError> {
    if error == 0.0 {
        return Ok(vec![None]);
    }
    let spread = error * trace.mean();
    let scaled = |z: Vec<f64>| Some(z.into_iter().map(|z| spread * z).collect());
    let columns: Vec<String> = (0..REPETITIONS).map(|seed| format!("seed{seed}")).collect();
    if reference.has(FILE) {
        let normal = |seed: usize| Column::new(&columns[seed], -100.0..=100.0);
        let rows = reference.numbers(FILE, std::array::from_fn::<_, REPETITIONS, _>(normal))?;
        let (found, needed) = (rows.len(), trace.values.len());
        if found < needed {
            let reason = format!("has {found} rows, and trace {} {needed}", trace.name);
            return Err(ReproduceError::File { path: FILE.to_owned(), reason });
        }
        let column = |seed: usize| rows.iter().map(|row| row[seed]).collect();
        return Ok((0..REPETITIONS).map(|seed| scaled(column(seed))).collect());
    }
    let own = |seed: usize| {
        let mut stream = seed::stream(root, &format!("lwa-{}-{seed}", trace.name));
        StandardNormal.sample_iter(&mut stream).take(trace.values.len()).collect()
    };
    Ok((0..REPETITIONS).map(|seed| scaled(own(seed))).collect())
}
