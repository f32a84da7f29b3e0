//! What a bench found: a table of arms, and whether limits are met.

use serde::{Deserialize, Serialize};
use xtask_common::exit;

use crate::spread::Spread;

/// One bench's result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    pub(crate) limits: Vec<Limit>,
    /// What a reader must know about the numbers.
    pub(crate) notes: Vec<String>,
    /// Arms that could not run.
    pub(crate) failed: Vec<Failed>,
}

/// Why something could not be measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) why: String,
    /// The exit status for it.
    pub(crate) status: u8,
}

impl Failed {
    pub(crate) fn of(error: &anyhow::Error) -> Failed {
        Failed { why: format!("{error:#}"), status: exit::status(error) }
    }
}

/// The title and unit of a column of numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) unit: Unit,
}

/// The unit of a number, which decides how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Nanoseconds,
    Seconds,
    Bytes,
    Megabytes,
    PerSecond,
    Count,
    Ratio,
}

/// One arm and its numbers by column; `None` for a number that it does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) arm: String,
    pub(crate) cells: Vec<Option<Spread>>,
}

/// A required number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// `None` if it was not measured or is within the noise.
    pub(crate) value: Option<Spread>,
    pub(crate) bound: Bound,
    pub(crate) verdict: Verdict,
}

/// The values that a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

/// Whether a value is within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Met,
    NotMet,
    Unknown,
}

impl Report {
    /// Returns an empty report with these columns.
    pub(crate) fn new(columns: &[(&str, Unit)]) -> Report {
        let column = |&(title, unit): &(&str, Unit)| Column { title: title.to_owned(), unit };
        Report { columns: columns.iter().map(column).collect(), ..Report::default() }
    }

    /// Adds an arm.
    pub(crate) fn row(&mut self, arm: impl Into<String>, cells: impl Into<Vec<Option<Spread>>>) {
        self.rows.push(Row { arm: arm.into(), cells: cells.into() });
    }

    /// Adds a limit for the median of `value`.
    pub(crate) fn limit(&mut self, what: impl Into<String>, unit: Unit, value: Option<Spread>, bound: Bound) {
        let verdict = value.as_ref().map_or(Verdict::Unknown, |value| bound.judge(value.median));
        self.limits.push(Limit { what: what.into(), unit, value, bound, verdict });
    }

    /// Adds the limit that no run lost an event.
    pub(crate) fn nothing_lost(&mut self, what: impl Into<String>, lost: impl IntoIterator<Item = Option<u64>>) {
        let most = lost.into_iter().collect::<Option<Vec<_>>>().and_then(|lost| lost.into_iter().max());
        let value = Spread::of([most.map(|lost| lost as f64)]);
        self.limit(what, Unit::Count, value, Bound::AtMost(0.0));
    }
}

impl Bound {
    fn judge(self, value: f64) -> Verdict {
        let met = match self {
            Bound::AtMost(limit) => value <= limit,
            Bound::Below(limit) => value < limit,
            Bound::AtLeast(limit) => value >= limit,
        };
        if met { Verdict::Met } else { Verdict::NotMet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: Option<f64>, bound: Bound) -> Verdict {
        let mut report = Report::default();
        report.limit("it", Unit::Ratio, Spread::of([value]), bound);
        report.limits[0].verdict
    }

    #[test]
    fn each_bound_allows_values_on_its_side() {
        assert_eq!(verdict(Some(0.3), Bound::AtMost(0.3)), Verdict::Met);
        assert_eq!(verdict(Some(0.31), Bound::AtMost(0.3)), Verdict::NotMet);
        assert_eq!(verdict(Some(1.0), Bound::Below(1.0)), Verdict::NotMet);
        assert_eq!(verdict(Some(5e6), Bound::AtLeast(5e6)), Verdict::Met);
        assert_eq!(verdict(None, Bound::AtLeast(5e6)), Verdict::Unknown);
    }

    #[test]
    fn one_run_with_loss_misses_the_limit() {
        let lost = |runs: &[Option<u64>]| {
            let mut report = Report::default();
            report.nothing_lost("lost", runs.iter().copied());
            report.limits[0].verdict
        };
        assert_eq!(lost(&[Some(0), Some(0)]), Verdict::Met);
        assert_eq!(lost(&[Some(0), Some(0), Some(1)]), Verdict::NotMet);
        assert_eq!(lost(&[Some(0), None]), Verdict::Unknown);
    }
}
