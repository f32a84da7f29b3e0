//! Log: what happened, one event after the other.

use super::table::{Column, Table, Value, text};
use crate::tui::state::{app::App, log_lines::LogLine, selection::RowKey};

const COLUMNS: [Column; 4] = [
    text("MS", "start of the event, since the start of tracing"),
    text("CPU/NODE", "CPU and node that it happened on"),
    text("TASK", "its thread"),
    text("WHAT HAPPENED", "the event"),
];

/// The rows.
pub(crate) struct Lines<'a> {
    lines: &'a [LogLine],
}

impl<'a> Lines<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        Self { lines: &app.log.lines }
    }

    pub(crate) fn line(&self, row: usize) -> &LogLine {
        &self.lines[row]
    }
}

impl Table for Lines<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
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

    fn text(&self, row: usize, column: usize) -> String {
        let line = &self.lines[row];
        match column {
            0 => line.at_ns.map(|ns| format!("{:>12.3}", ns as f64 / 1e6)).unwrap_or_default(),
            1 => line.place.clone(),
            2 => line.task.clone(),
            _ => format!("{}{}", "  ".repeat(line.depth), line.text),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, false)
    }

    /// Always by time.
    fn fixed_order(&self) -> Option<Vec<usize>> {
        Some((0..self.lines.len()).collect())
    }

    fn empty(&self) -> String {
        "no events yet".to_owned()
    }
}
