//! The running kernel as a source of events and counts: attach, read the rings, enrich, stop.
//!
//! Nothing outside this module uses aya.

pub mod attach;
pub mod counters;
pub mod counts;
mod end;
pub mod enrich;
pub mod host;
pub mod measure;
pub mod privilege;
pub mod process_details;
pub mod process_start;
mod process_table;
mod process_tree;
pub mod ring;
pub mod scope;
pub mod session;
pub mod symbols;
pub mod traced_command;
pub mod workload;
