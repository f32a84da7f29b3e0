//! The last two readings of each node.

use std::collections::BTreeMap;

use crate::event::{NodeChange, NodeFacts, NumaPages};

/// Nodes that are kept: Linux has at most 1 << 10.
const NODES: usize = 1 << 10;

/// The readings of the nodes that are online, by number.
#[derive(Clone, Debug, Default)]
pub struct NodeReadings(BTreeMap<i32, Reading>);

/// A node's last reading.
#[derive(Clone, Debug)]
pub struct Reading {
    pub facts: NodeFacts,
    ts_ns: u64,
    /// Time and counts of the reading before.
    before: Option<(u64, NumaPages)>,
}

impl NodeReadings {
    pub(super) fn take(&mut self, ts_ns: u64, facts: &NodeFacts) {
        if facts.change == Some(NodeChange::Offline) {
            self.0.remove(&facts.nid);
            return;
        }
        let before = self.0.get(&facts.nid).map(|last| (last.ts_ns, last.facts.pages));
        if before.is_some() || self.0.len() < NODES {
            self.0.insert(facts.nid, Reading { facts: facts.clone(), ts_ns, before });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Reading> {
        self.0.values()
    }

    #[must_use]
    pub fn get(&self, nid: i32) -> Option<&NodeFacts> {
        self.0.get(&nid).map(|reading| &reading.facts)
    }
}

impl Reading {
    /// Pages per second that were allocated on this node and wanted on another, between the last two readings.
    #[must_use]
    pub fn misses_a_second(&self) -> Option<f64> {
        let (then_ns, then) = self.before?;
        let ns = self.ts_ns.checked_sub(then_ns).filter(|ns| *ns > 0)?;
        Some(self.facts.pages.since(&then).miss? as f64 * 1e9 / ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(nid: i32, miss: Option<u64>, change: Option<NodeChange>) -> NodeFacts {
        NodeFacts { nid, change, pages: NumaPages { miss, ..NumaPages::default() }, ..NodeFacts::default() }
    }

    #[test]
    fn misses_are_those_between_two_readings() {
        let mut readings = NodeReadings::default();
        let rate = |readings: &NodeReadings| readings.iter().next().and_then(Reading::misses_a_second);
        readings.take(0, &facts(1, Some(100), None));
        assert_eq!(rate(&readings), None, "one reading has no rate");
        readings.take(2_000_000_000, &facts(1, Some(300), None));
        assert_eq!(rate(&readings), Some(100.0));
        readings.take(3_000_000_000, &facts(1, None, None));
        assert_eq!(rate(&readings), None);
        readings.take(4_000_000_000, &facts(1, None, Some(NodeChange::Offline)));
        assert!(readings.get(1).is_none());
    }
}
