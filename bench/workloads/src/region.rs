//! Anonymous memory of small pages that can be touched, given back, and touched again.

use std::{num::NonZeroUsize, ptr::NonNull};

use anyhow::{Context, Result};
use nix::{
    libc::c_void,
    sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous},
    unistd::{SysconfVar, sysconf},
};

/// Mapped until the process ends.
pub struct Region {
    start: NonNull<c_void>,
    pages: u64,
    page_bytes: usize,
}

impl Region {
    /// Maps it. A huge page would take one fault for hundreds of pages: there are none in it.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn new(pages: u64) -> Result<Region> {
        let page_bytes =
            sysconf(SysconfVar::PAGE_SIZE).ok().flatten().context("the size of a page is unknown")? as usize;
        let bytes = (pages as usize).checked_mul(page_bytes).and_then(NonZeroUsize::new);
        let bytes = bytes.context("so many pages cannot be mapped")?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_PRIVATE) };
        let region = Region { start: start.context("cannot map memory")?, pages, page_bytes };
        // A kernel without huge pages refuses the advice, and needs none.
        let _ = region.advise(MmapAdvise::MADV_NOHUGEPAGE);
        Ok(region)
    }

    /// Writes a byte to each of these pages.
    pub fn touch(&mut self, pages: impl Iterator<Item = u64>) {
        for page in pages {
            assert!(page < self.pages, "page {page} of {}", self.pages);
            // SAFETY: within the mapping, by the line above. Volatile, because the byte is never read.
            unsafe { self.start.cast::<u8>().add(page as usize * self.page_bytes).write_volatile(1) };
        }
    }

    /// Reads a byte of each page.
    pub fn read(&self) {
        for page in 0..self.pages {
            // SAFETY: within the mapping. Volatile, because the value is unused.
            let _ = unsafe { self.start.cast::<u8>().add(page as usize * self.page_bytes).read_volatile() };
        }
    }

    /// Has the kernel write the pages to swap and take them away.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn page_out(&mut self) -> Result<()> {
        self.advise(MmapAdvise::MADV_PAGEOUT).context("cannot page out")
    }

    /// Gives the pages back: each will fault again.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn discard(&mut self) -> Result<()> {
        self.advise(MmapAdvise::MADV_DONTNEED).context("cannot give pages back")
    }

    fn advise(&self, advice: MmapAdvise) -> nix::Result<()> {
        // SAFETY: the mapping is this value's own, and nothing refers to its contents.
        unsafe { madvise(self.start, self.pages as usize * self.page_bytes, advice) }
    }
}
