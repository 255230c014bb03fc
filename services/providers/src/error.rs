//! Why a provider has no answer.

use std::fmt;

use carbon_kube_core::{Span, Time};

/// Why a provider has no answer. Who was asked for which zone is known to whoever asked.
///
/// No text ever has a key or a URL in it: some providers want the key in the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// A missing or refused key, a plan that lacks the call, or a setting that can't be. Asking again
    /// changes nothing until a person does.
    #[error("configuration: {0}")]
    Configuration(String),
    /// The provider works, and has nothing for the zone and time.
    #[error("no data: {0}")]
    NoData(String),
    /// Too many requests.
    #[error("throttled{}", retry_after.map(|span| format!("; ask again in {span}")).unwrap_or_default())]
    Throttled {
        /// How long it wants to be left alone, where it says so.
        retry_after: Option<Span>,
    },
    /// No connection, no answer in time, or an error on the provider's side.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// An answer that makes no sense: not the format, not the zone, not the unit, not a number.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The provider has no such call.
    #[error("the provider does not offer this")]
    NotOffered,
    /// The requests of the day are spent; nothing was asked.
    #[error("the quota of requests is spent until {until}")]
    QuotaSpent {
        /// When the next day begins, UTC.
        until: Time,
    },
    /// The provider failed too often for the zone; nothing was asked.
    #[error("the circuit is open until {until}")]
    CircuitOpen {
        /// When one request may try again.
        until: Time,
    },
}

/// A [`ProviderError`] without its words, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of `ProviderError`")]
pub enum ErrorKind {
    Configuration,
    NoData,
    Throttled,
    Unavailable,
    Malformed,
    NotOffered,
    QuotaSpent,
    CircuitOpen,
}

impl ProviderError {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Configuration(_) => ErrorKind::Configuration,
            Self::NoData(_) => ErrorKind::NoData,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::NotOffered => ErrorKind::NotOffered,
            Self::QuotaSpent { .. } => ErrorKind::QuotaSpent,
            Self::CircuitOpen { .. } => ErrorKind::CircuitOpen,
        }
    }
}

impl ErrorKind {
    /// The word in metrics and logs, such as `no-data`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::NoData => "no-data",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
            Self::NotOffered => "not-offered",
            Self::QuotaSpent => "quota-spent",
            Self::CircuitOpen => "circuit-open",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
