//! Forecasts of carbon intensity: the models at work, shared by simulator, poller and extender.
//!
//! ```text
//!  past hours --> Past: what is believed --> Features --> linear model of each hour ahead --> Forecast
//!  weather forecast ------------------------^                    |
//!                                       does not apply: the next model of the chain, and it says so
//! ```
//!
//! A [`Forecaster`] is read from a *forecast file* ([`mod@file`]) that `carbon-kube forecast train`
//! wrote. It holds models of single zones and a general one; for each hour ahead the first of
//! the chain *the zone's model with weather, without, the general model, the typical hour* that has
//! what it needs gives the value, so a gap in the past makes a forecast worse and never wrong.
//! Nothing here reads a clock or a file, and nothing sees more of a trace than its past.

pub mod calendar;
pub mod chain;
pub mod correction;
pub mod features;
pub mod file;
pub mod library;
pub mod linear;
pub mod mix;
pub mod nowcast;
pub mod past;

pub mod tensors;
pub mod trees;
pub mod typical_hour;
pub mod weather;

pub use chain::{Expected, Forecast, Forecaster, Origin};
pub use correction::{Correction, Learner};
pub use features::Features;
pub use linear::Linear;
pub use mix::Mix;
pub use nowcast::Nowcast;
pub use past::Past;
pub use trees::Trees;
pub use weather::Weather;

/// Hours ahead that are forecast at most: four days, as CarbonCast and the grids' operators do.
pub const HORIZON_HOURS: usize = 96;

/// Hours of the past that any model looks at: the same hour of 7 days, the nearest of which is four
/// days before the last hour of the horizon.
pub const PAST_HOURS: usize = 11 * 24;

/// The probabilities whose quantiles a model knows. The first and the last enclose the 90 %
/// interval; the second and the last but one, 80 %.
pub const PROBABILITIES: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
