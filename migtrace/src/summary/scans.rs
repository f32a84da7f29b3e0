//! What NUMA balancing cost each process: scans of its memory (task_numa_work()), the hinting faults that they cause, and
//! the pages that migrate in these.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use serde_json::{Value, json};

use super::table::{self, unknown};
use crate::{
    event::{ProcessId, escape_control},
    text::{self, Line},
};

/// Processes that are counted separately. More are counted together.
const PROCESSES: usize = 1 << 16;
/// Threads that are counted, of all processes.
const THREADS: usize = 1 << 18;

/// Events, and the time in those for which it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Timed {
    events: u64,
    total_ns: u64,
    has_unknown: bool,
}

impl Timed {
    fn add(&mut self, ns: Option<u64>, weight: u64) {
        let total_ns = ns.unwrap_or(0).saturating_mul(weight);
        self.merge(Self { events: weight, total_ns, has_unknown: ns.is_none() });
    }

    fn merge(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.has_unknown |= other.has_unknown;
    }

    fn ns(self) -> Option<u64> {
        (!self.has_unknown).then_some(self.total_ns)
    }
}

/// What of it was recorded. The rest is unknown, not 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) scans: bool,
    pub(super) hints: bool,
    pub(super) moves: bool,
}

/// What one process paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    scans: Timed,
    hints: Timed,
    moved_pages: u64,
}

impl Cost {
    fn merge(&mut self, other: Self) {
        self.scans.merge(other.scans);
        self.hints.merge(other.hints);
        self.moved_pages = self.moved_pages.saturating_add(other.moved_pages);
    }
}

/// The costs of all processes.
#[derive(Default)]
pub(super) struct Scans {
    by_process: HashMap<ProcessId, Cost>,
    /// Of the processes beyond the limit.
    others: Cost,
    /// The threads that scanned.
    threads: HashSet<(ProcessId, u32)>,
    /// A thread did not fit.
    has_more_threads: bool,
}

impl Scans {
    /// Adds scans of a thread.
    pub(super) fn scan(&mut self, id: ProcessId, tid: u32, ns: Option<u64>, weight: u64) {
        self.of(id).scans.add(ns, weight);
        self.add_thread((id, tid));
    }

    /// Adds hinting faults.
    pub(super) fn hint(&mut self, id: ProcessId, ns: Option<u64>, weight: u64) {
        self.of(id).hints.add(ns, weight);
    }

    /// Adds pages that migrated in a hinting fault of the process.
    pub(super) fn migrate(&mut self, id: ProcessId, pages: u64) {
        let moved = &mut self.of(id).moved_pages;
        *moved = moved.saturating_add(pages);
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.by_process.into_iter().for_each(|(id, cost)| self.of(id).merge(cost));
        self.others.merge(other.others);
        other.threads.into_iter().for_each(|thread| self.add_thread(thread));
        self.has_more_threads |= other.has_more_threads;
    }

    fn of(&mut self, id: ProcessId) -> &mut Cost {
        if self.by_process.len() < PROCESSES || self.by_process.contains_key(&id) {
            self.by_process.entry(id).or_default()
        } else {
            &mut self.others
        }
    }

