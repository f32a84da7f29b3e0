//! A marked moment, and what lies between two of them.

use crate::model::live::{State, counts::Counts, matrix::Matrix};

/// What was counted up to a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    pub at_ns: u64,
    pub counts: Counts,
    pub moves: Matrix,
    pub lost: u64,
}

/// What was counted from one moment to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Between {
    pub ns: u64,
    pub counts: Counts,
    pub moves: Matrix,
    pub lost: u64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub(crate) fn of(state: &State) -> Self {
        Self { at_ns: state.now_ns(), counts: state.totals, moves: state.moves.clone(), lost: state.lost() }
    }

    /// From an earlier one to this one.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Between {
        Between {
            ns: self.at_ns.saturating_sub(earlier.at_ns),
            counts: self.counts.since(&earlier.counts),
            moves: self.moves.since(&earlier.moves),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }
}

impl Between {
    /// Of a number, how much it was a second; `None` where no time went by.
    #[must_use]
    pub(crate) fn per_second(&self, count: u64) -> Option<f64> {
        (self.ns > 0).then(|| count as f64 * 1e9 / self.ns as f64)
    }
}
