//! How long threads waited in placement syscalls and page faults. Computed part by part of a recording, or at once.

use std::{collections::BTreeMap, mem};

use super::move_requests::MoveRequests;
use crate::event::{Body, RequestName};
use crate::model::{Run, latency::Latencies, ranges::Ranges};

/// Number of requested ranges to keep for `faults_after`. If there are more, the next part starts without ranges.
const MOST_RANGES: usize = 1 << 16;

/// Latencies of syscalls and faults.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    pub by_name: BTreeMap<RequestName, Latencies>,
    /// Placement syscalls that migrate pages.
    pub to_move: Latencies,
    /// All page faults.
    pub faults: Latencies,
    /// Faults on requested pages after the syscall.
    pub faults_after: Latencies,
    /// Of those, time spent migrating pages, ns; `None` if a migration has no latency.
    pub moving_ns: Option<u64>,
    /// How many times the ranges were dropped to bound memory.
    pub forgotten: u64,
    ranges: Ranges,
}

impl Waits {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self { moving_ns: Some(0), ..Self::default() }
    }

    /// Adds the next part of a recording.
    pub fn take(&mut self, run: &Run) {
        for event in &run.events {
            match &event.body {
                Body::Request(r) => self.by_name.entry(r.name).or_default().record(r.latency_ns),
                Body::Fault(f) => {
                    f.latency_ns.into_iter().for_each(|ns| self.faults.record_many(ns, event.weight()));
                }
                _ => {}
            }
        }
        let work = MoveRequests::after(mem::take(&mut self.ranges), run);
        for ns in work.requests.iter().filter_map(|&i| run.events[i].latency_ns()) {
            self.to_move.record(ns);
        }
        self.faults_after.merge(&work.fault_latency(run));
        self.moving_ns = self.moving_ns.zip(work.moving_in_faults_ns(run)).map(|(so_far, more)| so_far + more);
        if work.ranges.iter().count() > MOST_RANGES {
            self.forgotten += 1;
        } else {
            self.ranges = work.ranges;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn stretch_by_stretch_is_as_all_at_once() {
        let (meta, events) = testkit::lazy(8, [1, 4]);
        let mut whole = Waits::new();
        whole.take(&Run::new(meta.clone(), events.clone()));
        let mut parts = Waits::new();
        // After the syscall that marks pages.
        let (before, after) = events.split_at(events.len() - 8);
        parts.take(&Run::new(meta.clone(), before.to_vec()));
        parts.take(&Run::new(meta, after.to_vec()));
        let of = |w: &Waits| (w.to_move.total_ns(), w.faults.total_ns(), w.faults_after.count(), w.moving_ns);
        assert_eq!(of(&parts), of(&whole));
        assert_eq!(of(&whole), (124_900, of(&whole).1, 2, Some(41_700 + 43_200)));
    }
}
