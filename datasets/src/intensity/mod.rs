//! Carbon intensity from files.
//!
//! [`read`] takes the files of one zone, whatever their format, and makes one series of them:
//! constant over equal steps, what is missing is a gap. A format is a file of this module; it
//! turns a row into an intensity, or into a mix that our factors turn into one. Everything else is
//! the same for all of them:
//!
//! ```text
//! bytes -> unpacked -> table, JSON or Parquet -> format (detected or forced)
//!       -> a reading per row -> files joined -> steps, gaps, glitches -> repaired as asked
//! ```
//!
//! With the cargo feature `frames`, large files of some formats are read through polars: the same
//! numbers and the same messages, sooner.

mod area;
mod avert;
#[cfg(feature = "frames")]
mod bulk;
mod carbon_aware_sdk;
mod carboncast;
pub mod columns;
mod eia;
mod eia_balance;
mod eia_grid_monitor;
mod electricity_maps;
mod electricity_maps_json;
mod electricity_maps_legacy;
mod entsoe;
mod entsoe_py;
mod format;
mod glitch;
mod issued;
mod mix;
mod neso_json;
mod neso_mix;
mod open;
mod open_intensity;
mod readings;
mod repair;
mod request;
mod rule;
mod series;
mod sgip_moer;
mod smard;
pub mod stored;
mod watttime;

use std::io::{self, Read};
use std::path::Path;

use columns::ColumnRule;
pub(crate) use columns::NO_INTENSITY;
pub use format::Format;
use readings::Readings;
pub use request::{Gaps, Request};
use rule::{Ending, Rule};
use series::FileRead;
pub use series::{Found, Import};

use crate::error::ReadError;
use crate::json::{self, Document};
use crate::table::{self, Table, Unpacked};

/// Reads the files of one zone as one series.
///
/// Files may overlap where they agree. Missing rows and rows without any number are gaps, not
/// errors.
///
/// # Errors
///
/// [`ReadError`] names file, line and column.
pub fn read<P: AsRef<Path>>(paths: &[P], request: &Request) -> Result<Import, ReadError> {
    read_watched(paths, request, &|_| {})
}

/// The same; `watch` is told how many more bytes were read, now and then.
///
/// # Errors
///
/// As [`read`].
pub fn read_watched<P: AsRef<Path>>(
    paths: &[P],
    request: &Request,
    watch: &dyn Fn(u64),
) -> Result<Import, ReadError> {
    let one = |path: &P| {
        let path = path.as_ref();
        let input = Watched { input: table::open(path)?, watch };
        file(&path.display().to_string(), input, Some(path), request)
    };
    series::import(paths.iter().map(one).collect::<Result<_, _>>()?, request)
}

/// Reads one file from memory or a stream; `name` stands for it in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read, request: &Request) -> Result<Import, ReadError> {
    series::import(vec![file(name, input, None, request)?], request)
}

struct Watched<'a, R> {
    input: R,
    watch: &'a dyn Fn(u64),
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        (self.watch)(count as u64);
        Ok(count)
    }
}

/// What the bytes are, before anybody asks what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table,
    Json,
    Parquet,
}

impl Kind {
    fn of(head: &[u8]) -> Self {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        match text.trim_ascii_start().first() {
            Some(b'{' | b'[') => Self::Json,
            _ if head.starts_with(b"PAR1") => Self::Parquet,
            _ => Self::Table,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Table => "a table of text",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        }
    }
}

fn file(
    name: &str,
    input: impl Read,
    path: Option<&Path>,
    request: &Request,
) -> Result<FileRead, ReadError> {
    let mut text = table::unpack(name, input)?;
    let kind = Kind::of(table::peek(name, &mut text)?);
    let forced = request.format.or(request.columns.as_ref().map(|_| Format::Columns));
    let (format, (readings, Ending { label, issues })) = match kind {
        Kind::Table => of_table(Table::unpacked(name, text)?, forced, path, request)?,
        Kind::Json => of_json(name, text, forced, request)?,
        Kind::Parquet => of_parquet(name, text, forced, request)?,
    };
    Ok(FileRead { format, readings, label, issues })
}

/// What came out of a file, and in which format it was.
type Parsed = (Format, (Readings, Ending));

