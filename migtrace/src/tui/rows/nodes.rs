//! Nodes: what each has, its memory, the kernel's counts of allocations, and pages migrated to and from it.

use super::table::{Column, Table, UNKNOWN, Value, number, text};
use crate::{
    event::{NodeFacts, NumaPages, escape_control},
    model::live::{State, matrix::Matrix, node_readings::Reading, rates::SECOND_NS},
    recording::Coverage,
    text::quantity,
    tui::state::{app::App, selection::RowKey, session::Source},
};

const COLUMNS: [Column; 14] = [
    number("NODE", "number of the node"),
    text("HAS", "CPUs, memory, both or neither; offline"),
    number("TIER", "memory tier; a lower one is faster"),
    number("MEMORY", "its memory"),
    number("FREE", "its free memory"),
    number("USED", "share of its memory that is not free: page cache and reserved huge pages are in it"),
    number("HIT/s", "pages allocated there as wanted, per second (numa_hit)"),
    number("MISS/s", "pages allocated there and wanted on another node, per second (numa_miss)"),
    number("FRGN/s", "pages wanted there and allocated on another node, per second (numa_foreign)").in_csv("FOREIGN/s"),
    number("IN/s", "pages migrated to it from other nodes, per second"),
    number("OUT/s", "pages migrated from it to other nodes, per second"),
    number("IN", "pages migrated to it from other nodes"),
    number("OUT", "pages migrated from it to other nodes"),
    text("CPUS", "its CPUs that are online"),
];

/// The nodes of the machine, and others that pages were on.
pub(crate) fn numbers(state: &State) -> Vec<i32> {
    let known = state.meta.topology.nodes.iter().map(|node| node.nid);
    let read = state.nodes.online().map(|reading| reading.facts.nid);
    let seen = state.moves.iter().chain(state.faults.iter()).flat_map(|((from, to), _)| [from, to]);
    let mut nodes: Vec<i32> = known.chain(read).chain(seen).filter(|nid| *nid >= 0).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Increase per second of one of the kernel's counts of a node: now, or the mean of a recording.
pub(crate) fn rate(app: &App, reading: &Reading, of: fn(&NumaPages) -> Option<u64>) -> Option<f64> {
    match app.source {
        Source::Live => reading.rate(of),
        Source::Recording(_) => reading.mean_rate(of),
    }
}

/// The rows.
pub(crate) struct Nodes<'a> {
    app: &'a App,
    rows: Vec<i32>,
    /// Pages migrated in the last full second. In a recording, all.
    moves: Matrix,
}

impl<'a> Nodes<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let state = app.shown();
        let moves = match app.source {
            Source::Live => state.moves_last_second(),
            Source::Recording(_) => state.moves.clone(),
        };
        Self { app, rows: numbers(state), moves }
    }

    /// `None` if it was not read.
    fn reading(&self, row: usize) -> Option<&Reading> {
        self.app.shown().nodes.get(self.rows[row])
    }

    pub(crate) fn is_offline(&self, row: usize) -> bool {
        self.reading(row).is_some_and(|reading| !reading.is_online())
    }

    fn number(&self, row: usize, column: usize) -> Option<f64> {
        let whole = |n: u64| n as f64;
        let facts = self.reading(row).map(|reading| &reading.facts);
        let rate = |of| rate(self.app, self.reading(row)?, of);
        match column {
            0 => Some(f64::from(self.rows[row])),
            2 => facts?.tier.map(f64::from),
            3 => facts?.mem_bytes.map(whole),
            4 => facts?.free_bytes.map(whole),
            5 => used_percent(facts?),
            6 => rate(|pages| pages.hit),
            7 => rate(|pages| pages.miss),
            8 => rate(|pages| pages.foreign),
            9 => self.moved_a_second(row).map(|(to, _)| to),
            10 => self.moved_a_second(row).map(|(_, from)| from),
            11 => self.moved(row).map(|(to, _)| whole(to)),
            _ => self.moved(row).map(|(_, from)| whole(from)),
        }
    }

    /// Pages migrated to the node and from it; `None` if the source does not show nodes of migrated pages.
    fn moved(&self, row: usize) -> Option<(u64, u64)> {
        why_unknown(self.app.shown()).is_none().then(|| self.app.shown().moves.across(self.rows[row]))
    }

    fn moved_a_second(&self, row: usize) -> Option<(f64, f64)> {
        self.moved(row)?;
        let (to, from) = self.moves.across(self.rows[row]);
        let ns = match self.app.source {
            Source::Live => SECOND_NS,
            Source::Recording(_) => self.app.shown().elapsed_ns().max(1),
        };
        let a_second = |pages: u64| pages as f64 * SECOND_NS as f64 / ns as f64;
        Some((a_second(to), a_second(from)))
    }

    fn words(&self, row: usize, column: usize) -> Option<String> {
        match column {
            1 if self.is_offline(row) => Some("offline".to_owned()),
            1 => has(&self.reading(row)?.facts).map(str::to_owned),
            _ => self.reading(row)?.facts.cpus.as_deref().map(escape_control),
        }
    }

    /// Whether there is nothing to know: a node that is offline, or that has no memory or no CPUs.
    fn has_none(&self, row: usize, column: usize) -> bool {
        let is_without_memory = || self.reading(row).is_some_and(|reading| reading.facts.mem_bytes == Some(0));
        (column < 9 || column == 13) && self.is_offline(row) || matches!(column, 2 | 5) && is_without_memory()
    }
}

