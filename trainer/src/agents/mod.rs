//! What learns: soft actor-critic, deep Q-learning and advantage actor-critic behind one trait.
//!
//! An agent deals in numbers without a unit: continuous actions lie in the range of tanh, [-1, 1],
//! and discrete ones are the number of a choice. [`Choices`] turns them into what an environment
//! takes, in physical units; warm-up actions go the same way, and a replay buffer never sees a unit.

pub mod a2c;
pub mod dqn;
pub mod sac;

mod choices;
mod saved;

pub use choices::{Choices, Decoded, LEVELS};
pub use saved::{Saved, SavedError, Vectors};

use std::fmt::Debug;

use crate::network::Mlp;
use crate::replay::Transition;

/// How an agent acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At random, each action as likely as any other: before anything is learned.
    WarmUp,
    /// As learned, with the randomness that finds something better.
    Explore,
    /// As learned, the same each time: how it is judged, and how a policy file acts.
    Deterministic,
}

/// A value of a quantity that is logged. Names are explained in `docs/training.md`.
pub type Metric = (&'static str, f64);

/// Something that learns from steps.
pub trait Agent: Debug + Send {
    /// The name of its algorithm: `sac`, `dqn` or `a2c`.
    fn name(&self) -> &'static str;

    /// Its actions.
    fn choices(&self) -> &Choices;

    /// The network that decides. Its numbers per answer: of `sac` the mean of each number of an
    /// action and the logarithm of its standard deviation, of the others one per choice, the
    /// greatest of which is done.
    fn decider(&self) -> &Mlp;

    /// Acts on observations, one row after the other; one action per row, without units.
    ///
    /// # Errors
    ///
    /// [`AgentError::Tensor`] where the observations have another width.
    fn act(&mut self, observations: &[f32], mode: Mode) -> Result<Vec<f32>, AgentError>;

    /// Takes what came of one step of every environment, in their order.
    fn observe(&mut self, transitions: Vec<Transition>);

    /// Learns once from what it has; `false` where that is too little as yet.
    ///
    /// # Errors
    ///
    /// [`AgentError::Diverged`] where a loss is no number or beyond all measure.
    fn learn(&mut self) -> Result<bool, AgentError>;

    /// What the last update saw.
    fn metrics(&self) -> Vec<Metric>;

    /// Everything that decides what follows: weights, moments, replay, streams and counters.
    ///
    /// # Errors
    ///
    /// [`AgentError::Tensor`]; none on a CPU.
    fn save(&self) -> Result<Saved, AgentError>;

    /// Goes on from what was saved.
    ///
    /// # Errors
    ///
    /// [`AgentError::Saved`] where something is missing or has another shape.
    fn restore(&mut self, saved: &Saved) -> Result<(), AgentError>;
}

/// Why an agent can't go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Numbers that no longer mean anything.
    #[error("{quantity} is {value} after {updates} updates")]
    Diverged {
        /// What.
        quantity: &'static str,
        /// Its value.
        value: f64,
        /// Updates so far.
        updates: u64,
    },
    /// Actions that the algorithm can't take.
    #[error("{algorithm} can't take these actions: {reason}")]
    Actions {
        /// The algorithm.
        algorithm: &'static str,
        /// Why not.
        reason: String,
    },
    /// Shapes that don't fit; a bug.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A checkpoint of something else.
    #[error(transparent)]
    Saved(#[from] SavedError),
}

/// Beyond this a loss has exploded: rewards are of the order of 1, returns at most of some 1,000s,
/// and a loss is the square of one.
const EXPLODED: f64 = 1e10;

/// Refuses a quantity that is no number, or beyond all measure.
fn checked(quantity: &'static str, value: f64, updates: u64) -> Result<f64, AgentError> {
    if value.is_finite() && value.abs() < EXPLODED {
        Ok(value)
    } else {
        Err(AgentError::Diverged { quantity, value, updates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_no_number_or_explodes_is_refused() {
        assert!(checked("critic_loss", 3.0, 1).is_ok());
        for value in [f64::NAN, f64::INFINITY, 1e11] {
            let error = checked("critic_loss", value, 7).unwrap_err().to_string();
            assert!(error.starts_with("critic_loss is") && error.ends_with("after 7 updates"));
        }
    }
}
