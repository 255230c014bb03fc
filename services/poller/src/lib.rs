//! The poller: live grid data and thresholds into the documents that the extender reads.
//!
//! ```text
//!  sources (providers::Chain) --Answer--.
//!  signals (Prometheus, /metrics) ------+--> poller::digest --Documents--> output: ConfigMaps, files, stdout
//!  bundle (policy, forecast model) -----'        |  history, document, tune
//!                                                '--> metrics
//!  run: one cycle, or one after the other while the lease is held
//! ```
//!
//! What `digest` and what is below it decide depends on nothing but their arguments. Thresholds come
//! from the code that the simulator runs: `policies::control` and what it calls.

pub mod bundle;
pub mod config;
pub mod document;
pub mod exporter;
pub mod history;
pub mod metrics;
pub mod output;
pub mod poller;
pub mod run;
pub mod signals;
pub mod sources;
pub mod tune;
