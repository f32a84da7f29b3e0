//! The two sides of a comparison, and their numbers.

use super::{measure::Measure, metric::Metric, spread::Spread};

/// One side: runs that did the same.
#[derive(Clone, Debug)]
pub struct Side {
    /// What tables and sentences call it.
    pub label: String,
    pub runs: Vec<Measure>,
}

impl Side {
    /// The metric over all runs.
    #[must_use]
    pub fn spread(&self, metric: &Metric) -> Option<Spread> {
        Spread::new(&self.runs.iter().map(metric.of).collect::<Vec<_>>())
    }
}

/// Two sides.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub a: Side,
    pub b: Side,
}

impl Comparison {
    /// Of two sets of runs, neither empty, each called by what its runs' names have in common.
    #[must_use]
    pub fn new(a: Vec<Measure>, b: Vec<Measure>) -> Self {
        let (label_a, label_b) = (label("A", &a), label("B", &b));
        Self { a: Side { label: label_a, runs: a }, b: Side { label: label_b, runs: b } }
    }

    /// The second side's median over the first's, where both are known and the first is not 0.
    #[must_use]
    pub fn ratio(&self, metric: &Metric) -> Option<f64> {
        let (a, b) = (self.a.spread(metric)?, self.b.spread(metric)?);
        (a.median != 0.0).then(|| b.median / a.median)
    }
}

/// The one run's name, or what all names begin with; else just the letter.
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
