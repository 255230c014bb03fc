//! The contract of a source.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Time, Zone};
use futures::future::{self, BoxFuture, FutureExt};

use crate::error::{ErrorKind, ProviderError};
use crate::reading::Reading;

/// An answer that is under way.
pub type Pending<'a> = BoxFuture<'a, Result<Reading, ProviderError>>;

/// One source of carbon intensity. Every call is guarded: it ends in time, never asks more often
/// than the source's clock can move, and leaves a source alone that fails.
pub trait Provider: Send + Sync {
    /// The name in the configuration, in metrics and in logs, such as `electricity-maps`.
    fn name(&self) -> &'static str;

    /// Average or marginal: a chain asks only providers of its own signal.
    fn signal(&self) -> Signal;

    /// Whether the provider can know the zone.
    fn serves(&self, zone: &Zone) -> bool;

    /// The newest value, alone or with the ones before it.
    fn latest<'a>(&'a self, zone: &'a Zone) -> Pending<'a>;

    /// The values whose periods start in `[from, to)`, as the source has them today: estimates may
    /// have become measured values.
    fn history<'a>(&'a self, zone: &'a Zone, from: Time, to: Time) -> Pending<'a> {
        let _ = (zone, from, to);
        not_offered()
    }

    /// What the source expects from now on; as far as it goes, which may be shorter than one wishes.
    fn forecast<'a>(&'a self, zone: &'a Zone) -> Pending<'a> {
        let _ = zone;
        not_offered()
    }

    /// What the guard has seen, for metrics.
    fn health(&self) -> Health;
}

/// What a guard has seen of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Requests that are left today; `None` where there is no quota.
    pub quota_remaining: Option<u64>,
    /// By zone that was asked for.
    pub zones: BTreeMap<Zone, ZoneHealth>,
}

/// What a guard has seen of a provider and zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneHealth {
    /// The state of the circuit breaker.
    pub circuit: Circuit,
    /// How often a call ended so, by the word of the result: `success`, `not-modified`, `cached`
    /// (nothing was asked), or an [`ErrorKind`]. Each attempt counts, a retry too.
    pub requests: BTreeMap<&'static str, u64>,
    /// The last error; `None` after a success.
    pub last_error: Option<ErrorKind>,
}

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Circuit {
    /// Requests go through.
    #[default]
    Closed,
    /// One request tries whether the source is back.
    HalfOpen,
    /// Nothing is asked.
    Open,
}

impl Circuit {
    /// The number in metrics: 0 closed, 1 half-open, 2 open.
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

fn not_offered<'a>() -> Pending<'a> {
    future::ready(Err(ProviderError::NotOffered)).boxed()
}
