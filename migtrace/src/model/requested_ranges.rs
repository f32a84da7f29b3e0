//! Finds which page of a requested range or mapping an address is in. Requested ranges are those of placement syscalls.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    address::{PAGE_BYTES, pages_of},
    ranges::{Ranges, forget},
};
use crate::event::{Body, Event, Region, RegionClass, TaskEvent};

/// Position of an address in a requested range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the range, in the order of the syscalls.
    pub segment: usize,
    /// Page number, from 1.
    pub page: u64,
    /// Pages of the range.
    pub pages: u64,
}

/// Position of an address in a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingPlace<'a> {
    pub class: RegionClass,
    /// Name of the mapped file; empty if there is none.
    pub name: &'a str,
    /// The page's number, from 1.
    pub page: u64,
    /// Pages of the mapping when it was first seen.
    pub pages: u64,
}

/// Number of ranges and mappings to keep. Pages of later ones are reported by address only.
const MOST_RANGES: usize = 1 << 16;

/// Requested ranges and mappings. A forked child inherits those of its parent.
#[derive(Clone, Debug, Default)]
pub struct RequestedRanges {
    ranges: Ranges,
    numbers: BTreeMap<(u32, u64), usize>,
    next: usize,
    parents: HashMap<u32, u32>,
    mappings: BTreeMap<(u32, u64), Region>,
    unnamed: u64,
}

impl RequestedRanges {
    /// Collects the ranges of a whole recording: at their final size, numbered without gaps.
    #[must_use]
    pub fn new(events: &[Event]) -> Self {
        let mut segments = Self::default();
        let mut named = Vec::new();
        for event in events {
            named.extend(segments.see(event));
        }
        for (pid, addr) in named {
            segments.number(pid, addr);
        }
        segments
    }

    /// Adds the next event of a live recording.
    pub fn take(&mut self, event: &Event) {
        if let Some((pid, addr)) = self.see(event) {
            self.number(pid, addr);
        }
    }

    /// Returns process and address of the range that a syscall requested.
    fn see(&mut self, event: &Event) -> Option<(u32, u64)> {
        let is_full = self.ranges.len() >= MOST_RANGES || self.mappings.len() >= MOST_RANGES;
        match &event.body {
            Body::Request(r) if is_full && r.addr.is_some() && r.len.is_some() => self.unnamed += 1,
            Body::Region(_) if is_full => self.unnamed += 1,
            Body::Request(r) => {
                let pid = r.target_pid.unwrap_or(event.pid);
                let (addr, len) = r.addr.zip(r.len)?;
                self.ranges.insert(pid, addr, len);
                return Some((pid, addr));
            }
            Body::Region(r) => drop(self.mappings.insert((event.pid, r.addr), r.clone())),
            Body::Task(t) if t.what == TaskEvent::Fork && self.parents.len() < MOST_RANGES => {
                self.parents.extend(t.target_pid.map(|child| (child, event.pid)));
            }
            _ => {}
        }
        None
    }

    /// A range that merged with others keeps the lowest number.
    fn number(&mut self, pid: u32, addr: u64) {
        let Some((start, end)) = self.ranges.find(pid, addr) else { return };
        let joined: Vec<u64> = self.numbers.range((pid, start)..(pid, end)).map(|(&(_, start), _)| start).collect();
        let first = joined.iter().filter_map(|&start| self.numbers.remove(&(pid, start))).min();
        let number = first.unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.numbers.insert((pid, start), number);
    }

    /// Whether a syscall requested an address in `[addr, addr + len)` of the process.
    #[must_use]
    pub fn names_any(&self, pid: u32, addr: u64, len: u64) -> bool {
        self.ranges.overlaps(pid, addr, len)
    }

    /// Removes a process that exited: its PID may be reused.
    pub fn forget(&mut self, pid: u32) {
        self.ranges.forget(pid);
        forget(&mut self.numbers, pid);
        forget(&mut self.mappings, pid);
        self.parents.remove(&pid);
    }

