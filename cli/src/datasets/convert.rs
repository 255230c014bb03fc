//! `datasets convert IN -o OUT`.

use std::process::ExitCode;

use carbon_kube_datasets::intensity::{self, Format, Request, stored};

use super::import::storage::Storage;
use super::{read_failure, written};
use crate::args::ConvertArgs;
use crate::failure::Failure;

pub fn run(args: &ConvertArgs) -> Result<ExitCode, Failure> {
    let storage = Storage::of(&args.out)?;
    written::refuse_existing(&args.out, args.overwrite)?;
    let notes = stored::notes(&args.input).map_err(read_failure)?;
    let zone = stored::zone(&notes).ok_or_else(|| {
        Failure::new(format!("{}: is no series that was imported", args.input.display()))
            .hint("read it with `carbon-kube datasets import` first")
    })?;
    let request = Request { format: Some(Format::Series), ..Request::of(zone) };
    let import = intensity::read(&[&args.input], &request).map_err(read_failure)?;
    storage.write(&args.out, args.overwrite, &import.series, &notes)?;
    Ok(ExitCode::SUCCESS)
}
