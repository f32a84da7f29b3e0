//! One page among those whose lives are followed: its steps, and its life in numbers.

use std::collections::VecDeque;

use super::steps::{Counts, PageId, Step, What};
use crate::event::Outcome;

/// One page, or folio by its first page, and its life in numbers.
#[derive(Clone, Debug)]
pub struct Page {
    pub id: PageId,
    pub counts: Counts,
    /// Where it was last seen.
    pub nid: Option<i32>,
    /// Of the largest folio that began here.
    pub order: u32,
    pub steps: VecDeque<Step>,
    /// Steps that were left out after the first [`FIRST_STEPS`].
    pub dropped_steps: u64,
    last_move: Option<(i32, Option<i32>)>,
    /// It was touched since it was last in line to be forgotten.
    pub(crate) is_in_use: bool,
}

/// Of a page with too many steps these stay, and the last ones: how its life began is not to be had again.
pub const FIRST_STEPS: usize = 8;

impl Page {
    pub(crate) fn new(id: PageId) -> Self {
        // Most pages fault once, and that is all.
        let (counts, steps) = (Counts::default(), VecDeque::with_capacity(1));
        Self { id, counts, nid: None, order: 0, steps, dropped_steps: 0, last_move: None, is_in_use: false }
    }

    /// More happened to it than page faults. Those are kept longer.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        let c = &self.counts;
        c.moves + c.failed_moves + c.marks + c.checks > 0
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
        };
        self.is_in_use = true;
        self.steps.push_back(step);
    }
}

/// By what pages are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    Bounced,
    Moved,
    FailedToMove,
    Faulted,
    /// By the time in page faults on them.
    Waited,
}

impl Rank {
    /// The number that counts.
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
