//! Processes: faults, where pages are, migrations and wait time of each.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    shares::shares,
    table::{Column, Table, UNKNOWN, Value, number, text},
};
use crate::{
    event::ProcessId,
    event::escape_control,
    model::live::{State, counts::Counts, process::Process},
    recording::Coverage,
    recording::describe,
    text::{self, quantity},
    tui::state::{app::App, process_table::ProcessTable, selection::RowKey, session::Source},
};

const COLUMNS: [Column; 14] = [
    number("PID", "process ID"),
    text("NAME", "name of the main thread"),
    text("RUNS ON", "nodes whose CPUs its events happened on"),
    text("PAGES ON", "nodes of the pages that it touched, estimated from faults and migrations"),
    number("FLT/s", "page faults in the last second; in a recording, the mean per second"),
    number("FAULTS", "page faults"),
    number("REMOTE", "share of remote faults, of its faults with known nodes"),
    number("MISPL", "checks that found a misplaced page"),
    number("MIGRATED", "pages migrated while it ran").in_csv("MOVED"),
    number("MIGR/s", "pages migrated in the last second; in a recording, the mean per second").in_csv("MOV/s"),
    number("FAILED", "pages not migrated although the kernel tried"),
    number("WAITED", "time in page faults and placement syscalls"),
    text("CGROUP", "cgroup: its container or path if known, else its ID"),
    text("COMMAND", "command line, or else the executable"),
];

/// The rows of Processes.
pub(crate) struct Processes<'a> {
    state: &'a State,
    details: &'a ProcessTable,
    rows: Vec<(ProcessId, &'a Process, Counts)>,
    /// As a tree: the rows in order, and the depth of each row.
    tree: Option<(Vec<usize>, BTreeMap<usize, usize>)>,
}

impl<'a> Processes<'a> {
    pub(crate) fn of(app: &'a App, as_tree: bool) -> Self {
        let state = app.shown();
        let now = state.now_ns();
        let of_recording = matches!(app.source, Source::Recording(_)).then(|| state.elapsed_ns());
        let rate = |p: &Process| match of_recording {
            Some(ns) => p.counts.a_second(ns),
            None => p.last_second(now),
        };
        let rows: Vec<_> = state.processes.iter().map(|(id, p)| (id, p, rate(p))).collect();
        let tree = as_tree
            .then(|| tree(&rows, &app.details_of))
            .map(|tree| (tree.iter().map(|(row, _)| *row).collect(), tree.into_iter().collect()));
        Self { state, details: &app.details_of, rows, tree }
    }

    pub(crate) fn has_exited(&self, row: usize) -> bool {
        self.rows[row].1.exited
    }

    /// Whether most of its pages are on another node than most of its CPU time.
    pub(crate) fn is_off_node(&self, row: usize) -> bool {
        let (_, process, _) = &self.rows[row];
        matches!((process.home(), process.pages.most()), (Some(home), Some(most)) if home != most)
    }

    fn depth(&self, row: usize) -> usize {
        self.tree.as_ref().and_then(|(_, depths)| depths.get(&row)).copied().unwrap_or(0)
    }

