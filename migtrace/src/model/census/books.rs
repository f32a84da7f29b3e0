//! The books of all processes: which process an event is about, and which change it is.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use super::{
    compare::{Pending, compare},
    places::{Change, Places},
    report::{Owner, Report},
};
use crate::{
    event::{Body, Census, Event, Fault, Migrate, Outcome, PagePlace, Place, PlaceChange, ProcessId, Task, TaskEvent},
    model::address::folio_start,
    units::PAGE_BYTES,
};

/// When the processes of a trace were read: begin and end of each census. They are collected before the events, because an event
/// of that time may or may not be in the census.
#[derive(Clone, Debug, Default)]
pub struct Windows(HashMap<u32, Vec<(u64, u64)>>);

impl Windows {
    /// Adds a row of a census. Each has as many as the process has runs.
    pub fn add(&mut self, pid: u32, begin_ns: u64, end_ns: u64) {
        let of = self.0.entry(pid).or_default();
        if of.last() != Some(&(begin_ns, end_ns)) {
            of.push((begin_ns, end_ns));
        }
    }

    /// Adds those of another part of the trace.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(pid, windows)| self.0.entry(pid).or_default().extend(windows));
    }

    /// Whether there is no census.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sorted(self) -> HashMap<u32, VecDeque<(u64, u64)>> {
        let sort = |mut windows: Vec<(u64, u64)>| {
            windows.sort_unstable();
            windows.dedup();
            windows.into()
        };
        self.0.into_iter().map(|(pid, windows)| (pid, sort(windows))).collect()
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Ranges of pages, of all processes. Beyond it, the process with most is dropped.
    pub ranges: usize,
}

impl Default for Limits {
    /// About 100 MB.
    fn default() -> Self {
        Self { ranges: 1 << 20 }
    }
}

/// Events between two checks of the limit.
const EVENTS_PER_CHECK: u64 = 1 << 12;
/// Changes of a process that are kept while it is read for the first time.
const EARLY_CHANGES: usize = 1 << 16;

/// Follows every process that has a census.
pub struct Books {
    windows: HashMap<u32, VecDeque<(u64, u64)>>,
    processes: HashMap<u32, Process>,
    /// Changes of processes that are being read for the first time.
    early: HashMap<u32, Vec<Change>>,
    /// The census whose rows are being taken.
    open: Option<(Owner, u64, Vec<Census>)>,
    report: Report,
    limits: Limits,
    events: u64,
}

#[derive(Clone, Default)]
struct Process {
    owner: Owner,
    places: Places,
    pending: Pending,
}

impl Books {
    #[must_use]
    pub fn new(windows: Windows, limits: Limits) -> Self {
        let windows = windows.sorted();
        Self {
            windows,
            processes: HashMap::new(),
            early: HashMap::new(),
            open: None,
            report: Report::default(),
            limits,
            events: 0,
        }
    }

    /// Takes the next event. Events must come in order of their end times.
    pub fn take(&mut self, event: &Event) {
        if let Body::Census(census) = &event.body {
            return self.census(event, census);
        }
        self.close();
        match &event.body {
            Body::Fault(fault) => self.fault(event, fault),
            Body::Migrate(migrate) => self.migrate(event, migrate),
            Body::Place(place) => self.place(event, place),
            Body::Task(task) => self.task(event, task),
            _ => {}
        }
        self.events += 1;
        if self.events.is_multiple_of(EVENTS_PER_CHECK) {
            self.bound();
        }
    }

