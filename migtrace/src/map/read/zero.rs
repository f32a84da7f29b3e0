//! The kernel's shared pages of zeros: a page, and a huge page. They belong to no process.

use std::{collections::HashMap, fs::File, os::unix::fs::FileExt, ptr};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::pagemap::{Entry, Pagemap};
use crate::units::PAGE_BYTES;

/// Bit of /proc/kpageflags (linux/kernel-page-flags.h).
const KPF_ZERO_PAGE: u64 = 1 << 24;
/// Frames of a huge page, and their alignment.
const HUGE: u64 = 512;
/// Frames whose answer is kept.
const KEPT: usize = 1 << 12;

/// Tells shared pages of zeros from others, by frame.
pub(crate) struct ZeroPages {
    page: Option<u64>,
    flags: Option<File>,
    huge: HashMap<u64, bool>,
}

impl ZeroPages {
    /// Must run while this process has SYS_ADMIN: later the kernel hides the frames.
    pub(crate) fn open() -> Self {
        Self { page: own_zero_page(), flags: File::open("/proc/kpageflags").ok(), huge: HashMap::new() }
    }

    /// The same for another reading.
    pub(crate) fn again(&self) -> Self {
        let flags = self.flags.as_ref().and_then(|file| file.try_clone().ok());
        Self { page: self.page, flags, huge: HashMap::new() }
    }

    /// The frame of the page; x86-64 has only one. `None`: hidden.
    pub(crate) const fn page(&self) -> Option<u64> {
        self.page
    }

    /// Whether the huge page that begins with this frame is the one of zeros. PAGEMAP_SCAN has a bit for that, which kernels
    /// before 6.18 do not set for huge pages.
    pub(crate) fn is_huge(&mut self, first: u64) -> bool {
        if !first.is_multiple_of(HUGE) {
            return false;
        }
        if let Some(known) = self.huge.get(&first) {
            return *known;
        }
        let mut bits = [0; 8];
        let flags = self.flags.as_ref().and_then(|file| file.read_exact_at(&mut bits, first * 8).ok());
        let is = flags.is_some() && u64::from_ne_bytes(bits) & KPF_ZERO_PAGE != 0;
        if self.huge.len() < KEPT {
            self.huge.insert(first, is);
        }
        is
    }
}

/// The frame that a page of this process has which was only read.
fn own_zero_page() -> Option<u64> {
    let len = PAGE_BYTES as usize;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: a readable page that is mapped until below.
    let byte = unsafe { page.cast::<u8>().read_volatile() };
    let mut entry = [u64::from(byte)];
    let count = Pagemap::open("self").ok().and_then(|map| map.entries(page as u64, &mut entry).ok());
    // SAFETY: mapped above, and not used after this.
    let unmapped = unsafe { munmap(page, len) };
    log::debug!("page of zeros: entry {:#x}, unmapped: {unmapped:?}", entry[0]);
    match Entry::of(entry[0]) {
        Entry::Present { pfn } if count == Some(1) => pfn,
        _ => None,
    }
}
