//! Page histories and funnels of lazy migration, and what the views show of them.
//!
//! They are too large to be copied when the screen is paused, or to be listed for each frame. What the shown view needs
//! is made on a tick.

use crate::{
    event::ProcessId,
    event::{Comm, Event},
    log::page_report,
    model::{
        lazy::{funnel::Funnel, request::LazyRequest, tracker::LazyTracker},
        page_history::{page::Rank, steps::Counts, tracker::PageTracker},
    },
    recording::Meta,
    text::Line,
};

/// Most pages that are listed.
const PAGES: usize = 500;
/// Most `mbind` calls with lazy marks that are listed.
const REQUESTS: usize = 500;
/// Time between two listings of pages, ns.
const LIST_NS: u64 = 1_000_000_000;

/// Page histories and funnels.
#[derive(Default)]
pub(crate) struct Details {
    histories: PageTracker,
    funnels: LazyTracker,
    /// The page that `page` is the history of.
    shown: Option<(ProcessId, u64)>,
    /// The history of the opened page.
    pub(crate) page: Vec<Line>,
    /// The pages that stand out.
    pub(crate) pages: Vec<PageRow>,
    listed_ns: Option<u64>,
    /// Why the listed pages stand out.
    pub(crate) ranked_by: &'static str,
    pub(crate) lazy: Lazy,
}

/// A page in a list.
pub(crate) struct PageRow {
    pub(crate) process: ProcessId,
    pub(crate) comm: Comm,
    pub(crate) addr: u64,
    pub(crate) nid: Option<i32>,
    pub(crate) counts: Counts,
}

/// The fate of marked pages.
#[derive(Default)]
pub(crate) struct Lazy {
    pub(crate) all: Funnel,
    /// The last `mbind` calls with lazy marks, newest first.
    pub(crate) requests: Vec<LazyRequest>,
    /// Calls that are not listed.
    pub(crate) left_out: u64,
}

impl Details {
    /// Takes an event.
    pub(crate) fn take(&mut self, event: &Event) {
        self.histories.take(event);
        self.funnels.take(event);
    }

    /// The processes that have a page at an address.
    pub(crate) fn owners(&self, addr: u64) -> Vec<ProcessId> {
        self.histories.processes(addr)
    }

    /// Makes the history of a page; while the screen is paused, only if the page is another than before.
    pub(crate) fn show_page(&mut self, (id, addr): (ProcessId, u64), is_paused: bool, meta: &Meta, name: &str) {
        if self.shown.replace((id, addr)) == Some((id, addr)) && is_paused {
            return;
        }
        self.page.clear();
        let Some(page) = self.histories.page(id, addr) else { return };
        self.page = page_report::lines(&page, &self.histories.gaps(), meta, name);
    }

    /// Lists the pages that stand out. It looks at all pages, so it does this only once in a while.
    pub(crate) fn list_pages(&mut self, now_ns: u64) {
        if self.listed_ns.is_some_and(|at| now_ns.saturating_sub(at) < LIST_NS) {
            return;
        }
        self.listed_ns = Some(now_ns);
        let ranks = [
            (Rank::Moved, "migrated most often"),
            (Rank::FailedToMove, "not migrated most often"),
            (Rank::Faulted, "with most faults"),
        ];
        let found =
            ranks.into_iter().map(|(rank, by)| (self.histories.top(rank, PAGES), by)).find(|(top, _)| !top.is_empty());
        let (top, by) = found.unwrap_or_default();
        self.ranked_by = by;
        let row = |page: &crate::model::page_history::page::Page| PageRow {
            process: page.id.process,
            comm: self.histories.comm(page.id.process).unwrap_or_default(),
            addr: page.id.addr,
            nid: page.nid,
            counts: page.counts,
        };
        self.pages = top.into_iter().map(row).collect();
    }

    /// Lists the fate of marked pages.
    pub(crate) fn list_lazy(&mut self) {
        let requests: Vec<LazyRequest> = self.funnels.requests().rev().take(REQUESTS).cloned().collect();
        let there = self.funnels.requests().count() as u64;
        let left_out = self.funnels.evicted_requests() + there - requests.len() as u64;
        self.lazy = Lazy { all: self.funnels.all().clone(), requests, left_out };
    }
}
