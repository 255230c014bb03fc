//! What a policy is worth: the protocol of `docs/evaluation.md`.
//!
//! ```text
//!  zones, forecast --> protocol::Trial: weeks, jobs, reference, bound
//!                              |                        |
//!  policies -------------------+-- judge -- WeekScores -+--> table (statistics): rows, rival, headline
//!                              |
//!  settings of a rule ---------+-- search: the better third goes on to more weeks
//!  two policies ---------------'-- difference: job by job
//! ```

pub mod difference;
pub mod protocol;
pub mod search;
pub mod statistics;
pub mod table;
