//! Reads a trace: a finished file, or the segments of a recording that goes on or did not end.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
        },
    },
    file::{metadata::RowGroupMetaData, reader::ChunkReader},
};
use serde::Deserialize;

use super::{
    decode::RowReader,
    error::{Error, Result},
    meta::{FORMAT_VERSION, Meta},
    partial,
    schema::{COLUMNS, RowBatch},
    writer::META_KEY,
};
use crate::event::Event;

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1 << 13;

/// A trace that was opened: its metadata is read, its events are not.
#[derive(Debug)]
pub struct Trace {
    meta: Meta,
    truncated: bool,
    parts: Vec<Part>,
    left_out: Vec<Error>,
}

/// A Parquet file of the trace: the trace itself, or one segment.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl Trace {
    /// Opens a finished trace, a `.partial` directory, or the trace of such a directory that does not exist yet.
    ///
    /// # Errors
    /// There is no such file; it is no Parquet file, or not one of migtrace's; its format is newer; it is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::open_partial(path);
        }
        match Self::open_file(path) {
            Err(Error::Missing { .. }) if partial::path_of(path).is_dir() => {
                Self::open_partial(&partial::path_of(path))
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path) -> Result<Self> {
        let (part, meta) = Part::open(path)?;
        Ok(Self { truncated: meta.end_ns.is_none(), meta, parts: vec![part], left_out: Vec::new() })
    }

    fn open_partial(dir: &Path) -> Result<Self> {
        let mut meta = None;
        let mut parts = Vec::new();
        let mut left_out = Vec::new();
        for segment in partial::segments(dir)? {
            match Part::open(&segment) {
                Ok((part, its_meta)) => {
                    meta = Some(its_meta);
                    parts.push(part);
                }
                Err(e) => left_out.push(e),
            }
        }
        match (meta, left_out.is_empty()) {
            (Some(meta), _) => Ok(Self { meta, truncated: true, parts, left_out }),
            (None, false) => Err(left_out.swap_remove(0)),
            (None, true) => Err(Error::NothingToRecover { path: dir.to_owned() }),
        }
    }

    /// What the trace says about itself; of a recording that did not end, what its last segment says.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether the recording did not end, so that events after the last segment, and the final account, are missing.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Why segments of a recording that did not end were left out.
    #[must_use]
    pub fn left_out(&self) -> &[Error] {
        &self.left_out
    }

    /// Events in all, as the footer says.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        let rows = |p: &Part| p.row_groups().iter().map(|g| rows_of(g) as u64).sum::<u64>();
        self.parts.iter().map(rows).sum()
    }

    #[cfg(test)]
    pub(super) fn row_group_sizes(&self) -> Vec<usize> {
        self.parts.iter().flat_map(|p| p.row_groups()).map(rows_of).collect()
    }

    /// The rows in batches, for who wants values and not events.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows { parts: &self.parts, part: 0, next_group: 0, group: None }
    }

    /// The events, one by one; memory stays bounded by a row group. After an error there is nothing more.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events { rows: self.rows(), decoder: RowReader::default(), batch: None, next_row: 0 }
    }

    /// All events.
    ///
    /// # Errors
    /// The trace is damaged, or cannot be read.
    pub fn read_all(&self) -> Result<Vec<Event>> {
        self.events().collect()
    }
}

impl Part {
    fn open(path: &Path) -> Result<(Self, Meta)> {
        let (_, metadata) = open_parquet(path)?;
        let meta = read_meta(&metadata, path)?;
        check_schema(&metadata, path)?;
        Ok((Self { path: path.to_owned(), metadata }, meta))
    }

    fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// A reader of row group `number` that leaves out columns that are null throughout.
    fn reader(&self, number: usize) -> Result<ParquetRecordBatchReader> {
        let file = File::open(&self.path).map_err(Error::read(&self.path))?;
        let group = &self.row_groups()[number];
        let holds_values = |index: &usize| {
            let nulls = group.column(*index).statistics().and_then(|s| s.null_count_opt());
            nulls != Some(rows_of(group) as u64)
        };
        let columns = self.metadata.parquet_schema();
        let known = (0..columns.num_columns()).filter(|i| COLUMNS.iter().any(|c| c.name == columns.column(*i).name()));
        let mask = ProjectionMask::leaves(columns, known.filter(holds_values));
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![number])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|e| Error::damaged(&self.path, format!("row group {number}"), e))
    }
}

