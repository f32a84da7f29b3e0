//! The funnel of lazily marked pages: marked = migrated + already placed + failed + gone + untouched.

use std::collections::BTreeMap;

use super::fate::{Fate, Gone};
use crate::event::Reason;

/// Where the pages went that one request, or all, marked. In pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// As the kernel counted them when the request returned; `None` where no batch says so.
    pub counted_pages: Option<u64>,
    /// LazyMarks that the trace holds.
    pub marked_pages: u64,
    /// LazyMarks that failed at once, by reason: not part of the identity.
    pub refused_pages: BTreeMap<Reason, u64>,
    pub migrated_pages: u64,
    pub placed_pages: u64,
    pub failed_pages: BTreeMap<Reason, u64>,
    /// By how they went.
    pub gone_pages: BTreeMap<Gone, u64>,
    pub untouched_pages: u64,
    /// Touched, but the trace does not hold how that ended.
    pub unknown_pages: u64,
    /// Pages that are no longer followed one by one, to hold memory within bounds. From then on the funnel is estimated.
    pub evicted_pages: u64,
    /// Events that were lost while pages were untouched, of the probes that show what becomes of them.
    pub lost_events: u64,
    /// Whether all this is estimated, from a sample, or because not each page could be followed: then checks and moves are
    /// counted by address, and untouched is what remains.
    pub is_estimated: bool,
}

impl Funnel {
    /// A page's fate changed.
    pub(crate) fn change(&mut self, from: &Fate, to: &Fate, pages: u64) {
        if self.is_estimated {
            // What is not known is not counted then, and so was `from` not.
            let is_known = !to.is_open();
            *self.of_fate(to) += if is_known { pages } else { 0 };
            return self.estimate_untouched();
        }
        self.take_from(from, pages);
        *self.of_fate(to) += pages;
    }

    fn take_from(&mut self, fate: &Fate, pages: u64) {
        let count = self.of_fate(fate);
        debug_assert!(*count >= pages, "pages are where they were put");
        *count = count.saturating_sub(pages);
    }

    /// Pages were marked, and have this fate so far.
    pub(crate) fn mark(&mut self, fate: &Fate, pages: u64) {
        self.marked_pages += pages;
        *self.of_fate(fate) += pages;
        if self.is_estimated {
            self.estimate_untouched();
        }
    }

    /// Pages are another request's.
    pub(crate) fn unmark(&mut self, fate: &Fate, pages: u64) {
        self.marked_pages = self.marked_pages.saturating_sub(pages);
        if self.is_estimated {
            return self.estimate_untouched();
        }
        self.take_from(fate, pages);
    }

    /// Pages are no longer followed one by one.
    pub(crate) fn evict(&mut self, pages: u64) {
        self.evicted_pages += pages;
        self.estimate_untouched();
    }

    /// By an event that is not a followed page's: so many pages are known to have had this fate.
    pub(crate) fn estimate(&mut self, fate: &Fate, pages: u64) {
        *self.of_fate(fate) += pages;
        self.estimate_untouched();
    }

    /// What is not known to have been touched.
    pub(crate) fn estimate_untouched(&mut self) {
        self.is_estimated = true;
        (self.untouched_pages, self.unknown_pages) = (0, 0);
        self.untouched_pages = self.total_pages().saturating_sub(self.settled_pages());
    }

    fn of_fate(&mut self, fate: &Fate) -> &mut u64 {
        match fate {
            Fate::Untouched => &mut self.untouched_pages,
            Fate::Migrated => &mut self.migrated_pages,
            Fate::Placed => &mut self.placed_pages,
            Fate::Failed(reason) => self.failed_pages.entry(reason.clone()).or_default(),
            Fate::Gone(how) => self.gone_pages.entry(*how).or_default(),
            Fate::Unknown => &mut self.unknown_pages,
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

    /// Pages that went away before anybody touched them, in all ways.
    #[must_use]
    pub fn gone_total_pages(&self) -> u64 {
        self.gone_pages.values().sum()
    }

    /// Pages that went away in this way.
    #[must_use]
    pub fn gone(&self, how: Gone) -> u64 {
        self.gone_pages.get(&how).copied().unwrap_or(0)
    }

    /// Pages that nobody touched while they were there: those that still are, and those that ended with their process.
    #[must_use]
    pub fn never_touched_pages(&self) -> u64 {
        self.untouched_pages + self.gone(Gone::Exited)
    }

    /// Pages whose fate is known.
    #[must_use]
    pub fn settled_pages(&self) -> u64 {
        let touched = self.migrated_pages + self.placed_pages + self.failed_total_pages();
        touched + self.gone_total_pages() + self.untouched_pages
    }

    /// Whether pages that count as never touched may have been, because events are missing.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.lost_events > 0 && self.never_touched_pages() > 0
    }

    /// Whether every page that the kernel counted as marked is accounted for, once, and for certain.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.settled_pages() == self.total_pages() && !self.is_doubtful() && !self.is_estimated
    }

    /// Whether nothing was marked, nor could not be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total_pages() == 0 && self.marked_pages == 0 && self.refused_pages.is_empty()
    }
}

#[cfg(test)]
mod tests;
