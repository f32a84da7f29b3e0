//! The threads of the opened process.

use super::table::{Column, Table, UNKNOWN, Value, number, text};
use crate::{
    event::Comm,
    model::live::process::Thread,
    text::{self, quantity},
    tui::state::{app::App, selection::RowKey},
};

const COLUMNS: [Column; 8] = [
    number("TID", "thread ID"),
    text("NAME", "name of the thread"),
    number("NODE", "node of the CPU that it was last seen on"),
    number("MOVES", "moves of the thread itself to another node"),
    number("FAULTS", "page faults"),
    number("REMOTE", "share of remote faults, of its faults with known nodes"),
    number("MIGRATED", "pages migrated while it ran").in_csv("MOVED"),
    number("WAITED", "time in page faults and placement syscalls"),
];

/// The rows.
pub(crate) struct Threads<'a> {
    app: &'a App,
    rows: Vec<(u32, &'a Thread)>,
}

impl<'a> Threads<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let process = app.process.and_then(|id| app.shown().processes.get(id));
        let rows = process.map(|p| p.threads.iter().map(|(tid, thread)| (*tid, thread)).collect());
        Self { app, rows: rows.unwrap_or_default() }
    }
}

impl Table for Threads<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Thread(self.rows[row].0)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let (tid, thread) = &self.rows[row];
        let state = self.app.shown();
        let number = |n: u64| Value::Number(n as f64);
        match column {
            0 => Value::Number(f64::from(*tid)),
            1 => Value::Text(Comm::to_string(&thread.comm)),
            2 => thread.node.map_or(Value::Missing, |nid| Value::Number(f64::from(nid))),
            3 => number(thread.moves),
            4 if state.fidelity.faults.is_available() => number(thread.counts.faults),
            5 => thread.counts.remote_percent().map_or(Value::Missing, Value::Number),
            6 if state.fidelity.moved.is_available() => number(state.moved_pages(&thread.counts)),
            7 => state.waited_ns(&thread.counts).map_or(Value::Missing, number),
            _ => Value::Missing,
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => UNKNOWN.to_owned(),
            (_, Value::Text(text)) => text,
            (0, Value::Number(n)) => format!("{n}"),
            (5, Value::Number(n)) => quantity::percent(n),
            (7, Value::Number(n)) => text::duration(n as u64),
            (_, Value::Number(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (4, true)
    }

    fn empty(&self) -> String {
        "no process is open: select one in 2 Processes and press enter".to_owned()
    }
}
