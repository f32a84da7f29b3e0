//! The pages of a region as runs: page table entries, and the nodes of their frames.

use std::{io, ops::Range};

use super::{
    frames::FrameNodes,
    move_pages,
    pagemap::{ENTRIES, Entry, Pagemap, Populated, present_frame},
    zero::ZeroPages,
};
use crate::{
    map::place::{Place, Run},
    units::PAGE_BYTES,
};

/// Base pages of a huge page that one entry of the page table maps.
const HUGE_PAGES: u64 = 512;
const HUGE_BYTES: u64 = HUGE_PAGES * PAGE_BYTES;
/// Entries without pages that are read along, if pages follow. A further call takes as long as reading a few hundred.
const GAP_BYTES: u64 = 256 * PAGE_BYTES;
/// Bytes whose entries show whether a region has few of them.
const FIRST_BYTES: u64 = 16 << 20;
/// At least one entry of so many is there, or there are few.
const FEW: usize = 8;

/// How the nodes of pages were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) by_frame: u64,
    pub(crate) by_move_pages: u64,
    /// Why move_pages(2) did not show them.
    pub(crate) refused: Option<String>,
}

/// Reads regions of one process.
pub(crate) struct Pages<'a> {
    pid: u32,
    map: &'a Pagemap,
    frames: &'a FrameNodes,
    zero: ZeroPages,
    buffer: Vec<u64>,
    runs: Vec<Run>,
    pub(crate) found: Found,
}

/// Why a region was not read to its end.
pub(crate) enum Ended {
    /// The address space is gone.
    Gone,
    Error(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ESRCH) { Self::Gone } else { Self::Error(error) }
    }
}

impl<'a> Pages<'a> {
    pub(crate) fn new(pid: u32, map: &'a Pagemap, frames: &'a FrameNodes, zero: ZeroPages) -> Self {
        Self { pid, map, frames, zero, buffer: vec![0; ENTRIES], runs: Vec::new(), found: Found::default() }
    }

    /// Passes the runs of a region to `take`, in order, each with whether huge pages map it.
    ///
    /// PAGEMAP_SCAN shows which ranges have entries and which are huge pages, and takes a quarter of the time that reading the
    /// entries takes. It is called for what is left of a region with few entries, and where the frames may be those of a
    /// huge page.
    pub(crate) fn region(&mut self, region: &Range<u64>, take: &mut dyn FnMut(Run, Option<bool>)) -> Result<(), Ended> {
        let mut at = region.start;
        let mut end = region.end.min((at + FIRST_BYTES) / HUGE_BYTES * HUGE_BYTES);
        while at < region.end {
            let count = self.read(at, end, |pages, entries| {
                let after = at + entries.len() as u64 * PAGE_BYTES;
                if after < region.end && is_sparse(entries) {
                    return Ok(None);
                }
                let ranges = match may_have_huge(at, entries) {
                    true => pages.map.populated(&(at..after))?,
                    false => vec![Populated { addresses: at..after, is_huge: pages.map.scans().then_some(false) }],
                };
                pages.part(at, entries, &ranges, take)?;
                Ok(Some(entries.len() as u64))
            })?;
            let Some(count) = count else { return self.sparse(&(at..region.end), take) };
            at += count * PAGE_BYTES;
            end = region.end;
        }
        Ok(())
    }

    /// The same, of a region with few entries.
    fn sparse(&mut self, region: &Range<u64>, take: &mut dyn FnMut(Run, Option<bool>)) -> Result<(), Ended> {
        let populated = self.map.populated(region)?;
        for cluster in populated.chunk_by(|a, b| b.addresses.start - a.addresses.end <= GAP_BYTES) {
            self.cluster(cluster, take)?;
        }
        Ok(())
    }

