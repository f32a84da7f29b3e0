//! What happened in each of the last seconds.

use std::collections::VecDeque;

use super::counts::Counts;

/// Length of a bucket where nothing else is said, ns.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Buckets that are kept: ten minutes of seconds.
pub const BUCKETS: usize = 600;
/// Whole buckets that "now" is the mean of.
const NOW_BUCKETS: usize = 3;
/// Of a recording of known length, so many buckets, and the shortest, ns.
const OF_RECORDING: u64 = 200;
const SHORTEST_NS: u64 = 100_000;

/// Counts by second, or by shorter or longer times.
#[derive(Clone, Debug)]
pub struct Rates {
    bucket_ns: u64,
    buckets: VecDeque<Counts>,
    /// Number of the newest bucket, since CLOCK_BOOTTIME began.
    newest: u64,
    /// Events that came too late for their bucket.
    late: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { bucket_ns: SECOND_NS, buckets: VecDeque::new(), newest: 0, late: 0 }
    }
}

impl Rates {
    /// For what lasts so long, so that all of it is seen.
    #[must_use]
    pub fn over(length_ns: u64) -> Self {
        Self { bucket_ns: (length_ns / OF_RECORDING).max(SHORTEST_NS), ..Self::default() }
    }

    /// Length of a bucket, ns.
    #[must_use]
    pub const fn bucket_ns(&self) -> u64 {
        self.bucket_ns
    }

    /// Counts something at this time.
    pub fn add(&mut self, ts_ns: u64, counts: &Counts) {
        self.advance(ts_ns);
        let back = self.newest.saturating_sub(ts_ns / self.bucket_ns) as usize;
        match self.buckets.len().checked_sub(back + 1).and_then(|at| self.buckets.get_mut(at)) {
            Some(bucket) => bucket.add(counts),
            None => self.late += counts.events,
        }
    }

    /// Begins the bucket of this time, and empty ones before it.
    pub fn advance(&mut self, now_ns: u64) {
        let number = now_ns / self.bucket_ns;
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

    /// Of each of the last `count` whole buckets, oldest first; fewer where there were fewer. The one that has not ended is
    /// left out: it would look like a drop.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Counts> {
        let whole = self.buckets.len().saturating_sub(1);
        self.buckets.iter().take(whole).skip(whole.saturating_sub(count))
    }

    /// The mean of the last whole buckets, a second; of the one that goes on where there is no other yet.
    #[must_use]
    pub fn now(&self, of: impl Fn(&Counts) -> u64) -> f64 {
        self.mean(NOW_BUCKETS, of)
    }

    /// The mean of so many whole buckets, a second.
    #[must_use]
    pub fn mean(&self, buckets: usize, of: impl Fn(&Counts) -> u64) -> f64 {
        let (sum, count) = self.last(buckets).fold((0.0, 0), |(sum, n), c| (sum + of(c) as f64, n + 1));
        let a_bucket = match (count, self.buckets.back()) {
            (0, Some(only)) => of(only) as f64,
            (0, None) => 0.0,
            _ => sum / f64::from(count),
        };
        a_bucket * SECOND_NS as f64 / self.bucket_ns as f64
    }

    /// Events older than all buckets when they came.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }
}
