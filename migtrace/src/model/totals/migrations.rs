//! Migrated pages by cause and pair of nodes.

use std::collections::BTreeMap;

use crate::event::{Body, Cause, Event, Outcome, Reason};
use crate::model::{latency::Latencies, measure::folio_pages};

/// Cause, source node and target node; `None` if the kernel did not report it.
pub type MoveKey = (Cause, i32, Option<i32>);

/// Migrations with one cause between two nodes.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    pub moved_pages: u64,
    pub moved_folios: u64,
    /// Pages that failed to migrate, by reason.
    pub failed_pages: BTreeMap<Reason, u64>,
    /// Latency of each migrated folio, if known.
    pub latency: Latencies,
}

/// Counts all migrations, times their weight.
#[must_use]
pub fn count<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeMap<MoveKey, Moves> {
    let mut counts: BTreeMap<MoveKey, Moves> = BTreeMap::new();
    events.into_iter().for_each(|event| take(&mut counts, event));
    counts
}

/// Adds one event, if it is a migration.
pub fn take(counts: &mut BTreeMap<MoveKey, Moves>, event: &Event) {
    let Body::Migrate(m) = &event.body else { return };
    let (moves, weight) = (counts.entry((m.cause, m.src_nid, m.dst_nid)).or_default(), event.weight());
    match m.result {
        Outcome::Ok => {
            moves.moved_pages += weight * folio_pages(m.order);
            moves.moved_folios += weight;
            m.latency_ns.into_iter().for_each(|ns| moves.latency.record_many(ns, weight));
        }
        Outcome::Failed => {
            let reason = m.reason.clone().unwrap_or_else(|| "failed".into());
            *moves.failed_pages.entry(reason).or_default() += weight * folio_pages(m.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn pages_and_folios_are_told_apart() {
        let (_, mut events) = testkit::direct(2);
        for event in &mut events {
            if let Body::Migrate(m) = &mut event.body {
                m.order = 9;
            }
        }
        let counts = count(&events);
        let moves = &counts[&(Cause::Mbind, 1, Some(2))];
        assert_eq!((moves.moved_folios, moves.moved_pages, moves.latency.count()), (2, 1024, 2));
    }

    #[test]
    fn moves_of_a_sample_count_as_often_as_they_stand_for() {
        let (_, mut events) = testkit::direct(2);
        events.iter_mut().for_each(|e| e.weight = std::num::NonZeroU32::new(10));
        let moves = &count(&events)[&(Cause::Mbind, 1, Some(2))];
        assert_eq!((moves.moved_folios, moves.moved_pages, moves.latency.count()), (20, 20, 20));
    }
}
