//! A CSV file as rows with line numbers: plain or gzip, `,` `;` or tab, `#` comments.
//!
//! The text is streamed through a guard, so that no input can fill the memory: neither a gzip
//! bomb nor a gigabyte without a line end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use carbon_kube_core::zone::nearest_name;
use flate2::bufread::MultiGzDecoder;

use crate::error::{ReadError, shorten};

#[cfg(feature = "frames")]
pub(crate) mod blocks;
pub(crate) mod number;

use number::Notation;

/// The most text that is read from one file: a year of 5-second values is 0.2 GiB.
const LIMIT_BYTES: u64 = 4 << 30;

/// The most rows that a reader keeps: 42 million pods are 2.4 GB.
pub(crate) const LIMIT_ROWS: usize = 42_000_000;

/// The longest run of bytes without a line end. A CSV reader keeps a whole row in memory.
const LIMIT_LINE_BYTES: usize = 1 << 20;

/// The unpacked and guarded text of a file, not yet read as rows.
pub(crate) struct Text<'a> {
    pub(crate) path: String,
    inner: Unpacked<'a>,
}

/// The text of a file, unpacked, with its first bytes to look at.
pub(crate) type Unpacked<'a> = BufReader<Box<dyn Read + 'a>>;

impl Text<'static> {
    /// Opens a file.
    pub(crate) fn open(path: &Path, last: LastLine) -> Result<Self, ReadError> {
        Self::new(&path.display().to_string(), open(path)?, last)
    }
}

impl<'a> Text<'a> {
    /// Takes anything; `name` stands for the file in messages.
    pub(crate) fn new(
        name: &str,
        input: impl Read + 'a,
        last: LastLine,
    ) -> Result<Self, ReadError> {
        let inner = guarded(unpack(name, input)?, last);
        Ok(Self { path: name.to_owned(), inner })
    }

    /// The first `bytes` of the text, or all of it where it is shorter. They are read again later.
    pub(crate) fn head(&mut self, bytes: u64) -> Result<Vec<u8>, ReadError> {
        let mut head = Vec::new();
        let read = self.inner.by_ref().take(bytes).read_to_end(&mut head);
        read.map_err(|source| error_of(&self.path, source))?;
        let nothing: Box<dyn Read + 'a> = Box::new(io::empty());
        let rest = std::mem::replace(&mut self.inner, BufReader::new(nothing));
        let again: Box<dyn Read + 'a> = Box::new(io::Cursor::new(head.clone()).chain(rest));
        self.inner = BufReader::with_capacity(1 << 16, again);
        Ok(head)
    }

    /// Passes over a byte order mark and blanks; true where there is nothing else.
    pub(crate) fn skip_blank(&mut self) -> Result<bool, ReadError> {
        let mut skip = || -> io::Result<bool> {
            if self.inner.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
                self.inner.consume(3);
            }
            loop {
                let text = self.inner.fill_buf()?;
                let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if blanks < text.len() || text.is_empty() {
                    return Ok(text.is_empty());
                }
                self.inner.consume(blanks);
            }
        };
        skip().map_err(|source| error_of(&self.path, source))
    }

    /// The text itself.
    pub(crate) fn reader(self) -> Unpacked<'a> {
        self.inner
    }

    /// The next line without its end, into `line`; false where there is none.
    pub(crate) fn line(&mut self, line: &mut Vec<u8>) -> Result<bool, ReadError> {
        line.clear();
        let read = self.inner.read_until(b'\n', line);
        let more = read.map_err(|source| error_of(&self.path, source))? > 0;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(more)
    }
}

/// What a last line without a line end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastLine {
    /// A line like the others.
    Open,
    /// What is left of a file that was cut: `12` may have been `128`.
    Closed,
    /// Nothing: the text is not made of lines, and one may be as long as the file.
    Anywhere,
}

/// An open file: its header and the rows that follow.
pub(crate) struct Table<'a> {
    path: String,
    reader: csv::Reader<Box<dyn Read + 'a>>,
    header: Vec<String>,
    comments: Vec<String>,
    delimiter: u8,
    row: csv::StringRecord,
}

/// A column by position, with its name for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) index: usize,
    pub(crate) name: String,
}

