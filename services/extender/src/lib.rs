//! The kube-scheduler extender: filter, prioritize and preempt by a Carbon-Kube policy.
//!
//! ```text
//!  API server --watch--> watch --> state::State --snapshot--.
//!                                                           v
//!  kube-scheduler --POST /v1/filter--> server --> answer --> decide --> policies::judge
//!                                        |
//!                                        '--> record: metrics, /v1/explain, logs
//! ```
//!
//! `answer` and what is below it know neither HTTP nor the time of day nor the cluster: a request
//! and a snapshot in, bytes out. The decision is the one of the simulator, [`judge`].
//!
//! [`judge`]: carbon_kube_policies::judge

pub mod answer;
pub mod config;
pub mod decide;
pub mod documents;
pub mod explain;
pub mod folder;
pub mod ledger;
pub mod metrics;
pub mod name;
pub mod nodes;
pub mod reason;
pub mod record;
pub mod run;
pub mod server;
pub mod state;
pub mod tls;
pub mod watch;