    /// Reads ranges that are close to each other.
    fn cluster(&mut self, ranges: &[Populated], take: &mut dyn FnMut(Run, Option<bool>)) -> Result<(), Ended> {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(()) };
        let (mut at, end) = (first.addresses.start, last.addresses.end);
        while at < end {
            let count = self.read(at, end, |pages, entries| {
                pages.part(at, entries, ranges, take)?;
                Ok(entries.len() as u64)
            })?;
            at += count * PAGE_BYTES;
        }
        Ok(())
    }

    /// Reads entries from an address up to `end`, as many as there is room for, and passes them on.
    fn read<T>(
        &mut self,
        at: u64,
        end: u64,
        pass_on: impl FnOnce(&mut Self, &[u64]) -> Result<T, Ended>,
    ) -> Result<T, Ended> {
        // Each part ends between two huge pages.
        let aligned = (at + ENTRIES as u64 * PAGE_BYTES) / HUGE_BYTES * HUGE_BYTES;
        let wanted = ((aligned.min(end) - at) / PAGE_BYTES) as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        let passed_on = match self.map.entries(at, &mut buffer[..wanted]) {
            Ok(0) => Err(Ended::Gone),
            Ok(count) => pass_on(self, &buffer[..count]),
            Err(error) => Err(error.into()),
        };
        self.buffer = buffer;
        passed_on
    }

    /// Passes on the runs of entries, of which only those in the ranges count.
    fn part(
        &mut self,
        at: u64,
        entries: &[u64],
        ranges: &[Populated],
        take: &mut dyn FnMut(Run, Option<bool>),
    ) -> Result<(), Ended> {
        let end = at + entries.len() as u64 * PAGE_BYTES;
        let skipped = ranges.partition_point(|range| range.addresses.end <= at);
        for range in ranges[skipped..].iter().take_while(|range| range.addresses.start < end) {
            let from = range.addresses.start.max(at);
            let to = range.addresses.end.min(end);
            let place = |addr: u64| ((addr - at) / PAGE_BYTES) as usize;
            self.runs.clear();
            self.decode(from, &entries[place(from)..place(to)], range.is_huge);
            self.pass_on(range.is_huge, take)?;
        }
        Ok(())
    }

    /// Decodes entries into `runs`.
    fn decode(&mut self, at: u64, entries: &[u64], is_huge: Option<bool>) {
        let mut next = 0;
        while next < entries.len() {
            let addr = at + next as u64 * PAGE_BYTES;
            let (place, count) = self.same(addr, &entries[next..], is_huge);
            if let Some(place) = place {
                Run { addr, pages: count as u64, place }.append(&mut self.runs);
            }
            next += count;
        }
    }

    /// The place of the first of some entries, and how many are certainly in the same place.
    fn same(&mut self, addr: u64, entries: &[u64], is_huge: Option<bool>) -> (Option<Place>, usize) {
        let first = Entry::of(entries[0]);
        let alike = |is: &dyn Fn(Entry) -> bool| entries.iter().take_while(|bits| is(Entry::of(**bits))).count();
        let Entry::Present { pfn: Some(pfn) } = first else {
            let place = match first {
                Entry::Absent => None,
                Entry::Swap => Some(Place::Swap),
                Entry::Special => Some(Place::Special),
                Entry::Present { .. } => Some(Place::UnknownNode),
            };
            return (place, alike(&|entry| entry == first));
        };
        let zero = self.zero.page();
        if zero == Some(pfn) {
            return (Some(Place::Zero), alike(&|entry| entry == first));
        }
        let may_be_huge = is_huge != Some(false);
        if may_be_huge && addr.is_multiple_of(HUGE_BYTES) && self.zero.is_huge(pfn) {
            return (Some(Place::Zero), entries.len().min(HUGE_PAGES as usize));
        }
        let (nid, frames) = self.frames.node(pfn);
        let is_alike = |bits: &u64| present_frame(*bits).is_some_and(|pfn| frames.contains(&pfn) && zero != Some(pfn));
        let begins_huge = |bits: &u64| present_frame(*bits).is_some_and(|pfn| pfn.is_multiple_of(HUGE_PAGES));
        let mut count = 1;
        while count < entries.len() {
            // Huge pages begin at the multiples of their size only.
            let at = addr / PAGE_BYTES + count as u64;
            if may_be_huge && at.is_multiple_of(HUGE_PAGES) && begins_huge(&entries[count]) {
                break;
            }
            let end = entries.len().min(count + (HUGE_PAGES - at % HUGE_PAGES) as usize);
            let alike = entries[count..end].iter().take_while(|bits| is_alike(bits)).count();
            count += alike;
            if count < end {
                break;
            }
        }
        (Some(nid.map_or(Place::UnknownNode, Place::Node)), count)
    }

    /// Passes the runs on. The nodes that frames did not show are looked up before.
    fn pass_on(&mut self, is_huge: Option<bool>, take: &mut dyn FnMut(Run, Option<bool>)) -> Result<(), Ended> {
        for run in &self.runs {
            match run.place {
                Place::UnknownNode => {}
                place => {
                    self.found.by_frame += if matches!(place, Place::Node(_)) { run.pages } else { 0 };
                    take(*run, is_huge);
                    continue;
                }
            }
            let mut places = Vec::with_capacity(run.pages as usize);
            let step = if is_huge == Some(true) { HUGE_PAGES } else { 1 };
            let looked_up = move_pages::places(self.pid, run.addr, run.pages, step, &mut places);
            if let Err(error) = looked_up {
                if error.raw_os_error() == Some(libc::ESRCH) {
                    return Err(Ended::Gone);
                }
                self.found.refused.get_or_insert_with(|| error.to_string());
                take(*run, is_huge);
                continue;
            }
            self.found.by_move_pages += run.pages;
            let mut addr = run.addr;
            for same in places.chunk_by(|a, b| a == b) {
                let pages = same.len() as u64;
                if let Some(place) = same[0] {
                    take(Run { addr, pages, place }, is_huge);
                }
                addr += pages * PAGE_BYTES;
            }
        }
        Ok(())
    }
}

/// Whether few entries are there.
fn is_sparse(entries: &[u64]) -> bool {
    let there = entries.iter().filter(|bits| Entry::of(**bits) != Entry::Absent).count();
    there * FEW < entries.len()
}

/// Whether huge pages may map some of these entries: where one can begin, the frames are aligned and consecutive, or hidden.
fn may_have_huge(at: u64, entries: &[u64]) -> bool {
    let pages_before = (at / PAGE_BYTES).next_multiple_of(HUGE_PAGES) - at / PAGE_BYTES;
    let blocks = entries.get(pages_before as usize..).unwrap_or_default().chunks_exact(HUGE_PAGES as usize);
    blocks.into_iter().any(|block| match Entry::of(block[0]) {
        Entry::Present { pfn: Some(pfn) } => {
            pfn.is_multiple_of(HUGE_PAGES) && present_frame(block[block.len() - 1]) == Some(pfn + HUGE_PAGES - 1)
        }
        Entry::Present { pfn: None } => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests;
