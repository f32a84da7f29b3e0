//! A map with a limit: the least recently used entries are evicted first, and counted.

use std::hash::Hash;

use hashbrown::HashMap;

/// See the module.
#[derive(Clone, Debug)]
pub struct Lru<K, V> {
    map: HashMap<K, (u64, V)>,
    limit: usize,
    uses: u64,
    evicted: u64,
}

impl<K: Eq + Hash + Clone, V> Lru<K, V> {
    /// An empty map for at most `limit` entries, at least 1.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { map: HashMap::new(), limit: limit.max(1), uses: 0, evicted: 0 }
    }

    /// The value of `key`, made by `make` if it is new. Evicted entries are passed to `gone`.
    pub fn entry(&mut self, key: &K, make: impl FnOnce() -> V, mut gone: impl FnMut(K, V)) -> &mut V {
        self.uses += 1;
        if self.map.len() >= self.limit && !self.map.contains_key(key) {
            self.evict(&mut gone);
        }
        let slot = self.map.entry(key.clone()).or_insert_with(|| (0, make()));
        slot.0 = self.uses;
        &mut slot.1
    }

    /// Evicts an eighth at once, so that a flood of new keys does not scan the map each time.
    fn evict(&mut self, gone: &mut impl FnMut(K, V)) {
        let count = (self.limit / 8).max(1);
        let mut ages: Vec<(u64, K)> = self.map.iter().map(|(key, (used, _))| (*used, key.clone())).collect();
        if count < ages.len() {
            ages.select_nth_unstable_by_key(count - 1, |(used, _)| *used);
        }
        for (_, key) in ages.into_iter().take(count) {
            if let Some((_, value)) = self.map.remove(&key) {
                self.evicted += 1;
                gone(key, value);
            }
        }
    }

    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|(_, value)| value)
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter().map(|(key, (_, value))| (key, value))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Number of evicted entries.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_goes_first_and_is_counted() {
        let mut map = Lru::new(8);
        let mut gone = Vec::new();
        for key in 0..8 {
            map.entry(&key, || key * 10, |_, _| {});
        }
        map.entry(&0, || 99, |_, _| {});
        map.entry(&8, || 80, |key, value| gone.push((key, value)));
        assert_eq!(gone, [(1, 10)]);
        assert_eq!((map.len(), map.evicted(), map.get(&0)), (8, 1, Some(&0)));
    }

    #[test]
    fn a_flood_stays_within_the_limit() {
        let mut map = Lru::new(100);
        let mut gone = 0;
        for key in 0..10_000 {
            map.entry(&key, || (), |_, ()| gone += 1);
        }
        assert!(map.len() <= 100);
        assert_eq!(map.len() as u64 + map.evicted(), 10_000);
        assert_eq!(gone, map.evicted());
    }
}
