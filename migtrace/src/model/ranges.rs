//! Sets of address ranges by process, and the segments that requests named, so that an address prints as a page number.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Body, Event, TaskEvent};

/// Bytes of a page. The only architecture so far is x86-64.
pub const PAGE_BYTES: u64 = 4096;

/// Disjoint address ranges by process; ranges that overlap are joined.
#[derive(Clone, Debug, Default)]
pub struct Ranges(BTreeMap<(u32, u64), u64>);

impl Ranges {
    /// Adds the pages that `[addr, addr + len)` touches.
    pub fn insert(&mut self, pid: u32, addr: u64, len: u64) {
        let mut start = page_start(addr);
        let mut end = addr.saturating_add(len).checked_next_multiple_of(PAGE_BYTES).unwrap_or(page_start(u64::MAX));
        if start >= end {
            return;
        }
        while let Some((&key, &other)) =
            self.0.range((pid, 0)..(pid, end)).next_back().filter(|(_, other)| **other > start)
        {
            self.0.remove(&key);
            start = start.min(key.1);
            end = end.max(other);
        }
        self.0.insert((pid, start), end);
    }

    /// The range that holds the address, as start and end.
    #[must_use]
    pub fn find(&self, pid: u32, addr: u64) -> Option<(u64, u64)> {
        let (&(_, start), &end) = self.0.range((pid, 0)..=(pid, addr)).next_back()?;
        (addr < end).then_some((start, end))
    }

    /// Whether the address is in one.
    #[must_use]
    pub fn contains(&self, pid: u32, addr: u64) -> bool {
        self.find(pid, addr).is_some()
    }

    /// Each range as process, start and end.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.0.iter().map(|(&(pid, start), &end)| (pid, start, end))
    }

    /// Pages of all ranges.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.iter().map(|(_, start, end)| (end - start) / PAGE_BYTES).sum()
    }
}

/// The start of the page that holds the address.
#[must_use]
pub const fn page_start(addr: u64) -> u64 {
    addr & !(PAGE_BYTES - 1)
}

/// Pages that `[addr, addr + len)` touches.
#[must_use]
pub const fn pages_of(addr: u64, len: u64) -> u64 {
    let end = addr.saturating_add(len);
    end.div_ceil(PAGE_BYTES).saturating_sub(addr / PAGE_BYTES)
}

/// Where in a segment an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment, in the order in which requests named them.
    pub segment: usize,
    /// The page's number, from 1.
    pub page: u64,
    /// Pages of the segment.
    pub pages: u64,
}

/// The segments that requests named, over the whole recording. A child finds what its parent named before.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    ranges: Ranges,
    numbers: HashMap<(u32, u64), usize>,
    parents: HashMap<u32, u32>,
}

impl Segments {
    /// Of all requests with an address and a length.
    #[must_use]
    pub fn new(events: &[Event]) -> Self {
        let mut segments = Self::default();
        let mut named = Vec::new();
        for event in events {
            match &event.body {
                Body::Request(r) => {
                    let pid = r.target_pid.unwrap_or(event.pid);
                    if let (Some(addr), Some(len)) = (r.addr, r.len) {
                        segments.ranges.insert(pid, addr, len);
                        named.push((pid, addr));
                    }
                }
                Body::Task(t) if t.what == TaskEvent::Fork => {
                    segments.parents.extend(t.target_pid.map(|child| (child, event.pid)));
                }
                _ => {}
            }
        }
        for (pid, addr) in named {
            if let Some((start, _)) = segments.ranges.find(pid, addr) {
                let next = segments.numbers.len();
                segments.numbers.entry((pid, start)).or_insert(next);
            }
        }
        segments
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether no request named a range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The place of an address, if a request of the process, or of one that it was forked from, named it.
    #[must_use]
    pub fn place(&self, pid: u32, addr: u64) -> Option<Place> {
        let mut pid = pid;
        // Bounded, because process ids are reused and could form a ring.
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
    use crate::model::fixture;

    #[test]
    fn overlapping_ranges_join_and_neighbours_do_not() {
        let mut ranges = Ranges::default();
        ranges.insert(1, 0x1000, 0x2000);
        ranges.insert(1, 0x3000, 0x1000);
        assert_eq!(ranges.iter().count(), 2);
        ranges.insert(1, 0x2fff, 2);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(1, 0x1000, 0x4000)]);
        ranges.insert(2, 0x1000, 0);
        assert!(!ranges.contains(2, 0x1000));
        assert!(ranges.contains(1, 0x3fff) && !ranges.contains(1, 0x4000));
        assert_eq!(ranges.pages(), 3);
    }

    #[test]
    fn the_end_of_the_address_space_does_not_overflow() {
        let mut ranges = Ranges::default();
        ranges.insert(1, u64::MAX - 5000, u64::MAX);
        assert!(ranges.contains(1, u64::MAX - 5000));
        assert_eq!(pages_of(4095, 2), 2);
        assert_eq!(pages_of(u64::MAX, u64::MAX), 1);
    }

    #[test]
    fn an_address_is_a_page_of_the_largest_range_that_a_request_named() {
        let (_, events) = fixture::direct(8);
        let segments = Segments::new(&events);
        let third = segments.place(fixture::PID, fixture::SEGMENT + 0x2010);
        assert_eq!(third, Some(Place { segment: 0, page: 3, pages: 8 }));
        assert_eq!(segments.place(fixture::PID, fixture::SEGMENT + 0x8000), None);
        assert_eq!(segments.place(fixture::PID + 1, fixture::SEGMENT), None);
        assert_eq!(segments.len(), 1);
    }
}