/// The row that was read last.
pub(crate) struct Row<'a> {
    path: &'a str,
    fields: &'a csv::StringRecord,
    pub(crate) line: u64,
}

impl Table<'static> {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        Self::of(Text::open(path, LastLine::Open)?)
    }
}

/// Opens a file, which must not be a folder.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    let io_error = |source| ReadError::Io { path: path.display().to_string(), source };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.is_dir() {
        return Err(ReadError::Directory { path: path.display().to_string() });
    }
    Ok(file)
}

impl<'a> Table<'a> {
    /// Reads from anything; `name` stands for the file in messages.
    pub(crate) fn new(name: &str, input: impl Read + 'a) -> Result<Self, ReadError> {
        Self::of(Text::new(name, input, LastLine::Open)?)
    }

    /// The same of what is unpacked already.
    pub(crate) fn unpacked(name: &str, text: Unpacked<'a>) -> Result<Self, ReadError> {
        Self::of(Text { path: name.to_owned(), inner: guarded(text, LastLine::Open) })
    }

    /// A text whose first line names the columns.
    pub(crate) fn of(text: Text<'a>) -> Result<Self, ReadError> {
        let mut table = Self::reader(text, true)?;
        let header = table.reader.headers().map_err(|error| csv_error(&table.path, error))?;
        table.header = header.iter().map(|name| name.trim().to_owned()).collect();
        if table.header.is_empty() {
            return Err(ReadError::Empty { path: table.path });
        }
        Ok(table)
    }

    /// A text without a header, whose columns are these.
    pub(crate) fn headless(text: Text<'a>, columns: &[&str]) -> Result<Self, ReadError> {
        let header = columns.iter().map(|&name| name.to_owned()).collect();
        Ok(Self { header, ..Self::reader(text, false)? })
    }

    fn reader(mut text: Text<'a>, has_headers: bool) -> Result<Self, ReadError> {
        let head = text.inner.fill_buf().map_err(|source| error_of(&text.path, source))?;
        let (delimiter, comments) = (delimiter(head), comments(head));
        // Fields are trimmed when they are looked at: a trimming reader copies each row.
        let reader = csv::ReaderBuilder::new()
            .has_headers(has_headers)
            .delimiter(delimiter)
            .comment(Some(b'#'))
            .from_reader(Box::new(text.inner) as Box<dyn Read + 'a>);
        let (header, row) = (Vec::new(), csv::StringRecord::new());
        Ok(Self { path: text.path, reader, header, comments, delimiter, row })
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The comments before the header, without their `#`.
    pub(crate) fn comments(&self) -> &[String] {
        &self.comments
    }

    /// What separates two fields.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Whether there is a column of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.header.iter().any(|column| column == name)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Finds a column by its name.
    pub(crate) fn column(&self, name: &str) -> Result<Column, ReadError> {
        match self.header.iter().position(|column| column == name) {
            Some(index) => Ok(Column { index, name: name.to_owned() }),
            None => Err(ReadError::MissingColumn {
                path: self.path.clone(),
                column: name.to_owned(),
                nearest: nearest_name(name, self.header.iter().map(String::as_str))
                    .map(str::to_owned),
                present: self.header.clone(),
            }),
        }
    }

    /// Finds several columns.
    pub(crate) fn columns<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Column; N], ReadError> {
        let mut columns = names.map(|_| Column { index: 0, name: String::new() });
        for (column, name) in columns.iter_mut().zip(names) {
            *column = self.column(name)?;
        }
        Ok(columns)
    }

    /// The first columns, by position; `names` for messages.
    pub(crate) fn positions<const N: usize>(
        &self,
        names: &[&str; N],
    ) -> Result<[Column; N], ReadError> {
        if self.header.len() != N {
            return Err(ReadError::Fields {
                path: self.path.clone(),
                line: 1,
                expected: N as u64,
                found: self.header.len() as u64,
            });
        }
        let mut index = 0;
        Ok(names.map(|name| {
            index += 1;
            Column { index: index - 1, name: name.to_owned() }
        }))
    }

    /// Finds the only column whose name passes a test; `name` stands for it in messages.
    pub(crate) fn column_where(
        &self,
        name: &str,
        test: impl Fn(&str) -> bool,
    ) -> Result<Column, ReadError> {
        let mut columns = self.header.iter().enumerate().filter(|(_, column)| test(column));
        match (columns.next(), columns.next()) {
            (Some((index, name)), None) => Ok(Column { index, name: name.clone() }),
            (Some((_, name)), Some(_)) => {
                Err(ReadError::RepeatedColumn { path: self.path.clone(), column: name.clone() })
            }
            (None, _) => self.column(name),
        }
    }

    /// The same for a column that may not have been asked for.
    pub(crate) fn optional(&self, name: Option<&str>) -> Result<Option<Column>, ReadError> {
        name.map(|name| self.column(name)).transpose()
    }

    /// The next row; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        let more =
            self.reader.read_record(&mut self.row).map_err(|error| csv_error(&self.path, error))?;
        let line = self.row.position().map_or(0, csv::Position::line);
        // No field of a trace goes over several lines: an open quote would swallow the rows after it.
        if self.row.as_slice().contains('\n') {
            return Err(ReadError::OpenQuote { path: self.path.clone(), line });
        }
        if more && self.row.len() != self.header.len() {
            return Err(ReadError::Fields {
                path: self.path.clone(),
                line,
                expected: self.header.len() as u64,
                found: self.row.len() as u64,
            });
        }
        Ok(more.then_some(Row { path: &self.path, line, fields: &self.row }))
    }
}

