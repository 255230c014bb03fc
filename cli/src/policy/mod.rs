//! `policy ...`: a file per subcommand, and how a policy gets in and out.

pub mod export;
pub mod inspect;
pub mod list;
mod manifest;
mod onnx;
mod rule;
pub mod source;
pub mod verify;
