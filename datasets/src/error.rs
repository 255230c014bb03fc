//! Why a trace could not be read: always the file, the line where there is one, and a hint.

use carbon_kube_core::Time;
use carbon_kube_core::intensity::IntensityError;

/// Why a file could not be read. `path` is the file as the caller named it; lines count from 1,
/// the header included, as an editor counts them.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The path names a folder.
    #[error("{path}: is a directory, not a file")]
    Directory {
        /// The folder.
        path: String,
    },
    /// The gzip stream ends before its last block: a broken download, most of the time.
    #[error("{path}: the gzip data ends too early: the file is truncated")]
    Truncated {
        /// The file.
        path: String,
    },
    /// The last line has no end, and no line of such a file is without one.
    #[error("{path}: the last line has no end: the file may be cut off")]
    CutLine {
        /// The file.
        path: String,
    },
    /// Nothing about the file is like any format that is known.
    #[error("{path}: the format is not recognised")]
    Unrecognised {
        /// The file.
        path: String,
        /// The names of the formats.
        formats: String,
    },
    /// Asked to be laid on other dates by its own, of which it has none.
    #[error("{path}: a `{format}` trace has no dates, only times since its beginning")]
    Undated {
        /// The file.
        path: String,
        /// The name of the format.
        format: &'static str,
    },
    /// Asked for the rows of one workload, where rows are of none.
    #[error("{path}: the rows of a `{format}` trace are of no workload by name")]
    WithoutWorkloads {
        /// The file.
        path: String,
        /// The name of the format.
        format: &'static str,
    },
    /// No row is of the workload that was asked for.
    #[error("{path}: no row has the workload `{}`", shorten(workload))]
    NoWorkload {
        /// The file.
        path: String,
        /// The name that was asked for.
        workload: String,
    },
    /// The gzip stream is damaged.
    #[error("{path}: the gzip data is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What the decoder said.
        reason: String,
    },
    /// More text than any trace has; a small gzip file can unpack to a full disk.
    #[error("{path}: has more than {limit_mib} MiB of text")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit.
        limit_mib: u64,
    },
    /// The file is not text.
    #[error("{path}: is not a text file ({what})")]
    Binary {
        /// The file.
        path: String,
        /// What a text file does not have.
        what: &'static str,
    },
    /// Nothing but a header, or nothing at all.
    #[error("{path}: has no rows")]
    Empty {
        /// The file.
        path: String,
    },
    /// A named column is not in the header.
    #[error("{path}: line 1: no column `{column}`; there are {}", list(.present))]
    MissingColumn {
        /// The file.
        path: String,
        /// The column that was asked for.
        column: String,
        /// The column most like it.
        nearest: Option<String>,
        /// The columns of the file.
        present: Vec<String>,
    },
    /// A row has more or fewer fields than the header.
    #[error("{path}: line {line}: has {found} fields, the header has {expected}")]
    Fields {
        /// The file.
        path: String,
        /// The row.
        line: u64,
        /// Fields in the header.
        expected: u64,
        /// Fields in the row.
        found: u64,
    },
    /// A quote that is closed on another line, or never.
    #[error("{path}: line {line}: a quoted field does not end on its line")]
    OpenQuote {
        /// The file.
        path: String,
        /// The row.
        line: u64,
    },
    /// A field that is not what its column holds.
    #[error("{path}: line {line}: column `{column}`: `{value}` {problem}")]
    Value {
        /// The file.
        path: String,
        /// The row.
        line: u64,
        /// The column.
        column: String,
        /// The field as read, shortened.
        value: String,
        /// What is wrong with it, as the end of the sentence.
        problem: &'static str,
    },
    /// The text is no JSON, or not of the form that is read.
    #[error("{path}: line {line}: column {column}: {problem}")]
    Json {
        /// The file.
        path: String,
        /// The line.
        line: u64,
        /// The byte of the line.
        column: u64,
        /// What the parser said.
        problem: String,
    },
    /// A field of a Kubernetes object that can't be understood.
    #[error("{path}: {object}: {field}: {problem}")]
    Object {
        /// The file.
        path: String,
        /// Kind, namespace and name.
        object: String,
        /// The field, as Kubernetes names it.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two rows for one instant.
    #[error("{path}: line {line}: {at} is there twice")]
    Duplicate {
        /// The file.
        path: String,
        /// The second of the rows.
        line: u64,
        /// The instant.
        at: Time,
    },
    /// A row that is earlier than the one before it.
    #[error("{path}: line {line}: {at} comes after {before}: the rows are not sorted by time")]
    Unsorted {
        /// The file.
        path: String,
        /// The row.
        line: u64,
        /// Its instant.
        at: Time,
        /// The instant of the row before.
        before: Time,
    },
    /// A row between two steps of the series.
    #[error("{path}: line {line}: {at} is not a multiple of {step} after the first row")]
    OffGrid {
        /// The file.
        path: String,
        /// The row.
        line: u64,
        /// Its instant.
        at: Time,
        /// The step: the most common difference of two rows.
        step: carbon_kube_core::Span,
    },
    /// More rows than fit into memory beside a simulation.
    #[error("{path}: line {line}: has more than {limit} rows")]
    TooManyRows {
        /// The file.
        path: String,
        /// The first row beyond the limit.
        line: u64,
        /// The most that is read.
        limit: usize,
    },
    /// One stray date makes a series of millions of empty steps.
    #[error("{path}: line {line}: the file would have {steps} steps; the most is {limit}")]
    TooLong {
        /// The file.
        path: String,
        /// The last row.
        line: u64,
        /// Steps from the first row to the last.
        steps: u64,
        /// The most that is read.
        limit: u64,
    },
    /// There are no emission factors to compute the intensity with.
    #[error("{path}: no `{set}` emission factors for zone `{zone}`")]
    NoFactors {
        /// The file.
        path: String,
        /// The set that was asked for.
        set: carbon_kube_core::mix::FactorSet,
        /// The zone.
        zone: String,
    },
    /// The content is that of none of the known formats.
    #[error("{path}: line 1: is in no format that is known by its content")]
    UnknownFormat {
        /// The file.
        path: String,
    },
    /// A format was forced on a file of another kind.
    #[error("{path}: line 1: is {found}, but `{format}` is {expected}")]
    OtherKind {
        /// The file.
        path: String,
        /// The format that was asked for.
        format: crate::intensity::Format,
        /// What its files are.
        expected: &'static str,
        /// What the file is.
        found: &'static str,
    },
    /// A column that may be a fuel, which would be left out of the mix.
    #[error("{path}: line 1: column `{column}` is not known to `{format}`")]
    UnknownColumn {
        /// The file.
        path: String,
        /// The column.
        column: String,
        /// The format.
        format: crate::intensity::Format,
    },
    /// A file that counts the hours of a year without saying which.
    #[error("{path}: the file's name has no year, and the file doesn't say it")]
    NoYear {
        /// The file.
        path: String,
    },
    /// A column that is there twice.
    #[error("{path}: line 1: column `{column}` is there twice")]
    RepeatedColumn {
        /// The file.
        path: String,
        /// The column.
        column: String,
    },
    /// The Parquet file is damaged, or has a column of another kind.
    #[error("{path}: {reason}")]
    Parquet {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The file is about other places.
    #[error("{path}: column `{column}`: is about {}, not {wanted}", list(.present))]
    Elsewhere {
        /// The file.
        path: String,
        /// The column that tells the place.
        column: String,
        /// The place that was asked for.
        wanted: String,
        /// The places of the file.
        present: Vec<String>,
    },
    /// Two files of one zone tell two values for one step.
    #[error("{path}: line {line}: {at} is {value} g/kWh, but {other} in {other_path}")]
    Conflict {
        /// The second file.
        path: String,
        /// The row.
        line: u64,
        /// The instant.
        at: Time,
        /// The value there.
        value: f64,
        /// The value in the first file.
        other: f64,
        /// The first file.
        other_path: String,
    },
    /// Files of different kinds were to be joined.
    #[error("{path}: is {found}, but {other_path} is {other}: they make no one series")]
    Mixed {
        /// The second file.
        path: String,
        /// What it is.
        found: String,
        /// The first file.
        other_path: String,
        /// What that is.
        other: String,
    },
    /// A gap or a glitch where none was allowed.
    #[error("{path}: {what} from {from} to {to}")]
    Hole {
        /// The files.
        path: String,
        /// A gap, or a glitch.
        what: &'static str,
        /// First instant without a value to trust.
        from: Time,
        /// First instant after it.
        to: Time,
    },
    /// The series can't be brought to the asked step.
    #[error("{path}: has steps of {step}, which do not make {wanted}")]
    Step {
        /// The files.
        path: String,
        /// The step that there is.
        step: carbon_kube_core::Span,
        /// The step that was asked for.
        wanted: carbon_kube_core::Span,
    },
    /// An option that this kind of file needs.
    #[error("{path}: {what}")]
    Needs {
        /// The file.
        path: String,
        /// What is to be said.
        what: &'static str,
    },
    /// The values do not make a series.
    #[error("{path}: {source}")]
    Series {
        /// The file.
        path: String,
        /// Why not.
        source: IntensityError,
    },
}

impl ReadError {
    /// What to do next, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { .. } | Self::Series { .. } | Self::Needs { .. } => return None,
            Self::UnknownFormat { .. } => {
                "name the columns of its time and value (format `columns`), or say which of the \
                 formats it is in: `carbon-kube datasets import --help` lists them"
            }
            Self::OtherKind { .. } => "leave the format out to have it detected",
            Self::UnknownColumn { .. } => {
                "if it is no fuel of the mix, cut it out of the file: a fuel that is left out \
                 would make the intensity wrong"
            }
            Self::OpenQuote { .. } => "close the quote, or take it out",
            Self::NoYear { .. } => "name it as it came, such as `avert_2023.csv`",
            Self::RepeatedColumn { .. } => "cut one of the two out of the file",
            Self::Parquet { .. } => "write or download it again",
            Self::Elsewhere { .. } => "choose one of them with `area`, or name the right zone",
            Self::Conflict { .. } => "leave out the file that is out of date",
            Self::Mixed { .. } => "read them one by one",
            Self::Hole { .. } => {
                "say what to do with gaps: `keep`, `hold`, `interpolate` or `same-hour`"
            }
            Self::Step { .. } => "ask for a multiple of the step that there is",
            Self::Directory { .. } => "name the file inside it",
            Self::Truncated { .. } | Self::Damaged { .. } => {
                "download it again; `gzip -t FILE` checks it"
            }
            Self::CutLine { .. } => {
                "download it again; if it is whole, put a line end after the last line"
            }
            Self::Unrecognised { formats, .. } => {
                return Some(format!("name the format; there are {formats}"));
            }
            Self::Undated { .. } => "lay it on the window's start instead: `shift: window`",
            Self::WithoutWorkloads { .. } => {
                "leave `workload` out: a workload is the whole file then, or what `datasets import` \
                 made of a cluster"
            }
            Self::NoWorkload { .. } => "the last column of the file has the names",
            Self::TooLarge { .. } | Self::TooManyRows { .. } => {
                "cut the file to the period that is simulated"
            }
            Self::Binary { .. } => {
                "readers take CSV in UTF-8, plain or gzipped: unpack a .zip, export a spreadsheet \
                 or a Parquet file as CSV"
            }
            Self::Empty { .. } => "a header and at least one row are needed",
            Self::MissingColumn { nearest, .. } => {
                return Some(match nearest {
                    Some(name) => format!("did you mean `{}`?", shorten(name)),
                    None => "name the column as the header of the file has it".to_owned(),
                });
            }
            Self::Fields { .. } => {
                "a text with commas needs quotes; a decimal comma must become a point"
            }
            Self::Value { .. } => {
                "check that the column and its unit are the right ones; in a trace of the grid an \
                 empty field is a gap"
            }
            Self::Json { .. } => "write or download it again: `jq . FILE` checks it",
            Self::Object { .. } => {
                "an API server would refuse it too: correct the object in the file"
            }
            Self::Duplicate { .. } => {
                "local times repeat an hour each autumn: use UTC, or times with an offset"
            }
            Self::Unsorted { .. } => "sort the rows by time",
            Self::OffGrid { .. } => "bring the rows to one step, or remove the stray row",
            Self::TooLong { .. } => "look for a row with a wrong date",
            Self::NoFactors { .. } => {
                "use the `global` or `lifecycle` set, or read a column that holds an intensity"
            }
        };
        Some(text.to_owned())
    }
}

/// The first columns, quoted; a file of hundreds would bury the message.
fn list(columns: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<String> =
        columns.iter().take(SHOWN).map(|name| format!("`{}`", shorten(name))).collect();
    if columns.len() > SHOWN {
        names.push(format!("{} more", columns.len() - SHOWN));
    }
    names.join(", ")
}

/// A field as a message can show it: no control characters and no page of text.
pub(crate) fn shorten(field: &str) -> String {
    const SHOWN: usize = 40;
    let mut text: String = field.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if field.chars().count() > SHOWN {
        text.push_str("...");
    }
    text
}
