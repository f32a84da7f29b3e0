//! Pages by address in a bounded number of cells, for pictures. Cells grow when there are too many.

use std::collections::BTreeMap;

use super::place::{Counts, Run};
use crate::units::PAGE_BYTES;

/// Limit of cells.
pub const CELLS: usize = 4096;
/// Smallest cell: 16 pages.
const SHIFT: u32 = 16;

/// Counts of pages by cell. Addresses without pages have no cell.
#[derive(Clone, Debug)]
pub struct Cells {
    cells: BTreeMap<u64, Counts>,
    /// The cell that pages were added to last.
    last: Option<(u64, Counts)>,
    shift: u32,
}

impl Default for Cells {
    fn default() -> Self {
        Self { cells: BTreeMap::new(), last: None, shift: SHIFT }
    }
}

impl Cells {
    /// Adds a run. Runs in the order of addresses are fastest.
    pub fn add(&mut self, run: &Run) {
        let mut addr = run.addr;
        while addr < run.end() {
            if self.last.as_ref().is_none_or(|(last, _)| *last != addr >> self.shift) {
                self.settle();
                let key = addr >> self.shift;
                self.last = Some((key, self.cells.remove(&key).unwrap_or_default()));
            }
            let end = (((addr >> self.shift) + 1) << self.shift).min(run.end());
            if let Some((_, counts)) = &mut self.last {
                counts.add(run.place, (end - addr) / PAGE_BYTES);
            }
            addr = end;
        }
    }

    /// Puts the last cell to the others, and merges neighbours until there is room for one more.
    fn settle(&mut self) {
        if let Some((key, counts)) = self.last.take() {
            self.cells.entry(key).or_default().merge(&counts);
        }
        while self.cells.len() >= CELLS {
            self.shift += 1;
            for (key, counts) in std::mem::take(&mut self.cells) {
                self.cells.entry(key >> 1).or_default().merge(&counts);
            }
        }
    }

    /// Bytes of a cell.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        1 << self.shift
    }

    /// The first address and the pages of each cell, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, Counts)> {
        let mut cells = self.clone();
        cells.settle();
        cells.cells.into_iter().map(|(key, counts)| (key << cells.shift, counts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::place::Place;

    #[test]
    fn cells_grow_and_no_page_is_lost() {
        let mut cells = Cells::default();
        cells.add(&Run { addr: 0x7f00_0000_0000, pages: 1 << 24, place: Place::Node(0) });
        for n in 0..50_000 {
            cells.add(&Run {
                addr: 0x5500_0000_0000 + n * PAGE_BYTES * 7,
                pages: 3,
                place: Place::Node((n % 2) as i32),
            });
        }
        let all = cells.all();
        let sum: u64 = all.iter().map(|(_, counts)| counts.total()).sum();
        assert_eq!(sum, (1 << 24) + 150_000);
        assert!(all.len() <= CELLS && cells.bytes() > 1 << SHIFT);
        assert!(all.is_sorted_by_key(|(addr, _)| *addr));
    }

    #[test]
    fn a_run_over_several_cells_is_cut() {
        let mut cells = Cells::default();
        cells.add(&Run { addr: 0xf000, pages: 18, place: Place::Node(1) });
        let pages: Vec<_> = cells.all().into_iter().map(|(addr, counts)| (addr, counts.total())).collect();
        assert_eq!(pages, [(0, 1), (0x10000, 16), (0x20000, 1)]);
    }
}
