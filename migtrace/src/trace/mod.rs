//! Traces as Parquet files: one flat table of events, and what must be known to read them, in the file's metadata.
//!
//! This module owns the file format (docs/trace-format.md); it turns [`crate::event::Event`]s into rows and back and
//! knows neither rings nor views. A [`Writer`] makes a trace, [`recover()`] makes one of a recording that did not end, a
//! [`Trace`] reads either.

pub(crate) mod cells;
mod checksum;
mod chunk;
mod container;
pub(crate) mod decode;
mod encode;
mod encoder;
mod error;
mod fill;
mod guard;
mod hybrid;
mod join;
pub mod meta;
mod output;
mod partial;
mod pick;
mod reader;
mod recover;
mod rows;
pub(crate) mod schema;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

pub use cells::Value;
pub use error::{Error, Result};
pub use output::{Flight, Output, Plan, Written};
pub use pick::{Picked, columns_used, pick};
pub use reader::Trace;
pub use recover::{Recovered, recover};
pub use rows::{Events, GroupRows, Rows};
pub use schema::{COLUMNS, Column, RowBatch};
pub use writer::{Dump, Summary, Writer};
