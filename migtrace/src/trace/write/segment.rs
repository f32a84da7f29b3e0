//! Encodes rows as a Parquet file in memory: a segment, or rows of several segments as a row group of one file.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    file::{
        metadata::{KeyValue, RowGroupMetaData},
        writer::SerializedFileWriter,
    },
};

use crate::{
    recording::{META_KEY, Meta},
    trace::{
        error::{Error, Result},
        parquet::{
            checksum::{self, TAIL},
            chunk::Chunks,
            container::GroupBytes,
        },
        partial_dir::Partial,
        schema::{self, Buffers},
    },
};

/// The rows of `buffers` as a file with the metadata `meta`, JSON. Errors name the trace `path`.
///
/// # Errors
/// A row lacks a required value, or the library fails.
pub(crate) fn encode(buffers: &mut Buffers, meta: &str, path: &Path) -> Result<Vec<u8>> {
    let mut encode = || {
        let properties = schema::properties().set_key_value_metadata(Some(vec![meta_entry(meta)])).build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema::parquet_schema()?, properties.into())?;
        let columns = file.schema_descr().columns().to_vec();
        if buffers.rows() > 0 {
            let mut chunks = Chunks::new(file.next_row_group()?, &columns, buffers.rows())?;
            buffers.drain(&mut chunks)?;
            chunks.close()?;
        }
        file.flush()?;
        let of_group = |g: &RowGroupMetaData| checksum::of_group(g, file.inner(), 0);
        let checksums = file.flushed_row_groups().iter().map(of_group).collect::<Option<Vec<_>>>();
        let checksums = checksums.expect("the bytes of a row group are among those that were written");
        file.append_key_value_metadata(checksum::entry(&checksums));
        file.into_inner()
    };
    let mut bytes = encode().map_err(Error::encode(path))?;
    seal(&mut bytes);
    Ok(bytes)
}

/// Writes the first segment of a partial directory, which has no rows: its metadata is on the disk from the start.
///
/// # Errors
/// As [`encode`], or an I/O error.
pub(crate) fn write_first(partial: &Partial, meta: &str, path: &Path) -> Result<()> {
    partial.write("000000.parquet", &encode(&mut Buffers::default(), meta, path)?)
}

/// `meta` as the text in a file.
///
/// # Errors
/// It cannot be JSON.
pub(crate) fn meta_json(meta: &Meta, path: &Path) -> Result<String> {
    serde_json::to_string(meta).map_err(|e| Error::write(path)(e.into()))
}

/// The entry of a file's metadata that holds `meta`, JSON.
pub(crate) fn meta_entry(meta: &str) -> KeyValue {
    KeyValue::new(META_KEY.to_owned(), meta.to_owned())
}

/// Fills in the footer's checksum in a new file, of which `file` is the end.
pub(super) fn seal(file: &mut [u8]) {
    let footer_end = file.len() - TAIL;
    let mut tail = [0; TAIL];
    tail.copy_from_slice(&file[footer_end..]);
    let footer_bytes = checksum::footer_bytes(tail).expect("the library has written a footer");
    checksum::seal(&mut file[footer_end - footer_bytes as usize..footer_end]);
}

/// Encodes rows of files as row groups.
pub(crate) struct Segment {
    writer: ArrowWriter<Vec<u8>>,
    /// The trace, for errors.
    path: PathBuf,
}

impl Segment {
    /// Starts without rows.
    ///
    /// # Errors
    /// The library fails.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let properties = schema::properties().build();
        // Without the Arrow schema: the Parquet types suffice, and everything in the file is documented.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_schema_root(schema::TABLE.to_owned())
            .with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(Vec::new(), schema::schema(), options).map_err(Error::encode(path))?;
        Ok(Self { writer, path: path.to_owned() })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// The library fails.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(Error::encode(&self.path))
    }

    /// The row groups without a footer, and their checksums.
    ///
    /// # Errors
    /// The library fails.
    pub(crate) fn into_groups(mut self) -> Result<(GroupBytes, Vec<(RowGroupMetaData, u32)>)> {
        let checksums = self.flush()?;
        let groups = self.writer.flushed_row_groups().iter().cloned().zip(checksums).collect();
        let bytes = self.writer.into_inner().map_err(Error::encode(&self.path))?;
        Ok((GroupBytes { base: 0, data: bytes.into() }, groups))
    }

    /// Encodes all rows and returns the row groups' checksums.
    fn flush(&mut self) -> Result<Vec<u32>> {
        self.writer.flush().map_err(Error::encode(&self.path))?;
        self.writer.sync().map_err(Error::write(&self.path))?;
        let of_group = |g: &RowGroupMetaData| checksum::of_group(g, self.writer.inner(), 0);
        let checksums = self.writer.flushed_row_groups().iter().map(of_group).collect::<Option<Vec<_>>>();
        Ok(checksums.expect("the bytes of a row group are among those that were written"))
    }
}
