//! How a page can differ from the books, and which differences count.

use crate::event::PagePlace;

/// How a page can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// On another node.
    Moved,
    /// On a node, and was not present before.
    Appeared,
    /// Not present or in swap, and was on a node before.
    Gone,
}

impl Difference {
    pub(super) fn of(expected: Option<PagePlace>, found: Option<PagePlace>) -> Option<Self> {
        use PagePlace::{Node, Swap, Zero};
        match (expected, found) {
            (Some(Node(expected)), Some(Node(found))) if expected != found => Some(Self::Moved),
            (None | Some(Swap | Zero), Some(Node(_))) => Some(Self::Appeared),
            (Some(Node(_)), None | Some(Swap)) => Some(Self::Gone),
            // The page of zeros is on a node, too: that is what a fault shows. Unknown nodes and pages under migration can be
            // anywhere.
            _ => None,
        }
    }
}

/// What was expected and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) kind: Difference,
    pub(super) expected: Option<PagePlace>,
    pub(super) found: Option<PagePlace>,
    pub(super) region: Option<(u64, String)>,
}
