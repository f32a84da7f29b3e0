//! The last two readings of each node, and its first.

use std::collections::BTreeMap;

use crate::event::{NodeChange, NodeFacts, NumaPages};

/// Nodes that are kept: Linux has at most 1 << 10.
const NODES: usize = 1 << 10;

/// The readings of the nodes, by number.
#[derive(Clone, Debug, Default)]
pub struct NodeReadings(BTreeMap<i32, Reading>);

/// A node's last reading.
#[derive(Clone, Debug)]
pub struct Reading {
    pub facts: NodeFacts,
    ts_ns: u64,
    /// Time and counts of the reading before.
    before: Option<(u64, NumaPages)>,
    /// Time and counts of the first reading since it is online.
    first: (u64, NumaPages),
}

impl NodeReadings {
    pub(super) fn take(&mut self, ts_ns: u64, facts: &NodeFacts) {
        let last = self.0.get(&facts.nid);
        if last.is_none() && self.0.len() >= NODES {
            return;
        }
        let last = last.filter(|last| last.is_online());
        let before = last.map(|last| (last.ts_ns, last.facts.pages));
        let first = last.map_or((ts_ns, facts.pages), |last| last.first);
        self.0.insert(facts.nid, Reading { facts: facts.clone(), ts_ns, before, first });
    }

    /// The nodes that are online.
    pub fn online(&self) -> impl Iterator<Item = &Reading> {
        self.0.values().filter(|reading| reading.is_online())
    }

    /// A node that was read, also one that has gone offline.
    #[must_use]
    pub fn get(&self, nid: i32) -> Option<&Reading> {
        self.0.get(&nid)
    }
}

impl Reading {
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.facts.change != Some(NodeChange::Offline)
    }

    /// Increase per second of one of the kernel's counts, between the last two readings.
    #[must_use]
    pub fn rate(&self, of: impl Fn(&NumaPages) -> Option<u64>) -> Option<f64> {
        self.rate_since(self.before?, of)
    }

    /// Increase per second of one of the kernel's counts since the first reading.
    #[must_use]
    pub fn mean_rate(&self, of: impl Fn(&NumaPages) -> Option<u64>) -> Option<f64> {
        self.rate_since(self.first, of)
    }

    fn rate_since(&self, (then_ns, then): (u64, NumaPages), of: impl Fn(&NumaPages) -> Option<u64>) -> Option<f64> {
        let ns = self.ts_ns.checked_sub(then_ns).filter(|ns| *ns > 0)?;
        Some(of(&self.facts.pages.since(&then))? as f64 * 1e9 / ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(nid: i32, miss: Option<u64>, change: Option<NodeChange>) -> NodeFacts {
        NodeFacts { nid, change, pages: NumaPages { miss, ..NumaPages::default() }, ..NodeFacts::default() }
    }

    #[test]
    fn rates_are_of_the_last_two_readings_or_of_all() {
        let mut readings = NodeReadings::default();
        let rates = |readings: &NodeReadings| {
            let reading = readings.get(1).expect("it was read");
            [reading.rate(|pages| pages.miss), reading.mean_rate(|pages| pages.miss)]
        };
        readings.take(0, &facts(1, Some(100), None));
        assert_eq!(rates(&readings), [None; 2], "one reading has no rate");
        readings.take(2_000_000_000, &facts(1, Some(300), None));
        readings.take(3_000_000_000, &facts(1, Some(310), None));
        assert_eq!(rates(&readings), [Some(10.0), Some(70.0)]);
        readings.take(4_000_000_000, &facts(1, None, None));
        assert_eq!(rates(&readings), [None; 2]);
    }

    #[test]
    fn a_node_that_is_online_again_has_no_rate_over_its_absence() {
        let mut readings = NodeReadings::default();
        readings.take(0, &facts(1, Some(100), None));
        readings.take(1_000_000_000, &facts(1, None, Some(NodeChange::Offline)));
        assert!(readings.online().next().is_none() && readings.get(1).is_some_and(|reading| !reading.is_online()));
        readings.take(2_000_000_000, &facts(1, Some(500), Some(NodeChange::Online)));
        let online = readings.get(1).expect("it was read");
        assert!(online.is_online() && online.rate(|pages| pages.miss).is_none());
    }
}
