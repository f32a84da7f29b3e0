//! A map that evicts its oldest entries, so that days of tracing take no more memory than minutes.

use std::{hash::Hash, mem};

use hashbrown::HashMap;

/// Keeps at least the `half` entries that were inserted last, and at most twice as many. Evictions are counted.
#[derive(Clone, Debug)]
pub(crate) struct TwoGenerations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
    evicted: u64,
}

impl<K: Eq + Hash, V> TwoGenerations<K, V> {
    /// An empty map for at most `limit` entries.
    pub(crate) fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (limit / 2).max(1), evicted: 0 }
    }

    /// Returns whether older entries were evicted for it.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        self.old.remove(&key);
        self.young.insert(key, value);
        let is_full = self.young.len() >= self.half;
        if is_full {
            self.evicted += self.old.len() as u64;
            self.old = mem::take(&mut self.young);
        }
        is_full
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Number of evicted entries.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entries_stay_and_what_is_forgotten_is_counted() {
        let mut recent = TwoGenerations::new(8);
        for n in 0..100 {
            recent.insert(n, n);
        }
        assert!((96..100).all(|n| recent.get(&n) == Some(&n)));
        assert_eq!(recent.get(&0), None);
        let held = (0..100).filter(|n| recent.get(n).is_some()).count() as u64;
        assert_eq!(held + recent.evicted(), 100);
        assert!(held <= 8);
        assert_eq!((recent.remove(&99), recent.get(&99)), (Some(99), None));
    }
}
