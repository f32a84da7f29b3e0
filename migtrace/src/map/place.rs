//! Where a page is, and counts of pages by that.

use std::collections::BTreeMap;

use serde::Serialize;

pub use crate::event::PagePlace as Place;
use crate::units::PAGE_BYTES;

/// Consecutive pages in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub addr: u64,
    /// Base pages, at least 1.
    pub pages: u64,
    pub place: Place,
}

impl Run {
    /// The address after its last page.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.addr + self.pages * PAGE_BYTES
    }

    /// Adds a run to others in the order of addresses: to the last one, if it continues that.
    pub fn append(self, runs: &mut Vec<Self>) {
        match runs.last_mut() {
            Some(last) if last.end() == self.addr && last.place == self.place => last.pages += self.pages,
            _ => runs.push(self),
        }
    }
}

/// Pages by place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By node; only nodes with pages.
    #[serde(serialize_with = "list")]
    pub nodes: BTreeMap<i32, u64>,
    pub unknown_node: u64,
    pub zero: u64,
    pub swap: u64,
    pub special: u64,
}

/// As a list of objects: JSON has no numbers as keys.
fn list<S: serde::Serializer>(nodes: &BTreeMap<i32, u64>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Node {
        nid: i32,
        pages: u64,
    }
    to.collect_seq(nodes.iter().map(|(&nid, &pages)| Node { nid, pages }))
}

impl Counts {
    pub fn add(&mut self, place: Place, pages: u64) {
        match place {
            Place::Node(nid) => *self.nodes.entry(nid).or_default() += pages,
            Place::UnknownNode => self.unknown_node += pages,
            Place::Zero => self.zero += pages,
            Place::Swap => self.swap += pages,
            Place::Special => self.special += pages,
        }
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(place, pages)| self.add(place, pages));
    }

    /// Pages of each place that has some: by node, then the others.
    pub fn iter(&self) -> impl Iterator<Item = (Place, u64)> + '_ {
        let others = [
            (Place::UnknownNode, self.unknown_node),
            (Place::Zero, self.zero),
            (Place::Swap, self.swap),
            (Place::Special, self.special),
        ];
        let nodes = self.nodes.iter().map(|(&nid, &pages)| (Place::Node(nid), pages));
        nodes.chain(others).filter(|(_, pages)| *pages > 0)
    }

    /// Pages in memory that belong to the process, on any node.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.nodes.values().sum::<u64>() + self.unknown_node
    }

    /// Pages with any place.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, pages)| pages).sum()
    }

    /// Pages on nodes for which `is` holds.
    #[must_use]
    pub fn on(&self, is: impl Fn(i32) -> bool) -> u64 {
        self.nodes.iter().filter(|(nid, _)| is(**nid)).map(|(_, pages)| pages).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_continue_are_one() {
        let run = |addr, pages, place| Run { addr, pages, place };
        let mut runs = Vec::new();
        for one in [
            run(0x1000, 1, Place::Node(0)),
            run(0x2000, 2, Place::Node(0)),
            run(0x4000, 1, Place::Node(1)),
            run(0x6000, 1, Place::Node(1)),
        ] {
            one.append(&mut runs);
        }
        assert_eq!(
            runs,
            [run(0x1000, 3, Place::Node(0)), run(0x4000, 1, Place::Node(1)), run(0x6000, 1, Place::Node(1))]
        );
    }

    #[test]
    fn counts_are_by_place() {
        let mut counts = Counts::default();
        for (place, pages) in [(Place::Node(3), 5), (Place::Node(1), 2), (Place::Swap, 7), (Place::UnknownNode, 1)] {
            counts.add(place, pages);
        }
        assert_eq!((counts.in_memory(), counts.total(), counts.on(|nid| nid > 1)), (8, 15, 5));
        let json = serde_json::to_string(&counts).expect("JSON");
        assert_eq!(
            json,
            r#"{"nodes":[{"nid":1,"pages":2},{"nid":3,"pages":5}],"unknown_node":1,"zero":0,"swap":7,"special":0}"#
        );
    }
}
