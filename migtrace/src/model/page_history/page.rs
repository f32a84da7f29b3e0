//! One tracked page: its steps and totals.

use std::collections::VecDeque;

use super::steps::{Counts, PageId, Step, What};
use crate::event::Outcome;

/// One page, or a folio by its first page, with its totals.
#[derive(Clone, Debug)]
pub struct Page {
    pub id: PageId,
    pub counts: Counts,
    /// Where it was seen last.
    pub nid: Option<i32>,
    /// Order of the largest folio that started here.
    pub order: u32,
    pub steps: VecDeque<Step>,
    /// Steps evicted after the first [`FIRST_STEPS`].
    pub evicted_steps: u64,
    last_move: Option<(i32, Option<i32>)>,
    /// Whether it was used since it was queued for eviction.
    pub(crate) is_in_use: bool,
}

/// Of a page with too many steps, this many first steps are kept, and the last ones: the start cannot be recovered
/// later.
pub const FIRST_STEPS: usize = 8;

impl Page {
    pub(crate) fn new(id: PageId) -> Self {
        // Most pages have one fault and nothing else.
        let (counts, steps) = (Counts::default(), VecDeque::with_capacity(1));
        Self { id, counts, nid: None, order: 0, steps, evicted_steps: 0, last_move: None, is_in_use: false }
    }

    /// Whether it has more than page faults. Such pages are kept longer.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        let c = &self.counts;
        c.moves + c.failed_moves + c.marks + c.checks > 0
    }

    /// The page is at another address now. What was known of an earlier page there comes before its own steps.
    pub(crate) fn move_to(&mut self, id: PageId, earlier: Option<Self>) {
        self.id = id;
        let Some(earlier) = earlier else { return };
        self.counts.add(earlier.counts);
        self.evicted_steps += earlier.evicted_steps;
        self.order = self.order.max(earlier.order);
        self.steps.extend(earlier.steps);
        self.steps.make_contiguous().sort_by_key(|step| step.ts_ns);
    }

    pub(crate) fn take(&mut self, step: Step) {
        self.counts.take(&step, &mut self.last_move);
        self.order = self.order.max(step.order());
        self.nid = match &step.what {
            What::Fault(f) => f.nid.or(self.nid),
            What::Check(c) => Some(c.src_nid),
            What::Mark(m) => Some(m.nid),
            What::Migrate(m) if m.result == Outcome::Ok => m.dst_nid,
            What::Migrate(m) => Some(m.src_nid),
            What::Place(p) if p.from_addr.is_some() => self.nid,
            What::Place(p) => p.dst_nid,
        };
        self.is_in_use = true;
        self.steps.push_back(step);
    }
}

/// How pages are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    Bounced,
    Moved,
    FailedToMove,
    Faulted,
    /// By time in page faults on them.
    Waited,
}

impl Rank {
    /// The number to rank by.
    #[must_use]
    pub const fn of(self, counts: &Counts) -> u64 {
        match self {
            Self::Bounced => counts.bounces,
            Self::Moved => counts.moves,
            Self::FailedToMove => counts.failed_moves,
            Self::Faulted => counts.faults,
            Self::Waited => counts.waited_ns,
        }
    }
}
