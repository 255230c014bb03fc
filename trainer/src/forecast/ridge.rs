//! Ridge regression: one line per hour ahead, from the examples of one zone or of many.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::chain::Model;
use carbon_kube_policies::forecast::linear::LinearError;
use carbon_kube_policies::forecast::{Features, HORIZON_HOURS, Linear, PROBABILITIES};
use rayon::prelude::*;

use super::ZoneHours;
use super::inputs::Inputs;
use super::normal_equations::{Line, NormalEquations};

/// The penalty on standardised weights. Chosen on 2020 (trained on 2019) of the open data among 1,
/// 3, 10, 30 and 100: from 3 to 30 the planning result moves by less than half a point.
pub const PENALTY: f64 = 10.0;

/// Origins whose examples are in memory at a time: 13 MB.
const BLOCK: usize = 256;

/// Fewest examples of an hour ahead: three months.
const FEWEST: f64 = 90.0 * 24.0;

/// A regression that grows with its examples.
#[derive(Clone, Debug)]
pub struct Ridge {
    features: Features,
    /// What intensities are divided by; `None` takes the mean of each origin's past.
    level: Option<f32>,
    /// By hour ahead.
    equations: Vec<NormalEquations>,
}

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// Too little to learn from.
    #[error(
        "{found} examples of {ahead} h ahead; a model needs {FEWEST} hours (90 days) whose \
             inputs are all known"
    )]
    TooFew {
        /// Hours ahead.
        ahead: usize,
        /// Examples.
        found: f64,
    },
    /// A range without any value, or all of them zero.
    #[error("zone `{zone}` has no intensity above 0 from {from} to {to}")]
    NoLevel {
        /// The zone.
        zone: String,
        /// First instant.
        from: Time,
        /// First instant after the range.
        to: Time,
    },
    /// A network did not learn.
    #[error("the network: {0}")]
    Network(String),
    /// Not a model; a bug, or numbers beyond 32 bits.
    #[error(transparent)]
    Linear(#[from] LinearError),
}

/// The inputs of one origin for each hour ahead whose target is known, and the target.
type Examples = Vec<Option<(Vec<f32>, f64)>>;

impl Ridge {
    /// Nothing learned yet. `level` is what intensities are divided by, in g/kWh; `None` takes the
    /// mean of the last hours of each origin, for a model of many zones.
    #[must_use]
    pub fn new(features: Features, level: Option<f64>) -> Self {
        let equations = vec![NormalEquations::new(features.count()); HORIZON_HOURS];
        Self { features, level: level.map(|level| level as f32), equations }
    }

    /// Learns from the zone's hours of `[from, to)` as targets; what they are forecast from may lie
    /// before.
    pub fn learn(&mut self, zone: &ZoneHours, from: Time, to: Time) {
        let first = from - Span::HOUR * HORIZON_HOURS as i64;
        let origins: Vec<Time> = zone.hours(first, to).collect();
        for block in origins.chunks(BLOCK) {
            let examples: Vec<Examples> =
                block.par_iter().map(|&origin| self.examples(zone, origin, from, to)).collect();
            self.equations.par_iter_mut().enumerate().for_each(|(at, equations)| {
                for (inputs, target) in examples.iter().filter_map(|ahead| ahead.get(at)?.as_ref())
                {
                    equations.add(inputs, *target);
                }
            });
        }
    }

    fn examples(&self, zone: &ZoneHours, origin: Time, from: Time, to: Time) -> Examples {
        let Some(mut inputs) = Inputs::at(zone, self.features, self.level, origin) else {
            return Vec::new();
        };
        let example = |ahead: usize| {
            let example = inputs.example(ahead, (from, to))?;
            Some((example.inputs.to_vec(), example.truth))
        };
        (1..=HORIZON_HOURS).map(example).collect()
    }

    /// The model of what was learned so far, with errors of zero: see
    /// [`calibrate`](super::issues::calibrate).
    ///
    /// # Errors
    ///
    /// [`TrainError::TooFew`] below 90 days of examples.
    pub fn model(&self, penalty: f64) -> Result<Model, TrainError> {
        let few = |equations: &NormalEquations| equations.count() < FEWEST;
        if let Some(at) = self.equations.iter().position(few) {
            let found = self.equations[at].count();
            return Err(TrainError::TooFew { ahead: at + 1, found });
        }
        let lines: Vec<Line> =
            self.equations.par_iter().map(|equations| equations.solve(penalty)).collect();
        let weights = lines.iter().flat_map(|line| &line.weights).map(|w| *w as f32).collect();
        let constants = lines.iter().map(|line| line.constant as f32).collect();
        let errors = vec![0.0; HORIZON_HOURS * PROBABILITIES.len()];
        let linear = Linear::new(self.features, weights, constants, errors)?;
        Ok(Model::of(linear, self.level))
    }
}
