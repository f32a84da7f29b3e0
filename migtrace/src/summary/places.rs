//! Changes of place that are no migration, in a summary: by what happened, and between which nodes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::table;
use crate::{
    event::PlaceChange,
    text::{self, Line, quantity},
};

/// Keys that are counted: more than 16 nodes can have.
const KEYS: usize = 1 << 11;

/// What happened, and the nodes before and after.
type Key = (PlaceChange, Option<i32>, Option<i32>);

/// Changes of place by what happened and between which nodes.
#[derive(Default)]
pub(super) struct Places {
    counts: BTreeMap<Key, Count>,
    /// Changes with other keys, once there are [`KEYS`].
    more: u64,
}

#[derive(Clone, Copy, Default)]
struct Count {
    events: u64,
    bytes: u64,
}

impl Places {
    pub(super) fn add(&mut self, key: Key, bytes: u64) {
        self.add_count(key, Count { events: 1, bytes });
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(key, count)| self.add_count(key, count));
        self.more = self.more.saturating_add(other.more);
    }

    fn add_count(&mut self, key: Key, count: Count) {
        if self.counts.len() >= KEYS && !self.counts.contains_key(&key) {
            self.more = self.more.saturating_add(count.events);
            return;
        }
        let own = self.counts.entry(key).or_default();
        own.events = own.events.saturating_add(count.events);
        own.bytes = own.bytes.saturating_add(count.bytes);
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        if self.counts.is_empty() {
            return Vec::new();
        }
        let mut table = table::new(&["what", "from node", "to node", "events", "memory"]);
        for ((what, from, to), count) in &self.counts {
            let node = |nid: &Option<i32>| nid.map_or_else(|| "-".into(), |nid| nid.to_string());
            let memory = quantity::bytes(count.bytes);
            table.add_row([what.to_string(), node(from), node(to), count.events.to_string(), memory]);
        }
        let mut lines = vec![text::part("changes of place without a migration")];
        lines.extend(table::lines(table, 2));
        lines.push("   unmap, remap: of the whole range, whether each page was present or not".into());
        if self.more > 0 {
            lines.push(format!("   and {} between other nodes", text::count(self.more, "event")).into());
        }
        lines
    }

    pub(super) fn json(&self) -> Value {
        let places = self.counts.iter().map(|((what, from, to), count)| {
            json!({
                "what": what.word(),
                "src_nid": from,
                "dst_nid": to,
                "events": count.events,
                "bytes": count.bytes,
            })
        });
        places.collect()
    }
}
