//! Mapped memory: the only file that reads or writes a segment's pages.
//!
//! A mapping has a guard page on each side. Otherwise the kernel merges neighbours with equal permissions, and a policy
//! or a fault would concern both.

use std::{
    io,
    ops::Range,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::io_uring::{IoringRegisterOp, io_uring_params, io_uring_register, io_uring_setup};

use crate::{advice::Advice, errno::CallError, size::page_size};

/// Bytes of a word of a page.
const WORD: usize = size_of::<u64>();
/// Size and alignment of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// An anonymous mapping and what was written to it.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Address and bytes of the reservation, including guard pages.
    reserved: (usize, usize),
    addr: usize,
    shared: bool,
    /// How often each page was written: 0 for never.
    generations: Vec<u32>,
    /// Pipes and rings that hold references to pages.
    pins: Vec<OwnedFd>,
}

/// Some pages of a mapping.
pub(crate) struct Pages<'a> {
    mapping: &'a Mapping,
    range: Range<usize>,
}

/// A word that is not what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) page: usize,
    /// Bytes from the page's start.
    pub(crate) offset: usize,
    pub(crate) expected: u64,
    pub(crate) found: u64,
}

impl Mapping {
    /// Maps `pages` pages without touching one.
    ///
    /// # Errors
    /// mmap(2) or madvise(2) fails.
    pub(crate) fn new(pages: usize, shared: bool, huge: bool) -> Result<Self, CallError> {
        let bytes = pages * page_size();
        let alignment = if huge { HUGE_PAGE } else { page_size() };
        let reserved_bytes = bytes + page_size() + alignment;
        let reserved = mmap(0, reserved_bytes, libc::PROT_NONE, libc::MAP_PRIVATE)?;
        let addr = (reserved + page_size()).next_multiple_of(alignment);
        // From here on, dropping `mapping` unmaps the reservation.
        let mapping =
            Self { reserved: (reserved, reserved_bytes), addr, shared, generations: vec![0; pages], pins: Vec::new() };
        let sharing = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        mmap(addr, bytes, libc::PROT_READ | libc::PROT_WRITE, sharing | libc::MAP_FIXED)?;
        let sizes = if huge { Advice::Huge } else { Advice::NoHuge };
        match mapping.pages(0..pages).advise(sizes) {
            // A kernel without huge pages.
            Ok(()) | Err(CallError { errno: libc::EINVAL, .. }) => Ok(mapping),
            Err(error) => Err(error),
        }
    }

    /// Calls madvise(2) on pages `range`.
    pub(crate) fn advise(&mut self, range: Range<usize>, advice: Advice) -> Result<(), CallError> {
        self.pages(range.clone()).advise(advice)?;
        if advice.discards() && !self.shared {
            self.generations[range].fill(0);
        }
        Ok(())
    }

    /// Holds a reference to each of pages `range`, as a device that reads them does. The kernel cannot migrate them
    /// then.
    ///
    /// # Errors
    /// pipe(2), fcntl(2) or vmsplice(2) fails.
    pub(crate) fn pin(&mut self, range: Range<usize>) -> Result<(), CallError> {
        let pages = self.pages(range);
        let (addr, bytes) = (pages.addr(), pages.bytes());
        let (reader, writer) = io::pipe().map_err(|e| CallError::of("pipe", &e))?;
        let capacity = libc::c_int::try_from(bytes).map_err(|_| CallError { call: "fcntl", errno: libc::EINVAL })?;
        // SAFETY: the descriptor is the pipe's own; the size is a number.
        if unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, capacity) } < 0 {
            return Err(CallError::last("fcntl"));
        }
        let mut done = 0;
        while done < bytes {
            let rest = libc::iovec { iov_base: (addr + done) as *mut libc::c_void, iov_len: bytes - done };
            // SAFETY: the range is in this mapping, which is readable and outlives the pipe.
            let ret = unsafe { libc::vmsplice(writer.as_raw_fd(), &raw const rest, 1, libc::SPLICE_F_NONBLOCK) };
            done += usize::try_from(ret).map_err(|_| CallError::last("vmsplice"))?;
        }
        self.pins.extend([reader.into(), writer.into()]);
        Ok(())
    }

    /// Pins each of pages `range` long-term (FOLL_LONGTERM), as a device that writes at any time does: registers them
    /// as a buffer of an io_uring. The kernel first migrates pages out of memory that must stay movable.
    ///
    /// # Errors
    /// io_uring_setup(2) or io_uring_register(2) fails.
    pub(crate) fn pin_longterm(&mut self, range: Range<usize>) -> Result<(), CallError> {
        let pages = self.pages(range);
        let buffer = libc::iovec { iov_base: pages.addr() as *mut libc::c_void, iov_len: pages.bytes() };
        let failed = |call| move |errno: rustix::io::Errno| CallError { call, errno: errno.raw_os_error() };
        // SAFETY: the parameters contain no pointer and no descriptor.
        let ring = unsafe { io_uring_setup(1, &mut io_uring_params::default()) }.map_err(failed("io_uring_setup"))?;
        // SAFETY: `buffer` is one valid iovec, and its range is in this mapping.
        unsafe { io_uring_register(&ring, IoringRegisterOp::RegisterBuffers, (&raw const buffer).cast(), 1) }
            .map_err(failed("io_uring_register"))?;
        self.pins.push(ring);
        Ok(())
    }

    /// Releases all references of [`Mapping::pin`] and [`Mapping::pin_longterm`].
    pub(crate) fn unpin(&mut self) {
        self.pins.clear();
    }

    pub(crate) fn addr(&self) -> usize {
        self.addr
    }

    pub(crate) fn bytes(&self) -> usize {
        self.generations.len() * page_size()
    }

    /// Returns pages `range`, which must be in this mapping.
    pub(crate) fn pages(&self, range: Range<usize>) -> Pages<'_> {
        assert!(range.start <= range.end && range.end <= self.generations.len(), "pages of this mapping");
        Pages { mapping: self, range }
    }

    /// Fills pages `range` with a pattern that differs by page, word and generation.
    pub(crate) fn write(&mut self, range: Range<usize>) {
        for page in range {
            self.generations[page] = self.generations[page].wrapping_add(1).max(1);
            let pattern = Pattern::new(page, self.generations[page]);
            for word in 0..page_size() / WORD {
                // SAFETY: page and word are in the mapping, which is writable and aligned. No reference points into it.
                unsafe { self.word(page, word).write_volatile(pattern.word(word)) };
            }
        }
    }

    fn word(&self, page: usize, word: usize) -> *mut u64 {
        (self.addr + page * page_size() + word * WORD) as *mut u64
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the reservation belongs to this mapping, and nothing refers to it any more. A failure leaks it.
        unsafe { libc::munmap(self.reserved.0 as *mut libc::c_void, self.reserved.1) };
    }
}

