//! The set of counters kept in total, per second and per process.

use crate::{
    event::{Body, Event, Outcome, Verdict},
    model::measure::{Locality, batch_migrated_pages, folio_pages, migrated_pages, waited_ns},
};

/// Weighted counts: of pages if the name says so, else of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All events but losses.
    pub events: u64,
    pub faults: u64,
    /// Faults with known nodes of both CPU and page.
    pub placed_faults: u64,
    /// Of those, faults on a page of another node than the CPU.
    pub remote_faults: u64,
    /// Checks with verdict `misplaced`.
    pub misplaced: u64,
    pub checks: u64,
    pub marked_pages: u64,
    /// By events of single folios.
    pub moved_pages: u64,
    pub failed_pages: u64,
    /// By the kernel's counts of batches; the same pages again.
    pub batch_moved_pages: u64,
    pub batch_failed_pages: u64,
    pub requests: u64,
    /// Time in page faults and placement syscalls, ns.
    pub stalled_ns: u64,
}

impl Counts {
    /// The counts of one event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let n = event.weight();
        let mut counts = Self { events: n, stalled_ns: waited_ns(event).unwrap_or(0), ..Self::default() };
        match &event.body {
            Body::Fault(f) => {
                counts.faults = n;
                let locality = Locality::of(event.cpu_node, f.nid);
                counts.placed_faults = if locality.is_some() { n } else { 0 };
                counts.remote_faults = if locality == Some(Locality::Remote) { n } else { 0 };
            }
            Body::Check(c) => {
                counts.checks = n;
                counts.misplaced = if c.verdict == Verdict::Misplaced { n } else { 0 };
            }
            Body::Mark(m) if m.result == Outcome::Ok => counts.marked_pages = folio_pages(m.order).saturating_mul(n),
            Body::Migrate(_) => {
                counts.moved_pages = migrated_pages(event, Outcome::Ok).unwrap_or(0);
                counts.failed_pages = migrated_pages(event, Outcome::Failed).unwrap_or(0);
            }
            Body::Batch(_) => {
                counts.batch_moved_pages = batch_migrated_pages(event, Outcome::Ok).unwrap_or(0);
                counts.batch_failed_pages = batch_migrated_pages(event, Outcome::Failed).unwrap_or(0);
            }
            Body::Request(_) => counts.requests = n,
            Body::Node(_) | Body::Census(_) | Body::Loss(_) => counts.events = 0,
            Body::Mark(_) | Body::Task(_) | Body::Region(_) | Body::Place(_) | Body::Phase(_) => {}
        }
        counts
    }

    /// Those of pages.
    #[must_use]
    pub fn of_pages(&self) -> Self {
        Self {
            marked_pages: self.marked_pages,
            moved_pages: self.moved_pages,
            failed_pages: self.failed_pages,
            misplaced: self.misplaced,
            ..Self::default()
        }
    }

    /// All others.
    #[must_use]
    pub const fn but_pages(&self) -> Self {
        Self { marked_pages: 0, moved_pages: 0, failed_pages: 0, misplaced: 0, ..*self }
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.each(other, u64::saturating_add);
    }

    /// The difference from an earlier state of the same counts.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.each(earlier, u64::saturating_sub);
        self
    }

    /// The rate per second, if counted over `ns`.
    #[must_use]
    pub fn a_second(mut self, ns: u64) -> Self {
        let whole = self;
        let scale = |n: u64| (u128::from(n) * 1_000_000_000 / u128::from(ns.max(1))).min(u64::MAX.into()) as u64;
        for (mine, n) in self.pairs(&whole) {
            *mine = scale(n);
        }
        self
    }

    /// Percentage of remote faults among those with known nodes; `None` if there are none.
    #[must_use]
    pub fn remote_percent(&self) -> Option<f64> {
        (self.placed_faults > 0).then(|| self.remote_faults as f64 * 100.0 / self.placed_faults as f64)
    }

    fn each(&mut self, other: &Self, join: fn(u64, u64) -> u64) {
        for (mine, theirs) in self.pairs(other) {
            *mine = join(*mine, theirs);
        }
    }

    fn pairs<'a>(&'a mut self, other: &Self) -> [(&'a mut u64, u64); 13] {
        [
            (&mut self.events, other.events),
            (&mut self.faults, other.faults),
            (&mut self.placed_faults, other.placed_faults),
            (&mut self.remote_faults, other.remote_faults),
            (&mut self.misplaced, other.misplaced),
            (&mut self.checks, other.checks),
            (&mut self.marked_pages, other.marked_pages),
            (&mut self.moved_pages, other.moved_pages),
            (&mut self.failed_pages, other.failed_pages),
            (&mut self.batch_moved_pages, other.batch_moved_pages),
            (&mut self.batch_failed_pages, other.batch_failed_pages),
            (&mut self.requests, other.requests),
            (&mut self.stalled_ns, other.stalled_ns),
        ]
    }
}
