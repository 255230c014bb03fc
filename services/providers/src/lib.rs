//! Live carbon intensity: one file per source, guarded, chained, and never made up.
//!
//! ```text
//!            .- electricity_maps -.
//!  zone -->  |  eia, entsoe, ...  |--> plausibility --> memory --> an answer with its label
//!            '- nws (a proxy) ----'          |             ^
//!                  ^                         no            |
//!     guard: breaker, retry, quota, cache    '--> decay, then typical year
//! ```
//!
//! A [`Provider`] asks one source. A [`Chain`](chain::Chain) asks several, in the order that the
//! configuration gives, until one says something plausible; else the last known value decays
//! towards what the zone is like at that hour, and in the end the typical year of `core` speaks.
//! Each answer says which of these it is. Average and marginal intensity are never mixed.

pub mod config;
pub mod error;
pub mod provider;
pub mod reading;
pub mod secret;
mod span_text;

pub use error::{ErrorKind, ProviderError};
pub use provider::{Circuit, Health, Pending, Provider, ZoneHealth};
pub use reading::{Point, Reading, Source};
