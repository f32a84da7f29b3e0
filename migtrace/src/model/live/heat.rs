//! Heat map of page faults of a process by address and time. Cells grow when there are too many.

use hashbrown::{HashMap, HashSet};

/// Limit of cells of one map.
pub const CELLS: usize = 2048;
/// Smallest cell: 16 KiB of addresses by 1 ms.
const ADDR_SHIFT: u32 = 14;
const TIME_SHIFT: u32 = 20;
/// Time steps to keep for each address when both axes have too many.
const TIMES_PER_ADDR: usize = 2;

/// Faults by address and time.
#[derive(Clone, Debug)]
pub struct Heat {
    cells: HashMap<(u64, u64), Cell>,
    addr_shift: u32,
    time_shift: u32,
}

/// One cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub faults: u64,
    pub remote: u64,
}

impl Default for Heat {
    fn default() -> Self {
        Self { cells: HashMap::new(), addr_shift: ADDR_SHIFT, time_shift: TIME_SHIFT }
    }
}

impl Heat {
    /// Counts page faults.
    pub fn add(&mut self, addr: u64, ts_ns: u64, faults: u64, remote: u64) {
        let key = (addr >> self.addr_shift, ts_ns >> self.time_shift);
        let cell = self.cells.entry(key).or_default();
        cell.faults += faults;
        cell.remote += remote;
        while self.cells.len() > CELLS {
            self.coarsen();
        }
    }

    /// Merges pairs of cells along the axis that has more of them.
    fn coarsen(&mut self) {
        let addrs = self.cells.keys().map(|(addr, _)| addr).collect::<HashSet<_>>().len();
        let times = self.cells.keys().map(|(_, time)| time).collect::<HashSet<_>>().len();
        let (addr, time) = if times > addrs * TIMES_PER_ADDR { (0, 1) } else { (1, 0) };
        self.addr_shift += addr;
        self.time_shift += time;
        let fine = std::mem::take(&mut self.cells);
        for ((a, t), cell) in fine {
            let coarse = self.cells.entry((a >> addr, t >> time)).or_default();
            coarse.faults += cell.faults;
            coarse.remote += cell.remote;
        }
    }

    /// Size of a cell: bytes of addresses and ns of time.
    #[must_use]
    pub const fn cell_size(&self) -> (u64, u64) {
        (1 << self.addr_shift, 1 << self.time_shift)
    }

    /// Start address and start time (ns) of each cell, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64, Cell)> {
        self.cells.iter().map(|((a, t), cell)| (a << self.addr_shift, t << self.time_shift, *cell))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_grow_and_nothing_is_lost() {
        let mut heat = Heat::default();
        for n in 0..50_000_u64 {
            heat.add(0x7f00_0000_0000 + n * 4096 * 7, n * 3_000_000, 1, n % 2);
        }
        let (faults, remote) = heat.iter().fold((0, 0), |(f, r), (.., c)| (f + c.faults, r + c.remote));
        assert_eq!((faults, remote), (50_000, 25_000));
        assert!(heat.iter().count() <= CELLS);
        let (bytes, ns) = heat.cell_size();
        assert!(bytes > 1 << ADDR_SHIFT && ns > 1 << TIME_SHIFT);
    }
}
