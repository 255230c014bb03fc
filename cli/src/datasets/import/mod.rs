//! `datasets import FILE... -o OUT`: a file per family of formats.
//!
//! [`ImportFormat`] says which families there are; [`run`] sends each to its file.

mod grid;
pub mod storage;

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;

use carbon_kube_datasets::intensity;

use crate::args::ImportArgs;
use crate::failure::Failure;

/// What can be imported, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// Carbon intensity, or a generation mix.
    Grid(intensity::Format),
}

impl FromStr for ImportFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Grid)
    }
}

impl fmt::Display for ImportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grid(format) => format.fmt(f),
        }
    }
}

pub fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    match args.format {
        None => grid::run(args, None),
        Some(ImportFormat::Grid(format)) => grid::run(args, Some(format)),
    }
}
