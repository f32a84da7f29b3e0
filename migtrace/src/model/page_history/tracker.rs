//! Builds the history of every page from events, one by one, in bounded memory.
//!
//! Events identify pages by owner and address, some only by page frame. Traces before format 5 do not name owners. There the
//! address belongs to the task's own process for faults, checks, marks, and migrations in its own faults or syscalls.
//! Migrations with other causes run in an unrelated task. They belong to the page that was last seen in their frame, if
//! the address agrees. Events that cannot be attributed are counted. Queries are in `query.rs`.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::{
    page::{FIRST_STEPS, Page},
    process::ProcessHistories,
    steps::{Mapped, PageId, Step, What, order_of_fault},
};
use crate::event::{Body, Cause, Event, Migrate, Owner, ProcessId, Region, Request, RequestName, Task, TaskEvent};
use crate::model::{
    address::folio_start,
    address::{PAGE_BYTES, page_start},
    frame_index::FrameIndex,
};

mod places;

/// Limits of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub pages: usize,
    /// Steps of all pages together.
    pub steps: usize,
    pub steps_per_page: usize,
    pub processes: usize,
    pub requests_per_process: usize,
    /// Page frames to keep an address for.
    pub frames: usize,
    /// Migrations in syscalls that have not returned, so that the process is unknown.
    pub pending: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 1 << 16,
            steps: 1 << 18,
            steps_per_page: 64,
            processes: 1 << 12,
            requests_per_process: 64,
            frames: 1 << 18,
            pending: 1 << 14,
        }
    }
}

/// What page histories do not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Events without an address, on a frame that no other event names.
    pub nameless_events: u64,
    /// Migrations of pages whose process is unknown.
    pub ownerless_events: u64,
    /// Pages evicted to bound memory, with all their steps.
    pub evicted_pages: u64,
    /// Evicted steps of pages that are kept.
    pub evicted_steps: u64,
    pub evicted_processes: u64,
    pub evicted_frames: u64,
    /// Events that the recording lost, of any page.
    pub lost_events: u64,
}

/// The history of every page.
#[derive(Debug)]
pub struct PageTracker {
    limits: Limits,
    /// If set, only pages that contain this address.
    only: Option<u64>,
    /// And the page that came to it later, at the addresses that it had until these times.
    earlier: Vec<(u64, u64)>,
    pub(crate) pages: HashMap<PageId, Page>,
    /// Eviction queues: pages that only have faults are evicted first.
    plain: VecDeque<PageId>,
    notable: VecDeque<PageId>,
    steps: usize,
    pub(crate) frames: FrameIndex,
    pub(crate) processes: ProcessHistories,
    /// Migrations in syscalls that have not returned, by thread.
    pending: HashMap<u32, Vec<Event>>,
    pub(crate) pending_events: usize,
    pub(crate) gaps: Gaps,
}

