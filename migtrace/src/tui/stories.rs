//! What is told page by page and range by range: biographies and funnels, and what views show of them.
//!
//! They are too large to be held still or told anew for each frame: what the view that is shown needs is made on a tick.

use super::{ansi, canvas::Piece};
use crate::{
    event::{Comm, Event},
    log::life,
    model::{
        biographies::Biographies,
        biography::{Counts, ProcessId},
        funnel::Funnel,
        funnels::Funnels,
        lazy_request::LazyRequest,
        live::process::Identity,
        page::Rank,
    },
    trace::meta::Meta,
};

/// Pages that are listed, and requests.
const PAGES: usize = 500;
const REQUESTS: usize = 500;
/// Time between two listings of pages, ns.
const LIST_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Default)]
pub(super) struct Stories {
    lives: Biographies,
    funnels: Funnels,
    /// Whose life `page` is.
    told: Option<(Identity, u64)>,
    /// The life of the opened page.
    pub(super) page: Vec<Vec<Piece>>,
    /// Pages that moved, waited or were touched most.
    pub(super) pages: Vec<PageRow>,
    listed_ns: Option<u64>,
    /// What they are listed by.
    pub(super) ranked_by: &'static str,
    pub(super) lazy: Lazy,
}

/// A page in a list.
pub(super) struct PageRow {
    pub(super) process: Identity,
    pub(super) comm: Comm,
    pub(super) addr: u64,
    pub(super) nid: Option<i32>,
    pub(super) counts: Counts,
}

/// What became of marked pages.
#[derive(Default)]
pub(super) struct Lazy {
    pub(super) all: Funnel,
    /// The last requests, newest first.
    pub(super) requests: Vec<LazyRequest>,
    /// Requests that are not listed.
    pub(super) left_out: u64,
}

impl Stories {
    pub(super) fn take(&mut self, event: &Event) {
        self.lives.take(event);
        self.funnels.take(event);
    }

    /// The processes that have a page at an address.
    pub(super) fn owners(&self, addr: u64) -> Vec<Identity> {
        self.lives.processes(addr).into_iter().map(identity).collect()
    }

    /// Tells the life of a page; where the screen is held still, only of another one than before.
    pub(super) fn tell_page(&mut self, (id, addr): (Identity, u64), is_held: bool, meta: &Meta, name: &str) {
        if self.told.replace((id, addr)) == Some((id, addr)) && is_held {
            return;
        }
        let process = ProcessId { pid: id.pid, start_ns: (id.start_ns != 0).then_some(id.start_ns) };
        self.page.clear();
        let Some(page) = self.lives.page(process, addr) else { return };
        let mut text = Vec::new();
        // Writing into memory does not fail.
        if life::write(&page, &self.lives.left_out(), meta, name, &mut text).is_ok() {
            self.page = String::from_utf8_lossy(&text).lines().map(ansi::pieces).collect();
        }
    }

    /// Lists the pages that stand out, again only after a while: it looks at all pages.
    pub(super) fn list_pages(&mut self, now_ns: u64) {
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
        let row = |page: &crate::model::page::Page| PageRow {
            process: identity(page.id.process),
            comm: self.lives.comm(page.id.process).unwrap_or_default(),
            addr: page.id.addr,
            nid: page.nid,
            counts: page.counts,
        };
        self.pages = top.into_iter().map(row).collect();
    }

    /// Lists what became of marked pages.
    pub(super) fn list_lazy(&mut self) {
        let requests: Vec<LazyRequest> = self.funnels.requests().rev().take(REQUESTS).cloned().collect();
        let there = self.funnels.requests().count() as u64;
        let left_out = self.funnels.evicted_requests() + there - requests.len() as u64;
        self.lazy = Lazy { all: self.funnels.all().clone(), requests, left_out };
    }
}

fn identity(process: ProcessId) -> Identity {
    Identity { pid: process.pid, start_ns: process.start_ns.unwrap_or(0) }
}
