//! Traces as Parquet files: one flat table of events, and what must be known to read them, in the file's metadata.
//!
//! This module owns the file format (docs/trace-format.md); it turns [`crate::event::Event`]s into rows and back and
//! knows neither rings nor views. A [`Writer`] makes a trace, [`recover()`] makes one of a recording that did not end, a
//! [`Trace`] reads either.

mod error;
pub(crate) mod schema;

#[cfg(test)]
mod tests;

pub use self::column::types::Value;
pub use self::read::rows::{Events, GroupRows, Rows};
pub use self::read::trace::Trace;
pub use self::row::value::{Picked, columns_used, pick};
pub use self::write::recover::{Recovered, recover};
pub use self::write::rotation::{Flight, Output, Plan, Written};
pub use self::write::writer::{Dump, Summary, Writer};
pub use error::{Error, Result};
pub use schema::{COLUMNS, Column, RowBatch};
pub mod column;
pub mod parquet;
pub mod read;
pub mod row;
pub mod write;