    /// A number of a process, if the source shows it.
    fn count(&self, row: usize, column: usize) -> Option<f64> {
        let (id, process, second) = &self.rows[row];
        let (c, f) = (&process.counts, &self.state.fidelity);
        let given = |level: &Coverage, n: u64| level.is_available().then_some(n as f64);
        match column {
            0 => Some(f64::from(id.pid)),
            4 => given(&f.faults, second.faults),
            5 => given(&f.faults, c.faults),
            6 => c.remote_percent(),
            7 => given(&f.misplaced, c.misplaced),
            8 => given(&f.moved, self.state.moved_pages(c)),
            9 => given(&f.moved, self.state.moved_pages(second)),
            10 => given(&f.moved, self.state.failed_pages(c)),
            11 => self.state.waited_ns(c).map(|ns| ns as f64),
            _ => None,
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        let (id, process, _) = &self.rows[row];
        match column {
            1 => process.comm.to_string(),
            2 => shares(&process.runs),
            3 => shares(&process.pages),
            13 => self.details.get(*id).and_then(|known| known.command.clone()).unwrap_or_default(),
            _ => self.cgroup(process.cgroup_id),
        }
    }

    fn cgroup(&self, id: u64) -> String {
        match self.state.meta.cgroups.get(&id) {
            Some(path) => describe::cgroup(path),
            None if id == 0 => String::new(),
            None => id.to_string(),
        }
    }
}

impl Table for Processes<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Process(self.rows[row].0)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        if COLUMNS[column].is_number {
            return self.count(row, column).map_or(Value::Missing, Value::Number);
        }
        match self.words(row, column) {
            text if text.is_empty() => Value::Missing,
            text => Value::Text(text),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        if !COLUMNS[column].is_number {
            let text = self.words(row, column);
            return match column {
                1 => {
                    let exited = if self.has_exited(row) { " (exited)" } else { "" };
                    format!("{}{text}{exited}", "  ".repeat(self.depth(row)))
                }
                2 | 3 | 13 if text.is_empty() => UNKNOWN.to_owned(),
                _ => text,
            };
        }
        match (column, self.count(row, column)) {
            (_, None) => UNKNOWN.to_owned(),
            (0, Some(n)) => format!("{n}"),
            (6, Some(n)) => quantity::percent(n),
            (11, Some(n)) => text::duration(n as u64),
            (_, Some(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        // By faults; if the source shows none, by wait time.
        (if self.state.fidelity.faults.is_available() { 5 } else { 11 }, true)
    }

    fn fixed_order(&self) -> Option<Vec<usize>> {
        self.tree.as_ref().map(|(order, _)| order.clone())
    }

    fn empty(&self) -> String {
        "no events yet".to_owned()
    }
}

/// The PID of the process's parent: that which forked it, or if no event shows that, the one that it has in /proc.
pub(crate) fn parent_of(id: ProcessId, process: &Process, details: &ProcessTable) -> Option<u32> {
    let parent = process.parent.or_else(|| details.get(id)?.parent_pid);
    // The parent of PID 1 and of the kernel's first thread is 0, which is no process.
    parent.filter(|parent| *parent != id.pid && *parent != 0)
}

/// The rows, each below its parent, with their depths.
fn tree(rows: &[(ProcessId, &Process, Counts)], details: &ProcessTable) -> Vec<(usize, usize)> {
    let by_pid: BTreeMap<u32, usize> = rows.iter().enumerate().map(|(row, (id, ..))| (id.pid, row)).collect();
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (row, (id, process, _)) in rows.iter().enumerate() {
        let parent = parent_of(*id, process, details).and_then(|parent| by_pid.get(&parent).copied());
        children.entry(parent).or_default().push(row);
    }
    children.values_mut().for_each(|rows_of| rows_of.sort_by_key(|row| rows[*row].0));
    let mut placed = BTreeSet::new();
    let mut order = Vec::with_capacity(rows.len());
    let roots = children.get(&None).cloned().unwrap_or_default();
    // A loop of parents, which reused PIDs can make, has no root: its rows begin trees of their own.
    for root in roots.into_iter().chain(0..rows.len()) {
        let mut stack = vec![(root, 0)];
        while let Some((row, depth)) = stack.pop() {
            if placed.insert(row) {
                order.push((row, depth));
                stack.extend(children.get(&Some(row)).into_iter().flatten().rev().map(|child| (*child, depth + 1)));
            }
        }
    }
    order
}

/// Remarks on the rows: what they lack.
pub(crate) fn notes(app: &App) -> Vec<String> {
    let state = app.shown();
    let mut notes = Vec::new();
    let (evicted, gone) = state.processes.evicted();
    if evicted > 0 {
        notes.push(format!(
            "evicted because there were too many: {} processes with {} faults",
            quantity::short_count(evicted),
            quantity::short_count(gone.faults)
        ));
    }
    if app.details_of.evicted > 0 {
        let evicted = quantity::short_count(app.details_of.evicted);
        notes
            .push(format!("evicted because there were too many: command lines and executables of {evicted} processes"));
    }
    if let Coverage::Unavailable(why) = &state.fidelity.remote {
        notes.push(format!("? = not known. Nodes of pages: {}", escape_control(&why.to_string())));
    }
    notes
}