impl Pages<'_> {
    pub(crate) fn addr(&self) -> usize {
        self.mapping.addr + self.range.start * page_size()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.range.len() * page_size()
    }

    fn advise(&self, advice: Advice) -> Result<(), CallError> {
        // SAFETY: the range is in this mapping, and no reference points into it.
        let ret = unsafe { libc::madvise(self.addr() as *mut libc::c_void, self.bytes(), advice.number()) };
        if ret == 0 { Ok(()) } else { Err(CallError::last("madvise")) }
    }

    /// Reads the first word of every page.
    pub(crate) fn read(&self) {
        for page in self.range.clone() {
            // SAFETY: the page is in the mapping, which is readable and aligned.
            unsafe { self.mapping.word(page, 0).read_volatile() };
        }
    }

    /// Compares every word with what was written, or with zero if nothing was written.
    pub(crate) fn verify(&self) -> Result<(), Mismatch> {
        for page in self.range.clone() {
            let pattern = Pattern::new(page, self.mapping.generations[page]);
            for word in 0..page_size() / WORD {
                // SAFETY: page and word are in the mapping, which is readable and aligned.
                let found = unsafe { self.mapping.word(page, word).read_volatile() };
                let expected = pattern.word(word);
                if found != expected {
                    return Err(Mismatch { page, offset: word * WORD, expected, found });
                }
            }
        }
        Ok(())
    }
}

/// The contents of a page after its write number `generation`; zeros for generation 0.
struct Pattern(Option<u64>);

impl Pattern {
    fn new(page: usize, generation: u32) -> Self {
        // splitmix64's finalizer maps 64 bits one-to-one: the first word differs for every page and generation.
        let mut x = (page as u64) << 32 | u64::from(generation);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((generation > 0).then_some(x ^ x >> 31))
    }

    fn word(&self, word: usize) -> u64 {
        self.0.map_or(0, |base| base.wrapping_add((word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

fn mmap(addr: usize, bytes: usize, protection: libc::c_int, flags: libc::c_int) -> Result<usize, CallError> {
    // SAFETY: without MAP_FIXED, the kernel chooses a free range. With it, the caller names a part of its own
    // reservation.
    let mapped =
        unsafe { libc::mmap(addr as *mut libc::c_void, bytes, protection, flags | libc::MAP_ANONYMOUS, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(CallError::last("mmap"));
    }
    Ok(mapped as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_finds_a_changed_word() {
        let mut mapping = Mapping::new(4, false, false).expect("mapped");
        assert_eq!(mapping.pages(0..4).verify(), Ok(()), "pages that were never written are zero");
        mapping.write(1..3);
        mapping.write(2..3);
        assert_eq!(mapping.pages(0..4).verify(), Ok(()));

        let word = mapping.word(2, 7);
        // SAFETY: the word is in the mapping.
        let (good, bad) = unsafe { (word.read_volatile(), word.read_volatile() ^ 1) };
        // SAFETY: as above.
        unsafe { word.write_volatile(bad) };
        let expected = Mismatch { page: 2, offset: 56, expected: good, found: bad };
        assert_eq!(mapping.pages(0..4).verify(), Err(expected));
        assert_eq!(mapping.pages(0..2).verify(), Ok(()));
    }

    #[test]
    fn patterns_differ_by_page_and_generation() {
        let words = |page, generation| (0..512).map(|w| Pattern::new(page, generation).word(w)).collect::<Vec<_>>();
        assert_ne!(words(1, 1), words(1, 2));
        assert_ne!(words(1, 1), words(2, 1));
        assert_eq!(words(1, 0), [0; 512]);
    }

    #[test]
    fn a_mapping_is_one_vma_of_its_own() {
        let maps = || std::fs::read_to_string("/proc/self/maps").expect("maps");
        let mappings = [0; 3].map(|_| Mapping::new(8, false, false).expect("mapped"));
        for mapping in &mappings {
            let line = format!("{:x}-{:x} rw-p", mapping.addr(), mapping.addr() + mapping.bytes());
            assert!(maps().contains(&line), "{line}");
        }
        let huge = Mapping::new(512, true, true).expect("mapped");
        assert_eq!(huge.addr() % HUGE_PAGE, 0);
        assert!(maps().contains(&format!("{:x}-{:x} rw-s", huge.addr(), huge.addr() + huge.bytes())));
    }
}
