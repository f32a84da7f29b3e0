//! A condition for automatic checks of a comparison: `[a.|b.|ratio.]METRIC OP NUMBER`.

use std::str::FromStr;

use super::{
    Comparison,
    metric::{METRICS, Metric, by_name},
};

/// A parsed condition.
#[derive(Clone)]
pub struct Gate {
    text: String,
    of: Of,
    metric: &'static Metric,
    holds: Holds,
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    A,
    B,
    Ratio,
}

/// Compares a value with a bound.
type Holds = fn(f64, f64) -> bool;

/// The operators, longer ones before their prefixes.
const OPERATORS: [(&str, Holds); 5] = [
    ("<=", |x, bound| x <= bound),
    (">=", |x, bound| x >= bound),
    ("==", |x, bound| x == bound),
    ("<", |x, bound| x < bound),
    (">", |x, bound| x > bound),
];

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (operator, holds) = OPERATORS
            .into_iter()
            .find(|(operator, _)| text.contains(operator))
            .ok_or("expected METRIC OP NUMBER, with OP one of <= >= == < >")?;
        let (left, right) = text.split_once(operator).ok_or("no operator")?;
        let (left, right) = (left.trim(), right.trim());
        let (of, name) = match left.split_once('.') {
            Some(("a", name)) => (Of::A, name),
            Some(("b", name)) => (Of::B, name),
            Some(("ratio", name)) => (Of::Ratio, name),
            Some((side, _)) => return Err(format!("unknown side '{side}': expected a, b or ratio")),
            None => (Of::B, left),
        };
        let known = || METRICS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
        let metric = by_name(name).ok_or_else(|| format!("unknown metric '{name}': expected one of {}", known()))?;
        let bound = right.parse().map_err(|_| format!("'{right}' is not a number"))?;
        Ok(Self { text: text.into(), of, metric, holds, bound })
    }
}

impl Gate {
    /// Whether the comparison meets the condition, and a sentence about it. An unknown value fails.
    #[must_use]
    pub fn check(&self, comparison: &Comparison) -> (bool, String) {
        let value = match self.of {
            Of::A => comparison.a.spread(self.metric).map(|s| s.median),
            Of::B => comparison.b.spread(self.metric).map(|s| s.median),
            Of::Ratio => comparison.ratio(self.metric),
        };
        let passed = value.is_some_and(|v| (self.holds)(v, self.bound));
        let found = value.map_or_else(|| "unknown".into(), |v| v.to_string());
        let word = if passed { "passed" } else { "FAILED" };
        (passed, format!("gate {word}: {} (actual: {found})", self.text))
    }
}
