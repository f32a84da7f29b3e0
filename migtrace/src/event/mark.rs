//! Marks for lazy migration.

use super::outcome::{Outcome, Reason};

/// A page was unmapped for lazy migration, or could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub addr: Option<u64>,
    pub pfn: u64,
    pub nid: i32,
    pub order: u32,
    pub result: Outcome,
    pub reason: Option<Reason>,
}
