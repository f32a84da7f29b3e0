//! One number over several runs.

use serde::{Deserialize, Serialize};

/// A number over at least one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// Minimum and maximum; `None` if noise makes the range meaningless.
    pub(crate) range: Option<[f64; 2]>,
    /// In the order of the runs.
    pub(crate) values: Vec<f64>,
}

impl Spread {
    /// Returns `None` if there is no run, or if a run has no value.
    pub(crate) fn of(values: impl IntoIterator<Item = Option<f64>>) -> Option<Spread> {
        let values: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
        let median = median(&values)?;
        let min = values.iter().copied().min_by(f64::total_cmp)?;
        let max = values.iter().copied().max_by(f64::total_cmp)?;
        Some(Spread { median, range: Some([min, max]), values })
    }

    /// Subtracts `base` run by run: both ran in the same passes.
    pub(crate) fn above(&self, base: &Spread) -> Option<Spread> {
        Spread::of(self.pairs(base).map(|(value, base)| Some(value - base)))
    }

    /// Adds `other` run by run.
    pub(crate) fn plus(&self, other: &Spread) -> Option<Spread> {
        Spread::of(self.pairs(other).map(|(value, other)| Some(value + other)))
    }

    /// Divides by `other`: the ratio of the medians, and the range of the ratios run by run. `None` if the median of
    /// `other` is not above zero: a cost of zero or less is noise, and a ratio to noise means nothing.
    pub(crate) fn over(&self, other: &Spread) -> Option<Spread> {
        if other.median <= 0.0 {
            return None;
        }
        let ratio = |(value, other): (f64, f64)| (other > 0.0).then(|| value / other);
        let paired = Spread::of(self.pairs(other).map(ratio));
        let median = self.median / other.median;
        let range = paired.as_ref().and_then(|paired| paired.range);
        Some(Spread {
            median,
            range: range.map(|[min, max]| [min.min(median), max.max(median)]),
            values: paired.map(|paired| paired.values).unwrap_or_default(),
        })
    }

    fn pairs<'a>(&'a self, other: &'a Spread) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.values.iter().copied().zip(other.values.iter().copied())
    }
}

/// Returns the middle value, or the midpoint of the two middle values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[half - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Spread {
        Spread::of(values.iter().copied().map(Some)).expect("values")
    }

    #[test]
    fn a_run_without_a_value_makes_the_spread_none() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([Some(1.0), None]), None);
        let three = spread(&[3.0, 1.0, 2.5]);
        assert_eq!((three.median, three.range), (2.5, Some([1.0, 3.0])));
        assert_eq!(spread(&[4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn differences_and_ratios_are_taken_run_by_run() {
        let (base, arm) = (spread(&[100.0, 200.0, 110.0]), spread(&[150.0, 260.0, 150.0]));
        let added = arm.above(&base).expect("pairs");
        assert_eq!(added.values, [50.0, 60.0, 40.0]);
        let ratio = added.over(&spread(&[100.0, 100.0, 100.0])).expect("above zero");
        assert_eq!((ratio.median, ratio.range), (0.5, Some([0.4, 0.6])));
    }

    #[test]
    fn a_ratio_to_noise_is_none() {
        let one = spread(&[10.0, 10.0, 10.0]);
        assert_eq!(one.over(&spread(&[-1.0, 0.0, 1.0])), None);
        let wide = one.over(&spread(&[-1.0, 5.0, 5.0])).expect("the median is above zero");
        assert_eq!((wide.median, wide.range), (2.0, None));
    }
}
