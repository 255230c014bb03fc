//! The state of an agent between two runs: named numbers, ready for a checkpoint.

use std::collections::BTreeMap;

use rand_pcg::Pcg64;

use crate::network::{Adam, Mlp};

/// Named flat vectors.
pub type Vectors = BTreeMap<String, Vec<f32>>;

/// Everything that decides what an agent does next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Weights, by network.
    pub model: Vectors,
    /// Moments of optimisers.
    pub optimizer: Vectors,
    /// The replay buffer, or the rollout in progress.
    pub replay: Vectors,
    /// Counters.
    pub counters: BTreeMap<String, u64>,
    /// States of random streams, as JSON.
    pub streams: BTreeMap<String, String>,
}

/// What keeps a state from being restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// Of another length.
    #[error("`{name}` has another shape: {found} numbers")]
    Shape {
        /// Its name.
        name: String,
        /// Numbers found.
        found: usize,
    },
    /// No state of a stream.
    #[error("`{name}` is no state of a random stream: {reason}")]
    Stream {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

fn vector<'a>(vectors: &'a Vectors, name: &str) -> Result<&'a [f32], SavedError> {
    vectors.get(name).map(Vec::as_slice).ok_or_else(|| SavedError::Missing(name.into()))
}

fn fitting<'a>(vectors: &'a Vectors, name: &str, len: usize) -> Result<&'a [f32], SavedError> {
    let numbers = vector(vectors, name)?;
    if numbers.len() != len {
        return Err(SavedError::Shape { name: name.into(), found: numbers.len() });
    }
    Ok(numbers)
}

impl Saved {
    /// Writes a network's weights.
    ///
    /// # Errors
    ///
    /// None on a CPU.
    pub fn put_network(&mut self, name: &str, network: &Mlp) -> candle_core::Result<()> {
        self.model.insert(name.into(), network.numbers()?);
        Ok(())
    }

    /// Takes a network's weights.
    ///
    /// # Errors
    ///
    /// Where they are missing or of another shape.
    pub fn take_network(&self, name: &str, network: &Mlp) -> Result<(), super::AgentError> {
        let numbers = fitting(&self.model, name, network.shape().parameters())?;
        Ok(network.set(numbers.to_vec())?)
    }

    /// Writes an optimiser's moments and steps.
    pub fn put_adam(&mut self, name: &str, adam: &Adam) {
        self.optimizer.insert(format!("{name}.first"), adam.first.clone());
        self.optimizer.insert(format!("{name}.second"), adam.second.clone());
        self.counters.insert(format!("{name}.steps"), adam.steps);
    }

    /// Takes an optimiser's moments and steps.
    ///
    /// # Errors
    ///
    /// Where they are missing or of another shape.
    pub fn take_adam(&self, name: &str, adam: &mut Adam) -> Result<(), SavedError> {
        let len = adam.first.len();
        adam.first = fitting(&self.optimizer, &format!("{name}.first"), len)?.to_vec();
        adam.second = fitting(&self.optimizer, &format!("{name}.second"), len)?.to_vec();
        adam.steps = self.counter(&format!("{name}.steps"))?;
        Ok(())
    }

    /// Writes the state of a stream.
    pub fn put_stream(&mut self, name: &str, stream: &Pcg64) {
        let state = serde_json::to_string(stream).expect("two numbers always have a JSON form");
        self.streams.insert(name.into(), state);
    }

    /// The stream with the state that was written.
    ///
    /// # Errors
    ///
    /// Where it is missing or none.
    pub fn stream(&self, name: &str) -> Result<Pcg64, SavedError> {
        let state = self.streams.get(name).ok_or_else(|| SavedError::Missing(name.into()))?;
        serde_json::from_str(state)
            .map_err(|error| SavedError::Stream { name: name.into(), reason: error.to_string() })
    }

    /// A counter.
    ///
    /// # Errors
    ///
    /// Where it is missing.
    pub fn counter(&self, name: &str) -> Result<u64, SavedError> {
        self.counters.get(name).copied().ok_or_else(|| SavedError::Missing(name.into()))
    }

    /// A vector of the replay.
    ///
    /// # Errors
    ///
    /// Where it is missing.
    pub fn replay(&self, name: &str) -> Result<&[f32], SavedError> {
        vector(&self.replay, name)
    }

    /// A vector of the model that belongs to no network.
    ///
    /// # Errors
    ///
    /// Where it is missing or of another length.
    pub fn weights(&self, name: &str, len: usize) -> Result<&[f32], SavedError> {
        fitting(&self.model, name, len)
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_stream_goes_on_where_it_was() {
        let mut stream = carbon_kube_core::seed::stream(1, "noise");
        stream.next_u64();
        let mut saved = Saved::default();
        saved.put_stream("noise", &stream);
        assert_eq!(saved.stream("noise").unwrap().next_u64(), stream.next_u64());
        assert!(saved.stream("other").is_err());
    }
}
