//! What became of each page that was unmapped for lazy migration.
//!
//! The kernel shows a mark by page frame, often without an address; a check and a migration name both. A mark is linked to
//! them by frame, and follows its page when compaction or a direct request moves it before it is touched.

use std::collections::HashMap;

use super::{
    elimination,
    nest::Nest,
    ranges::{PAGE_BYTES, page_start},
};
use crate::event::{Body, Cause, Check, Event, FaultClass, Mark, Migrate, Outcome, Reason, TaskEvent, Verdict};

/// One page, or folio, that was marked.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The mark's event.
    pub event: usize,
    /// The request that marked it, where the trace holds that.
    pub request: Option<usize>,
    pub pid: u32,
    /// Virtual address: the mark's own, else that of another event about the same frame.
    pub addr: Option<u64>,
    /// Whether `addr` comes from another event.
    pub addr_by_frame: bool,
    pub pages: u64,
    pub fate: Fate,
    pfn: u64,
}

/// What became of a marked page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Never touched before its process or the recording ended.
    Untouched,
    /// It moved in the fault that touched it.
    Migrated,
    /// It was where policy wants it.
    Placed,
    /// It was touched and stayed, for this reason.
    Failed(Reason),
    /// Swapped out before it was touched.
    Gone,
    /// Touched, but the trace does not hold how that ended.
    Unknown,
}

/// All marked pages of a recording.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    list: Vec<Marked>,
    by_event: HashMap<usize, usize>,
    remaining: HashMap<usize, Vec<u64>>,
}

impl Marks {
    /// Follows every successful mark to its fate.
    #[must_use]
    pub fn new(events: &[Event], nest: &Nest) -> Self {
        let mut follow = Follow::default();
        for &i in nest.by_end() {
            follow.see(i, events, nest);
        }
        let by_event = follow.list.iter().enumerate().map(|(n, m)| (m.event, n)).collect();
        Self { remaining: elimination::remaining(events, &follow.list), by_event, list: follow.list }
    }

    /// The addresses of the pages that a request marked and that no event names, in ascending order, where there is only
    /// one way to tell: as many marks are without an address as pages of its range are without a mark.
    #[must_use]
    pub fn remaining(&self, request: usize) -> Option<&[u64]> {
        self.remaining.get(&request).map(Vec::as_slice)
    }

    /// The page that this mark event is about; `None` where the mark failed.
    #[must_use]
    pub fn of_event(&self, event: usize) -> Option<&Marked> {
        self.by_event.get(&event).map(|&n| &self.list[n])
    }

    /// All, in the order of their marks.
    #[must_use]
    pub fn list(&self) -> &[Marked] {
        &self.list
    }
}

/// The state of following, event by event.
#[derive(Default)]
struct Follow {
    list: Vec<Marked>,
    /// The last mark of each frame.
    by_frame: HashMap<u64, usize>,
    by_addr: HashMap<(u32, u64), usize>,
    /// The last address at which each frame was seen.
    seen_at: HashMap<u64, (u32, u64)>,
}

impl Follow {
    fn see(&mut self, i: usize, events: &[Event], nest: &Nest) {
        let event = &events[i];
        match &event.body {
            Body::Mark(mark) if mark.result == Outcome::Ok => {
                let request = nest.ancestors(i).find(|&a| matches!(events[a].body, Body::Request(_)));
                self.mark(i, event.pid, mark, request);
            }
            Body::Check(check) => self.check(event.pid, check),
            Body::Migrate(migrate) => self.migrate(event.pid, migrate),
            Body::Fault(f) if f.class == Some(FaultClass::Swap) => self.fault(event.pid, f.addr, f.major == Some(true)),
            Body::Task(t) if t.what == TaskEvent::Exit || t.what == TaskEvent::Exec => {
                self.seen_at.retain(|_, (pid, _)| *pid != event.pid || event.tid != event.pid);
            }
            _ => {}
        }
    }

