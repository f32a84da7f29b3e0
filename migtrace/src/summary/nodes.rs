//! Nodes in a summary: the first and the last reading, and what changed between them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::table::{self, unknown};
use crate::{
    event::{NodeChange, NodeFacts},
    text::{self, Line, quantity},
};

/// Nodes that are counted: Linux has at most 1 << 10.
const NODES: usize = 1 << 10;

/// The readings of each node.
#[derive(Default)]
pub(super) struct Nodes(BTreeMap<i32, Readings>);

struct Readings {
    first: (u64, NodeFacts),
    last: (u64, NodeFacts),
    /// Readings on which something had changed.
    changes: u64,
}

impl Nodes {
    pub(super) fn add(&mut self, ts_ns: u64, node: NodeFacts) {
        let nid = node.nid;
        let changes = u64::from(node.change.is_some());
        self.merge_one(nid, Readings { first: (ts_ns, node.clone()), last: (ts_ns, node), changes });
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(nid, readings)| self.merge_one(nid, readings));
    }

    fn merge_one(&mut self, nid: i32, other: Readings) {
        let is_full = self.0.len() >= NODES;
        match self.0.get_mut(&nid) {
            Some(own) => {
                own.changes += other.changes;
                if other.first.0 < own.first.0 {
                    own.first = other.first;
                }
                if other.last.0 >= own.last.0 {
                    own.last = other.last;
                }
            }
            None if is_full => {}
            None => drop(self.0.insert(nid, other)),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let counts = ["hit", "miss", "foreign", "interleaved", "local", "other"];
        let columns = [&["node", "CPUs", "tier", "memory", "free first", "free last"], counts.as_slice()].concat();
        let mut table = table::new(&columns);
        for (nid, readings) in &self.0 {
            table.add_row(readings.row(*nid));
        }
        let mut lines = vec![text::part("nodes, and pages that the kernel allocated meanwhile (numastat)")];
        lines.extend(table::lines(table, 2));
        for (nid, readings) in self.0.iter().filter(|(_, readings)| readings.changes > 0) {
            let times = text::count(readings.changes, "change");
            let gone = if readings.last.1.change == Some(NodeChange::Offline) { ", now offline" } else { "" };
            lines.push(format!("   node {nid}: {times} of CPUs, memory or tier{gone}; log shows them").into());
        }
        lines
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(|(nid, readings)| readings.json(*nid)).collect()
    }
}

impl Readings {
    fn row(&self, nid: i32) -> Vec<String> {
        let (first, last) = (&self.first.1, &self.last.1);
        let bytes = |bytes: Option<u64>| bytes.map_or_else(unknown, quantity::bytes);
        let cpus = match last.cpus.as_deref() {
            Some("") => "none".to_owned(),
            cpus => cpus.map_or_else(unknown, text::escape_control),
        };
        let memory = if last.mem_bytes == Some(0) { "none".to_owned() } else { bytes(last.mem_bytes) };
        let tier = last.tier.map_or_else(|| "-".to_owned(), |tier| tier.to_string());
        let pages = last.pages.since(&first.pages);
        let pages = [pages.hit, pages.miss, pages.foreign, pages.interleave_hit, pages.local, pages.other];
        let cells = [nid.to_string(), cpus, tier, memory, bytes(first.free_bytes), bytes(last.free_bytes)];
        cells.into_iter().chain(pages.map(|n| n.map_or_else(unknown, |n| n.to_string()))).collect()
    }

    fn json(&self, nid: i32) -> Value {
        let of = |(ts_ns, node): &(u64, NodeFacts)| {
            json!({
                "ts_ns": ts_ns,
                "cpus": node.cpus,
                "mem_bytes": node.mem_bytes,
                "free_bytes": node.free_bytes,
                "tier": node.tier,
                "numa_hit": node.pages.hit,
                "numa_miss": node.pages.miss,
                "numa_foreign": node.pages.foreign,
                "interleave_hit": node.pages.interleave_hit,
                "local_node": node.pages.local,
                "other_node": node.pages.other,
            })
        };
        json!({ "nid": nid, "changes": self.changes, "first": of(&self.first), "last": of(&self.last) })
    }
}
