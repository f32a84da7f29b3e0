//! Counts over the whole of a recording, however long it is, in bounded memory.

use super::{counts::Counts, rates::SECOND_NS};

/// Limit of buckets.
const BUCKETS: usize = 1024;
/// Length of a bucket at the start, ns.
const SHORTEST_NS: u64 = 10_000;

/// Buckets of equal length from the start of the recording on. When they are full, their length doubles.
#[derive(Clone, Debug)]
pub struct Timeline {
    start_ns: Option<u64>,
    bucket_ns: u64,
    buckets: Vec<Counts>,
}

impl Timeline {
    /// A recording that starts then; 0 if only its first event tells.
    #[must_use]
    pub fn new(start_ns: u64) -> Self {
        let start_ns = (start_ns > 0).then_some(start_ns);
        Self { start_ns, bucket_ns: SHORTEST_NS, buckets: Vec::new() }
    }

    /// Adds counts at this time. What is earlier than the start counts there.
    pub fn add(&mut self, ts_ns: u64, counts: &Counts) {
        let since = ts_ns.saturating_sub(*self.start_ns.get_or_insert(ts_ns));
        while since / self.bucket_ns >= BUCKETS as u64 {
            self.halve();
        }
        let at = (since / self.bucket_ns) as usize;
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, Counts::default());
        }
        self.buckets[at].add(counts);
    }

    fn halve(&mut self) {
        let pair = |pair: &[Counts]| {
            let mut sum = pair[0];
            pair[1..].iter().for_each(|other| sum.add(other));
            sum
        };
        self.buckets = self.buckets.chunks(2).map(pair).collect();
        self.bucket_ns = self.bucket_ns.saturating_mul(2);
    }

    /// The rate per second in each of `columns` equal parts of the time from the start to `end_ns`. A bucket that two
    /// parts share is divided between them in proportion.
    #[must_use]
    pub fn columns(&self, end_ns: u64, columns: usize, of: impl Fn(&Counts) -> u64) -> Vec<f64> {
        let span = end_ns.saturating_sub(self.start_ns.unwrap_or(end_ns)).max(1) as f64;
        let (bucket, column) = (self.bucket_ns as f64, span / columns.max(1) as f64);
        let mut sums = vec![0.0; columns];
        for (n, counts) in self.buckets.iter().enumerate() {
            // The last bucket ends with the recording.
            let from = (n as f64 * bucket).min(span);
            let to = (from + bucket).min(span).max(from + 1.0);
            let share = of(counts) as f64 / (to - from);
            let first = (from / column) as usize;
            for (at, sum) in sums.iter_mut().enumerate().skip(first).take_while(|(at, _)| *at as f64 * column < to) {
                let overlap = to.min((at + 1) as f64 * column) - from.max(at as f64 * column);
                *sum += share * overlap.max(0.0);
            }
        }
        sums.iter().map(|sum| sum * SECOND_NS as f64 / column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULT: Counts = Counts {
        events: 1,
        faults: 1,
        placed_faults: 0,
        remote_faults: 0,
        misplaced: 0,
        checks: 0,
        marked_pages: 0,
        moved_pages: 0,
        failed_pages: 0,
        batch_moved_pages: 0,
        batch_failed_pages: 0,
        requests: 0,
        stalled_ns: 0,
    };

    /// A fault in each hundredth of a recording, and ten more in its first and its last one.
    fn of_length(length_ns: u64) -> Timeline {
        let start = 5_000_000_000;
        let mut timeline = Timeline::new(start);
        for n in 0..100 {
            let times = if n == 0 || n == 99 { 11 } else { 1 };
            (0..times).for_each(|_| timeline.add(start + n * (length_ns / 100) + length_ns / 200, &FAULT));
        }
        timeline
    }

    #[test]
    fn all_of_a_recording_is_shown_whatever_its_length_and_the_width() {
        let day = 86_400 * SECOND_NS;
        for length in [1_000_000, 10_000_000, 800_000_000, 11 * SECOND_NS, day / 8, 30 * day] {
            let timeline = of_length(length);
            for columns in [1, 7, 21, 50, 300, 1200] {
                let rates = timeline.columns(5_000_000_000 + length, columns, |c| c.faults);
                let sum: f64 = rates.iter().sum::<f64>() * length as f64 / columns as f64 / SECOND_NS as f64;
                assert!((sum - 120.0).abs() < 0.01, "{sum} faults in {columns} columns of {length} ns");
                if (7..=50).contains(&columns) {
                    let middle = rates[columns / 2];
                    assert!(rates[0] > 1.5 * middle && rates[columns - 1] > 1.5 * middle, "{length} ns: {rates:?}");
                }
            }
            assert!(timeline.buckets.len() <= BUCKETS);
        }
    }

    #[test]
    fn a_recording_without_events_or_length_has_no_rates() {
        assert_eq!(Timeline::new(0).columns(0, 3, |c| c.faults), [0.0; 3]);
        let mut one = Timeline::new(0);
        one.add(u64::MAX, &FAULT);
        assert!(one.columns(u64::MAX, 0, |c| c.faults).is_empty());
        assert!(one.columns(u64::MAX, 2, |c| c.faults).iter().all(|rate| rate.is_finite()));
        one.add(1, &FAULT);
    }
}
