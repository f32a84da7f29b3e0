//! The funnel of lazily marked pages: marked = migrated + already placed + failed + gone + untouched.

use std::collections::BTreeMap;

use super::fate::{Fate, Gone};
use crate::event::Reason;

/// The fates of all pages that one syscall, or all syscalls, marked. In pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// Marked pages by the kernel's own count; `None` if no batch reported it.
    pub counted_pages: Option<u64>,
    /// Successful marks in the trace.
    pub marked_pages: u64,
    /// Marks that failed, by reason: not part of the identity.
    pub refused_pages: BTreeMap<Reason, u64>,
    pub migrated_pages: u64,
    pub placed_pages: u64,
    pub failed_pages: BTreeMap<Reason, u64>,
    /// Gone pages, by how they went away.
    pub gone_pages: BTreeMap<Gone, u64>,
    pub untouched_pages: u64,
    /// Touched, but the trace does not have the result.
    pub unknown_pages: u64,
    /// Pages evicted to bound memory. From then on the funnel is estimated.
    pub evicted_pages: u64,
    /// Events lost while pages were untouched, from probes that show fates.
    pub lost_events: u64,
    /// Whether the funnel is estimated: from a sample, or because pages were evicted. Then checks and migrations are
    /// counted by address, and the rest counts as untouched.
    pub is_estimated: bool,
}

impl Funnel {
    /// Changes the fate of pages.
    pub(crate) fn change(&mut self, from: &Fate, to: &Fate, pages: u64) {
        if self.is_estimated {
            // In an estimated funnel, open fates are not counted, so `from` was not either.
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

    /// Adds marked pages with their current fate.
    pub(crate) fn mark(&mut self, fate: &Fate, pages: u64) {
        self.marked_pages += pages;
        *self.of_fate(fate) += pages;
        if self.is_estimated {
            self.estimate_untouched();
        }
    }

    /// Removes pages that belong to another syscall.
    pub(crate) fn unmark(&mut self, fate: &Fate, pages: u64) {
        self.marked_pages = self.marked_pages.saturating_sub(pages);
        if self.is_estimated {
            return self.estimate_untouched();
        }
        self.take_from(fate, pages);
    }

    /// Stops tracking pages one by one.
    pub(crate) fn evict(&mut self, pages: u64) {
        self.evicted_pages += pages;
        self.estimate_untouched();
    }

    /// Counts a fate from an event of pages that are not tracked one by one.
    pub(crate) fn estimate(&mut self, fate: &Fate, pages: u64) {
        *self.of_fate(fate) += pages;
        self.estimate_untouched();
    }

    /// Counts the rest as untouched.
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

    /// Marked pages: the kernel's count if there is one.
    #[must_use]
    pub fn total_pages(&self) -> u64 {
        self.counted_pages.unwrap_or(self.marked_pages)
    }

    /// Pages that were touched and not migrated, for all reasons.
    #[must_use]
    pub fn failed_total_pages(&self) -> u64 {
        self.failed_pages.values().sum()
    }

    /// Pages that went away untouched, in all ways.
    #[must_use]
    pub fn gone_total_pages(&self) -> u64 {
        self.gone_pages.values().sum()
    }

    /// Pages that went away in one way.
    #[must_use]
    pub fn gone(&self, how: Gone) -> u64 {
        self.gone_pages.get(&how).copied().unwrap_or(0)
    }

    /// Pages never touched: those still in memory, and those that went away with their process or their range.
    #[must_use]
    pub fn never_touched_pages(&self) -> u64 {
        self.untouched_pages + self.gone(Gone::Exited) + self.gone(Gone::UnmappedRange)
    }

    /// Pages whose fate is known.
    #[must_use]
    pub fn settled_pages(&self) -> u64 {
        let touched = self.migrated_pages + self.placed_pages + self.failed_total_pages();
        touched + self.gone_total_pages() + self.untouched_pages
    }

    /// Whether pages counted as never touched may have been touched, because events were lost.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.lost_events > 0 && self.never_touched_pages() > 0
    }

    /// Whether every page that the kernel counted as marked has exactly one known fate.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.settled_pages() == self.total_pages() && !self.is_doubtful() && !self.is_estimated
    }

    /// Whether there was no mark at all, successful or failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total_pages() == 0 && self.marked_pages == 0 && self.refused_pages.is_empty()
    }
}

#[cfg(test)]
mod tests;
