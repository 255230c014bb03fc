//! `policy ...`: a file per subcommand, and how a policy gets in and out.

#[cfg(feature = "train")]
pub mod diff;
pub mod export;
pub mod inspect;
pub mod list;
mod manifest;
mod onnx;
mod parity;
mod rule;
pub mod source;
pub mod verify;
