//! The rows of a table as blocks of whole lines, for a parser that takes many at once.
//!
//! Only *plain* text comes out: no quotes, no comments or blank lines between the rows, and in
//! every line as many fields as in the header. Of such text every CSV parser makes the same
//! rows, which of quoted or ragged text they don't: polars fills a short row with nulls. What is
//! not plain is left to [`Table`], which knows what to make of it.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use super::{LastLine, Table, Unpacked, guarded, unpack};

/// Text in one block: enough for every core, little beside the rows that are kept.
const BLOCK_BYTES: usize = 16 << 20;

/// The rows of a file, in order.
pub(crate) struct Blocks {
    text: Unpacked<'static>,
    /// What separates two fields.
    pub(crate) delimiter: u8,
    /// The line of the first row. Each row is a line: plain text has nothing else.
    pub(crate) first_line: u64,
    /// Fields of the header, and so of every row.
    pub(crate) width: usize,
    /// Whole lines that were handed out, then the part of a line that the next block starts with.
    buffer: Vec<u8>,
    /// Where that part starts.
    rest: usize,
    block_bytes: usize,
}

impl Blocks {
    /// Opens a file a second time, after its header; `table` is the same file, just opened.
    pub(crate) fn open(path: &Path, table: &Table<'_>) -> io::Result<Self> {
        let unpacked = unpack("", File::open(path)?).map_err(io::Error::other)?;
        let mut text = guarded(unpacked, LastLine::Open);
        let header = table.reader.position().byte();
        let skipped = io::copy(&mut text.by_ref().take(header), &mut io::sink())?;
        if skipped < header {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Of a `\r\n` the CSV reader takes the first byte with the row, the second with the next.
        let mut first_line = table.reader.position().line();
        if text.fill_buf()?.starts_with(b"\n") {
            text.consume(1);
            first_line += 1;
        }
        Ok(Self {
            text,
            delimiter: table.delimiter(),
            first_line,
            width: table.header.len(),
            buffer: Vec::new(),
            rest: 0,
            block_bytes: BLOCK_BYTES,
        })
    }

    /// The next lines and how many they are; `None` at the end. Text that is not plain is an error.
    pub(crate) fn next(&mut self) -> io::Result<Option<(&[u8], usize)>> {
        self.buffer.drain(..self.rest);
        let wanted = self.block_bytes.saturating_sub(self.buffer.len()) as u64;
        self.text.by_ref().take(wanted).read_to_end(&mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.rest = if self.text.fill_buf()?.is_empty() {
            if self.buffer.last() != Some(&b'\n') {
                self.buffer.push(b'\n');
            }
            self.buffer.len()
        } else {
            // The guard stops a line that is longer than a block.
            self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
        };
        let block = &self.buffer[..self.rest];
        match plain_lines(block, self.delimiter, self.width) {
            Some(lines) => Ok(Some((block, lines))),
            None => Err(io::Error::other("not plain")),
        }
    }
}

/// How many lines the block has; `None` unless it is plain.
fn plain_lines(block: &[u8], delimiter: u8, width: usize) -> Option<usize> {
    let mut lines = 0;
    let mut fields = 1;
    let mut before = b'\n';
    for &byte in block {
        match byte {
            b'\n' if fields == width => {
                lines += 1;
                fields = 1;
            }
            b'\n' | b'"' => return None,
            b'#' if before == b'\n' => return None,
            _ if byte == delimiter => fields += 1,
            _ => {}
        }
        // Alone, `\r` ends a row for one parser and is a part of a field for the other.
        if before == b'\r' && byte != b'\n' {
            return None;
        }
        before = byte;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn blocks(content: &str, block_bytes: usize) -> io::Result<Vec<String>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(content.as_bytes())?;
        let table = Table::open(file.path()).map_err(io::Error::other)?;
        let mut blocks = Blocks::open(file.path(), &table)?;
        blocks.block_bytes = block_bytes;
        let mut all = Vec::new();
        while let Some((block, lines)) = blocks.next()? {
            assert_eq!(block.iter().filter(|byte| **byte == b'\n').count(), lines);
            all.push(String::from_utf8_lossy(block).into_owned());
        }
        Ok(all)
    }

    #[test]
    fn a_block_ends_with_a_line() {
        let text = "# head\na;b\n1;2\n3;4\n5;6";
        assert_eq!(blocks(text, 100).unwrap(), ["1;2\n3;4\n5;6\n"]);
        // Ten bytes hold two lines and a half.
        assert_eq!(blocks(text, 10).unwrap(), ["1;2\n3;4\n", "5;6\n"]);
        assert_eq!(blocks("a,b\r\n1,2\r\n", 100).unwrap(), ["1,2\r\n"]);
        assert_eq!(blocks("a,b\n", 100).unwrap(), [""; 0]);
    }

    #[test]
    fn what_parsers_read_differently_is_not_handed_out() {
        for rows in ["\"1\",2\n", "1,2\n\n", "1\n", "1,2,3\n1\n", "# 1,2\n", "1,2\r3,4\n"] {
            assert!(blocks(&format!("a,b\n{rows}"), 100).is_err(), "{rows:?}");
        }
    }
}