impl<'a> Row<'a> {
    /// Fields that were not read by a [`Table`].
    pub(crate) fn new(path: &'a str, line: u64, fields: &'a csv::StringRecord) -> Self {
        Self { path, fields, line }
    }

    pub(crate) fn path(&self) -> &str {
        self.path
    }

    /// The text of a field.
    pub(crate) fn text(&self, column: &Column) -> &str {
        // Rows are as long as the header, or reading them failed.
        self.fields.get(column.index).unwrap_or("").trim()
    }

    /// A finite number; `None` for an empty field.
    pub(crate) fn number(&self, column: &Column) -> Result<Option<f64>, ReadError> {
        self.number_in(column, Notation::Plain)
    }

    /// The same in the notation of the file.
    pub(crate) fn number_in(
        &self,
        column: &Column,
        notation: Notation,
    ) -> Result<Option<f64>, ReadError> {
        notation.parse(self.text(column)).map_err(|problem| self.wrong(column, problem))
    }

    /// The error that names this row and a column.
    pub(crate) fn wrong(&self, column: &Column, problem: &'static str) -> ReadError {
        ReadError::Value {
            path: self.path.to_owned(),
            line: self.line,
            column: column.name.clone(),
            value: shorten(self.text(column)),
            problem,
        }
    }
}

/// Unpacks gzip. The content decides, not the name: a `.gz` may have been unpacked on its way.
pub(crate) fn unpack<'a>(name: &str, input: impl Read + 'a) -> Result<Unpacked<'a>, ReadError> {
    let mut packed = BufReader::with_capacity(1 << 16, input);
    let head = packed.fill_buf().map_err(|source| error_of(name, source))?;
    let text: Box<dyn Read + 'a> = if head.starts_with(b"\x1f\x8b") {
        Box::new(MultiGzDecoder::new(packed))
    } else {
        Box::new(packed)
    };
    Ok(BufReader::with_capacity(1 << 16, text))
}

/// The first bytes of what comes, to tell what it is.
pub(crate) fn peek<'a>(name: &str, text: &'a mut Unpacked<'_>) -> Result<&'a [u8], ReadError> {
    text.fill_buf().map_err(|source| error_of(name, source))
}

/// All bytes of a file that can't be streamed; `limit` is the most of them.
pub(crate) fn whole(name: &str, text: Unpacked<'_>, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    text.take(limit + 1).read_to_end(&mut bytes).map_err(|source| error_of(name, source))?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge { path: name.to_owned(), limit_mib: limit >> 20 });
    }
    Ok(bytes)
}

