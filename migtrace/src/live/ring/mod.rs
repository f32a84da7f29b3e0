//! From rings to events: a thread drains the rings by a timer, decodes records, sorts them by time and accounts for
//! losses.

pub mod reader;
pub mod reorder;
