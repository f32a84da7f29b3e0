//! Counts by process, and by the cgroup that a process was in when it was counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
};

use migtrace_common::tally::{ProcessKey, ProcessTally};

use crate::event::{Comm, ProcessId};

impl From<&ProcessKey> for ProcessId {
    fn from(key: &ProcessKey) -> Self {
        Self { pid: key.pid, start_ns: Some(key.start_ns) }
    }
}

/// Counts of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Task name when the process was last seen: first counted on a CPU, or in another cgroup, or exec.
    pub comm: Comm,
    /// Time of that: CLOCK_BOOTTIME, ns.
    pub named_ns: u64,
    pub cgroup_id: u64,
    pub faults: u64,
    /// Faults on a page of another node than the CPU.
    pub remote_faults: u64,
    /// Time in page faults, as far as known, ns.
    pub fault_ns: u64,
    /// Faults that waited for a migration, and the time in them, ns.
    pub migration_waits: u64,
    pub migration_wait_ns: u64,
    /// Checks with verdict `misplaced`.
    pub misplaced: u64,
    pub moved_pages: u64,
    pub failed_pages: u64,
}

impl AddAssign<&ProcessTally> for Process {
    /// The counts of one CPU. The name is set if that CPU counted an event.
    fn add_assign(&mut self, tally: &ProcessTally) {
        if tally.named_ns > self.named_ns {
            self.named_ns = tally.named_ns;
            let mut comm = [0; 16];
            comm[..8].copy_from_slice(&tally.comm[0].to_ne_bytes());
            comm[8..].copy_from_slice(&tally.comm[1].to_ne_bytes());
            self.comm = Comm::from_bytes(comm);
            self.cgroup_id = tally.cgroup_id;
        }
        self.faults += tally.faults;
        self.remote_faults += tally.remote_faults;
        self.fault_ns += tally.fault_ns;
        self.migration_waits += tally.migration_waits;
        self.migration_wait_ns += tally.migration_wait_ns;
        self.misplaced += tally.misplaced;
        self.moved_pages += tally.migrated_pages;
        self.failed_pages += tally.failed_pages;
    }
}

impl Process {
    /// The difference from an earlier state of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            faults: self.faults.saturating_sub(earlier.faults),
            remote_faults: self.remote_faults.saturating_sub(earlier.remote_faults),
            fault_ns: self.fault_ns.saturating_sub(earlier.fault_ns),
            migration_waits: self.migration_waits.saturating_sub(earlier.migration_waits),
            migration_wait_ns: self.migration_wait_ns.saturating_sub(earlier.migration_wait_ns),
            misplaced: self.misplaced.saturating_sub(earlier.misplaced),
            moved_pages: self.moved_pages.saturating_sub(earlier.moved_pages),
            failed_pages: self.failed_pages.saturating_sub(earlier.failed_pages),
            ..*self
        }
    }

    /// Adds other counts; name and cgroup stay.
    pub fn merge(&mut self, other: &Self) {
        self.faults += other.faults;
        self.remote_faults += other.remote_faults;
        self.fault_ns += other.fault_ns;
        self.migration_waits += other.migration_waits;
        self.migration_wait_ns += other.migration_wait_ns;
        self.misplaced += other.misplaced;
        self.moved_pages += other.moved_pages;
        self.failed_pages += other.failed_pages;
    }
}

/// Counts of all processes.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    pub live: BTreeMap<ProcessId, Process>,
    /// Processes found to have exited at this read, with all their counts.
    pub ending: BTreeMap<ProcessId, Process>,
    /// Counts by cgroup, including exited processes, without evicted cgroups. What is new at a read is the cgroup's in which
    /// the process is then; so no cgroup's counts decrease if a process changes its cgroup.
    pub cgroups: BTreeMap<u64, Process>,
}

impl Processes {
    /// Takes the counts of all processes as read now.
    pub(crate) fn update(&mut self, read: BTreeMap<ProcessId, Process>) {
        for (id, process) in &read {
            let growth = self.live.get(id).map_or(*process, |before| process.since(before));
            self.cgroups.entry(process.cgroup_id).or_default().merge(&growth);
        }
        self.live = read;
    }

    /// Cgroups with running processes.
    #[must_use]
    pub fn running_in(&self) -> BTreeSet<u64> {
        self.live.values().map(|process| process.cgroup_id).collect()
    }

    /// Records that these processes exited.
    pub(crate) fn end(&mut self, ended: &BTreeSet<ProcessId>) {
        self.ending.clear();
        for id in ended {
            if let Some(process) = self.live.remove(id) {
                self.ending.insert(*id, process);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_did_stays_with_its_cgroup_when_it_ends() {
        let id = ProcessId { pid: 7, start_ns: Some(1) };
        let process = Process { cgroup_id: 3, faults: 5, ..Process::default() };
        let mut processes = Processes::default();
        processes.update([(id, process)].into());
        processes.end(&[id].into());
        assert!(processes.live.is_empty() && processes.ending.contains_key(&id));
        processes.update(BTreeMap::new());
        assert_eq!(processes.cgroups[&3].faults, 5);
    }

    /// The counts of the old cgroup would decrease, which a scraper takes for a restart.
    #[test]
    fn a_process_that_changes_its_cgroup_leaves_its_counts_there() {
        let id = ProcessId { pid: 7, start_ns: Some(1) };
        let mut processes = Processes::default();
        for (cgroup_id, faults) in [(3, 5), (3, 6), (4, 16), (4, 17)] {
            processes.update([(id, Process { cgroup_id, faults, ..Process::default() })].into());
        }
        assert_eq!((processes.cgroups[&3].faults, processes.cgroups[&4].faults), (6, 11));
    }

    #[test]
    fn the_last_name_counts_and_cpus_that_never_counted_have_none() {
        let name = |text: &[u8; 8]| [u64::from_ne_bytes(*text), 0];
        let tally =
            |named_ns, comm, faults| ProcessTally { comm, named_ns, cgroup_id: 9, faults, ..ProcessTally::default() };
        let cpus = [
            ProcessTally::default(),
            tally(20, name(b"stress\0\0"), 2),
            tally(10, name(b"sh\0\0\0\0\0\0"), 1),
            ProcessTally::default(),
        ];
        let mut process = Process::default();
        cpus.iter().for_each(|tally| process += tally);
        assert_eq!((process.comm.to_string(), process.cgroup_id, process.faults), ("stress".to_owned(), 9, 3));
    }
}
