//! Pages by address in a bounded number of cells, for pictures. Cells grow when there are too many.

use super::place::{Counts, Run};
use crate::units::PAGE_BYTES;

/// Limit of cells.
pub const CELLS: usize = 4096;
/// Smallest cell: 16 pages.
const SHIFT: u32 = 16;

/// Counts of pages by cell. Addresses without pages have no cell.
#[derive(Clone, Debug)]
pub struct Cells {
    /// By number, in order. A list: with a tree, cells took more instructions than all else that is done for a page.
    cells: Vec<(u64, Counts)>,
    shift: u32,
}

impl Default for Cells {
    fn default() -> Self {
        Self { cells: Vec::new(), shift: SHIFT }
    }
}

impl Cells {
    /// For about so many pages: with the size that cells would grow to at least.
    #[must_use]
    pub fn for_pages(pages: u64) -> Self {
        let size = (SHIFT..u64::BITS).find(|shift| (pages * PAGE_BYTES) >> shift <= CELLS as u64);
        Self { shift: size.unwrap_or(SHIFT), ..Self::default() }
    }

    /// Adds a run. Runs in the order of addresses are fastest.
    pub fn add(&mut self, run: &Run) {
        let mut addr = run.addr;
        while addr < run.end() {
            let at = self.cell(addr);
            let end = (((addr >> self.shift) + 1) << self.shift).min(run.end());
            self.cells[at].1.add(run.place, (end - addr) / PAGE_BYTES);
            addr = end;
        }
    }

    /// The place of an address' cell, which is made if there is none.
    fn cell(&mut self, addr: u64) -> usize {
        loop {
            let key = addr >> self.shift;
            let found = match self.cells.last() {
                Some((last, _)) if *last == key => return self.cells.len() - 1,
                Some((last, _)) if *last > key => self.cells.binary_search_by_key(&key, |(key, _)| *key),
                _ => Err(self.cells.len()),
            };
            match found {
                Ok(at) => return at,
                Err(at) if self.cells.len() < CELLS => {
                    self.cells.insert(at, (key, Counts::default()));
                    return at;
                }
                Err(_) => self.grow(),
            }
        }
    }

    /// Makes cells twice as large.
    fn grow(&mut self) {
        self.shift += 1;
        self.cells.iter_mut().for_each(|(key, _)| *key >>= 1);
        self.cells.dedup_by(|(key, counts), (before, sum)| {
            let is_same = key == before;
            if is_same {
                sum.merge(counts);
            }
            is_same
        });
    }

    /// Bytes of a cell.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        1 << self.shift
    }

    /// The first address and the pages of each cell, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, Counts)> {
        self.cells.iter().map(|(key, counts)| (key << self.shift, counts.clone())).collect()
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
    fn cells_for_a_number_of_pages_are_those_that_they_would_grow_to() {
        for pages in [0, 65_536, 65_537, 1 << 24] {
            let [mut grown, mut made] = [Cells::default(), Cells::for_pages(pages)];
            let run = Run { addr: 0x7f00_0000_0000, pages, place: Place::Node(0) };
            grown.add(&run);
            made.add(&run);
            assert_eq!((grown.bytes(), grown.all()), (made.bytes(), made.all()), "{pages}");
        }
    }

    #[test]
    fn runs_in_any_order_have_the_same_cells() {
        let run = |n: u64| Run { addr: n * 0x7_3000, pages: 5, place: Place::Node((n % 3) as i32) };
        let [mut up, mut down] = [Cells::default(), Cells::default()];
        (0..10_000).for_each(|n| up.add(&run(n)));
        (0..10_000).rev().for_each(|n| down.add(&run(n)));
        assert_eq!((up.bytes(), up.all()), (down.bytes(), down.all()));
    }

    #[test]
    fn a_run_over_several_cells_is_cut() {
        let mut cells = Cells::default();
        cells.add(&Run { addr: 0xf000, pages: 18, place: Place::Node(1) });
        let pages: Vec<_> = cells.all().into_iter().map(|(addr, counts)| (addr, counts.total())).collect();
        assert_eq!(pages, [(0, 1), (0x10000, 16), (0x20000, 1)]);
    }
}
