//! Checks of a folio's node against policy.

use super::{outcome::Reason, policy::Policy, words::words};

/// The kernel compared a folio's node with its policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub addr: u64,
    pub pfn: u64,
    pub order: u32,
    pub src_nid: i32,
    /// The node that policy wants; `None` if the check ended before policy was consulted.
    pub dst_nid: Option<i32>,
    pub policy: Option<Policy>,
    pub interleaved: bool,
    pub lazy: bool,
    pub verdict: Verdict,
    /// Why the check was skipped.
    pub reason: Option<Reason>,
}

/// Why a hinting fault's check did not request a migration. The kernel does not show more.
pub const PLACED_OR_DEFERRED: &str = "placed_or_deferred";

impl Check {
    /// Whether a NUMA hinting fault made the check, and not migrate-on-fault: mpol_misplaced() shows no policy.
    #[must_use]
    pub fn is_hinting(&self) -> bool {
        match self.verdict {
            Verdict::Skipped => self.reason.as_deref() == Some(PLACED_OR_DEFERRED),
            Verdict::Placed | Verdict::Misplaced => self.policy.is_none(),
        }
    }
}

words! {
    /// The result of a check.
    Verdict { Placed, Misplaced, Skipped }
}
