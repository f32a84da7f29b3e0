//! Joins segments into one file, wherever its bytes go.
//!
//! Row groups are copied without encoding them again. Only small ones are encoded together. A quiet recording has a
//! segment every second, and each row group costs a footer entry per column. Parquet allows 32767 row groups, which are
//! nine hours. Row groups of an older version of the format, or of another program, are encoded again, too, because columns are
//! added or converted; and those of which only some rows are recent enough.

use std::{io::Write, path::Path};

use arrow::{
    array::{BooleanArray, Int64Array, RecordBatch},
    compute::filter_record_batch,
    error::ArrowError,
};
use parquet::{
    column::writer::ColumnCloseResult,
    errors::ParquetError,
    file::{metadata::RowGroupMetaData, statistics::Statistics, writer::SerializedFileWriter},
};

use super::segment::{Segment, meta_entry, meta_json};
use crate::{
    recording::Meta,
    trace::{
        error::{Error, Result},
        parquet::{
            catch_panic::guarded,
            checksum,
            container::{Container, GroupBytes, rows_of},
        },
        schema,
    },
};

/// Row groups below this many rows are encoded together.
const SMALL_ROWS: usize = 1 << 15;
/// Number of rows at which gathered small row groups become one.
const GATHERED_ROWS: usize = 1 << 17;

/// The column of times.
const TIME: &str = "ts_ns";

/// The file while it is made. `path` is its name for errors.
pub(super) struct Join<'a, W: Write + Send> {
    path: &'a Path,
    out: SerializedFileWriter<W>,
    checksums: Vec<u32>,
    /// Row groups that are small or have not the layout of this version, and wait for more: segment and number in it.
    small: Vec<(Container, usize)>,
    small_rows: usize,
    /// Rows before this time are left out, ns.
    from_ns: u64,
    left_out: u64,
}

impl<'a, W: Write + Send> Join<'a, W> {
    /// Begins a file of the rows from `from_ns` on.
    pub(super) fn new(out: W, path: &'a Path, from_ns: u64) -> Result<Self> {
        let out = schema::parquet_schema()
            .and_then(|schema| SerializedFileWriter::new(out, schema, schema::properties().build().into()))
            .map_err(Error::encode(path))?;
        Ok(Self { path, out, checksums: Vec::new(), small: Vec::new(), small_rows: 0, from_ns, left_out: 0 })
    }

    /// Adds the rows of a segment.
    pub(super) fn add(&mut self, segment: &Container) -> Result<()> {
        segment.check_footer()?;
        let has_this_layout = segment.has_this_layout();
        for (number, group) in segment.groups().iter().enumerate() {
            let rows = rows_of(group);
            let is_whole = self.from_ns == 0 || first_ns(group).is_some_and(|first| first >= self.from_ns);
            if rows >= SMALL_ROWS && has_this_layout && is_whole {
                self.add_small()?;
                self.take_over(segment, number)?;
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
            && segment.has_this_layout()
            && self.from_ns == 0
        {
            return self.take_over(segment, *number);
        }
        let mut together = Segment::new(self.path)?;
        for (segment, number) in &small {
            let wrong = |why: String| segment.wrong(format!("row group {number}"), why);
            let mut reader = segment.full_reader(*number)?;
            while let Some(batch) = guarded(|| reader.next().transpose()).map_err(wrong)? {
                let batch = schema::conform(&batch).map_err(wrong)?;
                together.write(&self.from(&batch).map_err(|e| wrong(e.to_string()))?)?;
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

    /// The rows of `batch` that are not too old.
    fn from(&mut self, batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
        let times = batch.column_by_name(TIME).and_then(|times| times.as_any().downcast_ref::<Int64Array>());
        let Some(times) = times.filter(|_| self.from_ns > 0) else { return Ok(batch.clone()) };
        let kept: BooleanArray =
            times.iter().map(|time| Some(time.is_none_or(|time| time.cast_unsigned() >= self.from_ns))).collect();
        self.left_out += (kept.len() - kept.true_count()) as u64;
        filter_record_batch(batch, &kept)
    }

    /// What was written so far. The footer, and rows that wait for more, are not yet.
    pub(super) fn written(&mut self) -> &mut W {
        self.out.inner_mut()
    }

    /// Ends the file, whose footer is still to be sealed. Rows that were left out count as evicted.
    pub(super) fn finish(mut self, meta: &Meta) -> Result<W> {
        self.add_small()?;
        let evicted = meta.evicted.map(|evicted| evicted + self.left_out);
        let meta = meta_json(&Meta { evicted, ..meta.clone() }, self.path)?;
        self.out.append_key_value_metadata(meta_entry(&meta));
        self.out.append_key_value_metadata(checksum::entry(&self.checksums));
        self.out.into_inner().map_err(Error::encode(self.path))
    }
}

/// The time of a row group's first row by its statistics, ns. Rows are almost sorted: this is the smallest time.
fn first_ns(group: &RowGroupMetaData) -> Option<u64> {
    let column = group.columns().iter().find(|column| column.column_path().string() == TIME)?;
    match column.statistics()? {
        Statistics::Int64(times) => times.min_opt().map(|min| min.cast_unsigned()),
        _ => None,
    }
}

/// Copies a row group's encoded columns.
fn splice(
    out: &mut SerializedFileWriter<impl Write + Send>,
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
