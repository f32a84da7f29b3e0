//! Counts by process, and what processes that have ended leave to their cgroups.

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

/// What a process did, and had to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// As it was when the process was last looked at: when it was first counted on a CPU, or called exec.
    pub comm: Comm,
    /// When that was, CLOCK_BOOTTIME in ns.
    pub named_ns: u64,
    pub cgroup_id: u64,
    pub faults: u64,
    /// Faults whose page is on another node than the CPU.
    pub remote_faults: u64,
    /// Time in faults, as far as it is known, ns.
    pub fault_ns: u64,
    /// Checks that found a page to be on another node than policy wants.
    pub misplaced: u64,
    pub moved_pages: u64,
    pub failed_pages: u64,
}

impl AddAssign<&ProcessTally> for Process {
    /// One CPU's part: it has the name where that CPU was one of those that counted.
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
        self.misplaced += tally.misplaced;
        self.moved_pages += tally.migrated_pages;
        self.failed_pages += tally.failed_pages;
    }
}

impl Process {
    /// What came since an earlier time of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            faults: self.faults.saturating_sub(earlier.faults),
            remote_faults: self.remote_faults.saturating_sub(earlier.remote_faults),
            fault_ns: self.fault_ns.saturating_sub(earlier.fault_ns),
            misplaced: self.misplaced.saturating_sub(earlier.misplaced),
            moved_pages: self.moved_pages.saturating_sub(earlier.moved_pages),
            failed_pages: self.failed_pages.saturating_sub(earlier.failed_pages),
            ..*self
        }
    }

    /// Takes another's counts in; name and cgroup stay.
    pub fn merge(&mut self, other: &Self) {
        self.faults += other.faults;
        self.remote_faults += other.remote_faults;
        self.fault_ns += other.fault_ns;
        self.misplaced += other.misplaced;
        self.moved_pages += other.moved_pages;
        self.failed_pages += other.failed_pages;
    }
}

/// Processes by what they did.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    pub live: BTreeMap<ProcessId, Process>,
    /// Those that were found to have ended when this was read, with all that they did.
    pub ending: BTreeMap<ProcessId, Process>,
    /// All that have ended together, by cgroup, but for those of cgroups that were forgotten.
    pub ended: BTreeMap<u64, Process>,
}

impl Processes {
    /// Cgroups with all that their processes did, those that have ended among them.
    #[must_use]
    pub fn by_cgroup(&self) -> BTreeMap<u64, Process> {
        let mut cgroups = self.ended.clone();
        for process in self.live.values() {
            cgroups.entry(process.cgroup_id).or_default().merge(process);
        }
        cgroups
    }

    /// Cgroups in which processes run.
    #[must_use]
    pub fn running_in(&self) -> BTreeSet<u64> {
        self.live.values().map(|process| process.cgroup_id).collect()
    }

    /// These have ended.
    pub(crate) fn end(&mut self, ended: &BTreeSet<ProcessId>) {
        self.ending.clear();
        for id in ended {
            if let Some(process) = self.live.remove(id) {
                self.ended.entry(process.cgroup_id).or_default().merge(&process);
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
        let mut processes = Processes { live: [(id, process)].into(), ..Processes::default() };
        let before = processes.by_cgroup();
        processes.end(&[id].into());
        assert!(processes.live.is_empty() && processes.ending.contains_key(&id));
        assert_eq!(processes.by_cgroup()[&3].faults, before[&3].faults);
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
