//! The pages of a region as runs: page table entries, and the nodes of their frames.

use std::{io, ops::Range};

use super::{
    frames::FrameNodes,
    move_pages,
    pagemap::{ENTRIES, Entry, Pagemap, Populated},
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
    pub(crate) fn new(pid: u32, map: &'a Pagemap, frames: &'a FrameNodes) -> Self {
        let (zero, buffer) = (ZeroPages::new(), vec![0; ENTRIES]);
        Self { pid, map, frames, zero, buffer, runs: Vec::new(), found: Found::default() }
    }

    /// Passes the runs of a region to `take`, in order, each with whether huge pages map it.
    pub(crate) fn region(&mut self, region: &Range<u64>, take: &mut dyn FnMut(Run, Option<bool>)) -> Result<(), Ended> {
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
            // Each part ends between two huge pages.
            let aligned = (at + ENTRIES as u64 * PAGE_BYTES) / HUGE_BYTES * HUGE_BYTES;
            let wanted = ((aligned.min(end) - at) / PAGE_BYTES) as usize;
            let mut buffer = std::mem::take(&mut self.buffer);
            let read = self.map.entries(at, &mut buffer[..wanted]);
            let read = match read {
                Ok(0) => Err(Ended::Gone),
                Ok(count) => self.part(at, &buffer[..count], ranges, take).map(|()| count),
                Err(error) => Err(error.into()),
            };
            self.buffer = buffer;
            at += read? as u64 * PAGE_BYTES;
        }
        Ok(())
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
        let goes_on = |(n, bits): (u64, &u64)| match Entry::of(*bits) {
            Entry::Present { pfn: Some(pfn) } => {
                let begins_huge = may_be_huge
                    && n > 0
                    && pfn.is_multiple_of(HUGE_PAGES)
                    && (addr + n * PAGE_BYTES).is_multiple_of(HUGE_BYTES);
                frames.contains(&pfn) && zero != Some(pfn) && !begins_huge
            }
            _ => false,
        };
        let count = (0..).zip(entries).take_while(|entry| goes_on(*entry)).count();
        (Some(nid.map_or(Place::UnknownNode, Place::Node)), count.max(1))
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
