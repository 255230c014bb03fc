//! The tuner job: judges the policy in force on what happened, and promotes a better one.
//!
//! ```text
//!  history.json, files --history--> Past: one signal, no gaps, [from | held out ... to)
//!  scenario, or built in --workload--> World --lay--> the same jobs on these days
//!  policy.yaml, settings --candidates, fine_tune--> policies
//!                                          |
//!        backtest: each of them on the same jobs -> grams by zone and day
//!                                          |
//!        promotion: better, beyond chance, and nobody waits for too long?
//!                                          |
//!  run --output--> status.json; carbon-kube-policy where it is promoted
//! ```
//!
//! What [`judge`](judge::judge) says depends on nothing but its arguments: same history, same policies, same
//! seed, same words. Only [`run`] asks the API server and the clock.

pub mod backtest;
pub mod candidates;
pub mod config;
pub mod fine_tune;
pub mod history;
pub mod judge;
pub mod output;
pub mod promotion;
pub mod report;
pub mod run;
pub mod workload;
