//! Which pages of a region are found, and where huge pages may be.

use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::*;

const PRESENT: u64 = 1 << 63;

#[test]
fn huge_pages_have_aligned_consecutive_frames() {
    let frames = |first: u64| (0..512).map(|n| PRESENT | (first + n)).collect::<Vec<_>>();
    let at = 5 * HUGE_BYTES;
    assert!(may_have_huge(at, &frames(1024)) && !may_have_huge(at, &frames(1025)));
    let mut scattered = frames(1024);
    scattered[511] = PRESENT | 7;
    assert!(!may_have_huge(at, &scattered));
    // The first aligned page is behind two others.
    let before = at - 2 * PAGE_BYTES;
    assert!(may_have_huge(before, &[&[0, 0], &*frames(1024)].concat()) && !may_have_huge(before, &frames(1024)));
    assert!(may_have_huge(at, &[PRESENT; 512]), "the kernel hides frames");
    assert!(!may_have_huge(at, &[0; 512]) && !may_have_huge(at, &frames(1024)[..511]));
}

/// The pages of a dense beginning, and of a page far behind it, in ranges that are read in different ways.
#[test]
fn a_region_that_becomes_sparse_has_all_its_pages() {
    let (pages, far) = (1_u64 << 18, 200_003);
    let len = (pages * PAGE_BYTES) as usize;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, at an address that the kernel chooses.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags) };
    let start = start.expect("mapped");
    let map = Pagemap::open("self").expect("this process's own");
    let frames = FrameNodes::read();
    for dense in [5000, 3] {
        for page in (0..dense).chain([far]) {
            // SAFETY: within the mapping, which only this thread uses.
            unsafe { start.cast::<u8>().add((page * PAGE_BYTES) as usize).write_volatile(1) };
        }
        let mut reader = Pages::new(std::process::id(), &map, &frames, ZeroPages::open());
        let addr = start as u64;
        let mut found = Vec::new();
        let mut take = |run: Run, _| found.extend((0..run.pages).map(|n| (run.addr - addr) / PAGE_BYTES + n));
        assert!(reader.region(&(addr..addr + pages * PAGE_BYTES), &mut take).is_ok());
        // Huge pages can be larger than what was touched.
        let expected = (0..dense).chain([far]).all(|page| found.binary_search(&page).is_ok());
        assert!(expected && found.is_sorted() && found.len() < 8000, "{}", found.len());
        let dropped = drop_pages(start.cast(), len);
        assert!(dropped, "for the next round");
    }
    // SAFETY: mapped above, and not used after this.
    unsafe { munmap(start, len) }.expect("unmapped");
}

/// Drops the pages of a mapping of this process.
fn drop_pages(start: *mut libc::c_void, len: usize) -> bool {
    // SAFETY: a private mapping, whose contents nothing needs.
    unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) == 0 }
}