    /// The result.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.close();
        let mut report = self.report;
        self.processes.into_values().for_each(|process| process.pending.settle(&process.owner, &mut report));
        report
    }

    /// A fault has mapped a page, or a huge page.
    fn fault(&mut self, event: &Event, fault: &Fault) {
        let Some(nid) = fault.nid else { return };
        let range = folio(fault.addr, fault.order.unwrap_or(0));
        self.change(event, Change::Set(range, PagePlace::Node(nid)));
    }

    fn migrate(&mut self, event: &Event, migrate: &Migrate) {
        let (Some(addr), Some(to), Outcome::Ok) = (migrate.addr, migrate.dst_nid, migrate.result) else { return };
        let range = folio(addr, migrate.order);
        self.change(event, Change::Migrate { range, from: migrate.src_nid, to });
    }

    /// Pages changed their place without a migration.
    fn place(&mut self, event: &Event, place: &Place) {
        let range = place.addr..place.addr.saturating_add(place.len);
        let change = match (place.what, place.src_nid, place.dst_nid) {
            (PlaceChange::Unmap, ..) => Change::Clear(range),
            (PlaceChange::Migrate, Some(from), Some(to)) => Change::Migrate { range, from, to },
            (_, _, Some(nid)) => Change::Set(range, PagePlace::Node(nid)),
            _ => match place.from_addr {
                Some(from) => Change::Remap { range: from..from.saturating_add(place.len), to: place.addr },
                None => return,
            },
        };
        self.change(event, change);
    }

    fn task(&mut self, event: &Event, task: &Task) {
        match (task.what, task.target_pid) {
            (TaskEvent::Fork, Some(child)) => {
                self.end(child);
                if let Some(parent) = self.processes.get(&event.pid) {
                    let owner = Owner { process: ProcessId { pid: child, start_ns: None }, ..parent.owner.clone() };
                    let mut places = parent.places.clone();
                    places.end_reading();
                    self.processes.insert(child, Process { owner, places, pending: Pending::default() });
                }
            }
            (TaskEvent::Exec | TaskEvent::Exit, _) => self.end(event.pid),
            _ => {}
        }
    }

    /// Its address space is gone.
    fn end(&mut self, pid: u32) {
        self.early.remove(&pid);
        if let Some(process) = self.processes.remove(&pid) {
            process.pending.settle(&process.owner, &mut self.report);
        }
    }

    /// Applies a change to the books of the page's owner, if it has any.
    fn change(&mut self, event: &Event, change: Change) {
        let Some(owner) = event.owner() else { return };
        let pid = owner.process.pid;
        if !self.processes.contains_key(&pid) {
            return self.change_early(pid, event, change);
        }
        self.know(owner.process);
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if event.start_ns() <= process.pending.ts_ns {
            let (range, place) = change.outcome();
            process.pending.explain(&range, place);
        }
        // The page may have changed at any moment of the event.
        if let Some(windows) = self.windows.get_mut(&pid) {
            while windows.pop_front_if(|(_, end_ns)| *end_ns <= process.pending.ts_ns).is_some() {}
            if windows.front().is_some_and(|(begin_ns, _)| *begin_ns <= event.ts_ns) {
                process.places.begin_reading();
            }
        }
        process.places.apply(change);
    }

    /// A change while the process is read for the first time. The census may have seen the page before or after it.
    fn change_early(&mut self, pid: u32, event: &Event, change: Change) {
        let first = self.windows.get(&pid).and_then(VecDeque::front);
        if first.is_some_and(|(begin_ns, _)| *begin_ns <= event.ts_ns) {
            let early = self.early.entry(pid).or_default();
            if early.len() < EARLY_CHANGES {
                early.push(change);
            }
        }
    }

    /// A PID that is used again is another process.
    fn know(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id.pid) else { return };
        match (process.owner.process.start_ns, id.start_ns) {
            (None, Some(_)) => process.owner.process = id,
            (Some(known), Some(now)) if known != now => self.end(id.pid),
            _ => {}
        }
    }

    fn census(&mut self, event: &Event, census: &Census) {
        let is_same =
            |(owner, ts_ns, _): &(Owner, u64, Vec<Census>)| owner.process == event.process() && *ts_ns == event.ts_ns;
        if !self.open.as_ref().is_some_and(is_same) {
            self.close();
            let owner = Owner { process: event.process(), comm: event.comm.to_string() };
            self.open = Some((owner, event.ts_ns, Vec::new()));
        }
        if let Some((.., runs)) = &mut self.open {
            runs.push(census.clone());
        }
    }

    /// All rows of a census are there.
    fn close(&mut self) {
        let Some((owner, ts_ns, mut runs)) = self.open.take() else { return };
        runs.sort_by_key(|run| run.addr);
        let pid = owner.process.pid;
        self.know(owner.process);
        let report = &mut self.report;
        if let Some(process) = self.processes.get_mut(&pid) {
            report.compared += 1;
            std::mem::take(&mut process.pending).settle(&process.owner, report);
            process.pending = compare(&mut process.places, ts_ns, &runs, report);
            process.owner = owner;
        } else {
            report.first += 1;
            let (mut places, mut ignored) = (Places::default(), Report::default());
            compare(&mut places, ts_ns, &runs, &mut ignored);
            // Applied to a page that was read after it, a change has no effect.
            self.early.remove(&pid).into_iter().flatten().for_each(|change| places.apply(change));
            let pending = Pending::at(ts_ns);
            self.processes.insert(pid, Process { owner, places, pending });
        }
        self.bound();
    }

    /// Drops the processes with most ranges until the rest is within the limit.
    fn bound(&mut self) {
        let len = |process: &Process| process.places.ranges() + process.pending.ranges();
        let mut all: usize = self.processes.values().map(len).sum();
        while all > self.limits.ranges {
            let largest = self.processes.iter().max_by_key(|(pid, process)| (len(process), **pid));
            let Some((pid, ranges)) = largest.map(|(pid, process)| (*pid, len(process))) else { return };
            self.end(pid);
            self.report.dropped += 1;
            all -= ranges;
        }
    }
}

/// The addresses of a folio's pages.
fn folio(addr: u64, order: u32) -> Range<u64> {
    let start = folio_start(addr, order);
    start..start.saturating_add(PAGE_BYTES.checked_shl(order).unwrap_or(u64::MAX))
}