    fn add_thread(&mut self, thread: (ProcessId, u32)) {
        if self.threads.len() < THREADS || self.threads.contains(&thread) {
            self.threads.insert(thread);
        } else {
            self.has_more_threads = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_process.len()
    }

    /// The processes that paid most, the first first.
    fn first(&self, top: usize) -> Vec<(ProcessId, Cost)> {
        let mut all: Vec<_> = self.by_process.iter().map(|(id, cost)| (*id, *cost)).collect();
        let ns = |cost: &Cost| cost.scans.total_ns.saturating_add(cost.hints.total_ns);
        all.sort_by_key(|(id, cost)| (Reverse((ns(cost), cost.hints.events)), *id));
        all.truncate(top);
        all
    }

    /// How many threads of a process scanned; `None` if there were too many to tell.
    fn threads_of(&self, id: ProcessId) -> Option<usize> {
        (!self.has_more_threads).then(|| self.threads.iter().filter(|(of, _)| *of == id).count())
    }

    /// The part of the text; nothing if NUMA balancing did nothing.
    pub(super) fn lines(&self, top: usize, seen: Seen, name: impl Fn(ProcessId) -> Option<String>) -> Vec<Line> {
        if self.by_process.is_empty() {
            return Vec::new();
        }
        let title = format!("NUMA balancing, by process ({} of {})", self.len().min(top), self.len());
        let mut lines = vec![text::part(&title)];
        let columns =
            ["process", "scans", "time in scans", "threads", "hinting faults", "time in faults", "pages migrated"];
        let mut table = table::new(&columns);
        let of = |number: Option<String>| number.unwrap_or_else(unknown);
        for (id, cost) in self.first(top) {
            let (scans, hints) = (seen.scans.then_some(cost.scans), seen.hints.then_some(cost.hints));
            table.add_row([
                format!("{} {}", of(name(id).map(|name| escape_control(&name))), id.pid),
                of(scans.map(|scans| scans.events.to_string())),
                of(scans.and_then(Timed::ns).map(text::duration)),
                of(scans.and_then(|_| self.threads_of(id)).map(|threads| threads.to_string())),
                of(hints.map(|hints| hints.events.to_string())),
                of(hints.and_then(Timed::ns).map(text::duration)),
                of(seen.moves.then(|| cost.moved_pages.to_string())),
            ]);
        }
        lines.extend(table::lines(table, 1));
        let (scans, hints) = (self.others.scans.events, self.others.hints.events);
        if scans > 0 || hints > 0 {
            let (scans, hints) = (text::count(scans, "scan"), text::count(hints, "hinting fault"));
            lines.push(format!("   further processes, counted together: {scans}, {hints}").into());
        }
        lines
    }

    /// The first processes as JSON.
    pub(super) fn json(&self, top: usize, seen: Seen) -> Value {
        let row = |(id, cost): (ProcessId, Cost)| {
            let (scans, hints) = (seen.scans.then_some(cost.scans), seen.hints.then_some(cost.hints));
            json!({
                "pid": id.pid,
                "process_start_ns": id.start_ns,
                "scans": scans.map(|scans| scans.events),
                "scan_ns": scans.and_then(Timed::ns),
                "scanning_threads": scans.and_then(|_| self.threads_of(id)),
                "hinting_faults": hints.map(|hints| hints.events),
                "hinting_fault_ns": hints.and_then(Timed::ns),
                "moved_pages": seen.moves.then_some(cost.moved_pages),
            })
        };
        self.first(top).into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: Some(1) }
    }

    #[test]
    fn costs_add_up_over_parts_and_unknown_times_stay_unknown() {
        let mut scans = Scans::default();
        scans.scan(id(7), 7, Some(1_000), 1);
        scans.hint(id(7), Some(50), 10);
        let mut later = Scans::default();
        later.scan(id(7), 8, Some(2_000), 1);
        later.scan(id(7), 7, Some(3_000), 1);
        later.hint(id(9), None, 1);
        later.migrate(id(7), 512);
        scans.merge(later);
        let all = Seen { scans: true, hints: true, moves: true };
        let json = scans.json(5, all);
        let keys = ["pid", "scans", "scan_ns", "scanning_threads", "hinting_faults", "hinting_fault_ns", "moved_pages"];
        let row = |n: usize| keys.map(|key| json[n][key].as_u64());
        assert_eq!(row(0), [Some(7), Some(3), Some(6_000), Some(2), Some(10), Some(500), Some(512)]);
        assert_eq!(row(1), [Some(9), Some(0), Some(0), Some(0), Some(1), None, Some(0)]);
        // What was not recorded is not known to be 0.
        let none = scans.json(5, Seen { scans: false, hints: false, moves: false });
        assert!(keys[1..].iter().all(|key| none[0][key].is_null()), "{none}");
        assert_eq!(scans.json(1, all).as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut scans = Scans::default();
        for n in 0..2 * THREADS as u32 {
            scans.scan(id(n), n, Some(1), 1);
        }
        assert_eq!((scans.len(), scans.threads.len()), (PROCESSES, THREADS));
        assert_eq!(scans.others.scans.events, (2 * THREADS - PROCESSES) as u64);
        assert_eq!(scans.threads_of(id(1)), None);
    }
}
