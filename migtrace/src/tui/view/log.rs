//! Draws Log: the lines, and the whole text of the selected one.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    table::{self, Cells, Width, width},
};
use crate::{
    text::Tone,
    tui::{
        rows::{
            self,
            log::Lines,
            table::{Table, Value},
        },
        state::{action::View, app::App, selection::RowKey},
    },
};

const WIDTHS: [Width; 4] = [
    width(12, 0), // MS
    width(8, 2),  // CPU/NODE
    width(16, 1), // TASK
    width(40, 0), // WHAT HAPPENED
];

/// Lines below the table for the text of the selected line, which seldom fits into a row.
const WHOLE: u16 = 4;

impl Cells for Lines<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, row: usize, column: usize, _: &Value) -> Tone {
        match column {
            0..3 => Tone::Dim,
            _ => self.line(row).tone,
        }
    }
}

pub(super) fn table_area(area: Rect) -> Rect {
    Rect { height: area.height.saturating_sub(WHOLE), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let table = Lines::of(app);
    let mut choice = app.choice(View::Log);
    if app.follow {
        choice.selected = table.len().checked_sub(1).map(|last| RowKey::Number(last as u64));
        let order = rows::table::order(&table, &choice, &app.search);
        choice.selected = order.last().map(|row| RowKey::Number(*row as u64));
    }
    let place = table_area(area);
    table::draw(canvas, place, &table, &choice, &app.search, true);
    let order = rows::table::order(&table, &choice, &app.search);
    if let Some(row) = order.get(rows::table::position(&table, &order, &choice)) {
        let below = Rect { y: place.bottom(), height: WHOLE, ..area };
        canvas.heading(below, 0, "the selected line in full");
        canvas.wrapped(Rect { y: below.y + 1, height: WHOLE - 1, ..below }, 0, &table.line(*row).text, Tone::Plain);
    }
    if app.log.before > 0 {
        let text = format!(" {} earlier events not shown ", app.log.before);
        canvas.put_right(area.x, area.y, area.width, &text, canvas.theme.style(Tone::Warn));
    }
}
