//! What is added to a line: learners of its errors, and how much of each is believed.
//!
//! ```text
//!  value = line + share of trees x trees + share of network x network
//! ```
//!
//! The shares, by day ahead, are those of least error on hours that no learner has seen (a stack:
//! Wolpert 1992), so a learner that knows its training year by heart gets a share of nothing.

use super::calendar::LocalHour;
use super::trees::Trees;
use super::{Features, HORIZON_HOURS};
use crate::network::Network;

/// Days ahead that have a share of their own.
pub const DAYS: usize = HORIZON_HOURS / 24;

/// A learner of the errors of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Learner {
    /// Boosted trees.
    Trees(Trees),
    /// A network whose output, within -1 and 1, is in parts of the level.
    Network(Network),
}

/// A learner and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The learner.
    pub learner: Learner,
    /// By day ahead, 0 to 1.
    pub shares: [f32; DAYS],
}

/// Inputs that learners have beside those of the line: the line itself, hours ahead, the local
/// hour, weekend.
const OWN: usize = 4;

impl Correction {
    /// Inputs of a learner.
    #[must_use]
    pub fn width(features: &Features) -> usize {
        OWN + features.count() - features.calendar().len()
    }

    /// Writes the inputs of the hour `ahead` for which the line expects `line`, in parts of the
    /// level. The season is left out: whoever knows the day of the year knows the year by heart.
    pub fn inputs(
        features: &Features,
        of_line: &[f32],
        line: f32,
        ahead: usize,
        local: LocalHour,
        inputs: &mut Vec<f32>,
    ) {
        let calendar = features.calendar();
        let weekend = f32::from(u8::from(local.is_weekend()));
        let own = [line, ahead as f32 / HORIZON_HOURS as f32, local.hour as f32 / 24.0, weekend];
        inputs.clear();
        inputs.extend(own);
        inputs.extend_from_slice(&of_line[..calendar.start]);
        inputs.extend_from_slice(&of_line[calendar.end..]);
    }

    /// What is added to the line, in parts of the level.
    #[must_use]
    pub fn expected(&self, ahead: usize, inputs: &[f32]) -> f32 {
        let share = self.shares[((ahead - 1) / 24).min(DAYS - 1)];
        if share == 0.0 {
            return 0.0;
        }
        let value = match &self.learner {
            Learner::Trees(trees) => trees.expected(inputs),
            Learner::Network(network) => network.forward(inputs),
        };
        // A network may overflow on inputs that no training had: then the line stands alone.
        if value.is_finite() { share * value } else { 0.0 }
    }
}
