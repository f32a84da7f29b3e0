//! Traces as Parquet files: one flat table of events, and the recording's metadata.
//!
//! This module owns the file format (docs/trace-format.md). It turns [`crate::event::Event`]s into rows and back, and knows
//! neither rings nor views. A [`Writer`] writes a trace, [`recover()`] makes one from a recording that did not end, a
//! [`Trace`] reads either. [`convert()`] writes a trace of an older version anew.

mod column;
mod error;
mod parquet;
mod partial_dir;
mod read;
mod row;
mod schema;
mod write;

#[cfg(test)]
mod tests;

pub use self::{
    column::types::Value,
    error::{Error, Result},
    read::{
        Trace,
        rows::{Events, GroupRows, Rows},
    },
    row::value::{Picked, pick},
    schema::{COLUMNS, Column, FORMAT_VERSION, RowBatch},
    write::{
        convert::{Converted, convert},
        dump::Dump,
        merge::Summary,
        recover::{Recovered, recover},
        rotation::{Flight, Output, Plan, Written},
        snapshot::Snapshot,
        writer::Writer,
    },
};
pub(crate) use self::{
    column::types::{Cell, Cells},
    row::{fields::BadRow, node::node_of_row},
    schema::OWNERS_SINCE,
};
