//! Rows and columns as the list views have them: what they hold, in which order, and how they are drawn.
//!
//! A table's cells are asked for when they are needed: of ten thousand rows only the visible ones are written out.

use std::cmp::Ordering;

use ratatui::layout::Rect;

use super::{canvas::Canvas, theme::Tone};
use crate::event::ProcessId;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub title: &'static str,
    pub width: u16,
    /// Numbers stand to the right.
    pub right: bool,
    /// Where the screen is narrow, the largest goes first; 0 never goes.
    pub rank: u8,
    /// What the column says.
    pub help: &'static str,
}

/// A column of text.
#[must_use]
pub(crate) const fn text(title: &'static str, width: u16, rank: u8, help: &'static str) -> Column {
    Column { title, width, right: false, rank, help }
}

/// A column of numbers.
#[must_use]
pub(crate) const fn number(title: &'static str, width: u16, rank: u8, help: &'static str) -> Column {
    Column { title, width, right: true, rank, help }
}

/// What rows are sorted by, and what a CSV has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    /// Not known; always last.
    Missing,
}

/// What a row is about; it stays the same when rows change places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    Process(ProcessId),
    Thread(u32),
    Page(ProcessId, u64),
    /// A region, or a page, by address.
    Addr(u64),
    Name(String),
    Number(u64),
}

/// Rows and columns.
pub(crate) trait Table {
    fn columns(&self) -> Vec<Column>;
    fn len(&self) -> usize;
    fn key(&self, row: usize) -> RowKey;
    fn value(&self, row: usize, column: usize) -> Value;
    /// As it is shown.
    fn cell(&self, row: usize, column: usize) -> (String, Tone);
    /// The column, and whether the greatest comes first.
    fn default_sort(&self) -> (usize, bool);
    /// The order where it is not that of a column: a tree.
    fn fixed_order(&self) -> Option<Vec<usize>> {
        None
    }
    /// What stands where there are no rows.
    fn empty(&self) -> String;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the user chose in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub selected: Option<RowKey>,
    /// The column, and whether the greatest comes first.
    pub sort: Option<(usize, bool)>,
}

/// The rows that are shown, in order.
#[must_use]
pub(crate) fn order(table: &dyn Table, choice: &Choice, search: &str) -> Vec<usize> {
    let wanted = |row: &usize| search.is_empty() || contains(table, *row, &search.to_lowercase());
    if let Some(fixed) = table.fixed_order() {
        return fixed.into_iter().filter(wanted).collect();
    }
    let (column, descending) = choice.sort.unwrap_or_else(|| table.default_sort());
    let mut rows: Vec<(Value, usize)> =
        (0..table.len()).filter(wanted).map(|row| (table.value(row, column), row)).collect();
    rows.sort_by(|(a, i), (b, j)| compare(a, b, descending).then_with(|| table.key(*i).cmp(&table.key(*j))));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn contains(table: &dyn Table, row: usize, search: &str) -> bool {
    (0..table.columns().len()).any(|column| table.cell(row, column).0.to_lowercase().contains(search))
}

fn compare(a: &Value, b: &Value, descending: bool) -> Ordering {
    let by_value = match (a, b) {
        (Value::Missing, Value::Missing) => return Ordering::Equal,
        (Value::Missing, _) => return Ordering::Greater,
        (_, Value::Missing) => return Ordering::Less,
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Number(_), Value::Text(_)) => Ordering::Less,
        (Value::Text(_), Value::Number(_)) => Ordering::Greater,
    };
    if descending { by_value.reverse() } else { by_value }
}

/// Where the selected row is in an order; the first where there is none.
#[must_use]
pub(crate) fn position(table: &dyn Table, order: &[usize], choice: &Choice) -> usize {
    let is_it = |row: &usize| choice.selected.as_ref().is_some_and(|key| table.key(*row) == *key);
    order.iter().position(is_it).unwrap_or(0)
}

