//! Which processes waited for pages that were being migrated, and which threads migrated them.

use std::{cmp::Reverse, collections::HashMap};

use crate::event::{Body, Cause, Event, FaultClass, ProcessId};

/// Pairs that are counted separately. Waits of more are counted together.
const PAIRS: usize = 4096;

/// A process that waited, and what it waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaitPair {
    pub waiter: ProcessId,
    /// `None` if no program saw the migration.
    pub migration: Option<Migration>,
}

/// Migrations by one process for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Migration {
    pub cause: Cause,
    pub pid: u32,
    /// Name of the thread that migrated. Kernel threads of one kind differ in PID only.
    pub comm: String,
}

/// How often and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitCount {
    pub faults: u64,
    pub total_ns: u64,
    pub max_ns: u64,
}

impl WaitCount {
    fn add(&mut self, other: Self) {
        self.faults = self.faults.saturating_add(other.faults);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// All waits for migrations.
#[derive(Clone, Debug, Default)]
pub struct MigrationWaits {
    pairs: HashMap<WaitPair, WaitCount>,
    /// Waits of pairs beyond the limit.
    others: WaitCount,
}

impl MigrationWaits {
    /// Adds `weight` faults that took this long.
    pub fn add(&mut self, pair: WaitPair, latency_ns: u64, weight: u64) {
        let total_ns = latency_ns.saturating_mul(weight);
        self.add_count(pair, WaitCount { faults: weight, total_ns, max_ns: latency_ns });
    }

    /// Adds an event, if it is a fault that waited for a migration. Returns whether it is.
    pub fn feed(&mut self, event: &Event) -> bool {
        let Body::Fault(fault) = &event.body else { return false };
        let (Some(FaultClass::MigrationWait), Some(latency_ns)) = (fault.class, fault.latency_ns) else { return false };
        let migration =
            fault.wait.as_ref().map(|wait| Migration { cause: wait.cause, pid: wait.pid, comm: wait.comm.to_string() });
        self.add(WaitPair { waiter: event.process(), migration }, latency_ns, event.weight());
        true
    }

    /// Adds the waits of another part.
    pub fn merge(&mut self, other: Self) {
        other.pairs.into_iter().for_each(|(pair, count)| self.add_count(pair, count));
        self.others.add(other.others);
    }

    fn add_count(&mut self, pair: WaitPair, count: WaitCount) {
        if self.pairs.len() < PAIRS || self.pairs.contains_key(&pair) {
            self.pairs.entry(pair).or_default().add(count);
        } else {
            self.others.add(count);
        }
    }

    /// The pairs, those with the longest total first.
    #[must_use]
    pub fn longest(&self) -> Vec<(&WaitPair, WaitCount)> {
        let mut all: Vec<_> = self.pairs.iter().map(|(pair, count)| (pair, *count)).collect();
        all.sort_by_key(|(pair, count)| (Reverse(count.total_ns), *pair));
        all
    }

    /// All waits.
    #[must_use]
    pub fn total(&self) -> WaitCount {
        let mut total = self.others;
        self.pairs.values().for_each(|count| total.add(*count));
        total
    }

    /// Waits beyond the limit of pairs.
    #[must_use]
    pub const fn others(&self) -> WaitCount {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_add_up_by_pair_over_parts() {
        let pair = |pid, cause: Option<Cause>| WaitPair {
            waiter: ProcessId { pid, start_ns: None },
            migration: cause.map(|cause| Migration { cause, pid: 30, comm: "kcompactd1".into() }),
        };
        let mut waits = MigrationWaits::default();
        waits.add(pair(7, Some(Cause::Compaction)), 100, 1);
        waits.add(pair(7, None), 5, 1);
        let mut later = MigrationWaits::default();
        later.add(pair(7, Some(Cause::Compaction)), 50, 10);
        waits.merge(later);
        let compaction = WaitCount { faults: 11, total_ns: 600, max_ns: 100 };
        let unknown = WaitCount { faults: 1, total_ns: 5, max_ns: 5 };
        let expected = [(&pair(7, Some(Cause::Compaction)), compaction), (&pair(7, None), unknown)];
        assert_eq!(waits.longest(), expected);
        for pid in 0..2 * PAIRS as u32 {
            waits.add(pair(100 + pid, None), 1, 1);
        }
        assert_eq!(waits.longest().len(), PAIRS);
        assert_eq!(waits.others().faults, PAIRS as u64 + 2);
    }
}
