//! What decides: pure functions over views, shared by simulator and cluster.
//!
//! ```text
//!  pods, nodes, signal --> gate | place | run | scale | migrate | quota --> the engine or the cluster acts
//!  history of a zone ----> threshold, tune --------------------> the zone's threshold in force
//! ```
//!
//! A policy is one struct of settings that implements [`Policy`]; what it leaves out means *no
//! opinion*. Nothing here reads a clock or a file, and nothing sees the truth beyond `now` but
//! through an [`Outlook`](carbon_kube_core::forecast::Outlook). The simulator calls these
//! functions directly, the extender over HTTP: that is why what you simulate is what you deploy.

pub mod baselines;
pub mod control;
pub mod cycle;
pub mod decision;
pub mod deployed;
pub mod file;
pub mod forecast;
pub mod library;
pub mod network;
pub mod observation;
pub mod plans;
pub mod policy;
mod ranges;
pub mod release;
pub mod settings;
pub mod signal;
pub mod tuner;
pub mod wire;

pub use cycle::{Holding, judge};
pub use decision::{Gate, Run, Scale, Verdict};
pub use deployed::Deployed;
pub use observation::Observation;
pub use policy::Policy;
pub use settings::Settings;
pub use signal::{Signal, ZoneSignal};
pub use tuner::{Adjustment, Tuner};
