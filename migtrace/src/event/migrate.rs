//! Migrations of single folios.

use super::{
    outcome::{Outcome, Reason},
    words::words,
};

/// A folio was migrated, or was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrate {
    pub addr: Option<u64>,
    pub old_pfn: u64,
    pub new_pfn: Option<u64>,
    pub order: u32,
    pub src_nid: i32,
    pub dst_nid: Option<i32>,
    pub cause: Cause,
    pub result: Outcome,
    pub reason: Option<Reason>,
    pub latency_ns: Option<u64>,
    pub unmap_ns: Option<u64>,
    pub copy_ns: Option<u64>,
    pub remap_ns: Option<u64>,
    /// Address spaces that mapped the folio; `None` if that is unknown, or none did.
    pub mappings: Option<u32>,
}

impl Migrate {
    /// Pages of the folio.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        1 << self.order
    }
}

words! {
    /// Why a migration or batch ran.
    Cause {
        Mbind, MovePages, MigratePages, LazyFault, HintingFault, Demotion, Compaction, Hotplug, ContigRange, LongtermPin,
        Damon, Cpuset, MemoryFailure, Other,
    }
}
