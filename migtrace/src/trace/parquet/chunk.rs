//! Writes the columns that a writer has filled as column chunks of a row group.
//!
//! Columns with a dictionary are encoded here, from their runs: a dictionary page and one data page. The library encodes the
//! others: delta encoded numbers and booleans.

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::ParquetError,
    file::{
        metadata::ColumnChunkMetaData,
        writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use crate::trace::{
    column::{
        buffer::{Buffer, NULL, Run},
        rle::{Hybrid, width_of},
        types::{Cell, Owned},
    },
    schema::{Column, ColumnSink},
};

type Result<T> = std::result::Result<T, ParquetError>;

/// Writes the chunks of one row group, in the order of the columns.
pub(crate) struct Chunks<'a> {
    group: SerializedRowGroupWriter<'a, Vec<u8>>,
    columns: Vec<ColumnDescPtr>,
    next: usize,
    rows: usize,
    zstd: zstd::bulk::Compressor<'static>,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(
        group: SerializedRowGroupWriter<'a, Vec<u8>>,
        columns: &[ColumnDescPtr],
        rows: usize,
    ) -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(ZstdLevel::default().compression_level()).map_err(external)?;
        Ok(Self { group, columns: columns.to_vec(), next: 0, rows, zstd })
    }

    pub(crate) fn close(self) -> Result<()> {
        self.group.close().map(drop)
    }

    fn add_values<C: Cell>(&mut self, column: &Column, buffer: &Buffer<C>) -> Result<()> {
        let mut writer = self.group.next_column()?.ok_or_else(|| ParquetError::General("too many columns".into()))?;
        let values = buffer.values.iter().map(Owned::physical).collect::<Vec<_>>();
        let level = |run: &Run| std::iter::repeat_n(i16::from(run.key != NULL), run.rows as usize);
        let levels = column.optional.then(|| buffer.runs.iter().flat_map(level).collect::<Vec<_>>());
        writer.typed::<<C::Owned as Owned>::Physical>().write_batch(&values, levels.as_deref(), None)?;
        writer.close()
    }

    /// Writes a dictionary page and a data page; without any value, only a data page of levels.
    fn add_words<C: Cell>(
        &mut self,
        column: &Column,
        buffer: &Buffer<C>,
        nulls: u64,
        description: ColumnDescPtr,
    ) -> Result<()> {
        let has_words = !buffer.values.is_empty();
        let mut chunk = TrackedWrite::new(Vec::new());
        let mut sizes = Sizes::default();
        if has_words {
            let mut words = Vec::new();
            buffer.values.iter().for_each(|word| word.plain(&mut words));
            let buf = self.compress(&words)?;
            let num_values = buffer.values.len() as u32;
            let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
            sizes.add(&mut chunk, page, words.len())?;
        }
        let data_page_offset = sizes.compressed;
        let data = data_of(column, buffer);
        let page = Page::DataPage {
            buf: self.compress(&data)?,
            num_values: self.rows as u32,
            encoding: if has_words { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN },
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        sizes.add(&mut chunk, page, data.len())?;
        let mut encodings = vec![Encoding::PLAIN, Encoding::RLE];
        encodings.extend(has_words.then_some(Encoding::RLE_DICTIONARY));
        let range = buffer.values.iter().min().zip(buffer.values.iter().max());
        let metadata = ColumnChunkMetaData::builder(description)
            .set_encodings(encodings)
            .set_num_values(self.rows as i64)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_total_compressed_size(sizes.compressed)
            .set_total_uncompressed_size(sizes.uncompressed)
            .set_dictionary_page_offset(has_words.then_some(0))
            .set_data_page_offset(data_page_offset)
            .set_statistics(C::Owned::statistics(range, nulls))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: sizes.compressed as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        self.group.append_column(&Bytes::from(chunk.into_inner()?), close)
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Bytes> {
        self.zstd.compress(bytes).map(Bytes::from).map_err(external)
    }
}

impl ColumnSink for Chunks<'_> {
    type Error = ParquetError;

    /// Writes the next column.
    ///
    /// # Errors
    /// A row lacks a required value, or the library fails.
    fn add<C: Cell>(&mut self, column: &Column, buffer: &mut Buffer<C>) -> Result<()> {
        buffer.pad(self.rows);
        let nulls: u64 = buffer.runs.iter().filter(|run| run.key == NULL).map(|run| u64::from(run.rows)).sum();
        if nulls > 0 && !column.optional {
            return Err(ParquetError::General(format!("column {} lacks a value", column.name)));
        }
        let description = self.columns[self.next].clone();
        self.next += 1;
        if buffer.has_dictionary() || nulls == self.rows as u64 {
            self.add_words(column, buffer, nulls, description)
        } else {
            self.add_values(column, buffer)
        }
    }
}

/// Levels, if the column has any, and keys.
fn data_of<C: Cell>(column: &Column, buffer: &Buffer<C>) -> Vec<u8> {
    let mut data = Vec::new();
    if column.optional {
        data.extend_from_slice(&[0; 4]);
        let mut levels = Hybrid::new(&mut data, 1);
        // Neighbouring runs of words are one run of levels.
        for runs in buffer.runs.chunk_by(|a, b| (a.key == NULL) == (b.key == NULL)) {
            levels.put(u32::from(runs[0].key != NULL), runs.iter().map(|run| run.rows).sum());
        }
        levels.finish();
        let bytes = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&bytes.to_le_bytes());
    }
    if !buffer.values.is_empty() {
        let width = width_of(buffer.values.len());
        data.push(width as u8);
        let mut keys = Hybrid::new(&mut data, width);
        buffer.runs.iter().filter(|run| run.key != NULL).for_each(|run| keys.put(run.key, run.rows));
        keys.finish();
    }
    data
}

/// Bytes of a chunk so far, including page headers.
#[derive(Default)]
struct Sizes {
    compressed: i64,
    uncompressed: i64,
}

impl Sizes {
    fn add(&mut self, chunk: &mut TrackedWrite<Vec<u8>>, page: Page, uncompressed: usize) -> Result<()> {
        let written = SerializedPageWriter::new(chunk).write_page(CompressedPage::new(page, uncompressed))?;
        self.compressed += written.compressed_size as i64;
        self.uncompressed += written.uncompressed_size as i64;
        Ok(())
    }
}

fn external(error: std::io::Error) -> ParquetError {
    ParquetError::External(error.into())
}
