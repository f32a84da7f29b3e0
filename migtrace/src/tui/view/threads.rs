//! The threads of the opened process: which one runs where, and does what.

use super::{
    table::{Column, RowKey, Table, Value, known, number, text},
    theme::Tone,
};
use crate::{
    event::Comm,
    model::live::process::Thread,
    text,
    tui::{format, state::app::App},
};

const COLUMNS: [Column; 8] = [
    number("TID", 7, 0, "number of the thread"),
    text("NAME", 15, 0, "its name"),
    number("NODE", 5, 0, "node on whose CPU it was last seen"),
    number("MOVES", 6, 2, "its own moves to another node"),
    number("FAULTS", 7, 0, "page faults"),
    number("REMOTE", 7, 1, "of them, those with a page on another node"),
    number("MOVED", 6, 1, "pages moved while it ran"),
    number("WAITED", 8, 1, "time in page faults and placement calls"),
];

pub(super) struct Threads<'a> {
    app: &'a App,
    rows: Vec<(u32, &'a Thread)>,
}

impl<'a> Threads<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        let process = app.process.and_then(|id| app.shown().processes.get(id));
        let rows = process.map(|p| p.threads.iter().map(|(tid, thread)| (*tid, thread)).collect());
        Self { app, rows: rows.unwrap_or_default() }
    }
}

impl Table for Threads<'_> {
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
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

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => known(None, Tone::Dim),
            (_, Value::Text(text)) => (text, Tone::Strong),
            (5, Value::Number(n)) => (format::percent(n), if n >= 5.0 { Tone::Remote } else { Tone::Plain }),
            (7, Value::Number(n)) => (text::duration(n as u64), Tone::Plain),
            (0, Value::Number(n)) => (format!("{n}"), Tone::Plain),
            (_, Value::Number(n)) => (format::number(n), Tone::Plain),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (4, true)
    }

    fn empty(&self) -> String {
        "no process is opened: choose one in 2 Processes and press enter".to_owned()
    }
}