    fn mark(&mut self, event: usize, pid: u32, mark: &Mark, request: Option<usize>) {
        if let Some(&old) = self.by_frame.get(&mark.pfn) {
            // Marked again, so it had been mapped in between, and no event says how.
            self.settle(old, Fate::Unknown);
        }
        let seen = self.seen_at.get(&mark.pfn).filter(|(owner, _)| *owner == pid).map(|&(_, addr)| addr);
        let (addr, n) = (mark.addr.or(seen), self.list.len());
        let addr_by_frame = mark.addr.is_none() && addr.is_some();
        let (pages, pfn) = (1 << mark.order, mark.pfn);
        self.list.push(Marked { event, request, pid, addr, addr_by_frame, pages, fate: Fate::Untouched, pfn });
        self.by_frame.insert(pfn, n);
        self.by_addr.extend(addr.map(|addr| ((pid, page_start(addr)), n)));
    }

    fn check(&mut self, pid: u32, check: &Check) {
        let addr = folio_start(check.addr, check.order);
        self.locate(check.pfn, pid, addr);
        if let Some(&n) = self.by_frame.get(&check.pfn) {
            let fate = match check.verdict {
                Verdict::Placed => Fate::Placed,
                Verdict::Misplaced => Fate::Unknown,
                Verdict::Skipped => Fate::Failed(check.reason.clone().unwrap_or_else(|| "skipped".into())),
            };
            self.settle(n, fate);
        }
    }

    fn migrate(&mut self, pid: u32, migrate: &Migrate) {
        if let Some(addr) = migrate.addr {
            self.locate(migrate.old_pfn, pid, folio_start(addr, migrate.order));
        }
        let Some(&n) = self.by_frame.get(&migrate.old_pfn) else { return self.follow_frame(migrate) };
        match (migrate.result, migrate.cause) {
            (Outcome::Ok, Cause::LazyFault) => {
                self.list[n].fate = Fate::Migrated;
                self.by_frame.remove(&migrate.old_pfn);
            }
            (Outcome::Failed, Cause::LazyFault) if self.list[n].fate == Fate::Unknown => {
                self.list[n].fate = Fate::Failed(migrate.reason.clone().unwrap_or_else(|| "failed".into()));
            }
            (Outcome::Ok, _) => {
                self.by_frame.remove(&migrate.old_pfn);
                if let Some(pfn) = migrate.new_pfn {
                    self.list[n].pfn = pfn;
                    self.by_frame.insert(pfn, n);
                }
            }
            (Outcome::Failed, _) => {}
        }
        self.follow_frame(migrate);
    }

    /// A fault of class swap at a marked address, of which no check told before: of a page that was read from swap nothing
    /// is left to migrate.
    fn fault(&mut self, pid: u32, addr: u64, major: bool) {
        if let Some(&n) = self.by_addr.get(&(pid, page_start(addr))) {
            self.settle(n, if major { Fate::Gone } else { Fate::Unknown });
        }
    }

    /// The first thing that is known holds; only a move that follows overrides it.
    fn settle(&mut self, n: usize, fate: Fate) {
        if self.list[n].fate == Fate::Untouched {
            self.list[n].fate = fate;
        }
    }

    fn locate(&mut self, pfn: u64, pid: u32, addr: u64) {
        self.seen_at.insert(pfn, (pid, addr));
        if let Some(&n) = self.by_frame.get(&pfn)
            && self.list[n].addr.is_none()
            && self.list[n].pid == pid
        {
            self.list[n].addr = Some(addr);
            self.list[n].addr_by_frame = true;
            self.by_addr.insert((pid, addr), n);
        }
    }

    fn follow_frame(&mut self, migrate: &Migrate) {
        if migrate.result == Outcome::Ok
            && let Some(seen) = self.seen_at.remove(&migrate.old_pfn)
            && let Some(pfn) = migrate.new_pfn
        {
            self.seen_at.insert(pfn, seen);
        }
    }
}

