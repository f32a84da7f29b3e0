//! What can become of a page that was unmapped for lazy migration.

use strum::{Display, IntoStaticStr};

use crate::event::Reason;

/// What became of a marked page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not touched so far, or before the recording ended.
    Untouched,
    /// It moved in the fault that touched it.
    Migrated,
    /// It was where policy wants it.
    Placed,
    /// It was touched and stayed, for this reason.
    Failed(Reason),
    /// It was there no more before it was touched.
    Gone(Gone),
    /// Touched, but the trace does not hold how that ended.
    Unknown,
}

impl Fate {
    /// Whether more can be learned of the page.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Untouched | Self::Unknown)
    }
}

/// How a marked page went away without being touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Gone {
    /// Its process ended, or ran another program.
    Exited,
    /// It was read back from swap.
    SwappedOut,
    /// Another page was found in its place: its range was unmapped, or its contents thrown away.
    Unmapped,
}
