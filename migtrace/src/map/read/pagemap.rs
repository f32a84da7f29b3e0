//! /proc/PID/pagemap: the entry of each page in a process's page table, and the ranges that have entries.

use std::{
    fs::File,
    io,
    ops::Range,
    os::{fd::AsRawFd, unix::fs::FileExt},
};

use zerocopy::IntoBytes;

use crate::units::PAGE_BYTES;

/// Entries read at once: 1 MiB.
pub(crate) const ENTRIES: usize = 1 << 17;
const ENTRY_BYTES: u64 = 8;

/// Bits of an entry (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
/// Since Linux 6.15: an address that faults always (MADV_GUARD_INSTALL). It has the bit of swapped pages too.
const GUARD: u64 = 1 << 58;
const FRAME: u64 = (1 << 55) - 1;
/// A swapped page has the number of its swap area in its lowest bits.
const SWAP_TYPE: u64 = (1 << 5) - 1;
/// Numbers from here on can be no swap area: the kernel keeps up to nine for other entries (include/linux/swap.h). The
/// last one is for markers, which have no page.
const FIRST_SPECIAL_TYPE: u64 = 32 - 9;
const MARKER_TYPE: u64 = 31;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    /// In memory. Frame 0 is not a process's: the kernel hides the number.
    Present {
        pfn: Option<u64>,
    },
    Swap,
    Special,
}

/// The frame of a page in memory, unless the kernel hides it.
#[inline]
pub(crate) const fn present_frame(bits: u64) -> Option<u64> {
    let pfn = bits & FRAME;
    if bits & PRESENT != 0 && pfn != 0 { Some(pfn) } else { None }
}

impl Entry {
    pub(crate) const fn of(bits: u64) -> Self {
        if bits & PRESENT != 0 {
            return Self::Present { pfn: present_frame(bits) };
        }
        // Without CAP_SYS_ADMIN the number is 0, as that of the first swap area.
        match bits & SWAP_TYPE {
            _ if bits & SWAPPED == 0 || bits & GUARD != 0 => Self::Absent,
            MARKER_TYPE => Self::Absent,
            FIRST_SPECIAL_TYPE.. => Self::Special,
            _ => Self::Swap,
        }
    }
}

/// An open pagemap. It stays that of the program that the process executed when it was opened.
pub(crate) struct Pagemap {
    file: File,
    /// Whether the kernel has PAGEMAP_SCAN.
    scans: bool,
}

/// A range that has entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Populated {
    pub(crate) addresses: Range<u64>,
    /// Mapped by huge pages. `None`: this kernel does not show it here.
    pub(crate) is_huge: Option<bool>,
}

/// `struct pm_scan_arg` and `struct page_region` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

const _: () = assert!(size_of::<ScanArg>() == 96 && size_of::<PageRegion>() == 24);

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = 3 << 30 | (size_of::<ScanArg>() as libc::c_ulong) << 16 | 0x66 << 8 | 16;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_HUGE: u64 = 1 << 6;
/// Ranges returned by one call.
const RANGES: usize = 4096;

impl Pagemap {
    /// Opens the pagemap of a process; `self` for this one.
    pub(crate) fn open(process: &str) -> io::Result<Self> {
        let file = File::open(format!("/proc/{process}/pagemap"))?;
        let mut map = Self { file, scans: true };
        // Linux before 6.7 has no such ioctl.
        map.scans = map.scan(&(0..PAGE_BYTES)).is_ok();
        Ok(map)
    }

    /// Whether it shows which ranges have entries, and which of them are huge pages.
    pub(crate) const fn scans(&self) -> bool {
        self.scans
    }

    /// Reads the entries from an address on. Returns fewer than `entries` has room for at the end of the address space, and
    /// none if the process has exited or executed another program.
    pub(crate) fn entries(&self, addr: u64, entries: &mut [u64]) -> io::Result<usize> {
        let bytes = self.file.read_at(entries.as_mut_bytes(), addr / PAGE_BYTES * ENTRY_BYTES)?;
        Ok(bytes / ENTRY_BYTES as usize)
    }

    /// Ranges of a region that have entries: at least those, in order.
    pub(crate) fn populated(&self, region: &Range<u64>) -> io::Result<Vec<Populated>> {
        if self.scans { self.scan(region) } else { Ok(vec![Populated { addresses: region.clone(), is_huge: None }]) }
    }

