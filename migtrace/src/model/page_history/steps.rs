//! The history of one page of one process: its steps in order, across nodes and page frames.

use std::num::NonZeroU32;

use crate::event::{
    Body, Check, Comm, Event, Fault, FaultClass, Mark, Migrate, Outcome, Place, ProcessId, Region, Request,
};
use crate::model::address::{PAGE_BYTES, page_start};

/// Identifies a page: its process and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId {
    pub process: ProcessId,
    /// Virtual address of its first byte.
    pub addr: u64,
}

/// One event of a page or of its folio.
#[derive(Clone, Debug)]
pub struct Step {
    /// End time: CLOCK_BOOTTIME, ns.
    pub ts_ns: u64,
    pub cpu: u32,
    pub cpu_node: Option<i32>,
    /// The task that did it or waited for it.
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    pub weight: Option<NonZeroU32>,
    /// Whether the event had only a page frame, and the address comes from another event of the frame.
    pub by_frame: bool,
    pub what: What,
}

/// The event of a step.
#[derive(Clone, Debug)]
pub enum What {
    Fault(Fault),
    Check(Check),
    Mark(Mark),
    Migrate(Box<Migrate>),
    Place(Box<Place>),
}

/// Folio order of a page fault of class `huge`: what a PMD maps on x86-64.
const HUGE_ORDER: u32 = 9;

impl Step {
    pub(crate) fn new(event: &Event, by_frame: bool, what: What) -> Self {
        let (ts_ns, cpu, cpu_node, pid, tid) = (event.ts_ns, event.cpu, event.cpu_node, event.pid, event.tid);
        Self { ts_ns, cpu, cpu_node, pid, tid, comm: event.comm, weight: event.weight, by_frame, what }
    }

    /// Order of its folio, which has 1 << order pages.
    #[must_use]
    pub fn order(&self) -> u32 {
        match &self.what {
            What::Fault(f) => order_of_fault(f),
            What::Check(c) => c.order,
            What::Mark(m) => m.order,
            What::Migrate(m) => m.order,
            // Of a range of pages, each of which has this step.
            What::Place(_) => 0,
        }
    }

    /// Latency, ns, if it has one.
    #[must_use]
    pub fn latency_ns(&self) -> Option<u64> {
        match &self.what {
            What::Fault(f) => f.latency_ns,
            What::Migrate(m) => m.latency_ns,
            What::Check(_) | What::Mark(_) | What::Place(_) => None,
        }
    }

    /// Start time, ns.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.ts_ns.saturating_sub(self.latency_ns().unwrap_or(0))
    }

    /// The step as an event at this address.
    #[must_use]
    pub fn body(&self) -> Body {
        match &self.what {
            What::Fault(f) => Body::Fault(f.clone()),
            What::Check(c) => Body::Check(c.clone()),
            What::Mark(m) => Body::Mark(m.clone()),
            What::Migrate(m) => Body::Migrate(m.clone()),
            What::Place(p) => Body::Place(p.clone()),
        }
    }
}

/// Order of the folio, as far as a fault shows it.
pub(crate) fn order_of_fault(fault: &Fault) -> u32 {
    // Traces of versions before 5 have the class only.
    fault.order.unwrap_or(if fault.class == Some(FaultClass::Huge) { HUGE_ORDER } else { 0 })
}

/// Totals of a page, complete even if steps were evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub faults: u64,
    pub checks: u64,
    pub marks: u64,
    /// Number of migrations.
    pub moves: u64,
    /// Number of failed migrations.
    pub failed_moves: u64,
    /// Migrations back to the node that the previous migration came from.
    pub bounces: u64,
    /// Time in page faults on it, ns: how long threads waited for it.
    pub waited_ns: u64,
    /// Time in migration, ns: how long it was inaccessible.
    pub moving_ns: u64,
}

