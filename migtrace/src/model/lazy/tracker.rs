//! Tracks every marked page to its fate, event by event, with one funnel for each marking syscall and one for all.
//!
//! The kernel reports a mark by page frame, often without an address. Checks and migrations have both. A mark is
//! matched with them by frame, or else by address. It follows its page if compaction or a direct migration moves it
//! before it is touched. Events must come in order of their end times. Memory is bounded, and evictions are counted.

use super::{
    fate::{Fate, Gone},
    fork_family::ForkFamilies,
    funnel::Funnel,
    marked_page::{MarkedPage, MarkedPages},
    request::{LazyRequest, Requests},
};
use crate::event::{
    Batch, Body, Cause, Check, Event, Fault, FaultClass, Loss, Mark, Migrate, Outcome, Probe, Task, TaskEvent, Verdict,
};
use crate::model::{address::folio_start, frame_index::FrameIndex, measure::folio_pages};

mod places;

/// Limits of what is tracked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Marked pages or folios whose fate is open.
    pub marks: usize,
    /// Marking syscalls.
    pub requests: usize,
    /// Page frames to keep an address for.
    pub frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { marks: 1 << 18, requests: 1 << 12, frames: 1 << 18 }
    }
}

/// All marked pages and their fates so far.
#[derive(Debug)]
pub struct LazyTracker {
    limits: Limits,
    /// Whether marks stay in the list after their fate is final.
    keeps_settled: bool,
    marks: MarkedPages,
    frames: FrameIndex,
    families: ForkFamilies,
    requests: Requests,
    taken: usize,
    all: Funnel,
}

