//! A deterministic discrete-event simulator of a carbon-aware Kubernetes cluster.
//!
//! ```text
//! scenario file --> World --> engine::run, one per policy --> Outcome --> summary, tables, charts
//! ```
//!
//! Same world, same policy, same bytes out, on any machine and any number of threads: time is an
//! integer, random numbers come in named streams, every map is ordered, and a run is one
//! sequential loop. The engine reads no file and no clock.

mod affinity;
pub mod bound;
mod carbon;
pub mod comparison;
pub mod engine;
pub mod ensemble;
pub mod event;
pub mod forecast;
mod gpus;
mod meter;
mod nodes;
pub mod outcome;
pub mod queue;
pub mod recorder;
pub mod report;
pub mod reproduce;
pub mod scenario;
pub mod statistics;
pub mod sweep;
pub mod world;

pub use affinity::allows;
pub use engine::stepping;
