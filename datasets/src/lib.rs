//! Readers of grid and workload traces, the bundled data, and the generated workload.
//!
//! What goes into a simulation comes from here, as values of `core`; the engine itself reads no
//! file. Every reader is strict: a row that can't be meant as it stands is an error with its line
//! and column, what is missing becomes a gap, and nothing is filled in unless asked for.
//!
//! | module | for |
//! |---|---|
//! | [`bundled`] | real traces of 2020 inside the binary: five zones, and California's marginal signal with the forecasts issued for it |
//! | [`damage`] | decoders of others, kept from panicking on damaged data |
//! | [`intensity`] | the carbon intensity from users' files, in the formats of the providers |
//! | [`power`] | a machine in a user's table: our own layout, Teads, SPECpower |
//! | [`price`] | electricity prices from users' files |
//! | [`typical_year`] | fits the model that stands in for zones and years without data |
//! | [`seal`] | Parquet files that carry a checksum of their content |
//! | [`stats`] | what a series is like: mean, spread, daily swing, gaps |
//! | [`weather`] | wind, sun and temperature by the hour |
//! | [`workload`] | pods that arrive: generated like real traces, or from users' files |

pub mod bundled;
pub mod damage;
mod error;
pub mod generation;
mod instant;
pub mod intensity;
mod json;
pub mod power;
pub mod price;
pub mod seal;
pub mod stats;
mod table;
pub mod typical_year;
pub mod weather;
pub mod workload;

pub use error::ReadError;
