//! Encodes rows as a Parquet file in memory: a segment, or a row group for one file of many segments.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    file::metadata::{KeyValue, RowGroupMetaData},
};

use super::{
    checksum::{self, TAIL},
    container::GroupBytes,
    error::{Error, Result},
    meta::META_KEY,
    schema,
};

/// A file that is being encoded.
pub(super) struct Segment {
    writer: ArrowWriter<Vec<u8>>,
    /// The trace that it is for, as errors name it.
    path: PathBuf,
}

impl Segment {
    /// Begins a file; it will say of itself what `meta`, JSON, says.
    ///
    /// # Errors
    /// The library refuses.
    pub(super) fn new(meta: &str, path: &Path) -> Result<Self> {
        let meta = KeyValue::new(META_KEY.to_owned(), meta.to_owned());
        let properties = schema::properties().set_key_value_metadata(Some(vec![meta])).build();
        // Without the arrow schema: the Parquet types say all, and the file holds nothing that is not documented.
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
    /// The library refuses.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(Error::encode(&self.path))
    }

    /// The file's bytes, with checksums.
    ///
    /// # Errors
    /// The library refuses.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        let checksums = self.flush()?;
        self.writer.append_key_value_metadata(checksum::entry(&checksums));
        let mut bytes = self.writer.into_inner().map_err(Error::encode(&self.path))?;
        let footer_end = bytes.len() - TAIL;
        let mut tail = [0; TAIL];
        tail.copy_from_slice(&bytes[footer_end..]);
        let footer_bytes = checksum::footer_bytes(tail).expect("the library has written a footer");
        checksum::seal(&mut bytes[footer_end - footer_bytes as usize..footer_end]);
        Ok(bytes)
    }

    /// The row groups alone, and their checksums.
    ///
    /// # Errors
    /// The library refuses.
    pub(super) fn into_groups(mut self) -> Result<(GroupBytes, Vec<(RowGroupMetaData, u32)>)> {
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
        Ok(checksums.expect("a row group that was written lies inside of what was written"))
    }
}
