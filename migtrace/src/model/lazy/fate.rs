//! Fates of pages that were unmapped for lazy migration.

use strum::{Display, IntoStaticStr};

use crate::event::Reason;

/// The fate of a marked page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not touched so far, or not before the recording ended.
    Untouched,
    /// Migrated in the fault that touched it.
    Migrated,
    /// Already on the node that the policy wants.
    Placed,
    /// Touched and not migrated, for this reason.
    Failed(Reason),
    /// Went away before it was touched.
    Gone(Gone),
    /// Touched, but the trace does not have the result.
    Unknown,
}

impl Fate {
    /// Whether the fate can still change.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Untouched | Self::Unknown)
    }
}

/// How a marked page went away untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Gone {
    /// Its process exited or executed another program.
    Exited,
    /// It was read back from swap.
    SwappedOut,
    /// Another page was found at its address: the range was unmapped or its contents were discarded.
    Unmapped,
    /// Its range was unmapped, by an event of its own (kind `place`).
    UnmappedRange,
}

impl Gone {
    /// In words: `5 swapped out`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Exited => "with their process",
            Self::SwappedOut => "swapped out",
            Self::Unmapped => "unmapped",
            Self::UnmappedRange => "unmapped before any touch",
        }
    }
}