    /// Ranges and mappings that were not kept, because there were too many.
    #[must_use]
    pub const fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// Position of an address in a mapping of the process, as the mapping was when first seen.
    #[must_use]
    pub fn mapping(&self, pid: u32, addr: u64) -> Option<MappingPlace<'_>> {
        let (&(_, start), r) = self.mappings.range((pid, 0)..=(pid, addr)).next_back()?;
        let (page, pages) = ((addr - start) / PAGE_BYTES + 1, pages_of(r.addr, r.len));
        (page <= pages).then_some(MappingPlace { class: r.class, name: &r.name, page, pages })
    }

    /// Number of requested ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether no range was requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Position of an address in a range requested by the process or by one of its ancestors.
    #[must_use]
    pub fn place(&self, pid: u32, addr: u64) -> Option<Place> {
        let mut pid = pid;
        // Bounded, because reused PIDs could form a cycle.
        for _ in 0..16 {
            if let Some((start, end)) = self.ranges.find(pid, addr) {
                let segment = *self.numbers.get(&(pid, start))?;
                let page = (addr - start) / PAGE_BYTES + 1;
                return Some(Place { segment, page, pages: (end - start) / PAGE_BYTES });
            }
            pid = *self.parents.get(&pid)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn an_address_is_a_page_of_the_largest_range_that_a_request_named() {
        let (_, events) = testkit::direct(8);
        let segments = RequestedRanges::new(&events);
        let third = segments.place(testkit::PID, testkit::SEGMENT + 0x2010);
        assert_eq!(third, Some(Place { segment: 0, page: 3, pages: 8 }));
        assert_eq!(segments.place(testkit::PID, testkit::SEGMENT + 0x8000), None);
        assert_eq!(segments.place(testkit::PID + 1, testkit::SEGMENT), None);
        assert_eq!(segments.len(), 1);
    }

    #[test]
    fn ranges_of_a_recording_that_goes_on_keep_their_numbers() {
        let named = |addr, len| {
            let mut tape = testkit::Tape::new();
            tape.mbind(1, crate::event::Policy::Bind, "1", "", tape.now);
            if let Some(Body::Request(r)) = tape.events.last_mut().map(|e| &mut e.body) {
                (r.addr, r.len) = (Some(addr), Some(len));
            }
            tape.events.remove(0)
        };
        let mut segments = RequestedRanges::default();
        for (addr, len) in [(0x10_000, 0x2000), (0x20_000, 0x1000), (0x30_000, 0x1000), (0x18_000, 0x9000)] {
            segments.take(&named(addr, len));
        }
        let number = |addr| segments.place(testkit::PID, addr).map(|p| p.segment);
        assert_eq!([0x11_000, 0x18_000, 0x20_000, 0x30_000].map(number), [Some(0), Some(1), Some(1), Some(2)]);
        segments.forget(testkit::PID);
        assert!(segments.is_empty() && segments.place(testkit::PID, 0x11_000).is_none());
    }

    #[test]
    fn addresses_beside_all_requests_are_pages_of_their_mapping() {
        let region = Region { addr: 0x1000, len: 0x3000, class: RegionClass::Heap, name: String::new(), policy: None };
        let mut segments = RequestedRanges::default();
        segments.take(&Event { pid: 7, ..Event::at(1, Body::Region(region)) });
        let of = |pid, addr| segments.mapping(pid, addr).map(|m| (m.class, m.page, m.pages));
        assert_eq!(of(7, 0x2fff), Some((RegionClass::Heap, 2, 3)));
        assert_eq!((of(7, 0x4000), of(7, 0xfff), of(8, 0x2000)), (None, None, None));
        let (_, events) = testkit::direct(8);
        let named = RequestedRanges::new(&events);
        let any = |addr, len| named.names_any(testkit::PID, addr, len);
        let last = testkit::SEGMENT + 7 * PAGE_BYTES;
        assert!(any(testkit::SEGMENT - 0x5000, 0x6000) && any(last, 1) && any(0, u64::MAX));
        assert!(!any(testkit::SEGMENT - 0x5000, 0x5000) && !any(last + PAGE_BYTES, 0x9000));
    }
}
