//! Latency: how long faults, calls, batches and moves take, stage by stage.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    spark,
    table::{self, Column, RowKey, Table, Value, known, number, text},
    theme::Tone,
};
use crate::{
    event::escape_control,
    model::{latency::Latencies as Times, live::latencies::What},
    recording::Coverage,
    text,
    tui::{
        format,
        state::{action::View, app::App},
    },
};

const COLUMNS: [Column; 9] = [
    text("WHAT", 5, 0, "fault, call, batch, move, stage of a move, move from one node to another"),
    text("WHICH", 21, 0, "class, name or cause, and nodes"),
    number("COUNT", 6, 1, "how many"),
    number("MEDIAN", 8, 0, "half of them took less"),
    number("P90", 8, 3, "nine of ten took less"),
    number("P99", 8, 1, "99 of a hundred took less"),
    number("P99.9", 8, 4, "999 of a thousand took less"),
    number("MAX", 8, 2, "the longest"),
    number("SUM", 8, 5, "all of them together"),
];
/// Times a decade that the histogram tells apart, and from which decade to which, ns.
const STEPS: usize = 4;
const DECADES: (u32, u32) = (2, 10);

pub(super) struct Latencies<'a> {
    rows: Vec<(What, &'a Times)>,
    columns: &'static [Column],
    why_empty: String,
    /// Times of faults and moves are known to powers of two.
    estimated: bool,
}

impl<'a> Latencies<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        let why_empty = match &app.shown().fidelity.fault_times {
            Coverage::Unavailable(why) => {
                format!(
                    "nothing was measured yet; times of faults are unavailable: {}",
                    escape_control(&why.to_string())
                )
            }
            _ => "nothing was measured yet".to_owned(),
        };
        let estimated = app.shown().times_are_estimated();
        Self { rows: app.shown().latencies.iter().collect(), columns: &COLUMNS, why_empty, estimated }
    }

    /// Without stages and pairs, for a few lines.
    pub(super) fn shortest(app: &'a App) -> Self {
        let mut all = Self::of(app);
        all.rows.retain(|(what, _)| !matches!(what, What::Stage(..) | What::Pair(..)));
        all
    }
}

impl Table for Latencies<'_> {
    fn columns(&self) -> Vec<Column> {
        self.columns.to_vec()
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
        let ns = |ns: Option<u64>| ns.map_or(Value::Missing, |ns| Value::Number(ns as f64));
        match column {
            0 => Value::Text(what.sort().to_owned()),
            1 => Value::Text(what.name()),
            2 => Value::Number(times.count() as f64),
            3 => ns(times.median_ns()),
            4 => ns(times.percentile_ns(90)),
            5 => ns(times.percentile_ns(99)),
            6 => ns(times.permille_ns(999)),
            7 => ns(times.max_ns()),
            _ => Value::Number(times.total_ns() as f64),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        match (column, self.value(row, column)) {
            // A percentile of few is none.
            (_, Value::Missing) => ("-".to_owned(), Tone::Dim),
            (_, Value::Text(text)) => (text, if column == 1 { Tone::Strong } else { Tone::Dim }),
            (2, Value::Number(n)) => (format::number(n), Tone::Plain),
            (_, Value::Number(ns)) => {
                let is_estimated =
                    self.estimated && matches!(self.rows[row].0, What::Fault(_) | What::Move(_) | What::Pair(..));
                let sign = if is_estimated { "~" } else { "" };
                known(Some(format!("{sign}{}", text::duration(ns as u64))), Tone::Plain)
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

fn parts(area: Rect) -> [Rect; 2] {
    let histogram = if area.height >= 26 { 14 } else { 9 };
    Layout::vertical([Constraint::Fill(1), Constraint::Length(histogram)]).areas(area)
}

pub(super) fn table_area(area: Rect) -> Rect {
    parts(area)[0]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [rows, below] = parts(area);
    let table = Latencies::of(app);
    let choice = app.choice(View::Latency);
    table::draw(canvas, rows, &table, &choice, &app.search, true);
    let order = table::order(&table, &choice, &app.search);
    let selected = order.get(table::position(&table, &order, &choice)).map(|row| table.rows[*row]);
    match selected {
        Some((what, times)) => histogram(canvas, below, what, times, app.shown().latencies.other_pairs()),
        None => canvas.heading(below, 0, "histogram of what is selected"),
    }
}

/// The distribution of the selected row: a line for each step of time; and how many moves no row has by their nodes.
fn histogram(canvas: &mut Canvas<'_>, area: Rect, what: What, times: &Times, other_pairs: u64) {
    let others = if other_pairs == 0 {
        String::new()
    } else {
        format!("; {} moves are in no row of pairs, which are too many", format::count(other_pairs))
    };
    canvas.heading(area, 0, &format!("{} {}: how many took how long{others}", what.sort(), what.name()));
    let bounds: Vec<u64> = (DECADES.0 * STEPS as u32..=DECADES.1 * STEPS as u32)
        .map(|step| 10_f64.powf(f64::from(step) / STEPS as f64) as u64)
        .collect();
    let counts: Vec<u64> = times.between(&bounds);
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    let room = usize::from(area.height.saturating_sub(1));
    // Where there is no place for all steps, neighbours share a line.
    let merged = (last - first + 1).div_ceil(room.max(1)).max(1);
    let lines: Vec<(usize, u64)> =
        (first..=last).step_by(merged).map(|at| (at, counts[at..=last.min(at + merged - 1)].iter().sum())).collect();
    let max = lines.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let width = usize::from(area.width.saturating_sub(32));
    for (row, (at, count)) in lines.into_iter().enumerate() {
        let from = if at == 0 { 0 } else { bounds[at - 1] };
        let until = bounds.get(at + merged - 1).map_or_else(|| "more".to_owned(), |ns| text::duration(*ns));
        let label = format!("{:>8} to {until:>8} {:>7} ", text::duration(from), format::count(count));
        let bar = spark::bar(count as f64 / max as f64, width);
        canvas.line(area, row as u16 + 1, &[(label, Tone::Dim), (bar, Tone::Bar)]);
    }
}