impl Default for PageTracker {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl PageTracker {
    /// Empty.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            only: None,
            earlier: Vec::new(),
            pages: HashMap::new(),
            plain: VecDeque::new(),
            notable: VecDeque::new(),
            steps: 0,
            frames: FrameIndex::new(limits.frames),
            processes: ProcessHistories::new(limits.processes),
            pending: HashMap::new(),
            pending_events: 0,
            gaps: Gaps::default(),
        }
    }

    /// Only for pages that contain this address, in any process.
    #[must_use]
    pub fn only(addr: u64) -> Self {
        let limits = Limits { steps_per_page: 1 << 16, requests_per_process: 1 << 12, ..Limits::default() };
        Self { only: Some(page_start(addr)), ..Self::new(limits) }
    }

    /// As [`PageTracker::only`], with the history of the page from before mremap(2) moved it there: the addresses that it had, each
    /// until a time (CLOCK_BOOTTIME, ns).
    #[must_use]
    pub fn only_with(addr: u64, earlier: Vec<(u64, u64)>) -> Self {
        Self { earlier, ..Self::only(addr) }
    }

    /// Adds the next event. Events must come in order of their end times.
    pub fn take(&mut self, event: &Event) {
        match &event.body {
            Body::Fault(f) => {
                let process = self.processes.of_page(event);
                let what = || What::Fault(f.clone());
                self.step(process, f.addr, order_of_fault(f), event, false, what);
            }
            Body::Check(c) => {
                let process = self.processes.of_page(event);
                self.locate(c.pfn, process.pid, c.addr, c.order, event.ts_ns);
                self.step(process, c.addr, c.order, event, false, || What::Check(c.clone()));
            }
            Body::Mark(m) => {
                let process = self.processes.of_page(event);
                let Some((addr, by_frame)) = self.addr(process.pid, m.addr, m.pfn) else {
                    self.gaps.nameless_events += 1;
                    return;
                };
                self.locate(m.pfn, process.pid, addr, m.order, event.ts_ns);
                self.step(process, addr, m.order, event, by_frame, || What::Mark(m.clone()));
            }
            Body::Migrate(m) => self.migrate(event, m),
            Body::Request(r) => self.request(event, r),
            Body::Region(r) => self.region(event, r),
            Body::Task(t) => self.task(event, t),
            Body::Loss(l) => self.gaps.lost_events += l.count,
            Body::Place(p) => self.place(event, p),
            Body::Batch(_) | Body::Phase(_) | Body::Node(_) | Body::Census(_) => {}
        }
    }

    fn migrate(&mut self, event: &Event, m: &Migrate) {
        if m.addr.is_some_and(|addr| !self.wants(addr, m.order, event.ts_ns)) {
            return;
        }
        if let Owner::Other(owner) = &event.owner
            && let Some(addr) = m.addr
        {
            return self.migrate_at(event, m, owner.process, addr, false);
        }
        // The task's own page, or one whose owner was not recorded.
        match m.cause {
            Cause::LazyFault | Cause::HintingFault | Cause::Mbind | Cause::LongtermPin => {
                let process = self.processes.of_event(event);
                match self.addr(process.pid, m.addr, m.old_pfn) {
                    Some((addr, by_frame)) => self.migrate_at(event, m, process, addr, by_frame),
                    None => self.gaps.nameless_events += 1,
                }
            }
            Cause::MovePages | Cause::MigratePages => self.wait_for_request(event),
            _ => match self.frames.find(m.old_pfn) {
                // Another address: the frame belongs to another page now.
                Some((pid, addr))
                    if m.addr.is_none_or(|its| folio_start(its, m.order) == folio_start(addr, m.order)) =>
                {
                    let process = self.processes.of_pid(pid);
                    self.migrate_at(event, m, process, addr, true);
                }
                _ => self.gaps.ownerless_events += 1,
            },
        }
    }

    fn migrate_at(&mut self, event: &Event, m: &Migrate, process: ProcessId, addr: u64, by_frame: bool) {
        self.locate(m.old_pfn, process.pid, addr, m.order, event.ts_ns);
        self.frames.follow(m);
        self.step(process, addr, m.order, event, by_frame, || What::Migrate(Box::new(m.clone())));
    }

    /// When the syscall returns, its arguments name the process.
    fn wait_for_request(&mut self, event: &Event) {
        if self.pending_events >= self.limits.pending {
            self.gaps.ownerless_events += 1;
            return;
        }
        self.pending_events += 1;
        self.pending.entry(event.tid).or_default().push(event.clone());
    }

    fn request(&mut self, event: &Event, r: &Request) {
        let own = self.processes.of_event(event);
        let process = r.target_pid.map_or(own, |pid| self.processes.of_pid(pid));
        let waiting = self.pending.remove(&event.tid).unwrap_or_default();
        self.pending_events -= waiting.len();
        let moves = matches!(r.name, RequestName::MovePages | RequestName::MigratePages);
        for moved in &waiting {
            let Body::Migrate(m) = &moved.body else { continue };
            match self.addr(process.pid, m.addr, m.old_pfn).filter(|_| moves && moved.ts_ns >= event.start_ns()) {
                Some((addr, by_frame)) => self.migrate_at(moved, m, process, addr, by_frame),
                None => self.gaps.ownerless_events += 1,
            }
        }
        if let Some((addr, len)) = r.addr.zip(r.len)
            && self.only.is_none_or(|only| page_start(addr) <= only && only < addr.saturating_add(len))
        {
            let limit = self.limits.requests_per_process;
            let history = self.processes.begin(process);
            history.comm = event.comm;
            history.add_syscall(event, r, limit);
        }
    }

    fn region(&mut self, event: &Event, r: &Region) {
        let Some(only) = self.only.filter(|only| r.addr <= *only && *only - r.addr < r.len) else { return };
        let process = self.processes.of_event(event);
        debug_assert!(only >= r.addr);
        self.processes.begin(process).map(Mapped { ts_ns: event.ts_ns, region: r.clone() });
    }

    fn task(&mut self, event: &Event, t: &Task) {
        let process = self.processes.of_event(event);
        match t.what {
            TaskEvent::Fork => {
                if let Some(child) = t.target_pid {
                    self.processes.fork(event.ts_ns, process, child);
                }
            }
            TaskEvent::Exec => {
                self.frames.end(event.pid);
                if let Some(history) = self.processes.get_mut(process) {
                    history.execute(event.ts_ns);
                }
            }
            TaskEvent::Exit => {
                self.frames.end(event.pid);
                self.processes.end(process, event.ts_ns);
            }
            TaskEvent::Moved | TaskEvent::Scanned => {}
        }
    }

    /// The event's own address, or that of its frame if it is in this process; and whether the frame was used.
    fn addr(&self, pid: u32, addr: Option<u64>, pfn: u64) -> Option<(u64, bool)> {
        let by_frame = || self.frames.find(pfn).filter(|(owner, _)| *owner == pid).map(|(_, addr)| (addr, true));
        addr.map(|addr| (addr, false)).or_else(by_frame)
    }

    fn locate(&mut self, pfn: u64, pid: u32, addr: u64, order: u32, ts_ns: u64) {
        if self.wants(addr, order, ts_ns) {
            self.frames.locate(pfn, pid, folio_start(addr, order));
        }
    }

    /// Whether the folio with this address at this time is wanted.
    fn wants(&self, addr: u64, order: u32, ts_ns: u64) -> bool {
        let start = folio_start(addr, order);
        let holds = |wanted: u64| start <= wanted && wanted - start < PAGE_BYTES << order;
        let is_earlier = || self.earlier.iter().any(|(until_ns, addr)| ts_ns <= *until_ns && holds(*addr));
        self.only.is_none_or(|only| holds(only) || is_earlier())
    }

    fn step(
        &mut self,
        process: ProcessId,
        addr: u64,
        order: u32,
        event: &Event,
        by_frame: bool,
        what: impl FnOnce() -> What,
    ) {
        if !self.wants(addr, order, event.ts_ns) {
            return;
        }
        let id = PageId { process, addr: folio_start(addr, order) };
        let plain = &mut self.plain;
        let page = self.pages.entry(id).or_insert_with(|| {
            plain.push_back(id);
            Page::new(id)
        });
        let (was_notable, is_first) = (page.is_notable(), page.steps.is_empty());
        page.take(Step::new(event, by_frame, what()));
        self.steps += 1;
        if page.steps.len() > self.limits.steps_per_page.max(FIRST_STEPS + 1) {
            page.steps.remove(FIRST_STEPS);
            page.evicted_steps += 1;
            self.steps -= 1;
            self.gaps.evicted_steps += 1;
        }
        if page.is_notable() && !was_notable {
            self.notable.push_back(id);
        }
        if is_first {
            // Creates the history of a process with pages, so that its exit is seen.
            let history = self.processes.begin(process);
            history.comm = if event.pid == process.pid { event.comm } else { history.comm };
        }
        while self.pages.len() > self.limits.pages || self.steps > self.limits.steps {
            if !self.evict() {
                return;
            }
        }
    }

    /// Evicts the first page of the queue that was not used since it was queued.
    fn evict(&mut self) -> bool {
        loop {
            let is_plain = !self.plain.is_empty();
            let line = if is_plain { &mut self.plain } else { &mut self.notable };
            let Some(id) = line.pop_front() else { return false };
            let Some(page) = self.pages.get_mut(&id).filter(|page| page.is_notable() != is_plain) else { continue };
            if page.is_in_use {
                page.is_in_use = false;
                line.push_back(id);
                continue;
            }
            self.steps -= page.steps.len();
            self.gaps.evicted_steps -= page.evicted_steps;
            self.gaps.evicted_pages += 1;
            self.pages.remove(&id);
            return true;
        }
    }
}

#[cfg(test)]
mod tests;
