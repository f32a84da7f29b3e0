//! Joins many segments into one file.
//!
//! Row groups are copied without encoding them again. Only small ones are encoded together. A quiet recording has a
//! segment every second, and each row group costs a footer entry per column. Parquet allows 32767 row groups, which are
//! nine hours. Row groups of an older version of the format are encoded again, too, because columns are added.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use parquet::{
    column::writer::ColumnCloseResult,
    errors::ParquetError,
    file::{metadata::RowGroupMetaData, writer::SerializedFileWriter},
};

use super::segment::{Segment, meta_entry, meta_json};
use crate::{
    output_file,
    recording::Meta,
    trace::{
        error::{Error, Result},
        parquet::{
            catch_panic::guarded,
            checksum::{self, TAIL},
            container::{Container, GroupBytes, rows_of},
        },
        schema::{self, COLUMNS},
    },
};

/// Row groups below this many rows are encoded together.
const SMALL_ROWS: usize = 1 << 15;
/// Number of rows at which gathered small row groups become one.
const GATHERED_ROWS: usize = 1 << 17;

/// Size and cost of a finished trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
    /// CPU time for encoding and writing it, ns, without that of pushing events.
    pub cpu_ns: u64,
}

/// Writes `path` with the rows of `segments`, in their order, and the metadata `meta`. Returns the file's size in bytes.
///
/// The file is made as `temporary`, on the same file system, and then renamed. So `path` is the old file or the complete new
/// one.
///
/// # Errors
/// A segment cannot be read, or the file cannot be written.
pub(crate) fn join(segments: &[PathBuf], temporary: &Path, path: &Path, meta: &Meta) -> Result<u64> {
    let file = output_file::create_new(temporary).map_err(Error::write(temporary))?;
    let meta = meta_json(meta, path)?;
    let written = Join::new(file, path, &meta).and_then(|mut join| {
        for segment in segments {
            join.add(segment)?;
        }
        join.finish()
    });
    let renamed = written.and_then(|file| {
        let bytes = file.sync_all().and_then(|()| file.metadata()).map_err(Error::write(path))?.len();
        fs::rename(temporary, path).map_err(Error::write(path))?;
        sync_parent(path).map_err(Error::write(path))?;
        Ok(bytes)
    });
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(temporary);
    }
    renamed
}

/// Makes a rename durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// The file while it is made.
struct Join<'a> {
    path: &'a Path,
    out: SerializedFileWriter<BufWriter<File>>,
    checksums: Vec<u32>,
    /// Row groups that are small or lack columns of this version, and wait for more: segment and number in it.
    small: Vec<(Container, usize)>,
    small_rows: usize,
}

impl<'a> Join<'a> {
    fn new(file: File, path: &'a Path, meta: &str) -> Result<Self> {
        let properties = schema::properties().set_key_value_metadata(Some(vec![meta_entry(meta)])).build();
        let out = schema::parquet_schema()
            .and_then(|schema| SerializedFileWriter::new(BufWriter::new(file), schema, properties.into()))
            .map_err(Error::encode(path))?;
        Ok(Self { path, out, checksums: Vec::new(), small: Vec::new(), small_rows: 0 })
    }

    fn add(&mut self, segment: &Path) -> Result<()> {
        let segment = Container::open(segment)?;
        segment.check_footer()?;
        for (number, group) in segment.groups().iter().enumerate() {
            let rows = rows_of(group);
            if rows >= SMALL_ROWS && group.num_columns() == COLUMNS.len() {
                self.add_small()?;
                self.take_over(&segment, number)?;
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

    /// Copies a row group as it is.
    fn take_over(&mut self, segment: &Container, number: usize) -> Result<()> {
        let group = &segment.groups()[number];
        let bytes = segment.group(number)?;
        let place = || format!("row group {number}");
        let checksum = checksum::of_group(group, &bytes.data, bytes.base)
            .ok_or_else(|| Error::damaged(segment.path(), place(), "it is outside of the file"))?;
        self.splice(&bytes, group, checksum)
    }

    /// Writes the waiting row groups as one.
    fn add_small(&mut self) -> Result<()> {
        self.small_rows = 0;
        let small = std::mem::take(&mut self.small);
        if let [(segment, number)] = small.as_slice()
            && segment.groups()[*number].num_columns() == COLUMNS.len()
        {
            return self.take_over(segment, *number);
        }
        let mut together = Segment::new(self.path)?;
        for (segment, number) in &small {
            let damaged = |why: String| Error::damaged(segment.path(), format!("row group {number}"), why);
            let mut reader = segment.full_reader(*number)?;
            while let Some(batch) = guarded(|| reader.next().transpose()).map_err(damaged)? {
                together.write(&schema::widen(&batch).map_err(|e| damaged(e.to_string()))?)?;
            }
        }
        let (bytes, groups) = together.into_groups()?;
        for (group, checksum) in &groups {
            self.splice(&bytes, group, *checksum)?;
        }
        Ok(())
    }

    fn splice(&mut self, from: &GroupBytes, group: &RowGroupMetaData, checksum: u32) -> Result<()> {
        self.checksums.push(checksum);
        splice(&mut self.out, from, group).map_err(Error::encode(self.path))
    }

    fn finish(mut self) -> Result<File> {
        self.add_small()?;
        self.out.append_key_value_metadata(checksum::entry(&self.checksums));
        let buffered = self.out.into_inner().map_err(Error::encode(self.path))?;
        let file = buffered.into_inner().map_err(|e| Error::write(self.path)(e.into_error()))?;
        seal(&file).map_err(Error::write(self.path))?;
        Ok(file)
    }
}

/// Copies a row group's encoded columns.
fn splice(
    out: &mut SerializedFileWriter<BufWriter<File>>,
    from: &GroupBytes,
    group: &RowGroupMetaData,
) -> std::result::Result<(), ParquetError> {
    let mut to = out.next_row_group()?;
    for column in group.columns() {
        let close = ColumnCloseResult {
            bytes_written: column.compressed_size() as u64,
            rows_written: group.num_rows() as u64,
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

/// Fills in the footer's checksum in a new file.
fn seal(file: &File) -> io::Result<()> {
    let end = file.metadata()?.len() - TAIL as u64;
    let mut tail = [0; TAIL];
    file.read_exact_at(&mut tail, end)?;
    let bytes = checksum::footer_bytes(tail).ok_or(io::ErrorKind::InvalidData)?;
    let mut footer = vec![0; bytes as usize];
    file.read_exact_at(&mut footer, end - bytes)?;
    checksum::seal(&mut footer);
    file.write_all_at(&footer, end - bytes)
}
