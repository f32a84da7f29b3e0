//! Numbers that both forms of the summary show.

use super::{Summary, process::Process, scans::Seen, tally::Tally};

use crate::{
    event::{FaultClass, Probe, ProbeField, TaskEvent},
    recording::{ProbeInfo, ProcessDetails},
};

/// Classes of faults that allocate the page, and so choose its node.
const FIRST_TOUCH: [FaultClass; 4] = [FaultClass::Anon, FaultClass::Huge, FaultClass::Hugetlb, FaultClass::Cow];

impl Summary {
    /// Lost events, as the loss rows count them.
    pub(super) fn lost_by_events(&self) -> u64 {
        self.counts.lost.values().map(Tally::total).fold(0, u64::saturating_add)
    }

    /// Pages that migrated, and that failed to.
    pub(super) fn moved_pages(&self) -> (u64, u64) {
        let all = || self.counts.moves.values().chain([&self.counts.other_moves]);
        let migrated = all().map(|m| m.moved_pages).fold(0, u64::saturating_add);
        (migrated, all().map(|m| m.failed_pages.total()).fold(0, u64::saturating_add))
    }

    /// First touches with a known node, the remote ones of these, and those with an unknown node.
    pub(super) fn first_touches(&self) -> (u64, u64, u64) {
        let of = |class: &FaultClass| self.counts.faults.get(&Some(*class));
        let first = FIRST_TOUCH.iter().filter_map(of);
        first.fold((0, 0, 0), |(known, remote, unknown), f| {
            (known + f.local + f.remote, remote + f.remote, unknown + f.unknown)
        })
    }

    /// The path of a process's last cgroup; `None` if unknown.
    pub(super) fn cgroup(&self, p: &Process) -> Option<&str> {
        self.meta.cgroups.get(&p.cgroup_id).map(String::as_str)
    }

    /// What a process is beside its name, if it was recorded.
    pub(super) fn details(&self, p: &Process) -> Option<&ProcessDetails> {
        self.meta.process(p.identity)
    }

    /// Remote faults of a process; `None` if the recording does not show the pages' nodes.
    pub(super) fn remote_faults(&self, p: &Process) -> Option<u64> {
        self.meta.coverage(Probe::Fault, ProbeField::Nid).is_available().then_some(p.remote_faults)
    }

    /// Migrated pages of a process; `None` if the recording shows no migrations.
    pub(super) fn moved_by(&self, p: &Process) -> Option<u64> {
        self.sees_moves().then_some(p.moved_pages)
    }

    /// Time that a process waited in faults and placement syscalls, ns; `None` if the recording shows no durations of faults.
    pub(super) fn stalled_ns(&self, p: &Process) -> Option<u64> {
        self.meta.coverage(Probe::Fault, ProbeField::LatencyNs).is_available().then_some(p.stalled_ns)
    }

    /// Whether migrations of single pages were recorded, or could have been.
    pub(super) fn sees_moves(&self) -> bool {
        !self.counts.moves.is_empty()
            || self.meta.best_coverage(&[Probe::DirectMigrate, Probe::LazyMigrate]).is_available()
    }

    /// What of NUMA balancing was recorded. Traces before scans were events have no hook for them.
    pub(super) fn sees_balancing(&self) -> Seen {
        let has_hook = |p: &ProbeInfo| {
            p.probe == Probe::Task && p.field.as_ref().is_some_and(|field| *field == ProbeField::LatencyNs)
        };
        let is_scan_seen = self.meta.probes.iter().any(|p| has_hook(p) && p.attached.is_some());
        Seen {
            scans: self.counts.tasks.contains_key(&TaskEvent::Scanned)
                || (is_scan_seen && self.meta.coverage(Probe::Task, None).is_available()),
            hints: self.meta.coverage(Probe::Fault, ProbeField::Class).is_available(),
            moves: self.sees_moves(),
        }
    }

    /// The processes with the most remote faults and migrated pages, then with the longest wait time.
    pub(super) fn top_processes(&self, top: usize) -> Vec<&Process> {
        let mut all = self.counts.processes.list().iter().collect::<Vec<_>>();
        let weight = |p: &Process| (p.remote_faults.saturating_add(p.moved_pages), p.stalled_ns, p.events);
        all.sort_by_key(|p| (std::cmp::Reverse(weight(p)), p.identity));
        all.truncate(top);
        all
    }
}
