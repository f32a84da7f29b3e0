//! Traces as Parquet files: one flat table of events, and what must be known to read them, in the file's metadata.
//!
//! This module owns the file format (docs/trace-format.md); it turns [`crate::event::Event`]s into rows and back and
//! knows neither rings nor views.

pub mod meta;
