//! A count for each NUMA node.

/// Number of nodes to distinguish.
const NODES: usize = 64;

/// A count by node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(Vec<(i32, u64)>);

impl Nodes {
    pub fn add(&mut self, nid: i32, count: u64) {
        match self.0.binary_search_by_key(&nid, |(n, _)| *n) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) if self.0.len() < NODES => self.0.insert(at, (nid, count)),
            Err(_) => {}
        }
    }

    /// Subtracts a count, down to 0.
    pub fn take(&mut self, nid: i32, count: u64) {
        if let Ok(at) = self.0.binary_search_by_key(&nid, |(n, _)| *n) {
            self.0[at].1 = self.0[at].1.saturating_sub(count);
        }
    }

    /// All counts, by node.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> {
        self.0.iter().copied()
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    #[must_use]
    pub fn get(&self, nid: i32) -> u64 {
        self.0.iter().find(|(n, _)| *n == nid).map_or(0, |(_, count)| *count)
    }

    /// The node with the largest count.
    #[must_use]
    pub fn most(&self) -> Option<i32> {
        self.0.iter().filter(|(_, n)| *n > 0).max_by_key(|(nid, n)| (*n, -nid)).map(|(nid, _)| *nid)
    }
}
