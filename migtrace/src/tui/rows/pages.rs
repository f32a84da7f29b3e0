//! The pages that stand out.

use super::table::{Column, Table, UNKNOWN, Value, number, text};
use crate::{
    model::live::fidelity::Coverages,
    text::duration,
    tui::state::{app::App, details::PageRow, selection::RowKey},
};

const COLUMNS: [Column; 9] = [
    text("PAGE", "address of the page"),
    number("PID", "process ID"),
    text("NAME", "name of the process"),
    number("NODE", "node that it was last seen on"),
    number("MIGRATED", "times that it was migrated").in_csv("MOVES"),
    number("FAILED", "times that it was not migrated although the kernel tried"),
    number("BOUNCES", "migrations back to the node that it came from"),
    number("FAULTS", "page faults on it"),
    number("WAITED", "time in page faults on it"),
];

/// The rows.
pub(crate) struct Pages<'a> {
    rows: &'a [PageRow],
    fidelity: &'a Coverages,
}

impl<'a> Pages<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        Self { rows: &app.details.pages, fidelity: &app.shown().fidelity }
    }
}

impl Table for Pages<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Page(self.rows[row].process, self.rows[row].addr)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let r = &self.rows[row];
        let number = |n: u64| Value::Number(n as f64);
        let given = |is: bool, n: u64| if is || n > 0 { number(n) } else { Value::Missing };
        // A batch does not report single pages.
        let moves = self.fidelity.moved.is_available() && !self.fidelity.moves_by_batch;
        match column {
            0 => Value::Text(format!("{:#x}", r.addr)),
            1 => number(r.process.pid.into()),
            2 => Value::Text(r.comm.to_string()),
            3 => r.nid.map_or(Value::Missing, |nid| Value::Number(f64::from(nid))),
            4 => given(moves, r.counts.moves),
            5 => given(moves, r.counts.failed_moves),
            6 => given(moves, r.counts.bounces),
            7 => given(self.fidelity.faults.is_available(), r.counts.faults),
            _ => given(self.fidelity.fault_times.is_available(), r.counts.waited_ns),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => UNKNOWN.to_owned(),
            (_, Value::Text(text)) => text,
            (8, Value::Number(ns)) => duration(ns as u64),
            (_, Value::Number(n)) => format!("{n}"),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (4, true)
    }

    fn empty(&self) -> String {
        "no page at a known address yet; a opens one by its address".to_owned()
    }
}