    fn scan(&self, region: &Range<u64>) -> io::Result<Vec<Populated>> {
        let mut found = Vec::new();
        let mut regions = vec![PageRegion::default(); RANGES];
        let mut start = region.start;
        while start < region.end {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                start,
                end: region.end,
                vec: regions.as_mut_ptr() as u64,
                vec_len: regions.len() as u64,
                category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                return_mask: PAGE_IS_HUGE,
                ..ScanArg::default()
            };
            // SAFETY: the kernel reads and writes `arg`, which has the size that it names, and writes at most `vec_len`
            // entries to `vec`, which has as many. Both live until the call returns.
            let count = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
            let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
            found.extend(regions.iter().take(count).map(|region| Populated {
                addresses: region.start..region.end,
                is_huge: Some(region.categories & PAGE_IS_HUGE != 0),
            }));
            // `walk_end` can be before ranges that were returned (seen on 6.18): the kernel fills a buffer of 512 ranges, sets it
            // when that is full, and leaves it if the rest fits.
            let next = found.last().map_or(arg.walk_end, |last| last.addresses.end.max(arg.walk_end));
            if next <= start {
                break;
            }
            start = next;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    use super::*;

    #[test]
    fn entries_are_decoded() {
        assert_eq!(Entry::of(0), Entry::Absent);
        assert_eq!(Entry::of(PRESENT | 0x1234 | 1 << 56), Entry::Present { pfn: Some(0x1234) });
        assert_eq!(Entry::of(PRESENT), Entry::Present { pfn: None });
        assert_eq!(Entry::of(SWAPPED | 77 << 5), Entry::Swap);
        assert_eq!(Entry::of(SWAPPED | 22), Entry::Swap);
        assert_eq!(Entry::of(SWAPPED | 77 << 5 | 30), Entry::Special);
        assert_eq!([SWAPPED | MARKER_TYPE, SWAPPED | GUARD | MARKER_TYPE, GUARD].map(Entry::of), [Entry::Absent; 3]);
    }

    #[test]
    fn own_memory_is_populated_where_it_was_written() {
        let pages = 600;
        let memory = vec![1_u8; pages * PAGE_BYTES as usize];
        let start = (memory.as_ptr() as u64).next_multiple_of(PAGE_BYTES);
        let region = start..start + (pages as u64 - 1) * PAGE_BYTES;
        let map = Pagemap::open("self").expect("this process's own");
        let mut entries = vec![0; pages - 1];
        assert_eq!(map.entries(start, &mut entries).expect("read"), pages - 1);
        assert!(entries.iter().all(|bits| matches!(Entry::of(*bits), Entry::Present { .. })));
        let ranges = map.populated(&region).expect("scanned");
        assert_eq!(ranges.iter().map(|r| r.addresses.end - r.addresses.start).sum::<u64>(), region.end - region.start);
        drop(memory);
    }

    /// Pages of regions with more than 512 ranges were counted twice.
    #[test]
    fn no_range_is_returned_twice() {
        for pages in [1000, 2000, 9000, 20_000] {
            let len = pages * PAGE_BYTES as usize;
            let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
            // SAFETY: a new mapping, at an address that the kernel chooses.
            let start = unsafe { mmap_anonymous(ptr::null_mut(), len, protection, flags) }.expect("mapped");
            // SAFETY: the whole of that mapping. Huge pages would fill the gaps.
            unsafe { madvise(start, len, Advice::LinuxNoHugepage) }.expect("advised");
            for page in (0..pages).step_by(2) {
                // SAFETY: within the mapping, which only this thread uses.
                unsafe { start.cast::<u8>().add(page * PAGE_BYTES as usize).write_volatile(1) };
            }
            let addr = start as u64;
            let map = Pagemap::open("self").expect("this process's own");
            let found = map.populated(&(addr..addr + len as u64)).expect("scanned");
            // SAFETY: mapped above, and not used after this.
            unsafe { munmap(start, len) }.expect("unmapped");
            assert!(found.windows(2).all(|two| two[0].addresses.end <= two[1].addresses.start), "{pages}");
            assert_eq!(found.len(), if map.scans() { pages / 2 } else { 1 });
        }
    }
}
