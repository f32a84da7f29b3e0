//! Draws Processes.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    table::{self, Cells, Width, remote_share, unless_zero, width},
};
use crate::{
    text::Tone,
    tui::{
        rows::{
            processes::{Processes, notes},
            table::Value,
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 14] = [
    width(7, 0),  // PID
    width(15, 0), // NAME
    width(11, 6), // RUNS ON
    width(14, 2), // PAGES ON
    width(6, 3),  // FLT/s
    width(7, 1),  // FAULTS
    width(7, 1),  // REMOTE
    width(6, 4),  // MISPL
    width(8, 2),  // MIGRATED
    width(6, 7),  // MIGR/s
    width(7, 5),  // FAILED
    width(8, 3),  // WAITED
    width(20, 8), // CGROUP
    width(20, 9), // COMMAND
];

impl Cells for Processes<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, row: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            (1, Value::Text(_)) if self.has_exited(row) => Tone::Dim,
            (1, Value::Text(_)) => Tone::Strong,
            (3, Value::Text(_)) if self.is_off_node(row) => Tone::Remote,
            (0, _) | (_, Value::Text(_)) => Tone::Plain,
            (6, Value::Number(percent)) => remote_share(*percent),
            (7, Value::Number(n)) => unless_zero(*n, Tone::Remote),
            (8 | 9, Value::Number(n)) => unless_zero(*n, Tone::Good),
            (10, Value::Number(n)) => unless_zero(*n, Tone::Bad),
            (_, Value::Number(n)) => unless_zero(*n, Tone::Plain),
        }
    }
}

/// Limit of lines below the table.
const NOTES: usize = 3;

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    let notes = notes(app).len().min(NOTES) as u16;
    Rect { height: area.height.saturating_sub(notes), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let place = table_area(app, area);
    let table = Processes::of(app, app.tree);
    table::draw(canvas, place, &table, &app.choice(View::Processes), &app.search, true);
    for (row, text) in notes(app).into_iter().take(NOTES).enumerate() {
        canvas.line(area, place.height + row as u16, &Tone::Dim.paint(text).into());
    }
}
