//! What happened in each of the last seconds.

use std::collections::VecDeque;

use super::counts::Counts;

/// Length of a bucket, ns.
pub const BUCKET_NS: u64 = 1_000_000_000;
/// Buckets that are kept: ten minutes.
pub const BUCKETS: usize = 600;
/// Whole seconds that "now" is the mean of.
const NOW_SECONDS: usize = 3;

/// Counts by second.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    buckets: VecDeque<Counts>,
    /// Number of the newest bucket, since CLOCK_BOOTTIME began.
    newest: u64,
    /// Events that came too late for their bucket.
    late: u64,
}

impl Rates {
    /// Counts something at this time.
    pub fn add(&mut self, ts_ns: u64, counts: &Counts) {
        self.advance(ts_ns);
        let back = self.newest.saturating_sub(ts_ns / BUCKET_NS) as usize;
        match self.buckets.len().checked_sub(back + 1).and_then(|at| self.buckets.get_mut(at)) {
            Some(bucket) => bucket.add(counts),
            None => self.late += counts.events,
        }
    }

    /// Begins the bucket of this time, and empty ones before it.
    pub fn advance(&mut self, now_ns: u64) {
        let number = now_ns / BUCKET_NS;
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

    /// Of each of the last `seconds` whole seconds, oldest first; fewer where there were fewer. The second that has not
    /// ended is left out: it would look like a drop.
    pub fn last(&self, seconds: usize) -> impl Iterator<Item = &Counts> {
        let whole = self.buckets.len().saturating_sub(1);
        self.buckets.iter().take(whole).skip(whole.saturating_sub(seconds))
    }

    /// The mean of the last whole seconds, a second; of the one that goes on where there is no other yet.
    #[must_use]
    pub fn now(&self, of: impl Fn(&Counts) -> u64) -> f64 {
        self.mean(NOW_SECONDS, of)
    }

    /// The mean of so many whole seconds, a second.
    #[must_use]
    pub fn mean(&self, seconds: usize, of: impl Fn(&Counts) -> u64) -> f64 {
        let (sum, count) = self.last(seconds).fold((0.0, 0), |(sum, n), c| (sum + of(c) as f64, n + 1));
        match (count, self.buckets.back()) {
            (0, Some(only)) => of(only) as f64,
            (0, None) => 0.0,
            _ => sum / f64::from(count),
        }
    }

    /// Events older than all buckets when they came.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }
}
