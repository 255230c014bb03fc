//! `policy ...`: a file per subcommand, and how a policy gets in and out.

pub mod export;
pub mod list;
mod manifest;
mod rule;
pub mod source;
pub mod verify;
