//! Draws Nodes.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    spark,
    table::{self, Cells, Width, unless_zero, width},
};
use crate::{
    text::{Line, Tone, line},
    tui::{
        rows::{
            nodes::{Nodes, notes},
            table::{Table, Value},
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 14] = [
    width(5, 0),  // NODE
    width(11, 0), // HAS
    width(4, 6),  // TIER
    width(8, 0),  // MEMORY
    width(8, 0),  // FREE
    width(8, 3),  // USED
    width(6, 2),  // HIT/s
    width(6, 0),  // MISS/s
    width(6, 1),  // FRGN/s
    width(6, 0),  // IN/s
    width(6, 0),  // OUT/s
    width(6, 4),  // IN
    width(6, 4),  // OUT
    width(10, 5), // CPUS
];
/// The column that is drawn as a bar.
const USED: usize = 5;

impl Cells for Nodes<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, row: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            _ if self.is_offline(row) => Tone::Dim,
            (0, _) => Tone::Strong,
            (USED, _) => Tone::Bar,
            (7 | 8, Value::Number(n)) => unless_zero(*n, Tone::Warn),
            (9..=12, Value::Number(n)) => unless_zero(*n, Tone::Good),
            (_, Value::Number(n)) => unless_zero(*n, Tone::Plain),
            (_, Value::Text(_)) => Tone::Plain,
        }
    }

    fn cell(&self, row: usize, column: usize) -> Line {
        let value = self.value(row, column);
        let text = match (column, &value) {
            (USED, Value::Number(percent)) => spark::bar(percent / 100.0, WIDTHS[USED].columns.into()),
            _ => self.text(row, column),
        };
        line![self.tone(row, column, &value).paint(text)]
    }
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    Rect { height: area.height.saturating_sub(notes(app).len() as u16), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let place = table_area(app, area);
    table::draw(canvas, place, &Nodes::of(app), &app.choice(View::Nodes), &app.search, true);
    for (row, text) in notes(app).into_iter().enumerate() {
        canvas.line(area, place.height + row as u16, &Tone::Dim.paint(text).into());
    }
}
