//! Log: what happened, in words, one event after the other.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    table::{self, Column, RowKey, Table, Value, text},
    theme::Tone,
};
use crate::tui::state::{action::View, app::App, log_lines::LogLine};

const COLUMNS: [Column; 4] = [
    text("MS", 12, 0, "when it began, since the start"),
    text("CPU/NODE", 8, 2, "where it happened"),
    text("TASK", 16, 1, "whose thread it was"),
    text("WHAT HAPPENED", 40, 0, "the sentence"),
];

/// Lines for the selected one, which seldom fits into a row.
const WHOLE: u16 = 4;

pub(super) struct Lines<'a> {
    lines: &'a [LogLine],
}

impl<'a> Lines<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        Self { lines: &app.log.lines }
    }
}

impl Table for Lines<'_> {
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(row as u64)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let line = &self.lines[row];
        match column {
            0 => line.at_ns.map_or(Value::Missing, |ns| Value::Number(ns as f64 / 1e6)),
            1 => Value::Text(line.place.clone()),
            2 => Value::Text(line.task.clone()),
            _ => Value::Text(line.text.clone()),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        let line = &self.lines[row];
        match column {
            0 => (line.at_ns.map(|ns| format!("{:>12.3}", ns as f64 / 1e6)).unwrap_or_default(), Tone::Dim),
            1 => (line.place.clone(), Tone::Dim),
            2 => (line.task.clone(), Tone::Dim),
            _ => (format!("{}{}", "  ".repeat(line.depth), line.text), line.tone),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, false)
    }

    /// Always as it happened.
    fn fixed_order(&self) -> Option<Vec<usize>> {
        Some((0..self.lines.len()).collect())
    }

    fn empty(&self) -> String {
        "nothing happened yet".to_owned()
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
        let order = table::order(&table, &choice, &app.search);
        choice.selected = order.last().map(|row| RowKey::Number(*row as u64));
    }
    let place = table_area(area);
    table::draw(canvas, place, &table, &choice, &app.search, true);
    let order = table::order(&table, &choice, &app.search);
    if let Some(row) = order.get(table::position(&table, &order, &choice)) {
        let below = Rect { y: place.bottom(), height: WHOLE, ..area };
        canvas.heading(below, 0, "the selected line, whole");
        canvas.wrapped(Rect { y: below.y + 1, height: WHOLE - 1, ..below }, 0, &table.lines[*row].text, Tone::Plain);
    }
    if app.log.before > 0 {
        let text = format!(" {} events before these are not told ", app.log.before);
        canvas.put_right(area.x, area.y, area.width, &text, canvas.theme.style(Tone::Warn));
    }
}
