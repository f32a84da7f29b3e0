//! What a recording's events mean together: pure state, the same for every view.
//!
//! This module owns the relations between events: what lies inside what, which page an address is, what became of a marked
//! page, who paid for a move. It knows no terminal, no file and no kernel; the views (log, compare, plot) only read it.

pub mod address;
pub mod bounded;
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
