//! Latency distributions in bounded memory: count, sum, minimum and maximum are exact, percentiles are within 0.1 %.

use hdrhistogram::Histogram;

/// Largest latency that percentiles resolve, ns: one hour.
const HOUR_NS: u64 = 3_600_000_000_000;

/// A latency distribution, ns.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    total_ns: u64,
    min_ns: u64,
    max_ns: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram =
            Histogram::new_with_max(HOUR_NS, 3).expect("3 significant digits are within the library's limits");
        Self { histogram, total_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }
}

impl Latencies {
    /// Records one latency.
    pub fn record(&mut self, ns: u64) {
        self.record_many(ns, 1);
    }

    /// Records one latency with weight `count`.
    pub fn record_many(&mut self, ns: u64, count: u64) {
        self.histogram.saturating_record_n(ns, count);
        self.total_ns = self.total_ns.saturating_add(ns.saturating_mul(count));
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds all latencies of another distribution.
    pub fn merge(&mut self, other: &Self) {
        self.histogram += &other.histogram;
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Number of latencies recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their sum, ns; 0 if there are none.
    #[must_use]
    pub const fn total_ns(&self) -> u64 {
        self.total_ns
    }

    /// Minimum, ns.
    #[must_use]
    pub fn min_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.min_ns)
    }

    /// Maximum, ns.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max_ns)
    }

    /// Median, ns.
    #[must_use]
    pub fn median_ns(&self) -> Option<u64> {
        self.quantile_ns(0.5)
    }

    /// The `percent`th percentile, ns; `None` if there are so few latencies that it would be the maximum.
    #[must_use]
    pub fn percentile_ns(&self, percent: u32) -> Option<u64> {
        self.permille_ns(percent.saturating_mul(10))
    }

    /// As [`Self::percentile_ns`], in thousandths.
    #[must_use]
    pub fn permille_ns(&self, permille: u32) -> Option<u64> {
        let beyond = f64::from(1000_u32.saturating_sub(permille)) / 1000.0;
        let enough = self.count() as f64 * beyond >= 1.0;
        enough.then(|| self.quantile_ns(1.0 - beyond)).flatten()
    }

    /// Counts below the first bound, between neighbouring bounds, and from the last bound up. Bounds ascend, ns. Near a
    /// bound the counts have the precision of the percentiles.
    #[must_use]
    pub fn between(&self, bounds: &[u64]) -> Vec<u64> {
        let mut counts = vec![0; bounds.len() + 1];
        for step in self.histogram.iter_recorded() {
            let at = bounds.partition_point(|bound| *bound <= step.value_iterated_to());
            counts[at] += step.count_at_value();
        }
        counts
    }

    fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        (self.count() > 0).then(|| self.histogram.value_at_quantile(quantile).clamp(self.min_ns, self.max_ns))
    }
}

/// Collects latencies with their weights.
impl FromIterator<(u64, u64)> for Latencies {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(times: I) -> Self {
        let mut latencies = Self::default();
        times.into_iter().for_each(|(ns, count)| latencies.record_many(ns, count));
        latencies
    }
}

impl FromIterator<u64> for Latencies {
    fn from_iter<I: IntoIterator<Item = u64>>(times: I) -> Self {
        let mut latencies = Self::default();
        times.into_iter().for_each(|ns| latencies.record(ns));
        latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_enough_times() {
        let few: Latencies = (1..=9).map(|n| n * 1000).collect();
        assert_eq!(few.percentile_ns(90), None);
        assert_eq!(few.percentile_ns(99), None);
        let median = few.median_ns().expect("nine times");
        assert!((4990..=5010).contains(&median), "{median}");
        assert_eq!((few.min_ns(), few.max_ns(), few.total_ns()), (Some(1000), Some(9000), 45_000));
        let many: Latencies = (1..=100).collect();
        assert_eq!(many.percentile_ns(90), Some(90));
        assert_eq!(many.percentile_ns(99), Some(99));
    }

    #[test]
    fn times_are_counted_between_bounds() {
        let times: Latencies = [5, 10, 50, 99, 100, 5000].into_iter().collect();
        assert_eq!(times.between(&[10, 100, 1000]), [1, 3, 1, 1]);
    }

    #[test]
    fn of_no_times_nothing_is_known() {
        let none = Latencies::default();
        assert_eq!((none.count(), none.min_ns(), none.max_ns(), none.median_ns()), (0, None, None, None));
    }

    #[test]
    fn a_time_beyond_the_histogram_is_kept_as_the_greatest() {
        let one: Latencies = [u64::MAX].into_iter().collect();
        assert_eq!(one.max_ns(), Some(u64::MAX));
        assert_eq!(one.count(), 1);
    }
}
