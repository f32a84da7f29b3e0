//! Disjoint address ranges by process.

use std::collections::BTreeMap;

use super::address::{PAGE_BYTES, page_start};

/// Disjoint address ranges by process. Overlapping ranges are merged.
#[derive(Clone, Debug, Default)]
pub struct Ranges(BTreeMap<(u32, u64), u64>);

impl Ranges {
    /// Adds the pages that `[addr, addr + len)` overlaps.
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

    /// The range that contains the address, as start and end.
    #[must_use]
    pub fn find(&self, pid: u32, addr: u64) -> Option<(u64, u64)> {
        let (&(_, start), &end) = self.0.range((pid, 0)..=(pid, addr)).next_back()?;
        (addr < end).then_some((start, end))
    }

    /// Whether a range contains the address.
    #[must_use]
    pub fn contains(&self, pid: u32, addr: u64) -> bool {
        self.find(pid, addr).is_some()
    }

    /// Whether a range of the process and `[addr, addr + len)` have an address in common.
    #[must_use]
    pub fn overlaps(&self, pid: u32, addr: u64, len: u64) -> bool {
        self.contains(pid, addr)
            || self.0.range((pid, addr)..(pid, addr.saturating_add(len).max(addr))).next().is_some()
    }

    /// Removes the ranges of a process.
    pub(super) fn forget(&mut self, pid: u32) {
        forget(&mut self.0, pid);
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All ranges as process, start and end.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.0.iter().map(|(&(pid, start), &end)| (pid, start, end))
    }

    /// Number of pages in all ranges.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.iter().map(|(_, start, end)| (end - start) / PAGE_BYTES).sum()
    }
}

/// Removes the entries of a process, without a walk through those of others.
pub(super) fn forget<V>(map: &mut BTreeMap<(u32, u64), V>, pid: u32) {
    let own: Vec<(u32, u64)> = map.range((pid, 0)..=(pid, u64::MAX)).map(|(&key, _)| key).collect();
    own.iter().for_each(|key| drop(map.remove(key)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::pages_of;

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
}
