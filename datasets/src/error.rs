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
    /// The gzip stream is damaged.
    #[error("{path}: the gzip data is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What the decoder said.
        reason: String,
    },
    /// More text than any trace has; a small gzip file can unpack to a full disk.
    #[error("{path}: unpacks to more than {limit_gib} GiB")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit.
        limit_gib: u64,
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
            Self::Io { .. } | Self::Series { .. } => return None,
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
            Self::Json { .. } => {
                "write the objects with `kubectl get nodes,pods,jobs,deployments -A -o json`"
            }
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
