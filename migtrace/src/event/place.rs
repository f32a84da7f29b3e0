//! Changes of a virtual page's place that are no migration.

use super::words::words;

/// Virtual pages of the owner changed their place, or lost it.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub what: PlaceChange,
    pub addr: u64,
    /// Bytes from `addr` on. Not every page of an unmapped or moved range must have been present.
    pub len: u64,
    /// Where the range was mapped before.
    pub from_addr: Option<u64>,
    /// Node of the pages before, and after.
    pub src_nid: Option<i32>,
    pub dst_nid: Option<i32>,
}

impl Place {
    /// Whether the pages are on another node now.
    #[must_use]
    pub fn changes_node(&self) -> bool {
        self.src_nid.is_some() && self.dst_nid.is_some() && self.src_nid != self.dst_nid
    }
}

words! {
    /// How pages changed their place.
    PlaceChange {
        /// They became one huge page.
        Collapse,
        /// A write copied the page.
        Cow,
        SwapIn,
        /// KSM replaced the page by one of the same content.
        Ksm,
        /// mremap(2), or exec, which moves its stack.
        Remap,
        /// munmap(2), madvise(2), truncation, reclaim, or a lazy mark.
        Unmap,
        /// A migration moved a folio that several processes map. This is another mapping than the one in the migration's
        /// own row.
        Migrate,
        /// A fault mapped neighbours of the page that was touched.
        MapAround,
        /// userfaultfd(2): UFFDIO_COPY and UFFDIO_CONTINUE mapped a page, or UFFDIO_MOVE moved a range to another address.
        Uffd,
    }
}
