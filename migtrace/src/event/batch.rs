//! Runs of migrate_pages(), and runs of lazy marks.

use super::{migrate::Cause, outcome::Reason};

/// One run of the kernel's migrate_pages(), or the marks of one placement syscall.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Pages.
    pub asked: Option<u64>,
    /// Pages.
    pub succeeded: u64,
    /// Pages.
    pub failed: u64,
    /// Pages of `succeeded` without an observed migration: the kernel also counts pages that were freed before migration.
    /// `None` if migrations are not recorded, and for marks.
    pub unmoved: Option<u64>,
    /// Huge pages that the kernel split to migrate them in part. `None` for marks.
    pub thp_split: Option<u32>,
    pub cause: Cause,
    pub work: Work,
    pub latency_ns: u64,
}

impl Batch {
    /// Pages migrated or marked: `succeeded` without those known to be freed before migration.
    #[must_use]
    pub const fn done_pages(&self) -> u64 {
        match self.unmoved {
            Some(unmoved) => self.succeeded.saturating_sub(unmoved),
            None => self.succeeded,
        }
    }
}

/// The column `mode` of marks.
const LAZY: &str = "lazy";

/// What a batch does with its pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Migrates them, in the kernel's mode: `async`, `sync_light`, `sync`.
    Migrate(Reason),
    /// Marks them for lazy migration.
    Mark,
}

impl Work {
    /// From the column `mode`.
    #[must_use]
    pub fn of_mode(mode: Reason) -> Self {
        if &*mode == LAZY { Self::Mark } else { Self::Migrate(mode) }
    }

    /// The column `mode`: the kernel's mode, or `lazy`.
    #[must_use]
    pub fn mode(&self) -> &str {
        match self {
            Self::Migrate(mode) => mode,
            Self::Mark => LAZY,
        }
    }

    /// Whether it marks pages.
    #[must_use]
    pub const fn is_mark(&self) -> bool {
        matches!(self, Self::Mark)
    }
}
