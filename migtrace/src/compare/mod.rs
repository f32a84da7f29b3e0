//! Compares two sets of runs: counts, and time inside placement syscalls against time spread over page faults.
//!
//! This module owns the metrics and the conclusions drawn from them. It reads the model and writes text or JSON.

pub mod gate;
pub mod measure;
pub mod metric;
mod sides;
pub mod spread;
mod table;
mod verdict;

use serde_json::{Map, Value, json};

use metric::METRICS;

pub use sides::{Comparison, Side};

impl Comparison {
    /// For people: the table, the findings and the caveats.
    #[must_use]
    pub fn text(&self) -> String {
        let bullets = |lines: Vec<String>| lines.into_iter().map(|l| format!("  - {l}\n")).collect::<String>();
        let (verdict, notes) = (bullets(verdict::verdict(self)), bullets(verdict::notes(self)));
        let table = table::table(self);
        format!("{table}\n\nFindings\n{verdict}\nCaveats\n{notes}")
    }

    /// For programs: the same metrics under names that end with their units; null if unknown.
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

#[cfg(test)]
mod tests;
