//! Draws rows as a table: which columns fit, and how each cell looks.

use ratatui::layout::Rect;

use super::canvas::Canvas;
use crate::{
    text::{Line, Tone, line},
    tui::{
        rows::table::{self, Column, Table, Value},
        state::selection::Choice,
    },
};

/// Width of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width {
    pub columns: u16,
    /// If the screen is narrow, the column with the largest rank goes first; 0 never goes.
    pub rank: u8,
}

#[must_use]
pub(crate) const fn width(columns: u16, rank: u8) -> Width {
    Width { columns, rank }
}

/// How the cells of a table look.
pub(crate) trait Cells: Table {
    fn widths(&self) -> &'static [Width];
    fn tone(&self, row: usize, column: usize, value: &Value) -> Tone;
    fn cell(&self, row: usize, column: usize) -> Line {
        line![self.tone(row, column, &self.value(row, column)).paint(self.text(row, column))]
    }
}

/// Dim for 0, else this tone.
#[must_use]
pub(crate) fn unless_zero(n: f64, tone: Tone) -> Tone {
    if n > 0.0 { tone } else { Tone::Dim }
}

/// The tone of a percentage of remote faults.
#[must_use]
pub(crate) fn remote_share(percent: f64) -> Tone {
    if percent >= 5.0 { Tone::Remote } else { Tone::Plain }
}

/// The columns that fit into a width, each with its start and width. A last column of text takes the rest.
#[must_use]
pub(crate) fn fit(cells: &dyn Cells, width: u16) -> Vec<(usize, u16, u16)> {
    let (columns, widths) = (cells.columns(), cells.widths());
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needed = |shown: &[usize]| shown.iter().map(|c| widths[*c].columns + 1).sum::<u16>().saturating_sub(1);
    while needed(&shown) > width {
        let Some(at) =
            (0..shown.len()).filter(|at| widths[shown[*at]].rank > 0).max_by_key(|at| widths[shown[*at]].rank)
        else {
            break;
        };
        shown.remove(at);
    }
    let mut x = 0;
    let mut fitted = Vec::new();
    let spare = width.saturating_sub(needed(&shown));
    let last = shown.last().copied();
    for column in shown {
        let more = if Some(column) == last && !columns[column].is_number { spare } else { 0 };
        let room = (widths[column].columns + more).min(width.saturating_sub(x));
        fitted.push((column, x, room));
        x += widths[column].columns + 1;
    }
    fitted
}

/// The first row that is shown, so that the selected one is in the middle if possible.
#[must_use]
pub(crate) fn first_shown(selected: usize, rows: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

/// Draws a table: its head, and as many rows as fit. `focus`: whether keys act on it.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, cells: &dyn Cells, choice: &Choice, search: &str, focus: bool) {
    if area.height == 0 {
        return;
    }
    let columns = cells.columns();
    let fitted = fit(cells, area.width);
    head(canvas, area, cells, choice, &fitted);
    let order = table::order(cells, choice, search);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if order.is_empty() {
        let text = if search.is_empty() || cells.is_empty() {
            cells.empty()
        } else {
            format!("none of {} rows contains {search:?}", cells.len())
        };
        canvas.wrapped(body, 0, &text, Tone::Dim);
        return;
    }
    let selected = table::position(cells, &order, choice);
    let height = usize::from(body.height);
    let first = if focus { first_shown(selected, order.len(), height) } else { 0 };
    for (row, &at) in order.iter().skip(first).take(height).enumerate() {
        for &(column, x, room) in &fitted {
            let place = Rect { x: body.x + x, width: room, ..body };
            let cell = cells.cell(at, column);
            if columns[column].is_number {
                canvas.line_right(place, row as u16, &cell);
            } else {
                canvas.line(place, row as u16, &cell);
            }
        }
        if focus && first + row == selected {
            canvas.highlight(body, row as u16, Tone::Selected);
        }
    }
}

fn head(canvas: &mut Canvas<'_>, area: Rect, cells: &dyn Cells, choice: &Choice, fitted: &[(usize, u16, u16)]) {
    let sort = cells.fixed_order().is_none().then(|| choice.sort.unwrap_or_else(|| cells.default_sort()));
    for &(column, x, room) in fitted {
        let Column { title, is_number, .. } = cells.columns()[column];
        let title = match sort {
            Some((by, true)) if by == column => Tone::Strong.paint(format!("{title}↓")),
            Some((by, false)) if by == column => Tone::Strong.paint(format!("{title}↑")),
            _ => Tone::Dim.paint(title),
        };
        let place = Rect { x: area.x + x, width: room, ..area };
        if is_number {
            canvas.line_right(place, 0, &title.into());
        } else {
            canvas.line(place, 0, &title.into());
        }
    }
}

#[cfg(test)]
mod tests;