/// What a node has, if both are known.
fn has(facts: &NodeFacts) -> Option<&'static str> {
    Some(match (facts.cpus.as_deref()?.is_empty(), facts.mem_bytes? == 0) {
        (false, false) => "CPUs+memory",
        (true, false) => "memory only",
        (false, true) => "CPUs only",
        (true, true) => "neither",
    })
}

/// `None` also for a node without memory.
fn used_percent(facts: &NodeFacts) -> Option<f64> {
    let (all, free) = (facts.mem_bytes.filter(|bytes| *bytes > 0)?, facts.free_bytes?);
    Some((all.saturating_sub(free) as f64 * 100.0 / all as f64).round())
}

/// Why the source does not show nodes of migrated pages; `None` if it does.
fn why_unknown(state: &State) -> Option<String> {
    match &state.fidelity.moved {
        Coverage::Unavailable(why) => Some(why.to_string()),
        _ if state.fidelity.moves_by_batch => Some(BATCHES_ONLY.to_owned()),
        _ => None,
    }
}

/// Why a kernel that counts migrations shows no nodes.
pub(crate) const BATCHES_ONLY: &str = "this kernel shows totals of batches, not single pages";

/// Remarks on the rows: what they lack.
pub(crate) fn notes(app: &App) -> Vec<String> {
    let state = app.shown();
    let moved = why_unknown(state).map(|why| format!("? = not known. Pages migrated: {}", escape_control(&why)));
    let unread = state.nodes.online().next().is_none();
    let read = match app.source {
        _ if !unread => None,
        Source::Live => Some("? = not known. Nodes were not read yet"),
        Source::Recording(_) => Some("? = not known. The recording has no readings of nodes (kind node)"),
    };
    moved.into_iter().chain(read.map(str::to_owned)).collect()
}

impl Table for Nodes<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(u64::from(self.rows[row].unsigned_abs()))
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let value = match COLUMNS[column].is_number {
            true => self.number(row, column).map(Value::Number),
            false => self.words(row, column).map(Value::Text),
        };
        value.unwrap_or(Value::Missing)
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (_, Value::Missing) if self.has_none(row, column) => String::new(),
            (_, Value::Missing) => UNKNOWN.to_owned(),
            (_, Value::Text(text)) => text,
            (0 | 2, Value::Number(n)) => format!("{n}"),
            (3 | 4, Value::Number(n)) => quantity::bytes(n as u64),
            (5, Value::Number(n)) => quantity::percent(n),
            (9..=12, Value::Number(n)) => format!("{}{}", self.app.shown().fidelity.moved.sign(), quantity::short(n)),
            (_, Value::Number(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, false)
    }

    fn empty(&self) -> String {
        "the nodes of the machine are not known".to_owned()
    }
}