/// The columns that fit into a width, with where each begins and how wide it is; the last one takes what is left.
#[must_use]
pub(crate) fn fit(columns: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let needed = |shown: &[usize]| shown.iter().map(|c| columns[*c].width + 1).sum::<u16>().saturating_sub(1);
    while needed(&shown) > width {
        let Some(at) =
            (0..shown.len()).filter(|at| columns[shown[*at]].rank > 0).max_by_key(|at| columns[shown[*at]].rank)
        else {
            break;
        };
        shown.remove(at);
    }
    let mut x = 0;
    let mut fitted = Vec::new();
    let spare = width.saturating_sub(needed(&shown));
    // A column of text at the end has use for what is left.
    let last = shown.last().copied();
    for column in shown {
        let more = if Some(column) == last && !columns[column].right { spare } else { 0 };
        let room = (columns[column].width + more).min(width.saturating_sub(x));
        fitted.push((column, x, room));
        x += columns[column].width + 1;
    }
    fitted
}

/// The first row that is shown so that the selected one is in the middle, as far as that can be.
#[must_use]
pub(crate) fn first_shown(selected: usize, rows: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

/// Draws a table: its head, and as many rows as there is place for. `focus`: whether keys act on it.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, table: &dyn Table, choice: &Choice, search: &str, focus: bool) {
    if area.height == 0 {
        return;
    }
    let columns = table.columns();
    let fitted = fit(&columns, area.width);
    head(canvas, area, table, choice, &columns, &fitted);
    let order = order(table, choice, search);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if order.is_empty() {
        let text = if search.is_empty() || table.is_empty() {
            table.empty()
        } else {
            format!("none of {} rows has the text {search:?}", table.len())
        };
        canvas.wrapped(body, 0, &text, Tone::Dim);
        return;
    }
    let selected = position(table, &order, choice);
    let height = usize::from(body.height);
    let first = if focus { first_shown(selected, order.len(), height) } else { 0 };
    for (line, &row) in order.iter().skip(first).take(height).enumerate() {
        for &(column, x, room) in &fitted {
            let (text, tone) = table.cell(row, column);
            let style = canvas.theme.style(tone);
            if columns[column].right {
                canvas.put_right(body.x + x, body.y + line as u16, room, &text, style);
            } else {
                canvas.put(body.x + x, body.y + line as u16, room, &text, style);
            }
        }
        if focus && first + line == selected {
            canvas.highlight(body, line as u16, Tone::Selected);
        }
    }
}

fn head(
    canvas: &mut Canvas<'_>,
    area: Rect,
    table: &dyn Table,
    choice: &Choice,
    columns: &[Column],
    fitted: &[(usize, u16, u16)],
) {
    let sort = table.fixed_order().is_none().then(|| choice.sort.unwrap_or_else(|| table.default_sort()));
    for &(column, x, room) in fitted {
        let Column { title, right, .. } = columns[column];
        let (title, tone) = match sort {
            Some((by, true)) if by == column => (format!("{title}↓"), Tone::Strong),
            Some((by, false)) if by == column => (format!("{title}↑"), Tone::Strong),
            _ => (title.to_owned(), Tone::Dim),
        };
        let style = canvas.theme.style(tone);
        if right {
            canvas.put_right(area.x + x, area.y, room, &title, style);
        } else {
            canvas.put(area.x + x, area.y, room, &title, style);
        }
    }
}

/// A cell for a number that may not be known.
#[must_use]
pub(crate) fn known(value: Option<String>, tone: Tone) -> (String, Tone) {
    value.map_or_else(|| ("?".to_owned(), Tone::Dim), |text| (text, tone))
}

/// All rows as CSV, in the order that is shown.
///
/// # Errors
/// Those of the writer.
pub(crate) fn write_csv(
    table: &dyn Table,
    choice: &Choice,
    search: &str,
    out: impl std::io::Write,
) -> Result<(), csv::Error> {
    let mut out = csv::Writer::from_writer(out);
    let columns = table.columns();
    out.write_record(columns.iter().map(|c| c.title))?;
    for row in order(table, choice, search) {
        let field = |column| match table.value(row, column) {
            Value::Number(n) => n.to_string(),
            Value::Text(text) => crate::event::escape_control(&text),
            Value::Missing => String::new(),
        };
        out.write_record((0..columns.len()).map(field))?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests;
