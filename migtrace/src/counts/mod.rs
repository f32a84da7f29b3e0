//! What happened, counted in the kernel: by sort of event and by process, for views that need no single event.
//!
//! This module owns the vocabulary of counts, in the words of [`crate::event`], and how the programs' own numbers become
//! them. It is cumulative: since the programs were attached, no count ever falls.

mod key;
mod process;

use std::collections::BTreeMap;

use migtrace_common::{
    counters::{Probe, ProbeCounters},
    tally::{TIME_BUCKETS, Tally, bucket_end_ns},
};

pub use self::key::{Sort, Unreadable};
pub use self::process::{Process, Processes};

/// Records that a CPU makes beside its counts in a tenth of a second, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Of faults.
    pub faults: u32,
    /// Of checks, of marks, and of moves, each.
    pub others: u32,
}

/// All counts at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub sorts: BTreeMap<Sort, Count>,
    /// Those that have not ended, and what those that did left behind by cgroup.
    pub processes: Processes,
    /// The programs' own counts by probe, those of events among them that could not be counted here: there were too many sorts
    /// or processes at once.
    pub probes: BTreeMap<Probe, ProbeCounters>,
    /// Sorts in numbers that mean nothing to this migtrace; their events are in no count.
    pub unreadable: u64,
}

/// How often something happened, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub events: u64,
    /// Pages of the folios that it was about.
    pub pages: u64,
    pub times: Times,
}

impl Count {
    /// What came since an earlier time of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            events: self.events.saturating_sub(earlier.events),
            pages: self.pages.saturating_sub(earlier.pages),
            times: self.times.since(&earlier.times),
        }
    }

    pub(crate) fn add(&mut self, tally: &Tally) {
        self.events += tally.events;
        self.pages += tally.pages;
        self.times.total_ns += tally.total_ns;
        self.times.buckets.iter_mut().zip(tally.times).for_each(|(own, more)| *own += more);
    }
}

/// Times of those events whose time the kernel shows, in powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    pub total_ns: u64,
    /// Events by time; [`Times::ends_ns`] says where each bucket ends.
    pub buckets: [u64; TIME_BUCKETS],
}

impl Default for Times {
    fn default() -> Self {
        Self { total_ns: 0, buckets: [0; TIME_BUCKETS] }
    }
}

impl Times {
    /// Where each bucket ends, ns; `None` for the last, which has no end.
    pub fn ends_ns() -> impl Iterator<Item = Option<u64>> {
        (0..TIME_BUCKETS).map(bucket_end_ns)
    }

    /// Events whose time is known.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Takes one more event in.
    pub fn count(&mut self, ns: u64) {
        self.total_ns += ns;
        let bucket = Self::ends_ns().position(|end| end.is_none_or(|end| ns < end)).unwrap_or(TIME_BUCKETS - 1);
        self.buckets[bucket] += 1;
    }

    /// What came since an earlier time of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        since.total_ns = since.total_ns.saturating_sub(earlier.total_ns);
        since.buckets.iter_mut().zip(earlier.buckets).for_each(|(now, then)| *now = now.saturating_sub(then));
        since
    }

    /// Takes another's events in.
    pub fn merge(&mut self, other: &Self) {
        self.total_ns += other.total_ns;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(own, more)| *own += more);
    }
}
