//! One process of the live views.

use std::collections::BTreeMap;

use super::{
    counts::Counts,
    heat::Heat,
    nodes::Nodes,
    regions::{Regions, place},
    second::Second,
};
use crate::{
    counts,
    event::{Body, Comm, Event, Owner, OwnerProcess, TaskEvent},
};

/// Limit of threads of one process.
const THREADS: usize = 128;

/// A thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    pub comm: Comm,
    pub counts: Counts,
    /// Node of the CPU where it last ran.
    pub node: Option<i32>,
    /// How many times it changed to another node.
    pub moves: u64,
}

/// A process, with its counts, threads and regions.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub comm: Comm,
    pub parent: Option<u32>,
    pub cgroup_id: u64,
    pub counts: Counts,
    /// Counts of the last full second, for rates.
    pub second: Second<Counts>,
    /// Events by node of their CPU.
    pub runs: Nodes,
    /// Pages by the node where they were last seen: an estimate.
    pub pages: Nodes,
    pub threads: BTreeMap<u32, Thread>,
    /// Events of threads beyond the limit.
    pub other_threads: u64,
    pub regions: Regions,
    /// `None` if too many processes have one.
    pub heat: Option<Box<Heat>>,
    pub exited: bool,
    pub last_ns: u64,
    named_by_main: bool,
    /// When the kernel last stored its name, ns.
    named_ns: u64,
}

impl Process {
    pub(super) fn child_of(parent: Option<u32>) -> Self {
        Self { parent, ..Self::default() }
    }

    /// Adds an event. `counts` is what it adds; `shown` is what the event contains, which the kernel may have counted
    /// already.
    pub(super) fn feed(&mut self, event: &Event, counts: &Counts, shown: &Counts) {
        self.second.roll(&self.counts, event.ts_ns);
        self.counts.add(counts);
        self.last_ns = self.last_ns.max(event.ts_ns);
        // 0 is unknown, as for a task that another task moves to a node.
        if event.cgroup_id != 0 {
            self.cgroup_id = event.cgroup_id;
        }
        let is_main = event.tid == event.pid;
        if is_main || !self.named_by_main {
            self.comm = event.comm;
            self.named_by_main = is_main;
        }
        if let Some(node) = event.cpu_node {
            self.runs.add(node, event.weight());
        }
        self.thread(event, shown);
        if event.owner == Owner::Actor {
            place(&mut self.pages, event);
        }
        self.regions.feed(event, shown);
        match &event.body {
            Body::Fault(f) => {
                if let Some(heat) = &mut self.heat {
                    heat.add(f.addr, event.ts_ns, shown.faults, shown.remote_faults);
                }
            }
            Body::Task(t) if t.what == TaskEvent::Exit && is_main => self.exited = true,
            _ => {}
        }
    }

    /// Adds what another task did to one of its pages.
    pub(super) fn feed_page(&mut self, owner: &OwnerProcess, event: &Event, counts: &Counts) {
        self.second.roll(&self.counts, event.ts_ns);
        self.counts.add(counts);
        self.last_ns = self.last_ns.max(event.ts_ns);
        if !self.named_by_main {
            (self.comm, self.cgroup_id) = (owner.comm, owner.cgroup_id);
        }
        place(&mut self.pages, event);
    }

    /// Adds counts that the kernel made since the last call.
    pub(super) fn count(&mut self, named: &counts::Process, counts: &Counts, now_ns: u64) {
        self.second.roll(&self.counts, now_ns);
        self.counts.add(counts);
        if counts.events > 0 {
            self.last_ns = self.last_ns.max(now_ns);
        }
        if self.cgroup_id == 0 {
            self.cgroup_id = named.cgroup_id;
        }
        if named.named_ns > self.named_ns {
            self.named_ns = named.named_ns;
            self.comm = named.comm;
            if named.cgroup_id != 0 {
                self.cgroup_id = named.cgroup_id;
            }
        }
    }

    fn thread(&mut self, event: &Event, counts: &Counts) {
        if self.threads.len() >= THREADS && !self.threads.contains_key(&event.tid) {
            self.other_threads += counts.events;
            return;
        }
        let thread = self.threads.entry(event.tid).or_default();
        thread.comm = event.comm;
        thread.counts.add(counts);
        thread.node = event.cpu_node.or(thread.node);
        if matches!(&event.body, Body::Task(t) if t.what == TaskEvent::Moved) {
            thread.moves += 1;
        }
    }

    /// Counts of the last full second before `now_ns`.
    #[must_use]
    pub fn last_second(&self, now_ns: u64) -> Counts {
        self.second.last(&self.counts, now_ns)
    }

    /// The node on which its threads ran most.
    #[must_use]
    pub fn home(&self) -> Option<i32> {
        self.runs.most()
    }
}
