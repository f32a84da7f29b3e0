//! The map of a process: its regions, and where their pages are.

use std::collections::BTreeMap;

use super::{
    cells::Cells,
    place::{Counts, Run},
};
use crate::{
    event::{NodeMask, ProcessId},
    units::PAGE_BYTES,
};

/// Where all pages of a process were, about the same time: each page may have changed while the others were read.
#[derive(Clone, Debug)]
pub struct Map {
    pub process: ProcessId,
    pub comm: String,
    /// CLOCK_BOOTTIME, ns, before and after reading.
    pub begin_ns: u64,
    pub end_ns: u64,
    pub regions: Vec<Region>,
    /// Threads by the node of the CPU on which they ran last.
    pub threads: BTreeMap<i32, u64>,
    pub sources: Sources,
    /// Pages by address, in cells.
    pub cells: Cells,
}

/// A mapping with its pages.
#[derive(Clone, Debug, Default)]
pub struct Region {
    pub start: u64,
    pub end: u64,
    /// `rw-p`.
    pub permissions: String,
    pub kind: &'static str,
    /// Its file, or `[heap]`; empty for none.
    pub name: String,
    /// As the kernel writes it: `default`, `bind:0-1`. `None`: unknown.
    pub policy: Option<String>,
    pub counts: Counts,
    /// Base pages in memory that huge pages map; `None`: unknown.
    pub huge: Option<u64>,
    /// In the order of addresses. Empty unless they are kept.
    pub runs: Vec<Run>,
}

/// How it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Pages whose node is that of their frame.
    pub by_frame: u64,
    /// Pages whose node is from move_pages(2): the kernel hides frames, or their range is of several nodes.
    pub by_move_pages: u64,
    /// Why move_pages(2) did not show the others.
    pub refused: Option<String>,
    /// Where the ranges of frames are from.
    pub ranges: RangesFrom,
    pub huge: HugeFrom,
}

/// Where the ranges of frames of each node are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RangesFrom {
    MemoryBlocks,
    Zoneinfo,
    /// Neither could be read: no frame has a known node.
    Nothing,
    /// A census of a trace, which does not have it.
    Census,
}

/// What shows huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HugeFrom {
    PagemapScan,
    Smaps,
    /// Neither: huge pages are unknown.
    Nothing,
    /// A census of a trace, which does not have them.
    Census,
}

impl Region {
    /// Base pages of its address range.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        (self.end - self.start) / PAGE_BYTES
    }

    /// Pages without a place: never touched, freed, or of a file and not mapped.
    #[must_use]
    pub fn not_present(&self) -> u64 {
        self.pages().saturating_sub(self.counts.total())
    }

    /// The nodes that its policy names. `None`: it names none, or is unknown.
    #[must_use]
    pub fn policy_nodes(&self) -> Option<NodeMask> {
        named_nodes(self.policy.as_deref()?)
    }

    /// Pages on nodes that its policy does not name; `None` if it names none.
    #[must_use]
    pub fn off_policy(&self) -> Option<u64> {
        let named = self.policy_nodes()?;
        Some(self.counts.on(|nid| !named.nodes().iter().any(|node| i64::from(*node) == i64::from(nid))))
    }
}

/// `bind:0-1`, `prefer (many)=static:2`. The local policy and the default one name no node.
fn named_nodes(policy: &str) -> Option<NodeMask> {
    let (_, nodes) = policy.split_once(':')?;
    nodes.parse().ok()
}

impl Map {
    /// Pages of all regions by place.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.regions.iter().for_each(|region| all.merge(&region.counts));
        all
    }

    /// Pages of a count on nodes where no thread ran last. `None`: unknown, as no thread's node is.
    #[must_use]
    pub fn remote(&self, counts: &Counts) -> Option<u64> {
        (!self.threads.is_empty()).then(|| counts.on(|nid| !self.threads.contains_key(&nid)))
    }

    /// Pages off the nodes of their policy, and pages whose policy names nodes.
    #[must_use]
    pub fn off_policy(&self) -> (u64, u64) {
        let of = |region: &Region| Some((region.off_policy()?, region.counts.in_memory()));
        self.regions.iter().filter_map(of).fold((0, 0), |sum, region| (sum.0 + region.0, sum.1 + region.1))
    }

    /// Base pages that huge pages map; `None`: unknown.
    #[must_use]
    pub fn huge(&self) -> Option<u64> {
        self.regions.iter().map(|region| region.huge).sum()
    }

    /// Pages without a place.
    #[must_use]
    pub fn not_present(&self) -> u64 {
        self.regions.iter().map(Region::not_present).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::place::Place;

    #[test]
    fn only_a_policy_with_nodes_has_pages_off_it() {
        let off = |policy: &str| {
            let mut region = Region { policy: Some(policy.to_owned()), ..Region::default() };
            for (place, pages) in
                [(Place::Node(0), 1), (Place::Node(1), 10), (Place::Node(2), 100), (Place::Swap, 1000)]
            {
                region.counts.add(place, pages);
            }
            region.off_policy()
        };
        assert_eq!([off("default"), off("local"), off("prefer=static")], [None; 3]);
        assert_eq!(
            [off("bind:0-1"), off("prefer (many)=relative:2"), off("interleave:0,2")],
            [Some(100), Some(11), Some(10)]
        );
        assert_eq!(Region::default().off_policy(), None);
    }
}
