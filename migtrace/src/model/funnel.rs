//! The funnel of lazily marked pages: marked = migrated + already placed + failed + gone + untouched.

use std::collections::BTreeMap;

use super::marks::{Fate, Marked};
use crate::event::{Body, Event, Outcome, Reason};
use crate::model::Run;

/// Where the pages went that one request, or all, marked. In pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// As the kernel counted them when the request returned; `None` where no batch says so.
    pub counted_pages: Option<u64>,
    /// Marks that the trace holds.
    pub marked_pages: u64,
    /// Marks that failed at once, by reason: not part of the identity.
    pub refused_pages: BTreeMap<Reason, u64>,
    pub migrated_pages: u64,
    pub placed_pages: u64,
    pub failed_pages: BTreeMap<Reason, u64>,
    pub gone_pages: u64,
    pub untouched_pages: u64,
    /// Touched, but the trace does not hold how that ended.
    pub unknown_pages: u64,
}

impl Funnel {
    /// Of one request.
    #[must_use]
    pub fn of_request(run: &Run, request: usize) -> Self {
        let mut funnel = Self::default();
        for i in run.nest.descendants(request) {
            funnel.take(&run.events[i], run.marks.of_event(i));
        }
        funnel
    }

    /// Of the whole recording, marks without a request included.
    #[must_use]
    pub fn of_run(run: &Run) -> Self {
        let mut funnel = Self::default();
        for (i, event) in run.events.iter().enumerate() {
            funnel.take(event, run.marks.of_event(i));
        }
        funnel
    }

    fn take(&mut self, event: &Event, marked: Option<&Marked>) {
        match (&event.body, marked) {
            (Body::Batch(batch), _) if &*batch.mode == "lazy" => {
                *self.counted_pages.get_or_insert(0) += batch.succeeded;
            }
            (Body::Mark(mark), _) if mark.result == Outcome::Failed => {
                let reason = mark.reason.clone().unwrap_or_else(|| "failed".into());
                *self.refused_pages.entry(reason).or_default() += 1 << mark.order;
            }
            (Body::Mark(_), Some(marked)) => self.settle(marked),
            _ => {}
        }
    }

    fn settle(&mut self, marked: &Marked) {
        let pages = marked.pages;
        self.marked_pages += pages;
        match &marked.fate {
            Fate::Untouched => self.untouched_pages += pages,
            Fate::Migrated => self.migrated_pages += pages,
            Fate::Placed => self.placed_pages += pages,
            Fate::Failed(reason) => *self.failed_pages.entry(reason.clone()).or_default() += pages,
            Fate::Gone => self.gone_pages += pages,
            Fate::Unknown => self.unknown_pages += pages,
        }
    }

    /// Pages marked: the kernel's count where there is one.
    #[must_use]
    pub fn total_pages(&self) -> u64 {
        self.counted_pages.unwrap_or(self.marked_pages)
    }

    /// Pages that were touched and stayed, for all reasons.
    #[must_use]
    pub fn failed_total_pages(&self) -> u64 {
        self.failed_pages.values().sum()
    }

    /// Pages whose fate is known.
    #[must_use]
    pub fn settled_pages(&self) -> u64 {
        self.migrated_pages + self.placed_pages + self.failed_total_pages() + self.gone_pages + self.untouched_pages
    }

    /// Whether every page that the kernel counted as marked is accounted for, once.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.settled_pages() == self.total_pages()
    }

    /// Whether nothing was marked, nor could not be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total_pages() == 0 && self.marked_pages == 0 && self.refused_pages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    #[test]
    fn every_marked_page_is_accounted_for() {
        let (meta, events) = fixture::lazy(8, [1, 4]);
        let funnel = Funnel::of_run(&Run::new(meta, events));
        assert_eq!((funnel.total_pages(), funnel.migrated_pages, funnel.untouched_pages), (8, 2, 6));
        assert!(funnel.holds());
    }

    #[test]
    fn a_lost_migration_breaks_the_identity_instead_of_passing_as_untouched() {
        let (meta, events) = fixture::lossy();
        let funnel = Funnel::of_run(&Run::new(meta, events));
        assert_eq!((funnel.total_pages(), funnel.migrated_pages, funnel.unknown_pages), (8, 5, 3));
        assert!(!funnel.holds());
    }

    #[test]
    fn a_lost_mark_shows_against_the_kernels_own_count() {
        let (meta, mut events) = fixture::lazy(8, []);
        let lost = events.iter().position(|e| matches!(e.body, Body::Mark(_))).expect("a mark");
        events.remove(lost);
        let funnel = Funnel::of_run(&Run::new(meta, events));
        assert_eq!((funnel.total_pages(), funnel.marked_pages, funnel.settled_pages()), (8, 7, 7));
        assert!(!funnel.holds());
    }

    #[test]
    fn a_large_folio_counts_as_its_pages() {
        let (meta, mut events) = fixture::lazy(1, []);
        for event in &mut events {
            match &mut event.body {
                Body::Mark(m) => m.order = 4,
                Body::Batch(b) => b.succeeded = 16,
                _ => {}
            }
        }
        let funnel = Funnel::of_run(&Run::new(meta, events));
        assert_eq!((funnel.total_pages(), funnel.untouched_pages), (16, 16));
        assert!(funnel.holds());
    }
}