impl Default for LazyTracker {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl LazyTracker {
    /// Empty.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            keeps_settled: false,
            marks: MarkedPages::default(),
            frames: FrameIndex::new(limits.frames),
            families: ForkFamilies::default(),
            requests: Requests::new(limits.requests),
            taken: 0,
            all: Funnel::default(),
        }
    }

    /// For a whole recording in memory: no limits.
    pub(crate) fn unbounded() -> Self {
        let most = usize::MAX;
        Self { keeps_settled: true, ..Self::new(Limits { marks: most, requests: most, frames: most }) }
    }

    /// Adds the next event.
    pub fn take(&mut self, event: &Event) {
        self.take_numbered(self.taken, event);
    }

    /// As [`Self::take`], with an event index given by the caller.
    pub(crate) fn take_numbered(&mut self, number: usize, event: &Event) {
        self.taken += 1;
        match &event.body {
            Body::Mark(mark) => self.mark(number, event, mark),
            Body::Check(check) => self.check(event, check),
            Body::Migrate(migrate) => self.migrate(event, migrate),
            Body::Fault(fault) => self.fault(event.pid, fault),
            Body::Batch(batch) if batch.work.is_mark() => self.batch(event, batch),
            Body::Request(request) => self.requests.end(number, event, request, &mut self.marks),
            Body::Task(task) => self.task(event, task),
            Body::Loss(loss) => self.loss(loss),
            Body::Place(place) => self.place(event, place),
            Body::Batch(_) | Body::Region(_) | Body::Phase(_) | Body::Node(_) | Body::Census(_) => {}
        }
    }

    /// Syscalls that marked pages or tried to, oldest first.
    pub fn requests(&self) -> impl DoubleEndedIterator<Item = &LazyRequest> {
        self.requests.iter()
    }

    /// One of these syscalls.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&LazyRequest> {
        self.requests.get(id)
    }

    /// The funnel of all syscalls, and of marks without one.
    #[must_use]
    pub const fn all(&self) -> &Funnel {
        &self.all
    }

    /// Evicted syscalls. Their marks are still counted in [`Self::all`].
    #[must_use]
    pub const fn evicted_requests(&self) -> u64 {
        self.requests.evicted()
    }

    /// Evicted page frames: a mark without an address may not get one.
    #[must_use]
    pub const fn evicted_frames(&self) -> u64 {
        self.frames.evicted()
    }

    /// Open marks, and closed ones if they are kept, by number.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (u64, &MarkedPage)> {
        self.marks.iter()
    }

    fn mark(&mut self, number: usize, event: &Event, mark: &Mark) {
        let (pages, request) = (folio_pages(mark.order), self.requests.open(event));
        if mark.result == Outcome::Failed {
            let reason = mark.reason.clone().unwrap_or_else(|| "failed".into());
            return self.count(request, |f| {
                *f.refused_pages.entry(reason.clone()).or_default() += pages * event.weight();
            });
        }
        if event.weight() > 1 {
            // Its later events were sampled independently of it.
            return self.count(request, |f| {
                f.marked_pages += pages * event.weight();
                f.estimate_untouched();
            });
        }
        let at_addr = mark.addr.and_then(|addr| self.marks.of_addr(event.pid, addr));
        for old in [self.marks.of_frame(mark.pfn), at_addr].into_iter().flatten() {
            // Marked again, so it was mapped in between, and no event shows how.
            self.settle(old, &Fate::Unknown);
            self.close(old);
        }
        let seen = self.frames.find(mark.pfn).filter(|(owner, _)| *owner == event.pid).map(|(_, addr)| addr);
        let addr_by_frame = mark.addr.is_none() && seen.is_some();
        let (ts_ns, pid, addr, pfn) = (event.ts_ns, event.pid, mark.addr.or(seen), mark.pfn);
        let fate = Fate::Untouched;
        self.count(request, |f| f.mark(&fate, pages));
        let request = Some(request);
        self.marks.push(MarkedPage { event: number, ts_ns, request, pid, addr, addr_by_frame, pages, fate, pfn });
        self.evict_marks();
    }

    fn check(&mut self, event: &Event, check: &Check) {
        let (pid, addr) = (event.pid, folio_start(check.addr, check.order));
        self.locate(check.pfn, pid, addr);
        if check.is_hinting() {
            return;
        }
        let fate = match check.verdict {
            Verdict::Placed => Fate::Placed,
            Verdict::Misplaced => Fate::Unknown,
            Verdict::Skipped => Fate::Failed(check.reason.clone().unwrap_or_else(|| "skipped".into())),
        };
        let followed = self.marks.of_frame(check.pfn).or_else(|| self.marks.of_addr(pid, check.addr));
        match followed.filter(|_| event.weight() == 1) {
            Some(n) => self.settle(n, &fate),
            None if fate.is_open() => {}
            None => self.estimate(event, check.addr, &fate, folio_pages(check.order)),
        }
    }

    fn migrate(&mut self, event: &Event, migrate: &Migrate) {
        if let Some(addr) = migrate.addr {
            self.locate(migrate.old_pfn, event.pid, folio_start(addr, migrate.order));
        }
        let is_lazy = migrate.cause == Cause::LazyFault;
        let fate = match migrate.result {
            Outcome::Ok => Fate::Migrated,
            Outcome::Failed => Fate::Failed(migrate.reason.clone().unwrap_or_else(|| "failed".into())),
        };
        if is_lazy {
            let by_addr = || migrate.addr.and_then(|addr| self.marks.of_addr(event.pid, addr));
            let followed = self.marks.of_frame(migrate.old_pfn).or_else(by_addr);
            match followed.filter(|_| event.weight() == 1) {
                Some(n) => self.settle(n, &fate),
                None => self.estimate(event, migrate.addr.unwrap_or(0), &fate, migrate.pages()),
            }
        } else if let (Some(n), Some(pfn)) = (self.marks.of_frame(migrate.old_pfn), migrate.new_pfn) {
            self.marks.follow(n, pfn);
        }
        self.frames.follow(migrate);
    }

    /// A page fault on a page that counts as untouched: no check of it was seen before.
    fn fault(&mut self, pid: u32, fault: &Fault) {
        if fault.result.as_deref() != Some("ok") {
            return;
        }
        let Some(n) = self.marks.of_addr(pid, fault.addr) else { return };
        if self.marks.get(n).is_none_or(|m| m.fate != Fate::Untouched) {
            return;
        }
        let fate = match fault.class {
            // The page was read back from swap: the marked copy is gone.
            Some(FaultClass::Swap) if fault.major == Some(true) => Fate::Gone(Gone::SwappedOut),
            // A fault on a marked page goes through the swap cache, so this is another page.
            Some(FaultClass::Anon | FaultClass::File | FaultClass::Shmem | FaultClass::Huge) => {
                Fate::Gone(Gone::Unmapped)
            }
            _ => Fate::Unknown,
        };
        self.settle(n, &fate);
    }

    fn batch(&mut self, event: &Event, batch: &Batch) {
        let request = self.requests.open(event);
        self.count(request, |f| {
            *f.counted_pages.get_or_insert(0) += batch.succeeded;
            if f.is_estimated {
                f.estimate_untouched();
            }
        });
    }

    fn task(&mut self, event: &Event, task: &Task) {
        match task.what {
            TaskEvent::Fork => {
                if let Some(child) = task.target_pid {
                    self.families.fork(event.pid, child, self.marks.has_process(event.pid));
                }
            }
            TaskEvent::Exit | TaskEvent::Exec => {
                self.frames.end(event.pid);
                for pid in self.families.leave(event.pid, self.marks.has_process(event.pid)) {
                    for n in self.marks.of_process(pid) {
                        if self.marks.get(n).is_some_and(|m| m.fate == Fate::Untouched) {
                            self.settle(n, &Fate::Gone(Gone::Exited));
                        }
                    }
                    self.estimate_gone(pid);
                }
            }
            TaskEvent::Moved | TaskEvent::Scanned => {}
        }
    }

    fn loss(&mut self, loss: &Loss) {
        if ![Probe::Fault, Probe::Check, Probe::Mark, Probe::LazyMigrate].iter().any(|probe| loss.probe == *probe) {
            return;
        }
        let funnels = self.requests.iter_mut().map(|r| &mut r.funnel).chain([&mut self.all]);
        for funnel in funnels.filter(|f| f.never_touched_pages() > 0) {
            funnel.lost_events += loss.count;
        }
    }

    /// Sets the fate of a page whose fate was open.
    fn settle(&mut self, n: u64, fate: &Fate) {
        let Some(marked) = self.marks.get_mut(n).filter(|m| m.fate.is_open() && m.fate != *fate) else { return };
        let old = std::mem::replace(&mut marked.fate, fate.clone());
        let (pages, request) = (marked.pages, marked.request);
        self.all.change(&old, fate, pages);
        if let Some(record) = request.and_then(|id| self.requests.get_mut(id)) {
            record.funnel.change(&old, fate, pages);
        }
        if !fate.is_open() {
            self.close(n);
        }
    }

    fn close(&mut self, n: u64) {
        if self.keeps_settled {
            self.marks.close(n);
        } else {
            self.marks.remove(n);
        }
    }

    fn locate(&mut self, pfn: u64, pid: u32, addr: u64) {
        self.frames.locate(pfn, pid, addr);
        if let Some(n) = self.marks.of_frame(pfn)
            && self.marks.get(n).is_some_and(|m| m.pid == pid)
        {
            self.marks.locate(n, addr);
        }
    }

    /// Changes the funnel of a syscall and the funnel of all.
    fn count(&mut self, request: u64, change: impl Fn(&mut Funnel)) {
        change(&mut self.all);
        if let Some(record) = self.requests.get_mut(request) {
            change(&mut record.funnel);
        }
    }

    /// Counts a fate for pages that are not tracked, if they are in the range of a marking syscall.
    fn estimate(&mut self, event: &Event, addr: u64, fate: &Fate, pages: u64) {
        if event.weight() == 1 && self.all.evicted_pages == 0 {
            return;
        }
        let holds = |r: &&mut LazyRequest| {
            let range = r.request.as_ref().and_then(|r| r.addr.zip(r.len));
            let is_in = range.is_some_and(|(start, len)| addr >= start && addr - start < len);
            r.pid == event.pid && is_in && (event.weight() > 1 || r.funnel.evicted_pages > 0)
        };
        let Some(request) = self.requests.iter_mut().rev().find(holds) else { return };
        let pages = pages * event.weight();
        request.funnel.estimate(fate, pages);
        self.all.estimate(fate, pages);
    }

    /// Counts the remaining untracked pages of an exited process as gone.
    fn estimate_gone(&mut self, pid: u32) {
        for record in self.requests.iter_mut().filter(|r| r.pid == pid && r.funnel.is_estimated) {
            let (fate, pages) = (Fate::Gone(Gone::Exited), record.funnel.untouched_pages);
            record.funnel.estimate(&fate, pages);
            self.all.estimate(&fate, pages);
        }
    }

    fn evict_marks(&mut self) {
        while self.marks.len() > self.limits.marks {
            let Some(oldest) = self.marks.first() else { return };
            if let Some(marked) = self.marks.get(oldest).filter(|m| m.fate == Fate::Untouched)
                && let Some(request) = marked.request
            {
                let pages = marked.pages;
                self.count(request, |f| f.evict(pages));
            }
            self.marks.remove(oldest);
        }
    }
}
