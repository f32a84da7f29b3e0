//! The life of one page of one address space: what happened to it, in order, across nodes and page frames.

use std::num::NonZeroU32;

use crate::event::{Body, Check, Comm, Event, Fault, FaultClass, Mark, Migrate, Outcome, Region, Request};
use crate::model::address::{PAGE_BYTES, page_start};

/// A process for good: numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    pub pid: u32,
    /// CLOCK_BOOTTIME, ns; `None` where nobody knows it.
    pub start_ns: Option<u64>,
}

/// A page for good: its process, and its address there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId {
    pub process: ProcessId,
    /// Virtual address of its first byte.
    pub addr: u64,
}

/// One thing that happened to a page, or to the folio that it is in.
#[derive(Clone, Debug)]
pub struct Step {
    /// CLOCK_BOOTTIME, ns, at its end.
    pub ts_ns: u64,
    pub cpu: u32,
    pub cpu_node: Option<i32>,
    /// Who did it, or waited for it.
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    pub weight: Option<NonZeroU32>,
    /// The event named a page frame, and no address: the address is that of another event of the frame.
    pub by_frame: bool,
    pub what: What,
}

/// What a step was.
#[derive(Clone, Debug)]
pub enum What {
    Fault(Fault),
    Check(Check),
    Mark(Mark),
    Migrate(Box<Migrate>),
}

/// The folio of a page fault of class `huge`: what a page table's second level maps on x86-64.
const HUGE_ORDER: u32 = 9;

impl Step {
    pub(crate) fn new(event: &Event, by_frame: bool, what: What) -> Self {
        let (ts_ns, cpu, cpu_node, pid, tid) = (event.ts_ns, event.cpu, event.cpu_node, event.pid, event.tid);
        Self { ts_ns, cpu, cpu_node, pid, tid, comm: event.comm, weight: event.weight, by_frame, what }
    }

    /// The folio that it was about has 1 << order pages.
    #[must_use]
    pub fn order(&self) -> u32 {
        match &self.what {
            What::Fault(f) => order_of_fault(f),
            What::Check(c) => c.order,
            What::Mark(m) => m.order,
            What::Migrate(m) => m.order,
        }
    }

    /// How long it took, ns, where it has a length.
    #[must_use]
    pub fn latency_ns(&self) -> Option<u64> {
        match &self.what {
            What::Fault(f) => f.latency_ns,
            What::Migrate(m) => m.latency_ns,
            What::Check(_) | What::Mark(_) => None,
        }
    }

    /// When it began, ns.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.ts_ns.saturating_sub(self.latency_ns().unwrap_or(0))
    }

    /// As the event that it was, at this address.
    #[must_use]
    pub fn body(&self) -> Body {
        match &self.what {
            What::Fault(f) => Body::Fault(f.clone()),
            What::Check(c) => Body::Check(c.clone()),
            What::Mark(m) => Body::Mark(m.clone()),
            What::Migrate(m) => Body::Migrate(m.clone()),
        }
    }
}

/// As far as a fault shows it.
pub(crate) fn order_of_fault(fault: &Fault) -> u32 {
    if fault.class == Some(FaultClass::Huge) { HUGE_ORDER } else { 0 }
}

/// A page's life in numbers, whole also where steps were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub faults: u64,
    pub checks: u64,
    pub marks: u64,
    /// Times that it moved.
    pub moves: u64,
    /// Times that it was to move, and stayed.
    pub failed_moves: u64,
    /// Moves that took it back to where the one before had taken it from.
    pub bounces: u64,
    /// In page faults on it, ns: as long as threads waited for it.
    pub waited_ns: u64,
    /// On the move, ns: as long as nobody could reach it.
    pub moving_ns: u64,
}

impl Counts {
    /// Takes a step, where the page moved last between these nodes.
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
        }
    }
}

/// What happened to a page, or to its process.
#[derive(Clone, Copy, Debug)]
pub enum Happened<'a> {
    Step(&'a Step),
    /// A request that named a range with the page in it.
    Asked(&'a Asked),
    /// The mapping that the page is in, as it was seen then.
    Mapped(&'a Mapped),
    /// The process was forked from this one, and has its pages until one of them writes.
    Forked {
        ts_ns: u64,
        from: ProcessId,
    },
    /// The process runs another program: all its pages are gone.
    Executed {
        ts_ns: u64,
    },
    /// The process ended.
    Exited {
        ts_ns: u64,
    },
}

impl Happened<'_> {
    /// When it ended, ns.
    #[must_use]
    pub const fn ts_ns(&self) -> u64 {
        match self {
            Self::Step(step) => step.ts_ns,
            Self::Asked(asked) => asked.ts_ns,
            Self::Mapped(mapped) => mapped.ts_ns,
            Self::Forked { ts_ns, .. } | Self::Executed { ts_ns } | Self::Exited { ts_ns } => *ts_ns,
        }
    }

    /// When it began, ns.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        match self {
            Self::Step(step) => step.start_ns(),
            Self::Asked(asked) => asked.ts_ns.saturating_sub(asked.request.latency_ns),
            other => other.ts_ns(),
        }
    }
}

/// A request with a range.
#[derive(Clone, Debug)]
pub struct Asked {
    pub ts_ns: u64,
    pub cpu: u32,
    pub cpu_node: Option<i32>,
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    pub request: Request,
}

impl Asked {
    /// Whether the page at this address is in the range.
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

/// One page's life.
#[derive(Clone, Debug)]
pub struct PageHistory<'a> {
    pub page: PageId,
    /// The process's name, as its last event had it.
    pub comm: Comm,
    /// In the order of their begins.
    pub happened: Vec<Happened<'a>>,
    /// Of the page by itself, and of the folios that it was in.
    pub counts: Counts,
    /// Steps that were left out to hold memory within bounds. They lie after the first ones.
    pub dropped_steps: u64,
    /// Requests of its process that were left out so, the oldest; some may have named it.
    pub dropped_requests: u64,
}

/// Where folios of more than one page begin that an address may be in, largest first, and the page itself.
pub(crate) fn folio_starts(addr: u64) -> impl Iterator<Item = u64> {
    /// 1 GiB: the largest that the processor maps at once.
    const LARGEST_ORDER: u32 = 18;
    let page = page_start(addr);
    let mut last = None;
    let starts = (0..=LARGEST_ORDER).rev().map(move |order| page & !((PAGE_BYTES << order) - 1));
    starts.filter(move |start| last.replace(*start) != Some(*start))
}
