//! The event: what the decoder makes of kernel records, what a trace holds, and what every view reads.
//!
//! This module owns the vocabulary, one kind a file. Its enums print as exactly the words of the trace's columns. It uses
//! no ring, no file and no terminal. A field that the kernel did not provide is `None`, never 0.

use std::{num::NonZeroU32, sync::Arc};

mod batch;
mod body;
mod census;
mod check;
mod comm;
mod fault;
mod kind_set;
mod loss;
mod mark;
mod migrate;
mod name;
mod node;
mod outcome;
mod owner;
mod phase;
mod place;
mod policy;
mod probe;
mod probe_kind;
mod process_id;
mod region;
mod request;
mod task;
mod words;

pub use crate::text::escape_control;
pub use batch::{Batch, Work};
pub use body::{Body, Kind};
pub use census::{Census, PagePlace, PlaceWord};
pub use check::{Check, CheckPath, PLACED_OR_DEFERRED, Verdict};
pub use comm::Comm;
pub use fault::{Access, Fault, FaultClass, Wait};
pub use kind_set::KindSet;
pub use loss::{Loss, LossCause, LossName};
pub use mark::Mark;
pub use migrate::{Cause, Migrate};
pub use migtrace_common::node_mask::NodeMask;
pub use name::{Name, Word};
pub use node::{NodeChange, NodeFacts, NumaPages};
pub use outcome::{Outcome, Reason};
pub use owner::{Owner, OwnerProcess};
pub use phase::Phase;
pub use place::{Place, PlaceChange};
pub use policy::Policy;
pub use probe::{FieldName, Probe, ProbeField, ProbeName};
pub use probe_kind::{kind_of, migrate_probe};
pub use process_id::ProcessId;
pub use region::{Region, RegionClass};
pub use request::{Request, RequestName};
pub use task::{Task, TaskEvent};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// CLOCK_BOOTTIME, ns, at the end of the event: with a latency, it began at `ts_ns - latency_ns`.
    pub ts_ns: u64,
    pub cpu: u32,
    /// NUMA node of `cpu`.
    pub cpu_node: Option<i32>,
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
    pub comm: Comm,
    pub cgroup_id: u64,
    /// CLOCK_BOOTTIME, ns, when the process started. With `pid` it names the process for good: PIDs are reused.
    pub process_start_ns: Option<u64>,
    /// The process whose page a fault, check, mark or migration is about.
    pub owner: Owner,
    /// Events that this one represents if a sample was recorded; see [`Event::weight`].
    pub weight: Option<NonZeroU32>,
    /// Symbols joined by `;`, outermost first.
    pub kernel_stack: Option<Arc<str>>,
    /// Same format as `kernel_stack`.
    pub user_stack: Option<Arc<str>>,
    pub body: Body,
}

impl Event {
    /// An event with only a time and a body: no task, CPU 0.
    #[must_use]
    pub fn at(ts_ns: u64, body: Body) -> Self {
        Self {
            ts_ns,
            cpu: 0,
            cpu_node: None,
            pid: 0,
            tid: 0,
            comm: Comm::default(),
            cgroup_id: 0,
            process_start_ns: None,
            owner: Owner::Actor,
            weight: None,
            kernel_stack: None,
            user_stack: None,
            body,
        }
    }

    /// Its process.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_ns: self.process_start_ns }
    }

    /// The process that owns its page; `None` if it has no page, or the owner is unknown.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerProcess> {
        if !self.body.has_page() {
            return None;
        }
        match &self.owner {
            Owner::Actor => Some(OwnerProcess { process: self.process(), comm: self.comm, cgroup_id: self.cgroup_id }),
            Owner::Other(owner) => Some((**owner).clone()),
            Owner::Unknown => None,
        }
    }

    /// Events that this one represents: 1, or more if a sample was recorded.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight.map_or(1, |w| w.get().into())
    }

    /// Duration, ns; `None` if it has none or the recording does not show it.
    #[must_use]
    pub fn latency_ns(&self) -> Option<u64> {
        match &self.body {
            Body::Fault(f) => f.latency_ns,
            Body::Migrate(m) => m.latency_ns,
            Body::Batch(b) => Some(b.latency_ns),
            Body::Request(r) => Some(r.latency_ns),
            Body::Task(t) => t.latency_ns,
            Body::Census(c) => Some(c.reading_ns),
            Body::Check(_)
            | Body::Mark(_)
            | Body::Region(_)
            | Body::Place(_)
            | Body::Phase(_)
            | Body::Node(_)
            | Body::Loss(_) => None,
        }
    }

    /// CLOCK_BOOTTIME, ns, when it began; `ts_ns` if it has no duration.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.ts_ns.saturating_sub(self.latency_ns().unwrap_or(0))
    }

    /// Its virtual address, if the kernel showed one.
    #[must_use]
    pub fn addr(&self) -> Option<u64> {
        match &self.body {
            Body::Fault(f) => Some(f.addr),
            Body::Check(c) => Some(c.addr),
            Body::Mark(m) => m.addr,
            Body::Migrate(m) => m.addr,
            Body::Request(r) => r.addr,
            Body::Region(r) => Some(r.addr),
            Body::Census(c) => Some(c.addr),
            Body::Place(p) => Some(p.addr),
            Body::Batch(_) | Body::Task(_) | Body::Phase(_) | Body::Node(_) | Body::Loss(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_trace_formats() {
        assert_eq!(Cause::LazyFault.word(), "lazy_fault");
        assert_eq!("preferred_many".parse::<Policy>().expect("a word"), Policy::PreferredMany);
        assert_eq!(RequestName::SetMempolicyHomeNode.word(), "set_mempolicy_home_node");
    }
}
