//! Processes: which one keeps its pages on the wrong node, and who waits.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    table::{self, Column, RowKey, Table, Value, known, number, text},
    theme::Tone,
};
use crate::{
    event::{ProcessId, escape_control},
    model::live::{State, counts::Counts, nodes::Nodes, process::Process},
    recording::{Coverage, describe},
    text,
    tui::{
        format,
        state::{
            action::View,
            app::{App, Source},
        },
    },
};

const COLUMNS: [Column; 13] = [
    number("PID", 7, 0, "number of the process"),
    text("NAME", 15, 0, "name of its main thread"),
    text("RUNS ON", 11, 6, "nodes whose CPUs its events happened on"),
    text("PAGES ON", 14, 2, "nodes on which the pages that it touched lie: an estimate from faults and moves"),
    number("FLT/s", 6, 3, "page faults in the last second; of a recording, a second on average"),
    number("FAULTS", 7, 1, "page faults"),
    number("REMOTE", 7, 1, "of its faults whose places are known, those with a page on another node than the CPU"),
    number("MISPL", 6, 4, "checks that found the page on another node than policy wants"),
    number("MOVED", 6, 2, "pages moved while it ran"),
    number("MOV/s", 6, 7, "pages moved in the last second; of a recording, a second on average"),
    number("FAILED", 7, 5, "pages that were to move and stayed"),
    number("WAITED", 8, 3, "time in page faults and placement calls"),
    text("CGROUP", 12, 8, "control group, by its container or path where it is known"),
];

/// The rows.
pub(super) struct Processes<'a> {
    state: &'a State,
    rows: Vec<(ProcessId, &'a Process, Counts)>,
    /// Where they stand as a tree: the rows in order, and the depth of each row.
    tree: Option<(Vec<usize>, BTreeMap<usize, usize>)>,
}

impl<'a> Processes<'a> {
    pub(super) fn of(app: &'a App, as_tree: bool) -> Self {
        let state = app.shown();
        let now = state.now_ns();
        let of_recording = matches!(app.source, Source::Recording(_)).then(|| state.elapsed_ns());
        let rate = |p: &Process| match of_recording {
            Some(ns) => p.counts.a_second(ns),
            None => p.last_second(now),
        };
        let rows: Vec<_> = state.processes.iter().map(|(id, p)| (id, p, rate(p))).collect();
        let tree = as_tree
            .then(|| tree(&rows))
            .map(|tree| (tree.iter().map(|(row, _)| *row).collect(), tree.into_iter().collect()));
        Self { state, rows, tree }
    }

    fn depth(&self, row: usize) -> usize {
        self.tree.as_ref().and_then(|(_, depths)| depths.get(&row)).copied().unwrap_or(0)
    }

    /// A number of a process, where the source shows it.
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
        let (_, process, _) = &self.rows[row];
        match column {
            1 => process.comm.to_string(),
            2 => shares(&process.runs),
            3 => shares(&process.pages),
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
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Process(self.rows[row].0)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        if COLUMNS[column].right {
            return self.count(row, column).map_or(Value::Missing, Value::Number);
        }
        match self.words(row, column) {
            text if text.is_empty() => Value::Missing,
            text => Value::Text(text),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        let (_, process, _) = &self.rows[row];
        if !COLUMNS[column].right {
            let text = self.words(row, column);
            let tone = match column {
                1 if process.exited => Tone::Dim,
                1 => Tone::Strong,
                3 if misfits(process) => Tone::Remote,
                3 | 2 if text.is_empty() => return known(None, Tone::Dim),
                _ => Tone::Plain,
            };
            let indent = if column == 1 { "  ".repeat(self.depth(row)) } else { String::new() };
            return (format!("{indent}{text}{}", if column == 1 && process.exited { " (gone)" } else { "" }), tone);
        }
        let Some(n) = self.count(row, column) else { return known(None, Tone::Dim) };
        let some = |tone| if n > 0.0 { tone } else { Tone::Dim };
        match column {
            0 => (format!("{n}"), Tone::Plain),
            6 => (format::percent(n), if n >= 5.0 { Tone::Remote } else { Tone::Plain }),
            7 => (format::number(n), some(Tone::Remote)),
            8 | 9 => (format::number(n), some(Tone::Good)),
            10 => (format::number(n), some(Tone::Bad)),
            11 => (text::duration(n as u64), some(Tone::Plain)),
            _ => (format::number(n), some(Tone::Plain)),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        // Whoever has most remote pages is looked for; where those are not shown, who faults most, or calls.
        (if self.state.fidelity.faults.is_available() { 5 } else { 11 }, true)
    }

    fn fixed_order(&self) -> Option<Vec<usize>> {
        self.tree.as_ref().map(|(order, _)| order.clone())
    }

    fn empty(&self) -> String {
        "no process had an event yet".to_owned()
    }
}

/// Most pages lie elsewhere than most of its work is done.
fn misfits(process: &Process) -> bool {
    matches!((process.home(), process.pages.most()), (Some(home), Some(most)) if home != most)
}

/// `0:75% 1:25%`, the largest first.
pub(super) fn shares(nodes: &Nodes) -> String {
    let total = nodes.total();
    let mut by_size: Vec<(i32, u64)> = nodes.iter().filter(|(_, n)| *n > 0).collect();
    by_size.sort_by_key(|(nid, n)| (std::cmp::Reverse(*n), *nid));
    let share = |(nid, n): &(i32, u64)| format!("{nid}:{}", format::percent(*n as f64 * 100.0 / total as f64));
    by_size.iter().map(share).collect::<Vec<_>>().join(" ")
}

/// Rows under those of their parents, with their depths.
fn tree(rows: &[(ProcessId, &Process, Counts)]) -> Vec<(usize, usize)> {
    let by_pid: BTreeMap<u32, usize> = rows.iter().enumerate().map(|(row, (id, ..))| (id.pid, row)).collect();
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (row, (id, process, _)) in rows.iter().enumerate() {
        let parent = process.parent.filter(|parent| *parent != id.pid).and_then(|parent| by_pid.get(&parent).copied());
        children.entry(parent).or_default().push(row);
    }
    children.values_mut().for_each(|rows_of| rows_of.sort_by_key(|row| rows[*row].0));
    let mut placed = BTreeSet::new();
    let mut order = Vec::with_capacity(rows.len());
    let roots = children.get(&None).cloned().unwrap_or_default();
    // A loop of parents, from numbers that were used again, has no root: such rows begin trees of their own.
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

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    let notes = notes(app.shown()).len().min(2) as u16;
    Rect { height: area.height.saturating_sub(notes), ..area }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let place = table_area(app, area);
    let table = Processes::of(app, app.tree);
    table::draw(canvas, place, &table, &app.choice(View::Processes), &app.search, true);
    for (row, text) in notes(app.shown()).into_iter().take(2).enumerate() {
        canvas.line(area, place.height + row as u16, &[(text, Tone::Dim)]);
    }
}

/// What is not in the rows.
fn notes(state: &State) -> Vec<String> {
    let mut notes = Vec::new();
    let (evicted, gone) = state.processes.evicted();
    if evicted > 0 {
        notes.push(format!(
            "not listed any more, for there were too many: {} processes with {} faults",
            format::count(evicted),
            format::count(gone.faults)
        ));
    }
    if let Coverage::Unavailable(why) = &state.fidelity.remote {
        notes.push(format!("? = not known. Where pages lie: {}", escape_control(&why.to_string())));
    }
    notes
}
