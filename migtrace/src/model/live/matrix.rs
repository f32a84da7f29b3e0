//! Counts by pair of nodes.

use std::collections::BTreeMap;

/// Limit of node pairs: all of 64 nodes.
const PAIRS: usize = 64 * 64;

/// A count by pair of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    cells: BTreeMap<(i32, i32), u64>,
    others: u64,
}

impl Matrix {
    /// Adds a count for a pair of nodes.
    pub fn add(&mut self, from: i32, to: i32, count: u64) {
        if self.cells.len() < PAIRS || self.cells.contains_key(&(from, to)) {
            let cell = self.cells.entry((from, to)).or_default();
            *cell = cell.saturating_add(count);
        } else {
            self.others = self.others.saturating_add(count);
        }
    }

    /// The count of a pair.
    #[must_use]
    pub fn get(&self, from: i32, to: i32) -> u64 {
        self.cells.get(&(from, to)).copied().unwrap_or(0)
    }

    /// All pairs with a count.
    pub fn iter(&self) -> impl Iterator<Item = ((i32, i32), u64)> {
        self.cells.iter().map(|(pair, count)| (*pair, *count))
    }

    /// The largest count.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.cells.values().copied().max().unwrap_or(0)
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.values().fold(self.others, |sum, n| sum.saturating_add(*n))
    }

    /// The count of pairs beyond the limit.
    #[must_use]
    pub const fn others(&self) -> u64 {
        self.others
    }

    /// The counts to a node from others, and from it to others.
    #[must_use]
    pub fn across(&self, nid: i32) -> (u64, u64) {
        let sum = |(to, from): (u64, u64), (pair, n): ((i32, i32), u64)| match pair {
            (a, b) if a == b => (to, from),
            (_, b) if b == nid => (to.saturating_add(n), from),
            (a, _) if a == nid => (to, from.saturating_add(n)),
            _ => (to, from),
        };
        self.iter().fold((0, 0), sum)
    }

    /// The difference from an earlier state of the same matrix.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let cells = self.iter().map(|((from, to), n)| ((from, to), n.saturating_sub(earlier.get(from, to))));
        Self { cells: cells.filter(|(_, n)| *n > 0).collect(), others: self.others.saturating_sub(earlier.others) }
    }
}
