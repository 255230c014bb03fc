//! Whether a service is ready: a set of named conditions, each of them met or not.
//!
//! Stale grid data is never a condition: a service without data answers neutrally, and a cluster
//! that takes it out of its endpoints has gained nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The conditions of one service. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Health {
    /// A service that is ready once each of `conditions` is met.
    #[must_use]
    pub fn waiting_for(conditions: &[&'static str]) -> Self {
        let unmet = conditions.iter().map(|name| (*name, false)).collect();
        Self(Arc::new(Mutex::new(unmet)))
    }

    /// Says whether a condition is met.
    pub fn set(&self, condition: &'static str, met: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(condition, met);
    }

    /// The conditions that are not met.
    #[must_use]
    pub fn unmet(&self) -> Vec<&'static str> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter(|(_, met)| !**met).map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_every_condition_is_met() {
        let health = Health::waiting_for(&["nodes", "tls"]);
        assert_eq!(health.unmet(), ["nodes", "tls"]);
        health.set("tls", true);
        health.set("nodes", true);
        assert!(health.unmet().is_empty());
        let same = health.clone();
        health.set("serving", false);
        assert_eq!(same.unmet(), ["serving"]);
    }
}
