//! Counts of one kind of event, which add up over row groups.

use std::collections::BTreeMap;

use crate::model::latency::Latencies;

/// Words of one column that are counted separately; see [`Tally`].
pub(super) const WORDS: usize = 256;

/// Rows of a kind, and the events that they represent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KindCount {
    pub(super) rows: u64,
    pub(super) events: u64,
}

/// Faults of one class.
#[derive(Default)]
pub(super) struct FaultCount {
    pub(super) faults: u64,
    /// Of the faults for which it is known.
    pub(super) major: u64,
    /// By the page's node, seen from the CPU.
    pub(super) local: u64,
    pub(super) remote: u64,
    pub(super) unknown: u64,
    /// Of the faults with a duration.
    pub(super) times: Latencies,
}

/// Migrated and failed pages.
#[derive(Default)]
pub(super) struct MoveCount {
    pub(super) moved_pages: u64,
    pub(super) moved_folios: u64,
    pub(super) failed_pages: Tally,
}

/// Placement syscalls of one name.
#[derive(Default)]
pub(super) struct RequestCount {
    pub(super) failed: u64,
    pub(super) times: Latencies,
}

/// Batches of one cause and mode, in pages.
#[derive(Default)]
pub(super) struct BatchCount {
    /// Of the batches for which it is known.
    pub(super) asked_pages: u64,
    pub(super) without_asked: u64,
    pub(super) succeeded_pages: u64,
    pub(super) failed_pages: u64,
    /// Of the batches for which it is known.
    pub(super) unmoved_pages: u64,
    pub(super) without_unmoved: u64,
    pub(super) times: Latencies,
}

/// Counts by word. A column has a dozen words; those beyond [`WORDS`], in a made-up trace, are counted as `...`.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, word: &str, count: u64) {
        if let Some(known) = self.0.get_mut(word) {
            *known = known.saturating_add(count);
        } else {
            let word = if self.0.len() < WORDS { word } else { "..." };
            let others = self.0.entry(word.to_owned()).or_default();
            *others = others.saturating_add(count);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.0.iter().for_each(|(word, count)| self.add(word, *count));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(word, count)| (word.as_str(), *count))
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

impl FaultCount {
    pub(super) fn merge(&mut self, other: &Self) {
        self.faults += other.faults;
        self.major += other.major;
        self.local += other.local;
        self.remote += other.remote;
        self.unknown += other.unknown;
        self.times.merge(&other.times);
    }
}

impl MoveCount {
    pub(super) fn merge(&mut self, other: Self) {
        self.moved_pages = self.moved_pages.saturating_add(other.moved_pages);
        self.moved_folios = self.moved_folios.saturating_add(other.moved_folios);
        self.failed_pages.merge(other.failed_pages);
    }
}

impl BatchCount {
    pub(super) fn merge(&mut self, other: &Self) {
        self.asked_pages = self.asked_pages.saturating_add(other.asked_pages);
        self.without_asked += other.without_asked;
        self.succeeded_pages = self.succeeded_pages.saturating_add(other.succeeded_pages);
        self.failed_pages = self.failed_pages.saturating_add(other.failed_pages);
        self.unmoved_pages = self.unmoved_pages.saturating_add(other.unmoved_pages);
        self.without_unmoved += other.without_unmoved;
        self.times.merge(&other.times);
    }
}
