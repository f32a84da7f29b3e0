//! Two sets of runs side by side: counts, time inside requests against time spread over faults, and what that shows.
//!
//! This module owns the numbers' names and what may be said from them. It reads the model and writes text or JSON.

pub mod gate;
pub mod measure;
pub mod metric;
pub mod spread;
mod table;
mod verdict;

use serde_json::{Map, Value, json};

use measure::Measure;
use metric::{METRICS, Metric};
use spread::Spread;

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

    /// For people: the table, what it shows, and what to bear in mind.
    #[must_use]
    pub fn text(&self) -> String {
        let bullets = |lines: Vec<String>| lines.into_iter().map(|l| format!("  - {l}\n")).collect::<String>();
        let (verdict, notes) = (bullets(verdict::verdict(self)), bullets(verdict::notes(self)));
        let table = table::table(self);
        format!("{table}\n\nWhat this shows\n{verdict}\nTo bear in mind\n{notes}")
    }

    /// For programs: the same numbers under names that end with their units, null where a number is not known.
    #[must_use]
    pub fn json(&self) -> Value {
        let metrics: Map<String, Value> = METRICS
            .iter()
            .map(|m| {
                let of = |side: &Side| json!(side.spread(m));
                let value = json!({ "a": of(&self.a), "b": of(&self.b), "ratio": self.ratio(m) });
                (m.name.to_string(), value)
            })
            .collect();
        json!({
            "a": side_json(&self.a),
            "b": side_json(&self.b),
            "metrics": metrics,
            "verdict": verdict::verdict(self),
            "notes": verdict::notes(self),
        })
    }
}

fn side_json(side: &Side) -> Value {
    let runs = side.runs.iter().map(|run| {
        let numbers = METRICS.iter().map(|m| (m.name.to_string(), json!((m.of)(run))));
        let mut object: Map<String, Value> = numbers.collect();
        object.insert("name".into(), json!(run.name));
        object.insert("lost_events".into(), json!(run.lost_events));
        object.insert("funnel_identity_holds".into(), json!(run.funnel_holds));
        object.insert("machine".into(), json!(run.machine));
        object.insert("events".into(), json!(run.events));
        object.insert("filter".into(), json!(run.filtered.as_ref().map(|f| &f.filter)));
        object.insert("of_events".into(), json!(run.filtered.as_ref().map_or(run.events, |f| f.of_events)));
        Value::Object(object)
    });
    json!({ "label": side.label, "runs": runs.collect::<Vec<_>>() })
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

#[cfg(test)]
mod tests;
