//! Where the pages of a process are at one moment, run by run.

use super::{policy::Policy, region::RegionClass, words::words};
use migtrace_common::node_mask::NodeMask;

/// Where a page of a process is. Pages that are not present have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PagePlace {
    /// In memory on this node.
    Node(i32),
    /// In memory on a node that the kernel does not show.
    UnknownNode,
    /// The kernel's shared page of zeros: the page was only read.
    Zero,
    /// In swap, also if its contents are still in the swap cache.
    Swap,
    /// An entry of the page table that is neither: a page that is being migrated, in device memory, or with a memory error.
    Special,
}

words! {
    /// The column `place`.
    PlaceWord { Node, UnknownNode, Zero, Swap, Special, NotPresent }
}

impl PagePlace {
    /// Its node.
    #[must_use]
    pub const fn nid(self) -> Option<i32> {
        if let Self::Node(nid) = self { Some(nid) } else { None }
    }

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        PlaceWord::of(Some(self)).word()
    }
}

impl PlaceWord {
    /// The word for a place.
    #[must_use]
    pub const fn of(place: Option<PagePlace>) -> Self {
        match place {
            Some(PagePlace::Node(_)) => Self::Node,
            Some(PagePlace::UnknownNode) => Self::UnknownNode,
            Some(PagePlace::Zero) => Self::Zero,
            Some(PagePlace::Swap) => Self::Swap,
            Some(PagePlace::Special) => Self::Special,
            None => Self::NotPresent,
        }
    }

    /// The place that it means, on this node. A page on a node that is not known is on an unknown one.
    #[must_use]
    pub fn place(self, nid: Option<i32>) -> Option<PagePlace> {
        match self {
            Self::Node => Some(nid.map_or(PagePlace::UnknownNode, PagePlace::Node)),
            Self::UnknownNode => Some(PagePlace::UnknownNode),
            Self::Zero => Some(PagePlace::Zero),
            Self::Swap => Some(PagePlace::Swap),
            Self::Special => Some(PagePlace::Special),
            Self::NotPresent => None,
        }
    }
}

/// Consecutive pages of a mapping in the same place. The process is the event's. The runs of a census cover each mapping of the
/// process, have the same time, and are in the order of addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Census {
    pub addr: u64,
    /// Base pages, at least 1.
    pub pages: u64,
    /// `None`: not present.
    pub place: Option<PagePlace>,
    /// Time that reading the process took, ns: each page was there at some moment of it.
    pub reading_ns: u64,
    /// Bytes of the mapping. The first run of a mapping is at its start.
    pub len: u64,
    pub class: RegionClass,
    /// `rw-p`.
    pub permissions: String,
    /// The mapped file, or `[heap]`; empty for none.
    pub name: String,
    /// `None`: unknown.
    pub policy: Option<Policy>,
    /// Nodes that the policy names. `None`: it names none, or they are unknown.
    pub nodes: Option<NodeMask>,
}
