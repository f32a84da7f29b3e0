//! Traces as text for other programs: one row an event, columns and words as the trace has them.
//!
//! Control characters of names are escaped, so that what is exported can be looked at in a terminal.

mod delimited;
mod json_lines;

use std::io;

use crate::trace;

pub use delimited::csv;
pub use json_lines::jsonl;

/// Why an export stopped; what was written before is whole rows.
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
