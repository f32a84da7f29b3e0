//! Writes traces as text for other programs: one row per event, with the trace's columns and values.
//!
//! Control characters in names are escaped, so that an export is safe to show in a terminal.

mod delimited;
mod json_lines;

use std::io;

use crate::{
    filter::{Filter, Row},
    trace::{self, Trace, Value},
};

pub use delimited::csv;
pub use json_lines::jsonl;

/// Events in an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub written: u64,
    /// Including the events that the filter excluded.
    pub read: u64,
}

/// Passes every row that matches the filter to `write`.
fn each_row<E: From<trace::Error>>(
    trace: &Trace,
    filter: &Filter,
    mut write: impl FnMut(&[Value<'_>]) -> Result<(), E>,
) -> Result<Counts, E> {
    let mut counts = Counts::default();
    for batch in trace.rows() {
        let batch = batch?;
        for row in 0..batch.rows() {
            counts.read += 1;
            if filter.wants(&Row { batch: &batch, number: row }) {
                counts.written += 1;
                write(&batch.values(row))?;
            }
        }
    }
    Ok(counts)
}

/// Why an export stopped. What was written before are complete rows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Trace(#[from] trace::Error),
    #[error("cannot write the export")]
    Write(#[from] io::Error),
}

impl From<::csv::Error> for Error {
    fn from(e: ::csv::Error) -> Self {
        match e.into_kind() {
            ::csv::ErrorKind::Io(e) => Self::Write(e),
            other => Self::Write(io::Error::other(format!("{other:?}"))),
        }
    }
}
