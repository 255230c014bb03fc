//! Parquet files of ours carry a checksum of their content, so that a damaged one is an error and
//! never other numbers.
//!
//! Parquet has a checksum per page. The `parquet` crate checks it (its feature `crc` is on) where
//! the writer of a file put one, but writes none. So a pair of the footer has ours: XXH3 with 128
//! bits over all bytes before the footer, and over what the footer says that reading depends on:
//! where the pages are and how they are packed, the types, the other pairs.
//!
//! ```text
//! PAR1 | pages ...................... | footer: schema, places of pages, pairs | PAR1
//!      |<---- so many bytes hashed -->|         carbon-kube.seal = 1 BYTES HASH
//! ```
//!
//! A file without a seal is read as any other: it may be older, or from another program.

use std::io::{self, Read, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::file::reader::ChunkReader;
use twox_hash::XxHash3_128;

const SEAL: &str = "carbon-kube.seal";
/// Of what is hashed, and how.
const VERSION: &str = "1";
/// Arrow's copy of the schema: written by the library, and checked by it against the file's own.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// Keys that are no words about the content.
pub(crate) const OURS: [&str; 2] = [SEAL, ARROW_SCHEMA];

/// Writes a Parquet file with a seal.
pub struct Writer<W: Write + Send> {
    inner: ArrowWriter<Hashed<W>>,
    pairs: Vec<(String, String)>,
}

impl<W: Write + Send> Writer<W> {
    /// An empty file that goes to `output`; `pairs` are what it says about itself.
    ///
    /// # Errors
    ///
    /// [`ParquetError`] where `output` can't be written.
    pub fn new(
        output: W,
        schema: SchemaRef,
        properties: WriterPropertiesBuilder,
        pairs: Vec<(String, String)>,
    ) -> Result<Self, ParquetError> {
        let metadata = pairs.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let properties = properties.set_key_value_metadata(Some(metadata.collect())).build();
        let output = Hashed::new(output);
        Ok(Self { inner: ArrowWriter::try_new(output, schema, Some(properties))?, pairs })
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.inner.write(rows)
    }

    /// Writes what is left, the seal and the footer.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn finish(mut self) -> Result<W, ParquetError> {
        let failed = |error: io::Error| ParquetError::External(Box::new(error));
        self.inner.flush()?;
        // Also what the library has in its buffer goes through the hash now.
        self.inner.sync().map_err(failed)?;
        let Hashed { hash, bytes, .. } = self.inner.inner();
        let pairs = self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let hash = whole(hash.clone(), self.inner.flushed_row_groups(), pairs);
        let seal = format!("{VERSION} {bytes} {hash:032x}");
        self.inner.append_key_value_metadata(KeyValue::new(SEAL.to_owned(), seal));
        self.inner.finish()?;
        self.inner.sync().map_err(failed)?;
        // The library's own `into_inner` finishes a second time, and makes a text of a full disk.
        let output = self.inner.inner_mut().inner.take();
        output.ok_or_else(|| ParquetError::General("the output is gone".to_owned()))
    }
}

/// Passes bytes on and hashes them.
struct Hashed<W> {
    /// Taken out when the file is finished.
    inner: Option<W>,
    hash: XxHash3_128,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(output: W) -> Self {
        Self { inner: Some(output), hash: XxHash3_128::new(), bytes: 0 }
    }

    fn output(&mut self) -> io::Result<&mut W> {
        self.inner.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.output()?.write(buffer)?;
        self.hash.write(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output()?.flush()
    }
}

/// The hash of pages goes on over the footer.
fn whole<'a>(
    mut pages: XxHash3_128,
    groups: &[RowGroupMetaData],
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> u128 {
    // Lengths keep `a`, `bc` from being `ab`, `c`.
    let mut add = |text: &str| {
        pages.write(&(text.len() as u64).to_le_bytes());
        pages.write(text.as_bytes());
    };
    for group in groups {
        add(&group.num_rows().to_string());
        group.columns().iter().for_each(|column| add(&chunk(column)));
    }
    pairs.for_each(|(key, value)| [key, value].into_iter().for_each(&mut add));
    pages.finish_128()
}

/// What reading the pages of a column depends on, in the words of Parquet's own specification.
fn chunk(column: &ColumnChunkMetaData) -> String {
    let kind = column.column_descr();
    format!(
        "{} {} {} {} {} {} {} {} {} {:?}",
        column.column_path().string(),
        column.column_type(),
        kind.converted_type(),
        kind.max_def_level(),
        kind.max_rep_level(),
        column.compression(),
        column.num_values(),
        column.compressed_size(),
        column.data_page_offset(),
        column.dictionary_page_offset(),
    )
}

/// Holds a file against its seal, if it has one.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub fn check(file: &impl ChunkReader, metadata: &ParquetMetaData) -> Result<(), String> {
    let footer = metadata.file_metadata();
    let pairs = footer.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let pairs = || pairs.iter().map(|pair| (&*pair.key, pair.value.as_deref().unwrap_or_default()));
    let Some((_, seal)) = pairs().find(|(key, _)| *key == SEAL) else { return Ok(()) };
    let damaged = || "its checksum is not that of its content".to_owned();
    let mut words = seal.split(' ');
    let (version, bytes, hash) = (words.next(), words.next(), words.next());
    if version != Some(VERSION) {
        return Err(format!("its checksum `{seal}` is of a kind that this program does not know"));
    }
    let bytes: u64 = bytes.and_then(|bytes| bytes.parse().ok()).ok_or_else(damaged)?;
    let mut pages = Hashed::new(io::sink());
    let input = file.get_read(0).map_err(|error| error.to_string())?;
    io::copy(&mut input.take(bytes), &mut pages).map_err(|error| error.to_string())?;
    let others = pairs().filter(|(key, _)| !OURS.contains(key));
    let found = format!("{:032x}", whole(pages.hash, metadata.row_groups(), others));
    if pages.bytes == bytes && hash == Some(found.as_str()) { Ok(()) } else { Err(damaged()) }
}
