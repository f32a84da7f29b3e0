//! The fate of every page that was unmapped for lazy migration, for a whole recording in memory. It uses the same
//! [`LazyTracker`] as live views, keeps every mark, and finds marks by event.

use hashbrown::HashMap;

use super::{funnel::Funnel, infer_address, request::LazyRequest, tracker::LazyTracker};
use crate::event::Event;
use crate::model::nesting::Nesting;

pub use super::{fate::Fate, marked_page::MarkedPage};

/// All marked pages of a recording.
#[derive(Debug, Default)]
pub struct LazyMarks {
    funnels: LazyTracker,
    by_event: HashMap<usize, usize>,
    list: Vec<MarkedPage>,
    /// Event index of a syscall -> its id.
    requests: HashMap<usize, u64>,
    remaining: HashMap<usize, Vec<u64>>,
}

impl LazyMarks {
    /// Tracks every successful mark to its fate.
    #[must_use]
    pub fn new(events: &[Event], nest: &Nesting) -> Self {
        let mut funnels = LazyTracker::unbounded();
        for &i in nest.by_end() {
            funnels.take_numbered(i, &events[i]);
        }
        let list: Vec<MarkedPage> = funnels.marks().map(|(_, marked)| marked.clone()).collect();
        let by_event = list.iter().enumerate().map(|(n, m)| (m.event, n)).collect();
        let requests = funnels.requests().filter_map(|r| Some((r.event?, r.id))).collect();
        let mut marks = Self { funnels, by_event, list, requests, remaining: HashMap::new() };
        let by_request = marks.list.iter().filter_map(|marked| Some((marks.request_of(marked)?, marked)));
        marks.remaining = infer_address::remaining(events, by_request);
        marks
    }

    /// Addresses, ascending, of pages that a syscall marked and that no event names. Known only if as many marks have
    /// no address as pages of the requested range have no mark.
    #[must_use]
    pub fn remaining(&self, request: usize) -> Option<&[u64]> {
        self.remaining.get(&request).map(Vec::as_slice)
    }

    /// The marked page of a mark event; `None` if the mark failed.
    #[must_use]
    pub fn of_event(&self, event: usize) -> Option<&MarkedPage> {
        self.by_event.get(&event).map(|&n| &self.list[n])
    }

    /// All marked pages, in the order of marking.
    #[must_use]
    pub fn list(&self) -> &[MarkedPage] {
        &self.list
    }

    /// Event index of the syscall that marked a page, if it is in the trace.
    #[must_use]
    pub fn request_of(&self, marked: &MarkedPage) -> Option<usize> {
        self.funnels.get(marked.request?)?.event
    }

    /// The lazy syscall of this event, if it is one.
    #[must_use]
    pub fn request(&self, event: usize) -> Option<&LazyRequest> {
        self.funnels.get(*self.requests.get(&event)?)
    }

    /// The funnel of all marks.
    #[must_use]
    pub const fn all(&self) -> &Funnel {
        self.funnels.all()
    }

    /// The tracker with all funnels.
    #[must_use]
    pub const fn funnels(&self) -> &LazyTracker {
        &self.funnels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Body, Cause, FaultClass, Migrate, Outcome, Verdict},
        model::lazy::fate::Gone,
        testkit,
    };

    fn fates(events: &[Event]) -> Vec<Fate> {
        LazyMarks::new(events, &Nesting::new(events)).list().iter().map(|m| m.fate.clone()).collect()
    }

    #[test]
    fn touched_pages_migrate_and_the_others_stay_untouched_until_their_process_ends() {
        let (_, mut events) = testkit::lazy(4, [1, 2]);
        let gone = Fate::Gone(Gone::Exited);
        assert_eq!(fates(&events), [gone.clone(), Fate::Migrated, Fate::Migrated, gone]);
        events.pop();
        assert_eq!(fates(&events), [Fate::Untouched, Fate::Migrated, Fate::Migrated, Fate::Untouched]);
    }

    #[test]
    fn a_mark_without_address_gets_it_from_a_later_check_of_the_frame() {
        let (_, events) = testkit::lazy_without_addresses(4, [1]);
        let marks = LazyMarks::new(&events, &Nesting::new(&events));
        let addrs: Vec<_> = marks.list().iter().map(|m| (m.addr, m.addr_by_frame)).collect();
        assert_eq!(addrs, [(None, false), (Some(testkit::SEGMENT + 0x1000), true), (None, false), (None, false)]);
    }

    #[test]
    fn the_reason_of_a_failed_move_is_the_fate() {
        let (_, mut events) = testkit::lazy(1, [0]);
        for event in &mut events {
            if let Body::Migrate(m) = &mut event.body {
                (m.result, m.reason, m.new_pfn) = (Outcome::Failed, Some("refs".into()), None);
            }
        }
        assert_eq!(fates(&events), [Fate::Failed("refs".into())]);
    }

    #[test]
    fn a_misplaced_page_without_its_migration_is_unknown_not_untouched() {
        let (_, mut events) = testkit::lazy(1, [0]);
        events.retain(|e| !matches!(e.body, Body::Migrate(_)));
        assert_eq!(fates(&events), [Fate::Unknown]);
    }

    #[test]
    fn placed_and_skipped_pages_are_told_apart() {
        let (_, mut events) = testkit::lazy(2, [0, 1]);
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
        let (_, mut events) = testkit::lazy(1, [0]);
        let at = events.iter().position(|e| matches!(e.body, Body::Check(_))).expect("a check") - 1;
        let mut compaction = events[at].clone();
        let (old_pfn, new_pfn) = (testkit::misplaced(0).pfn, Some(0x9999));
        compaction.body = Body::from(Migrate { addr: None, old_pfn, new_pfn, ..testkit::moved(0, Cause::Compaction) });
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
        let (_, mut events) = testkit::lazy(1, [0]);
        events.retain(|e| !matches!(e.body, Body::Migrate(_) | Body::Check(_)));
        for event in &mut events {
            match &mut event.body {
                Body::Mark(m) => m.addr = Some(testkit::SEGMENT),
                Body::Fault(f) if f.class == Some(FaultClass::Swap) => f.major = Some(true),
                _ => {}
            }
        }
        assert_eq!(fates(&events), [Fate::Gone(Gone::SwappedOut)]);
    }
}
