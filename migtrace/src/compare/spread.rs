//! Spread of a metric over several runs: median, range, and a confidence interval of the median from five runs on.

use serde::Serialize;

/// Least number of runs for a confidence interval.
const ENOUGH_RUNS: usize = 5;
/// Least coverage of the confidence interval.
const COVERAGE: f64 = 0.9;

/// Spread over at least one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub runs: usize,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub interval: Option<Interval>,
}

/// Confidence interval of the median with probability `coverage`: distribution-free, by order statistics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub coverage: f64,
}

impl Spread {
    /// Spread of the values of all runs; `None` if there are none, or if the value of a run is unknown.
    #[must_use]
    pub fn new(values: &[Option<f64>]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().collect::<Option<_>>()?;
        sorted.sort_by(f64::total_cmp);
        let (runs, half) = (sorted.len(), sorted.len() / 2);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let median = if runs % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) };
        Some(Self { runs, median, min, max, interval: interval(&sorted) })
    }
}

/// The narrowest pair of order statistics with enough coverage.
fn interval(sorted: &[f64]) -> Option<Interval> {
    let n = sorted.len();
    if n < ENOUGH_RUNS {
        return None;
    }
    // P(fewer than k of n values are below the median), by binomial coefficients over 2^n.
    let (mut term, mut below) = (0.5_f64.powi(i32::try_from(n).ok()?), 0.0);
    let mut best = None;
    for k in 0..n / 2 {
        below += term;
        let coverage = 1.0 - 2.0 * below;
        if coverage < COVERAGE {
            break;
        }
        best = Some(Interval { low: sorted[k], high: sorted[n - 1 - k], coverage });
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    best
}

/// Whether two spreads show a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The intervals do not overlap.
    Shown,
    /// The intervals overlap.
    NotShown,
    /// There are too few runs for intervals.
    Unknown,
}

/// Compares two spreads by their intervals.
#[must_use]
pub fn difference(a: &Spread, b: &Spread) -> Difference {
    match (a.interval, b.interval) {
        (Some(a), Some(b)) if a.high < b.low || b.high < a.low => Difference::Shown,
        (Some(_), Some(_)) => Difference::NotShown,
        _ => Difference::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Spread {
        Spread::new(&values.iter().map(|v| Some(*v)).collect::<Vec<_>>()).expect("values")
    }

    #[test]
    fn one_run_has_no_interval() {
        assert_eq!(spread(&[3.0]), Spread { runs: 1, median: 3.0, min: 3.0, max: 3.0, interval: None });
        assert_eq!(Spread::new(&[]), None);
        assert_eq!(Spread::new(&[Some(1.0), None]), None);
    }

    #[test]
    fn intervals_of_the_median_are_those_of_the_tables() {
        let five = spread(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(five.median, 3.0);
        assert_eq!(five.interval, Some(Interval { low: 1.0, high: 5.0, coverage: 0.9375 }));
        // Conover's table: of 10 values the 2nd and 9th hold the median with 97.9 %.
        let ten = spread(&(1..=10).map(f64::from).collect::<Vec<_>>()).interval.expect("enough");
        assert_eq!((ten.low, ten.high), (2.0, 9.0));
        assert!((ten.coverage - 0.978_5).abs() < 1e-3, "{}", ten.coverage);
    }

    #[test]
    fn overlapping_intervals_show_no_difference() {
        let low = spread(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(difference(&low, &spread(&[4.0, 5.0, 6.0, 7.0, 8.0])), Difference::NotShown);
        assert_eq!(difference(&low, &spread(&[6.0, 7.0, 8.0, 9.0, 10.0])), Difference::Shown);
        assert_eq!(difference(&low, &spread(&[6.0])), Difference::Unknown);
    }
}
