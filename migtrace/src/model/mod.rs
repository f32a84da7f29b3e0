//! Relations between the events of a recording: pure state, shared by all views.
//!
//! It answers which event is nested in which, and which page an address belongs to. It also answers the fate of a
//! marked page, and which thread waited for a migration. It does no I/O and uses no terminal and no kernel. Views only
//! read it.

pub mod address;
pub mod bounded;
pub mod census;
pub(crate) mod frame_index;
pub mod latency;
pub mod lazy;
pub mod live;
pub mod measure;
pub mod nesting;
pub mod page_history;
pub mod phase;
pub mod ranges;
pub mod reconcile;
pub mod requested_ranges;
mod run;
pub mod totals;

#[cfg(test)]
mod random_tests;

pub use run::Run;