fn guarded(text: Unpacked<'_>, last: LastLine) -> Unpacked<'_> {
    BufReader::with_capacity(1 << 16, Box::new(Guard::new(text, last)))
}

/// The lines of the head that begin with `#`.
fn comments(head: &[u8]) -> Vec<String> {
    let lines = head.split(|byte| *byte == b'\n');
    lines
        .map_while(|line| line.strip_prefix(b"#"))
        .map(|line| String::from_utf8_lossy(line).trim().to_owned())
        .collect()
}

/// `,`, `;` or a tab: whichever the first line that is no comment has most of.
fn delimiter(head: &[u8]) -> u8 {
    let line =
        head.split(|byte| *byte == b'\n').find(|line| !line.starts_with(b"#")).unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    // The last of equals wins: a header of one column is a comma-separated one.
    [b'\t', b';', b','].into_iter().max_by_key(|candidate| count(*candidate)).unwrap_or(b',')
}

/// Passes text on and stops at what no trace has.
struct Guard<R> {
    inner: R,
    left: u64,
    line: usize,
    last: LastLine,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("too large")]
    TooLarge,
    #[error("a zero byte")]
    Zero,
    #[error("a line of more than 1 MiB")]
    LongLine,
    #[error("a last line without an end")]
    CutLine,
}

impl<R: Read> Guard<R> {
    fn new(inner: R, last: LastLine) -> Self {
        Self { inner, left: LIMIT_BYTES, line: 0, last }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.line > 0 && self.last == LastLine::Closed {
            return Err(io::Error::other(Refused::CutLine));
        }
        let read = &buffer[..count];
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(Refused::TooLarge))?;
        if read.contains(&0) {
            return Err(io::Error::other(Refused::Zero));
        }
        self.line = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => count - end - 1,
            None => self.line + count,
        };
        if self.line > LIMIT_LINE_BYTES && self.last != LastLine::Anywhere {
            return Err(io::Error::other(Refused::LongLine));
        }
        Ok(count)
    }
}

fn csv_error(path: &str, error: csv::Error) -> ReadError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => error_of(&path, source),
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => ReadError::Fields {
            path,
            line: pos.map_or(0, |position| position.line()),
            expected: expected_len,
            found: len,
        },
        // The reader seeks nowhere and deserialises nothing: what is left is bad UTF-8.
        _ => ReadError::Binary { path, what: "bytes that are not UTF-8" },
    }
}

pub(crate) fn error_of(path: &str, source: io::Error) -> ReadError {
    let path = path.to_owned();
    let refused = source.get_ref().and_then(|inner| inner.downcast_ref::<Refused>());
    match (refused, source.kind()) {
        (Some(Refused::TooLarge), _) => ReadError::TooLarge { path, limit_mib: LIMIT_BYTES >> 20 },
        (Some(Refused::Zero), _) => ReadError::Binary { path, what: "it has a zero byte" },
        (Some(Refused::LongLine), _) => {
            ReadError::Binary { path, what: "it has a line of more than 1 MiB" }
        }
        (Some(Refused::CutLine), _) => ReadError::CutLine { path },
        (None, io::ErrorKind::UnexpectedEof) => ReadError::Truncated { path },
        (None, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            ReadError::Damaged { path, reason: source.to_string() }
        }
        (None, _) => ReadError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let endless = io::repeat(b'x');
        let error = Table::new("noise", endless).err().unwrap();
        assert_eq!(
            error.to_string(),
            "noise: is not a text file (it has a line of more than 1 MiB)"
        );
    }

    #[test]
    fn a_gzip_bomb_is_refused() {
        let mut guard = Guard::new(io::repeat(b'\n'), LastLine::Open);
        guard.left = 100;
        let error = io::copy(&mut guard, &mut io::sink()).unwrap_err();
        assert_eq!(
            error_of("bomb.gz", error).to_string(),
            "bomb.gz: has more than 4096 MiB of text"
        );
    }

    #[test]
    fn semicolons_and_tabs_separate_too() {
        for text in ["a;b\n1;2\n", "a\tb\n1\t2\n", "# made by hand; once\na,b\n1,2\n"] {
            let mut table = Table::new("file", text.as_bytes()).unwrap();
            let column = table.column("b").unwrap();
            let row = table.next().unwrap().unwrap();
            assert_eq!(row.text(&column), "2", "{text}");
        }
    }
}