/// Opens a Parquet file and reads its footer.
///
/// # Errors
/// It is missing, no Parquet file, or its footer is damaged.
pub(super) fn open_parquet(path: &Path) -> Result<(File, ArrowReaderMetadata)> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if &magic == b"PAR1" => {}
        Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(Error::read(path)(e)),
        _ => return Err(Error::NotParquet { path: path.to_owned() }),
    }
    let metadata = parquet_metadata(&file, path)?;
    Ok((file, metadata))
}

/// Reads the footer of what is at `path`.
///
/// # Errors
/// It is damaged.
pub(super) fn parquet_metadata(from: &impl ChunkReader, path: &Path) -> Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(from, options).map_err(|e| Error::damaged(path, "its footer", e))
}

/// Rows of a row group; a negative number is damage and reads as none.
pub(super) fn rows_of(group: &RowGroupMetaData) -> usize {
    usize::try_from(group.num_rows()).unwrap_or(0)
}

fn read_meta(metadata: &ArrowReaderMetadata, path: &Path) -> Result<Meta> {
    /// What every format has.
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let text = pairs.into_iter().flatten().find(|p| p.key == META_KEY).and_then(|p| p.value.as_deref());
    let Some(text) = text else {
        let why = format!("its metadata has no key {META_KEY}");
        return Err(Error::NotTrace { path: path.to_owned(), why });
    };
    let damaged = |e| Error::damaged(path, "its metadata", e);
    let Version { format_version } = serde_json::from_str(text).map_err(damaged)?;
    if format_version > FORMAT_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found: format_version });
    }
    serde_json::from_str(text).map_err(damaged)
}

fn check_schema(metadata: &ArrowReaderMetadata, path: &Path) -> Result<()> {
    for column in COLUMNS {
        let why = match metadata.schema().field_with_name(column.name) {
            Ok(found) if *found.data_type() == column.data_type => continue,
            Ok(found) => format!("column {} holds {}, not {}", column.name, found.data_type(), column.data_type),
            Err(_) => format!("there is no column {}", column.name),
        };
        return Err(Error::damaged(path, "its schema", why));
    }
    Ok(())
}

/// The rows of a trace in batches; see [`Trace::rows`].
pub struct Rows<'a> {
    parts: &'a [Part],
    part: usize,
    next_group: usize,
    /// The row group that is being read.
    group: Option<Group>,
}

struct Group {
    number: usize,
    reader: ParquetRecordBatchReader,
    /// Rows of it that were read.
    rows: usize,
}

impl Rows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch>> {
        while let Some(part) = self.parts.get(self.part) {
            if let Some(group) = &mut self.group {
                let place = || format!("row group {}, near row {}", group.number, group.rows);
                let batch = group.reader.next().transpose().map_err(|e| Error::damaged(&part.path, place(), e))?;
                if let Some(batch) = batch {
                    group.rows += batch.num_rows();
                    return Ok(Some(RowBatch::new(&batch)));
                }
                self.group = None;
            }
            if self.next_group < part.row_groups().len() {
                self.group = Some(Group { number: self.next_group, reader: part.reader(self.next_group)?, rows: 0 });
                self.next_group += 1;
            } else {
                self.part += 1;
                self.next_group = 0;
            }
        }
        Ok(None)
    }

    /// The error for row `row` of the batch that was read last.
    fn damaged(&self, row: usize, batch_rows: usize, why: impl ToString) -> Error {
        let path = self.parts.get(self.part).map_or(Path::new(""), |p| &p.path);
        let (group, before) = self.group.as_ref().map_or((0, 0), |g| (g.number, g.rows - batch_rows));
        Error::damaged(path, format!("row group {group}, row {}", before + row), why)
    }

    fn stop(&mut self) {
        self.part = self.parts.len();
        self.group = None;
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<RowBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch();
        if batch.is_err() {
            self.stop();
        }
        batch.transpose()
    }
}

/// The events of a trace; see [`Trace::events`].
pub struct Events<'a> {
    rows: Rows<'a>,
    decoder: RowReader,
    batch: Option<RowBatch>,
    next_row: usize,
}

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|b| self.next_row < b.rows()) {
                let row = self.next_row;
                self.next_row += 1;
                return Some(self.decoder.event(batch, row).map_err(|why| {
                    let error = self.rows.damaged(row, batch.rows(), why);
                    self.rows.stop();
                    self.next_row = usize::MAX;
                    error
                }));
            }
            match self.rows.next()? {
                Ok(batch) => (self.batch, self.next_row) = (Some(batch), 0),
                Err(e) => return Some(Err(e)),
            }
        }
    }
}
