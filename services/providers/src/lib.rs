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
//! A [`Provider`] asks one source. A [`Chain`] asks several, in the order that the
//! configuration gives, until one says something plausible; else the last known value decays
//! towards what the zone is like at that hour, and in the end the typical year of `core` speaks.
//! Each answer says which of these it is. Average and marginal intensity are never mixed.

mod answer;
pub mod aws;
pub mod carbon_aware_sdk;
pub mod chain;
pub mod clock;
pub mod config;
pub mod eia;
pub mod electricity_maps;
pub mod entsoe;
pub mod error;
pub mod fallback;
pub mod gb_carbon_intensity;
pub mod guard;
pub mod mix;
pub mod nws;
pub mod plausibility;
pub mod provider;
mod range;
pub mod reading;
pub mod secret;
pub mod sources;
mod span_text;
pub mod transport;
pub mod watttime;

pub use answer::Values;
pub use chain::{Answer, Chain};
pub use clock::Clock;
pub use error::{ErrorKind, ProviderError};
pub use guard::{Context, Observer};
pub use provider::{Circuit, Health, Pending, Provider, ZoneHealth};
pub use reading::{Point, Reading, Source};