fn of_table(
    table: Table<'_>,
    forced: Option<Format>,
    path: Option<&Path>,
    request: &Request,
) -> Result<Parsed, ReadError> {
    let unknown = || ReadError::UnknownFormat { path: table.path().to_owned() };
    let format = forced.or_else(|| Format::of_table(&table)).ok_or_else(unknown)?;
    macro_rules! rule {
        ($rule:expr) => {{
            let rule = $rule?;
            rows(table, rule, path)
        }};
    }
    let read = match format {
        Format::Open => rule!(open::OpenRule::bind(&table, request)),
        Format::OpenIntensity => rule!(open_intensity::OpenIntensity::bind(&table, request)),
        Format::Columns => rule!(ColumnRule::bind(&table, request)),
        Format::Series => rule!(stored::StoredRule::bind(&table, request)),
        Format::ElectricityMaps => rule!(electricity_maps::Portal::bind(&table, request)),
        Format::ElectricityMapsLegacy => {
            rule!(electricity_maps_legacy::Export::bind(&table, request))
        }
        Format::EiaBalance => rule!(eia_balance::Balance::bind(&table, request)),
        Format::EiaGridMonitor => rule!(eia_grid_monitor::Export::bind(&table, request)),
        Format::Entsoe => rule!(entsoe::Platform::bind(&table, request)),
        Format::EntsoePy => rule!(entsoe_py::Frame::bind(&table, request)),
        Format::NesoMix => rule!(neso_mix::HistoricMix::bind(&table, request)),
        Format::Smard => rule!(smard::Smard::bind(&table, request)),
        Format::SgipMoer => rule!(sgip_moer::Moer::bind(&table, request)),
        Format::Carboncast => rule!(carboncast::HourEnding::bind(&table, request)),
        Format::Avert => rule!(avert::Avert::bind(&table, request)),
        Format::ElectricityMapsJson
        | Format::NesoJson
        | Format::Watttime
        | Format::CarbonAwareSdk => Err(other_kind(table.path(), format, Kind::Json, Kind::Table)),
    };
    Ok((format, read?))
}

/// Reads a table; a bulk file in bulk, where that is compiled in.
fn rows(
    table: Table<'_>,
    rule: impl Rule,
    path: Option<&Path>,
) -> Result<(Readings, Ending), ReadError> {
    // What is not to be read in bulk comes back as nothing, and the rows below say what is wrong.
    #[cfg(feature = "frames")]
    if let Some(path) = path
        && bulk::is_bulk(path)
        && let Some(read) = bulk::read(path, rule.clone())
    {
        return Ok(read);
    }
    #[cfg(not(feature = "frames"))]
    let _ = path;
    rule::rows(table, rule)
}

fn of_json(
    name: &str,
    text: Unpacked<'_>,
    forced: Option<Format>,
    request: &Request,
) -> Result<Parsed, ReadError> {
    let document = Document::new(name, table::whole(name, text, json::LIMIT_BYTES)?)?;
    let root = document.root();
    let unknown = || ReadError::UnknownFormat { path: name.to_owned() };
    let format = forced.or_else(|| Format::of_json(&root)).ok_or_else(unknown)?;
    let read = match format {
        Format::ElectricityMapsJson => electricity_maps_json::read(&document, request),
        Format::NesoJson => neso_json::read(&document, request),
        Format::Watttime => watttime::read(&document, request),
        Format::CarbonAwareSdk => carbon_aware_sdk::read(&document, request),
        _ => Err(other_kind(name, format, Kind::Table, Kind::Json)),
    };
    Ok((format, read?))
}

fn of_parquet(
    name: &str,
    text: Unpacked<'_>,
    forced: Option<Format>,
    request: &Request,
) -> Result<Parsed, ReadError> {
    let format = forced.unwrap_or(Format::Series);
    match format {
        Format::Columns | Format::Series => {
            let bytes = table::whole(name, text, stored::LIMIT_BYTES)?;
            Ok((format, stored::from_parquet(name, bytes, format, request)?))
        }
        Format::ElectricityMapsJson
        | Format::NesoJson
        | Format::Watttime
        | Format::CarbonAwareSdk => Err(other_kind(name, format, Kind::Json, Kind::Parquet)),
        _ => Err(other_kind(name, format, Kind::Table, Kind::Parquet)),
    }
}

fn other_kind(path: &str, format: Format, expected: Kind, found: Kind) -> ReadError {
    let (expected, found) = (expected.name(), found.name());
    ReadError::OtherKind { path: path.to_owned(), format, expected, found }
}
