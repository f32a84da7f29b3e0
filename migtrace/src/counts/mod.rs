//! Counts made in the kernel, by key and by process, for views that need no single events.
//!
//! This module decodes the programs' counts into the vocabulary of [`crate::event`]. Counts are cumulative since
//! attaching and never decrease.

mod key;
mod process;

use std::collections::BTreeMap;

use migtrace_common::{
    counters::{Probe, ProbeCounters},
    tally::{TIME_BUCKETS, Tally, bucket_end_ns},
};

pub use self::key::{Sort, Unreadable};
pub use self::process::{Process, Processes};

/// Limit of records that a CPU makes beside its counts, per 100 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Of page faults.
    pub faults: u32,
    /// Of checks, marks and migrations, each.
    pub others: u32,
}

/// All counts at one time.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub sorts: BTreeMap<Sort, Count>,
    /// Running processes, and the sum of exited ones by cgroup.
    pub processes: Processes,
    /// The programs' own counters by probe, including events that found no free key or process here.
    pub probes: BTreeMap<Probe, ProbeCounters>,
    /// Events with enum values that this version does not know; they are in no count.
    pub unreadable: u64,
}

/// Number of events of one key, with pages and latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub events: u64,
    /// Pages of the folios.
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

/// Latencies of events that have one, in powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    pub total_ns: u64,
    /// Events by latency; [`Times::ends_ns`] has the end of each bucket.
    pub buckets: [u64; TIME_BUCKETS],
}

impl Default for Times {
    fn default() -> Self {
        Self { total_ns: 0, buckets: [0; TIME_BUCKETS] }
    }
}

impl Times {
    /// End of each bucket, ns; `None` for the last one.
    pub fn ends_ns() -> impl Iterator<Item = Option<u64>> {
        (0..TIME_BUCKETS).map(bucket_end_ns)
    }

    /// Events with a latency.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds one event.
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

    /// Adds the events of another one.
    pub fn merge(&mut self, other: &Self) {
        self.total_ns += other.total_ns;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(own, more)| *own += more);
    }
}
