//! Latency distributions by kind of operation.

use std::collections::BTreeMap;

use crate::{
    counts::Times,
    event::{Body, Cause, Event, FaultClass, Outcome, RequestName},
    model::latency::Latencies,
};

/// Limit of distributions by cause and node pair. One takes about 250 KiB.
const PAIRS: usize = 48;

/// An operation with a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// A page fault of this class; `None` if the class is unknown.
    Fault(Option<FaultClass>),
    /// A placement syscall.
    Request(RequestName),
    /// One run of migrate_pages().
    Batch(Cause),
    /// One folio migration.
    Move(Cause),
    /// A stage of a migration: unmap, copy, remap.
    Stage(Cause, Stage),
    /// One folio migration with this cause, from one node to another.
    Pair(Cause, i32, i32),
}

/// A stage of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Unmap,
    Copy,
    Remap,
}

impl What {
    /// The kind of operation, in one word.
    #[must_use]
    pub const fn sort(self) -> &'static str {
        match self {
            Self::Fault(_) => "fault",
            Self::Request(_) => "call",
            Self::Batch(_) => "batch",
            Self::Move(_) => "move",
            Self::Stage(..) => "stage",
            Self::Pair(..) => "pair",
        }
    }

    /// Which one of that kind.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Fault(class) => class.map_or("class not known", FaultClass::word).to_owned(),
            Self::Request(name) => name.word().to_owned(),
            Self::Batch(cause) | Self::Move(cause) => cause.word().to_owned(),
            Self::Stage(cause, stage) => {
                let stage = match stage {
                    Stage::Unmap => "unmap",
                    Stage::Copy => "copy",
                    Stage::Remap => "remap",
                };
                format!("{} {stage}", cause.word())
            }
            Self::Pair(cause, from, to) => format!("{} {from} to {to}", cause.word()),
        }
    }
}

/// Latency distributions by operation.
#[derive(Clone, Debug, Default)]
pub struct ByKind {
    times: BTreeMap<What, Latencies>,
    /// Migrations beyond the limit of causes and node pairs.
    other_pairs: u64,
}

impl ByKind {
    /// Adds the latencies of an event.
    pub(super) fn feed(&mut self, event: &Event) {
        let n = event.weight();
        match &event.body {
            Body::Fault(f) => self.add(What::Fault(f.class), f.latency_ns, n),
            Body::Request(r) => self.add(What::Request(r.name), Some(r.latency_ns), n),
            Body::Batch(b) => self.add(What::Batch(b.cause), Some(b.latency_ns), n),
            Body::Migrate(m) if m.result == Outcome::Ok => {
                self.add(What::Move(m.cause), m.latency_ns, n);
                self.feed_stages(event);
                if let (Some(to), Some(_)) = (m.dst_nid, m.latency_ns) {
                    self.add_pair(What::Pair(m.cause, m.src_nid, to), m.latency_ns, n);
                }
            }
            _ => {}
        }
    }

    /// Adds only the stages of a migration.
    pub(super) fn feed_stages(&mut self, event: &Event) {
        let Body::Migrate(m) = &event.body else { return };
        if m.result == Outcome::Ok {
            let stages = [(Stage::Unmap, m.unmap_ns), (Stage::Copy, m.copy_ns), (Stage::Remap, m.remap_ns)];
            for (stage, ns) in stages {
                self.add(What::Stage(m.cause, stage), ns, event.weight());
            }
        }
    }

    /// Adds latencies known to powers of two, each as the middle of its bucket.
    pub(super) fn feed_times(&mut self, what: What, times: &Times) {
        let mut start = 0;
        for (end, &count) in Times::ends_ns().zip(&times.buckets) {
            // The geometric mean of the bounds; the last bucket has no end, so its start.
            let middle = end.map_or(start, |end| if start == 0 { end / 2 } else { start * 141 / 100 });
            if count > 0 {
                match what {
                    What::Pair(..) => self.add_pair(what, Some(middle), count),
                    _ => self.add(what, Some(middle), count),
                }
            }
            start = end.unwrap_or(start);
        }
    }

    fn add(&mut self, what: What, ns: Option<u64>, count: u64) {
        if let Some(ns) = ns {
            self.times.entry(what).or_default().record_many(ns, count);
        }
    }

    fn add_pair(&mut self, pair: What, ns: Option<u64>, count: u64) {
        let pairs = || self.times.keys().rev().take_while(|what| matches!(what, What::Pair(..))).count();
        if self.times.contains_key(&pair) || pairs() < PAIRS {
            self.add(pair, ns, count);
        } else {
            self.other_pairs += count;
        }
    }

    /// All operations so far.
    pub fn iter(&self) -> impl Iterator<Item = (What, &Latencies)> {
        self.times.iter().map(|(what, times)| (*what, times))
    }

    #[must_use]
    pub fn get(&self, what: What) -> Option<&Latencies> {
        self.times.get(&what)
    }

    /// Migrations whose cause and node pair have no distribution of their own.
    #[must_use]
    pub const fn other_pairs(&self) -> u64 {
        self.other_pairs
    }
}
