//! Which pages moved from where to where, and why: counts by cause and pair of nodes.

use std::collections::BTreeMap;

use super::latency::Latencies;
use crate::event::{Body, Cause, Event, Outcome, Reason};

/// Why, from which node, to which node (`None`: the kernel did not show it).
pub type MoveKey = (Cause, i32, Option<i32>);

/// The moves of one cause between two nodes.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    pub moved_pages: u64,
    pub moved_folios: u64,
    /// Pages that stayed, by reason.
    pub failed_pages: BTreeMap<Reason, u64>,
    /// Time for each folio that moved, where it is known.
    pub latency: Latencies,
}

/// Counts all migrations.
#[must_use]
pub fn count<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<MoveKey, Moves> {
    let mut counts: BTreeMap<MoveKey, Moves> = BTreeMap::new();
    for event in events {
        let Body::Migrate(m) = &event.body else { continue };
        let moves = counts.entry((m.cause, m.src_nid, m.dst_nid)).or_default();
        match m.result {
            Outcome::Ok => {
                moves.moved_pages += m.pages();
                moves.moved_folios += 1;
                m.latency_ns.into_iter().for_each(|ns| moves.latency.record(ns));
            }
            Outcome::Failed => {
                let reason = m.reason.clone().unwrap_or_else(|| "failed".into());
                *moves.failed_pages.entry(reason).or_default() += m.pages();
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    #[test]
    fn pages_and_folios_are_told_apart() {
        let (_, mut events) = fixture::direct(2);
        for event in &mut events {
            if let Body::Migrate(m) = &mut event.body {
                m.order = 9;
            }
        }
        let counts = count(&events);
        let moves = &counts[&(Cause::Mbind, 1, Some(2))];
        assert_eq!((moves.moved_folios, moves.moved_pages, moves.latency.count()), (2, 1024, 2));
    }
}
