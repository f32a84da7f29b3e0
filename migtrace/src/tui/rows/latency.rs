//! Latency: how long faults, placement syscalls, batches and migrations took, stage by stage.

use super::table::{Column, Table, Value, number, text};
use crate::{
    event::escape_control,
    model::{latency::Latencies as Times, live::latencies::What},
    recording::Coverage,
    text::{self, quantity},
    tui::state::{app::App, selection::RowKey},
};

const COLUMNS: [Column; 9] = [
    text("WHAT", "fault, syscall, batch, migrate, stage of a migration, pair of nodes"),
    text("WHICH", "class, name or cause; stage; nodes"),
    number("COUNT", "how many"),
    number("MEDIAN", "half of them took less"),
    number("P90", "90 of 100 took less"),
    number("P99", "99 of 100 took less"),
    number("P99.9", "999 of 1000 took less"),
    number("MAX", "the longest"),
    number("SUM", "sum of the durations; those of folios in one batch overlap"),
];

/// The rows.
pub(crate) struct Latencies<'a> {
    rows: Vec<(What, &'a Times)>,
    why_empty: String,
    /// Durations of faults and migrations are known to powers of two only.
    estimated: bool,
}

impl<'a> Latencies<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let why_empty = match &app.shown().fidelity.fault_times {
            Coverage::Unavailable(why) => {
                format!("no durations yet; those of faults are unavailable: {}", escape_control(&why.to_string()))
            }
            _ => "no durations yet".to_owned(),
        };
        let estimated = app.shown().times_are_estimated();
        Self { rows: app.shown().latencies.iter().collect(), why_empty, estimated }
    }

    /// The rows without stages and node pairs, to fit into a few lines.
    pub(crate) fn without_parts(app: &'a App) -> Self {
        let mut all = Self::of(app);
        all.rows.retain(|(what, _)| !matches!(what, What::Stage(..) | What::Pair(..)));
        all
    }

    /// Whether the durations of such a row are known to powers of two only.
    pub(crate) fn is_estimated(&self, what: What) -> bool {
        self.estimated && matches!(what, What::Fault(_) | What::Move(_) | What::Pair(..))
    }

    /// What a row is about, and its durations.
    pub(crate) fn row(&self, row: usize) -> (What, &'a Times) {
        self.rows[row]
    }
}

impl Table for Latencies<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        let (what, _) = self.rows[row];
        RowKey::Name(format!("{} {}", what.sort(), what.name()))
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let (what, times) = &self.rows[row];
        match column {
            0 => Value::Text(what.sort().to_owned()),
            1 => Value::Text(what.name()),
            2 => Value::Number(times.count() as f64),
            3 => Value::known(times.median_ns()),
            4 => Value::known(times.percentile_ns(90)),
            5 => Value::known(times.percentile_ns(99)),
            6 => Value::known(times.permille_ns(999)),
            7 => Value::known(times.max_ns()),
            _ => Value::Number(times.total_ns() as f64),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            // A percentile of few durations is none.
            (_, Value::Missing) => "-".to_owned(),
            (_, Value::Text(_)) => words(self.rows[row].0)[column.min(1)].clone(),
            (2, Value::Number(n)) => quantity::short(n),
            (_, Value::Number(ns)) => {
                format!("{}{}", if self.is_estimated(self.rows[row].0) { "~" } else { "" }, text::duration(ns as u64))
            }
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (8, true)
    }

    fn empty(&self) -> String {
        self.why_empty.clone()
    }
}

/// What a row is about as it is shown, `migrate` and `mbind 1→2`. CSV keeps the words of the model.
pub(crate) fn words(what: What) -> [String; 2] {
    let sort = match what {
        What::Request(_) => "syscall",
        What::Move(_) => "migrate",
        other => other.sort(),
    };
    let name = match what {
        What::Pair(cause, from, to) => format!("{} {from}→{to}", cause.word()),
        other => other.name(),
    };
    [sort.to_owned(), name]
}
