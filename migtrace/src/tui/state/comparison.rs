//! Moments that the user marked, and what was counted between two of them.

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
pub(crate) struct Difference {
    pub ns: u64,
    pub counts: Counts,
    pub moves: Matrix,
    pub lost: u64,
}

impl Moment {
    /// The moment that a state is at.
    #[must_use]
    pub(crate) fn of(state: &State) -> Self {
        Self { at_ns: state.now_ns(), counts: state.totals, moves: state.moves.clone(), lost: state.lost() }
    }

    /// The difference from an earlier moment to this one.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Difference {
        Difference {
            ns: self.at_ns.saturating_sub(earlier.at_ns),
            counts: self.counts.since(&earlier.counts),
            moves: self.moves.since(&earlier.moves),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }
}

impl Difference {
    /// A count as a rate per second; `None` if no time passed.
    #[must_use]
    pub(crate) fn per_second(&self, count: u64) -> Option<f64> {
        (self.ns > 0).then(|| count as f64 * 1e9 / self.ns as f64)
    }
}
