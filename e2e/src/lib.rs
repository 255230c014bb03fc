//! Fixtures of the end-to-end tests: a real control plane on loopback, with fake nodes.
//!
//! ```text
//!   tools ---> process ---+
//!                pki -----+--> cluster: etcd, API server, controller manager, scheduler
//!          scheduler -----+                 ^              ^
//!                                         nodes         kubelet
//!                                           ^
//!   apply (policy, grid, rights) -----> extender, poller, tuner: the real binaries
//!                                                   ^
//!                                              grid_source
//!
//!   chart: what Helm makes of charts/carbon-kube, for such a cluster
//! ```
//!
//! `e2e/README.md` says how to run the tests and how to add one.

pub mod apply;
pub mod chart;
pub mod cluster;
pub mod dashboard_picture;
pub mod extender;
pub mod grid_source;
pub mod kubelet;
pub mod monitoring;
pub mod nodes;
pub mod pki;
pub mod poller;
pub mod process;
pub mod scheduler;
pub mod tools;
pub mod tuner;
pub mod wait;
