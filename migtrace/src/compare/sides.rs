//! The two sides of a comparison, and their numbers.

use super::{measure::Measure, metric::Metric, spread::Spread};

/// One side: repeated runs of one workload.
#[derive(Clone, Debug)]
pub struct Side {
    /// Label in tables and sentences.
    pub label: String,
    pub runs: Vec<Measure>,
}

impl Side {
    /// Spread of a metric over all runs.
    #[must_use]
    pub fn spread(&self, metric: &Metric) -> Option<Spread> {
        Spread::new(&self.runs.iter().map(metric.of).collect::<Vec<_>>())
    }
}

/// The two sides of a comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub a: Side,
    pub b: Side,
}

impl Comparison {
    /// Compares two sets of runs, neither empty. Each is labelled with the common start of its runs' names.
    #[must_use]
    pub fn new(a: Vec<Measure>, b: Vec<Measure>) -> Self {
        let (label_a, label_b) = (label("A", &a), label("B", &b));
        Self { a: Side { label: label_a, runs: a }, b: Side { label: label_b, runs: b } }
    }

    /// Median of side B divided by that of side A, if both are known and A is not 0.
    #[must_use]
    pub fn ratio(&self, metric: &Metric) -> Option<f64> {
        let (a, b) = (self.a.spread(metric)?, self.b.spread(metric)?);
        (a.median != 0.0).then(|| b.median / a.median)
    }
}

/// The name of the only run, or the common start of all names, or just the letter.
fn label(letter: &str, runs: &[Measure]) -> String {
    let mut names = runs.iter().map(|r| r.name.as_str());
    let first = names.next().unwrap_or_default();
    let common = names.fold(first, |common, name| {
        let end = common.char_indices().zip(name.chars()).take_while(|((_, a), b)| a == b).last();
        end.map_or("", |((at, c), _)| &common[..at + c.len_utf8()])
    });
    let common = common.trim_end_matches(|c: char| !c.is_alphanumeric());
    match runs.len() {
        1 => first.to_string(),
        _ if common.is_empty() => letter.to_string(),
        _ => common.to_string(),
    }
}