/// Where a folio of this order begins: large folios lie at multiples of their size, in memory as in address spaces.
const fn folio_start(addr: u64, order: u32) -> u64 {
    page_start(addr) & !((PAGE_BYTES << order) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    fn fates(events: &[Event]) -> Vec<Fate> {
        Marks::new(events, &Nest::new(events)).list().iter().map(|m| m.fate.clone()).collect()
    }

    #[test]
    fn touched_pages_migrate_and_the_others_stay_untouched() {
        let (_, events) = fixture::lazy(4, [1, 2]);
        assert_eq!(fates(&events), [Fate::Untouched, Fate::Migrated, Fate::Migrated, Fate::Untouched]);
    }

    #[test]
    fn a_mark_without_address_gets_it_from_a_later_check_of_the_frame() {
        let (_, events) = fixture::lazy_without_addresses(4, [1]);
        let marks = Marks::new(&events, &Nest::new(&events));
        let addrs: Vec<_> = marks.list().iter().map(|m| (m.addr, m.addr_by_frame)).collect();
        assert_eq!(addrs, [(None, false), (Some(fixture::SEGMENT + 0x1000), true), (None, false), (None, false)]);
    }

    #[test]
    fn the_reason_of_a_failed_move_is_the_fate() {
        let (_, mut events) = fixture::lazy(1, [0]);
        for event in &mut events {
            if let Body::Migrate(m) = &mut event.body {
                (m.result, m.reason, m.new_pfn) = (Outcome::Failed, Some("refs".into()), None);
            }
        }
        assert_eq!(fates(&events), [Fate::Failed("refs".into())]);
    }

    #[test]
    fn a_misplaced_page_without_its_migration_is_unknown_not_untouched() {
        let (_, mut events) = fixture::lazy(1, [0]);
        events.retain(|e| !matches!(e.body, Body::Migrate(_)));
        assert_eq!(fates(&events), [Fate::Unknown]);
    }

    #[test]
    fn placed_and_skipped_pages_are_told_apart() {
        let (_, mut events) = fixture::lazy(2, [0, 1]);
        events.retain(|e| !matches!(e.body, Body::Migrate(_)));
        let mut verdicts = [(Verdict::Placed, None), (Verdict::Skipped, Some("mapped".into()))].into_iter();
        for event in &mut events {
            if let Body::Check(c) = &mut event.body {
                (c.verdict, c.reason) = verdicts.next().expect("two checks");
            }
        }
        assert_eq!(fates(&events), [Fate::Placed, Fate::Failed("mapped".into())]);
    }

    #[test]
    fn compaction_before_the_touch_moves_the_mark_along() {
        let (_, mut events) = fixture::lazy(1, [0]);
        let at = events.iter().position(|e| matches!(e.body, Body::Check(_))).expect("a check") - 1;
        let mut compaction = events[at].clone();
        let (old_pfn, new_pfn) = (fixture::misplaced(0).pfn, Some(0x9999));
        compaction.body =
            Body::Migrate(Migrate { addr: None, old_pfn, new_pfn, ..fixture::moved(0, Cause::Compaction) });
        events.insert(at, compaction);
        for event in &mut events[at + 1..] {
            match &mut event.body {
                Body::Check(c) => c.pfn = 0x9999,
                Body::Migrate(m) => m.old_pfn = 0x9999,
                _ => {}
            }
        }
        assert_eq!(fates(&events), [Fate::Migrated]);
    }

    #[test]
    fn a_page_read_from_swap_is_gone() {
        let (_, mut events) = fixture::lazy(1, [0]);
        events.retain(|e| !matches!(e.body, Body::Migrate(_) | Body::Check(_)));
        for event in &mut events {
            match &mut event.body {
                Body::Mark(m) => m.addr = Some(fixture::SEGMENT),
                Body::Fault(f) if f.class == Some(FaultClass::Swap) => f.major = Some(true),
                _ => {}
            }
        }
        assert_eq!(fates(&events), [Fate::Gone]);
    }
}