impl Counts {
    /// Adds a step. `last_move` is the node pair of the previous migration.
    pub(crate) fn take(&mut self, step: &Step, last: &mut Option<(i32, Option<i32>)>) {
        let weight = step.weight.map_or(1, |w| w.get().into());
        let ns = step.latency_ns().unwrap_or(0).saturating_mul(weight);
        match &step.what {
            What::Fault(_) => {
                self.faults += weight;
                self.waited_ns = self.waited_ns.saturating_add(ns);
            }
            What::Check(_) => self.checks += weight,
            What::Mark(m) => self.marks += if m.result == Outcome::Ok { weight } else { 0 },
            What::Migrate(m) if m.result == Outcome::Failed => self.failed_moves += weight,
            What::Migrate(m) => {
                self.moves += weight;
                self.moving_ns = self.moving_ns.saturating_add(ns);
                let is_back = last.is_some_and(|(from, to)| Some(from) == m.dst_nid && to == Some(m.src_nid));
                self.bounces += if is_back { weight } else { 0 };
                *last = Some((m.src_nid, m.dst_nid));
            }
            What::Place(_) => {}
        }
    }

    /// Adds those of another page that had this address.
    pub(crate) fn add(&mut self, other: Self) {
        self.faults += other.faults;
        self.checks += other.checks;
        self.marks += other.marks;
        self.moves += other.moves;
        self.failed_moves += other.failed_moves;
        self.bounces += other.bounces;
        self.waited_ns = self.waited_ns.saturating_add(other.waited_ns);
        self.moving_ns = self.moving_ns.saturating_add(other.moving_ns);
    }
}

/// An entry of a page's history: an event of the page or of its process.
#[derive(Clone, Copy, Debug)]
pub enum HistoryEntry<'a> {
    Step(&'a Step),
    /// A placement syscall with a range that contains the page.
    Syscall(&'a PlacementSyscall),
    /// The mapping that contains the page, as it was then.
    Mapped(&'a Mapped),
    /// The process was forked from this one, and shares its pages until one of them writes.
    Forked {
        ts_ns: u64,
        from: ProcessId,
    },
    /// The process executed another program: all its pages are gone.
    Executed {
        ts_ns: u64,
    },
    /// The process exited.
    Exited {
        ts_ns: u64,
    },
}

impl HistoryEntry<'_> {
    /// End time, ns.
    #[must_use]
    pub const fn ts_ns(&self) -> u64 {
        match self {
            Self::Step(step) => step.ts_ns,
            Self::Syscall(syscall) => syscall.ts_ns,
            Self::Mapped(mapped) => mapped.ts_ns,
            Self::Forked { ts_ns, .. } | Self::Executed { ts_ns } | Self::Exited { ts_ns } => *ts_ns,
        }
    }

    /// When it began, ns.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        match self {
            Self::Step(step) => step.start_ns(),
            Self::Syscall(syscall) => syscall.ts_ns.saturating_sub(syscall.request.latency_ns),
            other => other.ts_ns(),
        }
    }
}

/// A placement syscall with a range.
#[derive(Clone, Debug)]
pub struct PlacementSyscall {
    pub ts_ns: u64,
    pub cpu: u32,
    pub cpu_node: Option<i32>,
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    pub request: Request,
}

impl PlacementSyscall {
    /// Whether the range contains the page at this address.
    #[must_use]
    pub fn covers(&self, addr: u64) -> bool {
        let range = self.request.addr.zip(self.request.len);
        range.is_some_and(|(start, len)| {
            page_start(start) <= addr && addr < start.saturating_add(len).max(start.saturating_add(1))
        })
    }
}

/// A mapping.
#[derive(Clone, Debug)]
pub struct Mapped {
    pub ts_ns: u64,
    pub region: Region,
}

/// The history of one page.
#[derive(Clone, Debug)]
pub struct PageHistory<'a> {
    pub page: PageId,
    /// Task name of the process in its last event.
    pub comm: Comm,
    /// By start time.
    pub entries: Vec<HistoryEntry<'a>>,
    /// Totals of the page and of the folios it was in.
    pub counts: Counts,
    /// Steps evicted to bound memory, after the first ones.
    pub evicted_steps: u64,
    /// Syscalls of its process that were evicted, oldest first. Their ranges may contain the page.
    pub evicted_requests: u64,
}

/// Start addresses of all folios that can contain the address, largest first, and of the page itself.
pub(crate) fn folio_starts(addr: u64) -> impl Iterator<Item = u64> {
    /// 1 GiB: the largest page of the CPU.
    const LARGEST_ORDER: u32 = 18;
    let page = page_start(addr);
    let mut last = None;
    let starts = (0..=LARGEST_ORDER).rev().map(move |order| page & !((PAGE_BYTES << order) - 1));
    starts.filter(move |start| last.replace(*start) != Some(*start))
}
