//! Anonymous memory of base pages that can be touched, discarded, and touched again.

use std::{num::NonZeroUsize, ptr::NonNull};

use anyhow::{Context, Result};
use nix::{
    libc::c_void,
    sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous},
    unistd::{SysconfVar, sysconf},
};

/// Anonymous memory that stays mapped until the process ends.
pub struct Region {
    start: NonNull<c_void>,
    pages: u64,
    page_bytes: usize,
}

impl Region {
    /// Maps the memory without huge pages: a huge page takes one fault for hundreds of pages.
    ///
    /// # Errors
    /// mmap(2) fails, or the size is unknown or too large.
    pub fn new(pages: u64) -> Result<Region> {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().context("cannot read the page size")? as usize;
        let bytes = (pages as usize).checked_mul(page_bytes).and_then(NonZeroUsize::new);
        let bytes = bytes.with_context(|| format!("cannot map {pages} pages of {page_bytes} bytes"))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_PRIVATE) };
        let region = Region { start: start.context("cannot map memory")?, pages, page_bytes };
        // A kernel without huge pages rejects the advice and does not need it.
        let _ = region.advise(MmapAdvise::MADV_NOHUGEPAGE);
        Ok(region)
    }

    /// Writes a byte to each of these pages.
    pub fn touch(&mut self, pages: impl Iterator<Item = u64>) {
        for page in pages {
            assert!(page < self.pages, "page {page} of {}", self.pages);
            // SAFETY: within the mapping, by the assertion above. Volatile, because the byte is never read.
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

    /// Makes the kernel write the pages to swap and unmap them.
    ///
    /// # Errors
    /// madvise(2) fails.
    pub fn page_out(&mut self) -> Result<()> {
        self.advise(MmapAdvise::MADV_PAGEOUT).context("cannot page out the pages")
    }

    /// Discards the pages, so that each faults again.
    ///
    /// # Errors
    /// madvise(2) fails.
    pub fn discard(&mut self) -> Result<()> {
        self.advise(MmapAdvise::MADV_DONTNEED).context("cannot discard the pages")
    }

    fn advise(&self, advice: MmapAdvise) -> nix::Result<()> {
        // SAFETY: the mapping is this value's own, and nothing refers to its contents.
        unsafe { madvise(self.start, self.pages as usize * self.page_bytes, advice) }
    }
}
