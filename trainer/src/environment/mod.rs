//! What an agent learns in: the contract of Gymnasium, in Rust.
//!
//! ```text
//!  reset(seed, options) --> observation
//!  step(action)         --> observation, reward, terminated, truncated, info
//! ```
//!
//! *Terminated* is an end of the task itself: nothing follows, and the value of the state is zero.
//! *Truncated* is an end of patience: the task would go on, so a learner bootstraps from the last
//! observation. Traces of carbon intensity never terminate.

pub mod classic;

use std::fmt::Debug;

pub mod world;

/// A task, one step at a time.
pub trait Environment: Debug + Send + 'static {
    /// What a reset can be told beside its seed.
    type Options: Debug + Default + Send;
    /// What a step tells beside its reward.
    type Info: Debug + Default + Send;

    /// Numbers per observation.
    fn observation_len(&self) -> usize;

    /// What an agent may do.
    fn actions(&self) -> Actions;

    /// Begins an episode. The same seed and options give the same episode.
    fn reset(&mut self, seed: u64, options: &Self::Options) -> Vec<f32>;

    /// Goes on by one step. An action beyond its bounds is cut to them.
    fn step(&mut self, action: Action<'_>) -> Step<Self::Info>;

    /// The whole state, to go on from later with [`Environment::restore`].
    fn save(&self) -> Vec<u8>;

    /// Goes back to a saved state; what follows is what would have followed then.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] where the bytes are no state of this environment.
    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError>;
}

/// The actions of an environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Actions {
    /// One of so many.
    Discrete(usize),
    /// Numbers, each between its bounds, in physical units.
    Continuous {
        /// Least and most by number.
        bounds: Vec<(f32, f32)>,
    },
}

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action<'a> {
    /// The one with this number, from 0 on.
    Discrete(usize),
    /// Numbers in physical units.
    Continuous(&'a [f32]),
}

/// What comes of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<I> {
    /// What is seen then.
    pub observation: Vec<f32>,
    /// What it was worth.
    pub reward: f32,
    /// Whether the task is over.
    pub terminated: bool,
    /// Whether the episode is cut short.
    pub truncated: bool,
    /// What is not for learning.
    pub info: I,
}

/// Bytes that are no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a saved state of this environment: {0}")]
pub struct RestoreError(pub String);
