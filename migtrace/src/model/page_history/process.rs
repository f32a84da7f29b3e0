//! What page histories need from processes: start, forks, exit, and placement syscalls.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::steps::{Mapped, PlacementSyscall};
use crate::event::{Comm, Event, Owner, ProcessId, Request};
use crate::model::bounded::two_generations::TwoGenerations;

/// The events of one process that affect its pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProcessHistory {
    pub(crate) comm: Comm,
    pub(crate) syscalls: VecDeque<PlacementSyscall>,
    pub(crate) evicted_requests: u64,
    pub(crate) mapped: Vec<Mapped>,
    pub(crate) forked: Option<(u64, ProcessId)>,
    pub(crate) executed_ns: Vec<u64>,
    pub(crate) exited_ns: Option<u64>,
}

/// Limit for executed programs and for mappings of each process.
const MOST_NOTES: usize = 64;

impl ProcessHistory {
    pub(crate) fn add_syscall(&mut self, event: &Event, request: &Request, limit: usize) {
        if self.syscalls.len() >= limit {
            self.syscalls.pop_front();
            self.evicted_requests += 1;
        }
        let (ts_ns, cpu, cpu_node, pid, tid) = (event.ts_ns, event.cpu, event.cpu_node, event.pid, event.tid);
        self.syscalls.push_back(PlacementSyscall {
            ts_ns,
            cpu,
            cpu_node,
            pid,
            tid,
            comm: event.comm,
            request: request.clone(),
        });
    }

    /// A mapping that only grew adds nothing for a page in it.
    pub(crate) fn map(&mut self, mapped: Mapped) {
        let is_same = |m: &Mapped| {
            (m.region.class, &m.region.name, m.region.policy)
                == (mapped.region.class, &mapped.region.name, mapped.region.policy)
        };
        if !self.mapped.last().is_some_and(is_same) && self.mapped.len() < MOST_NOTES {
            self.mapped.push(mapped);
        }
    }

    pub(crate) fn execute(&mut self, ts_ns: u64) {
        if self.executed_ns.len() < MOST_NOTES {
            self.executed_ns.push(ts_ns);
        }
    }
}

/// The processes seen last, up to a limit.
#[derive(Debug)]
pub(crate) struct ProcessHistories {
    histories: HashMap<ProcessId, ProcessHistory>,
    /// In the order in which they were first seen.
    order: VecDeque<ProcessId>,
    limit: usize,
    evicted: u64,
    /// PID -> start time of the process that has it now.
    starts: TwoGenerations<u32, Option<u64>>,
    last: Option<ProcessId>,
    /// Child PID -> time of the fork, and the parent.
    forks: TwoGenerations<u32, (u64, ProcessId)>,
}

impl ProcessHistories {
    pub(crate) fn new(limit: usize) -> Self {
        let (histories, order) = (HashMap::new(), VecDeque::new());
        let (starts, forks) = (TwoGenerations::new(4 * limit), TwoGenerations::new(limit));
        Self { histories, order, limit, evicted: 0, starts, last: None, forks }
    }

    /// The process of an event.
    pub(crate) fn of_event(&mut self, event: &Event) -> ProcessId {
        let known = event.process();
        if self.last == Some(known) {
            return known;
        }
        if known.start_ns.is_none() {
            return self.of_pid(event.pid);
        }
        self.starts.insert(event.pid, event.process_start_ns);
        self.last = Some(known);
        known
    }

    /// The process that owns the page of an event.
    pub(crate) fn of_page(&mut self, event: &Event) -> ProcessId {
        match &event.owner {
            Owner::Other(owner) => owner.process,
            Owner::Actor | Owner::Unknown => self.of_event(event),
        }
    }

    /// The process that has this PID now, as far as known.
    pub(crate) fn of_pid(&self, pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: self.starts.get(&pid).copied().flatten() }
    }

    pub(crate) fn fork(&mut self, ts_ns: u64, parent: ProcessId, child: u32) {
        self.starts.remove(&child);
        self.last = None;
        self.forks.insert(child, (ts_ns, parent));
    }

    /// Records an exit: the PID is free.
    pub(crate) fn end(&mut self, process: ProcessId, ts_ns: u64) {
        if let Some(history) = self.histories.get_mut(&process) {
            history.exited_ns = Some(ts_ns);
        }
        self.starts.remove(&process.pid);
        self.last = None;
    }

    /// The history of a process, created if it is new.
    pub(crate) fn begin(&mut self, process: ProcessId) -> &mut ProcessHistory {
        if !self.histories.contains_key(&process) {
            if self.histories.len() >= self.limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.histories.remove(&oldest);
                self.evicted += 1;
            }
            self.order.push_back(process);
        }
        let forks = &self.forks;
        self.histories.entry(process).or_insert_with(|| {
            let is_before = |(ts_ns, _): &&(u64, ProcessId)| {
                // The child's start time is read shortly before its fork is reported.
                process.start_ns.is_none_or(|start_ns| ts_ns.abs_diff(start_ns) < 1_000_000_000)
            };
            ProcessHistory { forked: forks.get(&process.pid).filter(is_before).copied(), ..ProcessHistory::default() }
        })
    }

    pub(crate) fn get(&self, process: ProcessId) -> Option<&ProcessHistory> {
        self.histories.get(&process)
    }

    pub(crate) fn get_mut(&mut self, process: ProcessId) -> Option<&mut ProcessHistory> {
        self.histories.get_mut(&process)
    }

    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }
}
