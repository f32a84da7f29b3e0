//! Rows and columns: what they hold, in which order, what a search finds, and CSV.
//!
//! Cells are made when they are needed: of ten thousand rows only the visible ones are formatted.

use std::cmp::Ordering;

use crate::tui::state::selection::{Choice, RowKey};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub title: &'static str,
    /// Its name in CSV, which stays when the title changes.
    pub csv_name: &'static str,
    /// Numbers are sorted with the greatest first.
    pub is_number: bool,
    /// What the column shows.
    pub help: &'static str,
}

/// A column of text.
#[must_use]
pub(crate) const fn text(title: &'static str, help: &'static str) -> Column {
    Column { title, csv_name: title, is_number: false, help }
}

/// A column of numbers.
#[must_use]
pub(crate) const fn number(title: &'static str, help: &'static str) -> Column {
    Column { title, csv_name: title, is_number: true, help }
}

impl Column {
    /// The column with another name in CSV.
    #[must_use]
    pub(crate) const fn in_csv(self, csv_name: &'static str) -> Self {
        Self { csv_name, ..self }
    }
}

/// What rows are sorted by, and what CSV has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    /// Not known; always last.
    Missing,
}

impl Value {
    /// A number that may not be known.
    #[must_use]
    pub(crate) fn known(number: Option<u64>) -> Self {
        number.map_or(Self::Missing, |n| Self::Number(n as f64))
    }
}

/// The text of a value that is not known.
pub(crate) const UNKNOWN: &str = "?";

/// Rows and columns.
pub(crate) trait Table {
    fn columns(&self) -> &'static [Column];
    fn len(&self) -> usize;
    fn key(&self, row: usize) -> RowKey;
    fn value(&self, row: usize, column: usize) -> Value;
    /// The value as it is shown and searched.
    fn text(&self, row: usize, column: usize) -> String;
    /// The column to sort by, and whether the greatest comes first.
    fn default_sort(&self) -> (usize, bool);
    /// The order of the rows if it is not that of a column: a tree.
    fn fixed_order(&self) -> Option<Vec<usize>> {
        None
    }
    /// What is shown if there are no rows.
    fn empty(&self) -> String;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The rows that pass a search, in order.
#[must_use]
pub(crate) fn order(table: &dyn Table, choice: &Choice, search: &str) -> Vec<usize> {
    let search = search.to_lowercase();
    let is_found = |row: &usize| search.is_empty() || contains(table, *row, &search);
    if let Some(fixed) = table.fixed_order() {
        return fixed.into_iter().filter(is_found).collect();
    }
    let (column, descending) = choice.sort.unwrap_or_else(|| table.default_sort());
    let mut rows: Vec<(Value, usize)> =
        (0..table.len()).filter(is_found).map(|row| (table.value(row, column), row)).collect();
    rows.sort_by(|(a, i), (b, j)| compare(a, b, descending).then_with(|| table.key(*i).cmp(&table.key(*j))));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn contains(table: &dyn Table, row: usize, search: &str) -> bool {
    (0..table.columns().len()).any(|column| table.text(row, column).to_lowercase().contains(search))
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

/// The place of the selected row in an order; the first if none is selected.
#[must_use]
pub(crate) fn position(table: &dyn Table, order: &[usize], choice: &Choice) -> usize {
    let is_selected = |row: &usize| choice.selected.as_ref().is_some_and(|key| table.key(*row) == *key);
    order.iter().position(is_selected).unwrap_or(0)
}

/// Writes the rows that pass a search as CSV, in the order shown.
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
    out.write_record(columns.iter().map(|c| c.csv_name))?;
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
