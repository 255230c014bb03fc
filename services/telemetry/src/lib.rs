//! What every service of Carbon-Kube has: a configuration file, logs, metrics, health endpoints, an orderly
//! end; and, with the feature `lease`, one leader among the replicas.
//!
//! ```text
//!  program ----> config: one YAML file, its schema, its problems
//!  logs::init --> lines of JSON on standard error
//!  Health ------> GET /livez   the process answers
//!                 GET /readyz  everything that was promised has been reached once
//!  Registry ----> GET /metrics OpenMetrics text
//!  shutdown ----> SIGTERM, Ctrl-C
//!  lease -------> Standing: who may write, and until when
//! ```

#[cfg(feature = "cluster")]
pub mod api_server;
pub mod config;
pub mod endpoints;
pub mod health;
#[cfg(feature = "lease")]
pub mod lease;
pub mod logs;
#[cfg(feature = "otlp")]
mod otlp;
pub mod program;
pub mod shutdown;

pub use health::Health;
