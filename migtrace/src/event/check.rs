//! Checks of a folio's node against policy.

use super::{outcome::Reason, policy::Policy, words::words};

/// The kernel compared a folio's node with its policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub addr: u64,
    pub pfn: u64,
    pub order: u32,
    pub src_nid: i32,
    pub path: CheckPath,
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
    /// Whether a NUMA hinting fault made the check, and not migrate-on-fault.
    #[must_use]
    pub const fn is_hinting(&self) -> bool {
        matches!(self.path, CheckPath::Hinting)
    }
}

/// What made a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckPath {
    /// Migrate-on-fault, when a page marked for lazy migration was touched.
    LazyFault,
    /// mpol_misplaced() in a NUMA hinting fault.
    Hinting,
}

impl CheckPath {
    /// The path of a check of which only the columns are known: traces have no column for the path. A hinting fault's check
    /// has no policy, because mpol_misplaced() does not show it, and is skipped only as [`PLACED_OR_DEFERRED`].
    #[must_use]
    pub fn inferred(verdict: Verdict, reason: Option<&str>, policy: Option<Policy>) -> Self {
        let is_hinting = match verdict {
            Verdict::Skipped => reason == Some(PLACED_OR_DEFERRED),
            Verdict::Placed | Verdict::Misplaced => policy.is_none(),
        };
        if is_hinting { Self::Hinting } else { Self::LazyFault }
    }
}

words! {
    /// The result of a check.
    Verdict { Placed, Misplaced, Skipped }
}
