//! Iterates over the events of a trace, row group by row group.

use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::event::Event;
use crate::trace::{
    column::convert::Unfit,
    error::{Error, Result},
    parquet::{
        catch_panic::guarded,
        container::{Container, rows_of},
    },
    row::to_event::RowReader,
    schema::RowBatch,
};

/// The rows of a trace in batches; see [`crate::trace::Trace::rows`].
pub struct Rows<'a> {
    parts: &'a [Container],
    part: usize,
    next_group: usize,
    /// The row group being read.
    group: Option<Group>,
}

/// The rows of one row group in batches; see [`crate::trace::Trace::group_rows`].
pub struct GroupRows<'a> {
    part: &'a Container,
    group: Group,
}

impl<'a> GroupRows<'a> {
    pub(crate) fn new(part: &'a Container, number: usize, columns: &[&str]) -> Result<Self> {
        let reader = part.reader(number, |name| columns.contains(&name))?;
        Ok(Self { part, group: Group { number, reader, rows: 0 } })
    }

    /// The error for row `row` of the last batch, which has `batch_rows` rows.
    #[must_use]
    pub fn damaged(&self, row: usize, batch_rows: usize, why: impl ToString) -> Error {
        self.group.damaged(self.part, row, batch_rows, why)
    }
}

impl Iterator for GroupRows<'_> {
    type Item = Result<RowBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.group.next_batch(self.part).transpose()
    }
}

struct Group {
    number: usize,
    reader: ParquetRecordBatchReader,
    /// Number of its rows that were read.
    rows: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(parts: &'a [Container]) -> Self {
        Self { parts, part: 0, next_group: 0, group: None }
    }

    fn next_batch(&mut self) -> Result<Option<RowBatch>> {
        while let Some(part) = self.parts.get(self.part) {
            if let Some(group) = &mut self.group {
                if let Some(batch) = group.next_batch(part)? {
                    return Ok(Some(batch));
                }
                self.group = None;
            }
            if self.next_group < part.groups().len() {
                self.group =
                    Some(Group { number: self.next_group, reader: part.reader(self.next_group, |_| true)?, rows: 0 });
                self.next_group += 1;
            } else {
                self.part += 1;
                self.next_group = 0;
            }
        }
        Ok(None)
    }

    /// The error for row `row` of the last batch.
    fn damaged(&self, row: usize, batch_rows: usize, why: impl ToString) -> Error {
        match (self.parts.get(self.part), &self.group) {
            (Some(part), Some(group)) => group.damaged(part, row, batch_rows, why),
            _ => Error::damaged(Path::new(""), "a row", why),
        }
    }

    fn stop(&mut self) {
        self.part = self.parts.len();
        self.group = None;
    }
}

impl Group {
    /// The error for row `row` of the last batch, which has `batch_rows` rows.
    fn damaged(&self, part: &Container, row: usize, batch_rows: usize, why: impl ToString) -> Error {
        let place = format!("row group {}, row {}", self.number, self.rows - batch_rows + row);
        part.wrong(place, why)
    }

    fn next_batch(&mut self, part: &Container) -> Result<Option<RowBatch>> {
        let damaged = |rows, why| part.wrong(format!("row group {}, near row {rows}", self.number), why);
        let batch = guarded(|| self.reader.next().transpose()).map_err(|why| damaged(self.rows, why))?;
        let Some(batch) = batch else {
            let promised = rows_of(&part.groups()[self.number]);
            if self.rows != promised {
                return Err(damaged(self.rows, format!("it ends there instead of after {promised} rows")));
            }
            return Ok(None);
        };
        self.rows += batch.num_rows();
        let unfit = |unfit: Unfit| self.damaged(part, unfit.row.unwrap_or(0), batch.num_rows(), unfit);
        RowBatch::new(&batch).map(Some).map_err(unfit)
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

/// The events of a trace; see [`crate::trace::Trace::events`].
pub struct Events<'a> {
    rows: Rows<'a>,
    decoder: RowReader,
    batch: Option<RowBatch>,
    next_row: usize,
}

impl<'a> Events<'a> {
    /// The events in rows that were recorded in this version of the format.
    pub(crate) fn new(rows: Rows<'a>, format_version: u32) -> Self {
        Self { rows, decoder: RowReader::new(format_version), batch: None, next_row: 0 }
    }
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
