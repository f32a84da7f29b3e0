//! Counts of each of the last seconds.

use std::collections::VecDeque;

use super::counts::Counts;

/// Length of a bucket, ns.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Limit of buckets: ten minutes of seconds.
pub const BUCKETS: usize = 600;
/// Number of full buckets whose mean is the current rate.
const NOW_BUCKETS: usize = 3;

/// Counts by second.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    buckets: VecDeque<Counts>,
    /// Number of the newest bucket, from CLOCK_BOOTTIME 0.
    newest: u64,
    /// Events older than all buckets.
    late: u64,
}

impl Rates {
    /// Adds counts at this time.
    pub fn add(&mut self, ts_ns: u64, counts: &Counts) {
        self.advance(ts_ns);
        let back = self.newest.saturating_sub(ts_ns / SECOND_NS) as usize;
        match self.buckets.len().checked_sub(back + 1).and_then(|at| self.buckets.get_mut(at)) {
            Some(bucket) => bucket.add(counts),
            None => self.late += counts.events,
        }
    }

    /// Starts the bucket of this time, and empty ones before it.
    pub fn advance(&mut self, now_ns: u64) {
        let number = now_ns / SECOND_NS;
        if self.buckets.is_empty() {
            self.newest = number;
            self.buckets.push_back(Counts::default());
        }
        let new = number.saturating_sub(self.newest);
        if new >= BUCKETS as u64 {
            self.buckets.clear();
            self.buckets.resize(BUCKETS, Counts::default());
        } else {
            (0..new).for_each(|_| self.buckets.push_back(Counts::default()));
            while self.buckets.len() > BUCKETS {
                self.buckets.pop_front();
            }
        }
        self.newest += new;
    }

    /// The last `count` full buckets, oldest first, or as many as there are. The current bucket is omitted: it would
    /// look like a drop.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Counts> {
        let whole = self.buckets.len().saturating_sub(1);
        self.buckets.iter().take(whole).skip(whole.saturating_sub(count))
    }

    /// The current rate per second: the mean of the last full buckets, or the current bucket if there is no other.
    #[must_use]
    pub fn now(&self, of: impl Fn(&Counts) -> u64) -> f64 {
        self.mean(NOW_BUCKETS, of)
    }

    /// The mean rate per second over this many full buckets.
    #[must_use]
    pub fn mean(&self, buckets: usize, of: impl Fn(&Counts) -> u64) -> f64 {
        let (sum, count) = self.last(buckets).fold((0.0, 0), |(sum, n), c| (sum + of(c) as f64, n + 1));
        match (count, self.buckets.back()) {
            (0, Some(only)) => of(only) as f64,
            (0, None) => 0.0,
            _ => sum / f64::from(count),
        }
    }

    /// Events that were older than all buckets.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }
}
