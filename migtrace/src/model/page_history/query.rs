//! Queries of page histories: one page, the processes that have a page, the top pages.

use std::cmp::Reverse;

use super::{
    page::{Page, Rank},
    steps::{Counts, HistoryEntry, PageHistory, PageId, Step, folio_starts},
    tracker::{Gaps, PageTracker},
};
use crate::event::{Comm, ProcessId};
use crate::model::address::{PAGE_BYTES, page_start};

impl PageTracker {
    /// History of the page at an address of a process; `None` if it has no events.
    #[must_use]
    pub fn page(&self, process: ProcessId, addr: u64) -> Option<PageHistory<'_>> {
        let page = PageId { process, addr: page_start(addr) };
        let (mut entries, mut counts, mut evicted_steps) = (Vec::new(), Counts::default(), 0);
        let mut steps: Vec<&Step> = Vec::new();
        for start in folio_starts(addr) {
            let Some(folio) = self.pages.get(&PageId { addr: start, ..page }) else { continue };
            let covers = |step: &&Step| page.addr - start < PAGE_BYTES << step.order();
            let whole = folio.steps.iter().all(|step| covers(&step));
            steps.extend(folio.steps.iter().filter(covers));
            evicted_steps += if whole { folio.evicted_steps } else { 0 };
        }
        if steps.is_empty() {
            return None;
        }
        steps.sort_by_key(|step| step.ts_ns);
        let mut last_move = None;
        steps.iter().for_each(|step| counts.take(step, &mut last_move));
        // If the page was never part of a larger folio, its own totals are complete.
        if let Some(own) = self.pages.get(&page).filter(|own| own.steps.len() == steps.len()) {
            counts = own.counts;
        }
        entries.extend(steps.into_iter().map(HistoryEntry::Step));
        let process = self.processes.get(process);
        let first_ns = entries.iter().map(HistoryEntry::ts_ns).min().unwrap_or(0);
        if let Some(process) = process {
            entries
                .extend(process.syscalls.iter().filter(|syscall| syscall.covers(page.addr)).map(HistoryEntry::Syscall));
            entries.extend(process.mapped.iter().map(HistoryEntry::Mapped));
            entries.extend(process.forked.map(|(ts_ns, from)| HistoryEntry::Forked { ts_ns, from }));
            // Before the first step the process ran another program, with other pages.
            let later = process.executed_ns.iter().filter(|ns| **ns > first_ns);
            entries.extend(later.map(|&ts_ns| HistoryEntry::Executed { ts_ns }));
            entries.extend(process.exited_ns.map(|ts_ns| HistoryEntry::Exited { ts_ns }));
        }
        entries.sort_by_key(|h| (h.start_ns(), Reverse(h.ts_ns())));
        let (comm, evicted_requests) = process.map(|l| (l.comm, l.evicted_requests)).unwrap_or_default();
        Some(PageHistory { page, comm, entries, counts, evicted_steps, evicted_requests })
    }

    /// Processes with a page at this address, by PID.
    #[must_use]
    pub fn processes(&self, addr: u64) -> Vec<ProcessId> {
        let holds = |page: &&Page| page.id.addr <= addr && addr - page.id.addr < PAGE_BYTES << page.order;
        let mut found: Vec<ProcessId> = self.pages.values().filter(holds).map(|page| page.id.process).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All pages, in no order.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.values()
    }

    /// The top `count` pages, without those that rank 0.
    #[must_use]
    pub fn top(&self, rank: Rank, count: usize) -> Vec<&Page> {
        let key = |page: &&Page| (Reverse(rank.of(&page.counts)), page.id);
        let mut pages: Vec<&Page> = self.pages().filter(|page| rank.of(&page.counts) > 0).collect();
        if count < pages.len() {
            pages.select_nth_unstable_by_key(count, key);
            pages.truncate(count);
        }
        pages.sort_unstable_by_key(key);
        pages
    }

    /// Task name of a process in its last event.
    #[must_use]
    pub fn comm(&self, process: ProcessId) -> Option<Comm> {
        self.processes.get(process).map(|process| process.comm)
    }

    /// What is missing. Migrations in syscalls that have not returned count as ownerless.
    #[must_use]
    pub fn gaps(&self) -> Gaps {
        Gaps {
            ownerless_events: self.gaps.ownerless_events + self.pending_events as u64,
            evicted_processes: self.processes.evicted(),
            evicted_frames: self.frames.evicted(),
            ..self.gaps
        }
    }
}
