//! What is told page by page and range by range: biographies and funnels, and what views show of them.
//!
//! They are too large to be held still or told anew for each frame: what the view that is shown needs is made on a tick.

use crate::tui::{ansi::piece, view::canvas::Piece};
use crate::{
    event::{Comm, Event, ProcessId},
    log::page_report,
    model::{
        lazy::{funnel::Funnel, request::LazyRequest, tracker::LazyTracker},
        page_history::{page::Rank, steps::Counts, tracker::PageTracker},
    },
    recording::Meta,
};

/// Pages that are listed, and requests.
const PAGES: usize = 500;
const REQUESTS: usize = 500;
/// Time between two listings of pages, ns.
const LIST_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Stories {
    lives: PageTracker,
    funnels: LazyTracker,
    /// Whose life `page` is.
    told: Option<(ProcessId, u64)>,
    /// The life of the opened page.
    pub(crate) page: Vec<Vec<Piece>>,
    /// Pages that moved, waited or were touched most.
    pub(crate) pages: Vec<PageRow>,
    listed_ns: Option<u64>,
    /// What they are listed by.
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

/// What became of marked pages.
#[derive(Default)]
pub(crate) struct Lazy {
    pub(crate) all: Funnel,
    /// The last requests, newest first.
    pub(crate) requests: Vec<LazyRequest>,
    /// Requests that are not listed.
    pub(crate) left_out: u64,
}

impl Stories {
    pub(crate) fn take(&mut self, event: &Event) {
        self.lives.take(event);
        self.funnels.take(event);
    }

    /// The processes that have a page at an address.
    pub(crate) fn owners(&self, addr: u64) -> Vec<ProcessId> {
        self.lives.processes(addr)
    }

    /// Tells the life of a page; where the screen is held still, only of another one than before.
    pub(crate) fn tell_page(&mut self, (id, addr): (ProcessId, u64), is_held: bool, meta: &Meta, name: &str) {
        if self.told.replace((id, addr)) == Some((id, addr)) && is_held {
            return;
        }
        self.page.clear();
        let Some(page) = self.lives.page(id, addr) else { return };
        let lines = page_report::lines(&page, &self.lives.left_out(), meta, name);
        self.page = lines.into_iter().map(|line| line.into_iter().map(piece).collect()).collect();
    }

    /// Lists the pages that stand out, again only after a while: it looks at all pages.
    pub(crate) fn list_pages(&mut self, now_ns: u64) {
        if self.listed_ns.is_some_and(|at| now_ns.saturating_sub(at) < LIST_NS) {
            return;
        }
        self.listed_ns = Some(now_ns);
        let ranks = [
            (Rank::Moved, "moved most often"),
            (Rank::FailedToMove, "failed to move"),
            (Rank::Faulted, "touched most"),
        ];
        let found =
            ranks.into_iter().map(|(rank, by)| (self.lives.top(rank, PAGES), by)).find(|(top, _)| !top.is_empty());
        let (top, by) = found.unwrap_or_default();
        self.ranked_by = by;
        let row = |page: &crate::model::page_history::page::Page| PageRow {
            process: page.id.process,
            comm: self.lives.comm(page.id.process).unwrap_or_default(),
            addr: page.id.addr,
            nid: page.nid,
            counts: page.counts,
        };
        self.pages = top.into_iter().map(row).collect();
    }

    /// Lists what became of marked pages.
    pub(crate) fn list_lazy(&mut self) {
        let requests: Vec<LazyRequest> = self.funnels.requests().rev().take(REQUESTS).cloned().collect();
        let there = self.funnels.requests().count() as u64;
        let left_out = self.funnels.evicted_requests() + there - requests.len() as u64;
        self.lazy = Lazy { all: self.funnels.all().clone(), requests, left_out };
    }
}
