//! Makes one file of many segments.
//!
//! Row groups are taken over as they are, without encoding again. Only small ones, of a quiet recording whose every second
//! was a segment, are encoded together: each row group costs a footer entry per column, and Parquet allows 32767 of them,
//! which are nine hours.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowSchemaConverter,
        arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder},
    },
    column::writer::ColumnCloseResult,
    errors::ParquetError,
    file::{
        metadata::{KeyValue, RowGroupMetaData},
        reader::ChunkReader,
        writer::SerializedFileWriter,
    },
};

use super::{
    error::{Error, Result},
    meta::Meta,
    partial::{self, Partial},
    reader, schema,
    writer::{META_KEY, encode_batches, to_json},
};

/// Row groups below this many rows are encoded together.
const SMALL_ROWS: usize = 1 << 15;
/// Rows at which small row groups that were gathered are enough for one.
const GATHERED_ROWS: usize = 1 << 17;

/// Writes `path` with the rows of `segments`, in their order, and the metadata `meta`. Returns the file's size in bytes.
///
/// The file is made inside the partial directory and then renamed, so `path` is the old file or the whole new one.
///
/// # Errors
/// A segment cannot be read, or the file cannot be written.
pub(super) fn join(segments: &[PathBuf], partial: &Partial, path: &Path, meta: &Meta) -> Result<u64> {
    let temporary = partial.dir.join("joined.tmp");
    // Of an earlier attempt; a missing one is as good as a removed one.
    let _ = fs::remove_file(&temporary);
    let file = partial::create_new(&temporary).map_err(Error::write(&temporary))?;
    let meta = to_json(meta, path)?;
    let written = Join::new(file, path, &meta).and_then(|mut join| {
        for segment in segments {
            join.add(segment)?;
        }
        join.finish()
    });
    let renamed = written.and_then(|file| {
        let bytes = file.sync_all().and_then(|()| file.metadata()).map_err(Error::write(path))?.len();
        fs::rename(&temporary, path).map_err(Error::write(path))?;
        sync_parent(path).map_err(Error::write(path))?;
        Ok(bytes)
    });
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// Makes a rename last.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// The file that is being made.
struct Join<'a> {
    path: &'a Path,
    out: SerializedFileWriter<BufWriter<File>>,
    /// Small row groups that wait for more: segment and number in it.
    small: Vec<(Segment, usize)>,
    small_rows: usize,
}

/// A segment that was opened.
#[derive(Clone)]
struct Segment {
    path: PathBuf,
    file: Arc<File>,
    metadata: ArrowReaderMetadata,
}

impl Segment {
    fn row_group(&self, number: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(number)
    }
}

impl<'a> Join<'a> {
    fn new(file: File, path: &'a Path, meta: &str) -> Result<Self> {
        let meta = KeyValue::new(META_KEY.to_owned(), meta.to_owned());
        let properties = schema::properties().set_key_value_metadata(Some(vec![meta])).build();
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema::schema()).map_err(Error::encode(path))?;
        let out = SerializedFileWriter::new(BufWriter::new(file), parquet_schema.root_schema_ptr(), properties.into())
            .map_err(Error::encode(path))?;
        Ok(Self { path, out, small: Vec::new(), small_rows: 0 })
    }

    fn add(&mut self, segment: &Path) -> Result<()> {
        let (file, metadata) = reader::open_parquet(segment)?;
        let segment = Segment { path: segment.to_owned(), file: Arc::new(file), metadata };
        for number in 0..segment.metadata.metadata().num_row_groups() {
            let rows = reader::rows_of(segment.row_group(number));
            if rows >= SMALL_ROWS {
                self.add_small()?;
                splice(&mut self.out, &*segment.file, segment.row_group(number)).map_err(Error::encode(self.path))?;
                continue;
            }
            self.small.push((segment.clone(), number));
            self.small_rows += rows;
            if self.small_rows >= GATHERED_ROWS {
                self.add_small()?;
            }
        }
        Ok(())
    }

    /// Writes the row groups that wait as one.
    fn add_small(&mut self) -> Result<()> {
        self.small_rows = 0;
        let small = std::mem::take(&mut self.small);
        match small.as_slice() {
            [] => Ok(()),
            [(segment, number)] => {
                splice(&mut self.out, &*segment.file, segment.row_group(*number)).map_err(Error::encode(self.path))
            }
            _ => {
                let mut batches = Vec::new();
                for (segment, number) in &small {
                    decode(segment, *number, &mut batches)?;
                }
                let bytes = Bytes::from(encode_batches(&batches, self.path)?);
                let metadata = reader::parquet_metadata(&bytes, self.path)?;
                for row_group in metadata.metadata().row_groups() {
                    splice(&mut self.out, &bytes, row_group).map_err(Error::encode(self.path))?;
                }
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Result<File> {
        self.add_small()?;
        let buffered = self.out.into_inner().map_err(Error::encode(self.path))?;
        buffered.into_inner().map_err(|e| Error::write(self.path)(e.into_error()))
    }
}

/// Copies a row group's encoded columns.
fn splice(
    out: &mut SerializedFileWriter<BufWriter<File>>,
    from: &impl ChunkReader,
    row_group: &RowGroupMetaData,
) -> std::result::Result<(), ParquetError> {
    let mut to = out.next_row_group()?;
    for column in row_group.columns() {
        let close = ColumnCloseResult {
            bytes_written: column.compressed_size() as u64,
            rows_written: row_group.num_rows() as u64,
            metadata: column.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        to.append_column(from, close)?;
    }
    to.close()?;
    Ok(())
}

/// Reads a row group.
fn decode(segment: &Segment, number: usize, into: &mut Vec<RecordBatch>) -> Result<()> {
    let damaged = |e: &dyn ToString| Error::damaged(&segment.path, format!("row group {number}"), e.to_string());
    let file = segment.file.try_clone().map_err(Error::read(&segment.path))?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, segment.metadata.clone())
        .with_row_groups(vec![number])
        .build()
        .map_err(|e| damaged(&e))?;
    for batch in reader {
        into.push(batch.map_err(|e| damaged(&e))?);
    }
    Ok(())
}
