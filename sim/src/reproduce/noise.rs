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

/// What is drawn from, read once for all traces.
pub(super) struct Noise {
    /// The authors' rows, where the folder has them and they are needed.
    rows: Option<Vec<[f64; REPETITIONS]>>,
    /// Root of our own.
    root: u64,
}

impl Noise {
    /// Reads the authors' numbers where one of the errors needs them and the folder has them.
    pub fn read(reference: &Reference, errors: &[f64], root: u64) -> Result<Self, ReproduceError> {
        let is_needed = errors.iter().any(|error| *error > 0.0) && reference.has(FILE);
        let names: Vec<String> = (0..REPETITIONS).map(|seed| format!("seed{seed}")).collect();
        let normal = |seed: usize| Column::new(&names[seed], -100.0..=100.0);
        let columns = std::array::from_fn::<_, REPETITIONS, _>(normal);
        let rows = is_needed.then(|| reference.numbers(FILE, columns)).transpose()?;
        Ok(Self { rows, root })
    }

    /// A forecast error in g/kWh per step of a trace, for each repetition. Without an error there is
    /// one repetition, and nothing to add.
    pub fn errors(
        &self,
        trace: &Trace,
        error: f64,
    ) -> Result<Vec<Option<Vec<f64>>>, ReproduceError> {
        if error <= 0.0 {
            return Ok(vec![None]);
        }
        let needed = trace.values.len();
        if let Some(rows) = self.rows.as_ref().filter(|rows| rows.len() < needed) {
            let reason = format!("has {} rows, and trace {} {needed}", rows.len(), trace.name);
            return Err(ReproduceError::File { path: FILE.to_owned(), reason });
        }
        let spread = error * trace.mean();
        let scaled = |z: Vec<f64>| Some(z.into_iter().map(|z| spread * z).collect());
        Ok((0..REPETITIONS).map(|seed| scaled(self.draws(trace, seed))).collect())
    }

    /// The standard normal numbers of a repetition.
    fn draws(&self, trace: &Trace, seed: usize) -> Vec<f64> {
        if let Some(rows) = &self.rows {
            return rows.iter().map(|row| row[seed]).collect();
        }
        let mut stream = seed::stream(self.root, &format!("lwa-{}-{seed}", trace.name));
        StandardNormal.sample_iter(&mut stream).take(trace.values.len()).collect()
    }
}
