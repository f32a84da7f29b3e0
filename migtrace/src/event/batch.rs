//! Runs of migrate_pages(), and runs of lazy marks.

use super::{migrate::Cause, outcome::Reason};

/// One run of the kernel's migrate_pages(); with mode `lazy`, the marks of one placement syscall.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Pages.
    pub asked: Option<u64>,
    /// Pages.
    pub succeeded: u64,
    /// Pages.
    pub failed: u64,
    /// Pages of `succeeded` without an observed migration: the kernel also counts pages that were freed before migration.
    /// `None` if migrations are not recorded, and with mode `lazy`.
    pub unmoved: Option<u64>,
    pub cause: Cause,
    /// `async`, `sync_light`, `sync`, or `lazy`.
    pub mode: Reason,
    pub latency_ns: u64,
}

impl Batch {
    /// Pages migrated or, with mode `lazy`, marked: `succeeded` without those known to be freed before migration.
    #[must_use]
    pub const fn done_pages(&self) -> u64 {
        match self.unmoved {
            Some(unmoved) => self.succeeded.saturating_sub(unmoved),
            None => self.succeeded,
        }
    }
}
