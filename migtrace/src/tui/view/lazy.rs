//! Draws Lazy: the funnel of all marked pages, and the calls that marked them.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    spark,
    table::{self, Cells, Width, unless_zero, width},
};
use crate::{
    text::{Line, Tone, line, quantity},
    tui::{
        rows::{
            lazy::{self, Fate, Requests},
            table::{Table, Value},
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 10] = [
    width(11, 1), // MS
    width(16, 0), // TASK
    width(7, 0),  // MARKED
    width(8, 0),  // MIGRATED
    width(7, 2),  // PLACED
    width(7, 0),  // FAILED
    width(6, 2),  // GONE
    width(8, 0),  // UNTOUCH
    width(10, 3), // SETTLED
    width(20, 4), // RANGE
];
/// The column that is drawn as a bar.
const SETTLED: usize = 8;

impl Cells for Requests<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, _: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (0, Value::Number(_)) | (_, Value::Missing) => Tone::Dim,
            (SETTLED, _) => Tone::Bar,
            (_, Value::Text(_)) => Tone::Plain,
            (3, Value::Number(n)) => unless_zero(*n, Tone::Good),
            (5, Value::Number(n)) => unless_zero(*n, Tone::Bad),
            (7, Value::Number(n)) => unless_zero(*n, Tone::Warn),
            (_, Value::Number(n)) => unless_zero(*n, Tone::Plain),
        }
    }

    fn cell(&self, row: usize, column: usize) -> Line {
        let text = match column {
            SETTLED => spark::bar(self.settled(row), WIDTHS[SETTLED].columns.into()),
            _ => self.text(row, column),
        };
        line![self.tone(row, column, &self.value(row, column)).paint(text)]
    }
}

fn parts(app: &App, area: Rect) -> [Rect; 2] {
    let funnel = if app.details.lazy.all.is_empty() { 0 } else { 9 };
    Layout::vertical([Constraint::Length(funnel), Constraint::Fill(1)]).areas(area)
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    parts(app, area)[1]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [all, rows] = parts(app, area);
    if all.height > 0 {
        funnel(app, canvas, all);
    }
    table::draw(canvas, rows, &Requests::of(app), &app.choice(View::Lazy), &app.search, true);
}

/// The funnel of all marked pages: a bar for each fate.
fn funnel(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let f = &app.details.lazy.all;
    let sign = if f.is_estimated { "~" } else { "" };
    canvas.heading(area, 0, "all marked pages, by fate");
    let width = usize::from(area.width.saturating_sub(29) / 2);
    let total = f.total_pages().max(1) as f64;
    for (row, Fate { name, pages, tone, note }) in lazy::fates(f).into_iter().enumerate() {
        let line = line![
            format!("{name:<19}"),
            Tone::Strong.paint(format!("{sign}{:>7} ", quantity::short_count(pages))),
            tone.paint(spark::bar(pages as f64 / total, width)),
            Tone::Dim.paint(format!(" {note}")),
        ];
        canvas.line(area, row as u16 + 1, &line);
    }
    canvas.line(area, 7, &lazy::account(app));
    let left_out = app.details.lazy.left_out;
    let more = if left_out > 0 { format!(" ({left_out} older ones not shown)") } else { String::new() };
    canvas.heading(area, 8, &format!("mbind calls that marked pages{more}"));
}
