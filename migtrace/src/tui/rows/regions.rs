//! Regions of the opened process: which memory it is, on which nodes its pages are, and what happened in it.

use super::{
    shares::shares,
    table::{Column, Table, UNKNOWN, Value, number, text},
};
use crate::{
    event::ProcessId,
    event::escape_control,
    live::host::numa_maps::{Mapping, NumaMaps},
    model::live::{State, counts::Counts, nodes::Nodes, process::Process},
    text::quantity,
    tui::state::{app::App, selection::RowKey, session::Source},
    units::PAGE_BYTES,
};

const COLUMNS: [Column; 10] = [
    text("START", "address of the start"),
    number("SIZE", "size of its address range: as mapped, or as touched"),
    text("KIND", "anon, file, shmem, hugetlb, stack, heap; seen: addresses with faults; unmapped: not mapped any more"),
    text("POLICY", "memory policy"),
    number("PAGES", "pages in it, as far as known"),
    text("PAGES ON", "nodes of the pages"),
    number("FAULTS", "page faults in it since tracing began"),
    number("REMOTE", "share of remote faults, of its faults with known nodes"),
    number("MIGRATED", "pages of it migrated since tracing began").in_csv("MOVED"),
    text("NAME", "mapped file"),
];

/// One region, from /proc and from the events in it.
struct Row {
    start: u64,
    end: Option<u64>,
    kind: String,
    policy: Option<String>,
    name: String,
    pages: Nodes,
    counts: Counts,
    /// Read from /proc: its pages are known, also if it has none.
    is_mapping: bool,
}

pub(crate) struct Regions<'a> {
    state: &'a State,
    rows: Vec<Row>,
    is_open: bool,
}

impl<'a> Regions<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let state = app.shown();
        let Some((id, process)) = opened(app) else { return Self { state, rows: Vec::new(), is_open: false } };
        let rows = match numa_maps_of(app, id) {
            Some(maps) => from_maps(maps, process),
            None => process.regions.iter().map(|(start, region)| from_events(start, region)).collect(),
        };
        Self { state, rows, is_open: true }
    }
}

/// The opened process.
pub(crate) fn opened(app: &App) -> Option<(ProcessId, &Process)> {
    let id = app.process?;
    Some((id, app.shown().processes.get(id)?))
}

/// The process's pages by node as read from /proc, if they could be read.
pub(crate) fn numa_maps_of(app: &App, id: ProcessId) -> Option<&NumaMaps> {
    app.numa_maps.as_ref().filter(|maps| maps.pid == id.pid && maps.error.is_none() && app.source == Source::Live)
}

fn from_events(start: u64, region: &crate::model::live::regions::Region) -> Row {
    let shown = region.mapping.as_ref();
    Row {
        start,
        end: Some(region.end),
        kind: shown.map_or("seen", |m| m.class.word()).to_owned(),
        policy: shown.and_then(|m| m.policy).map(|p| p.word().to_owned()),
        name: shown.map(|m| m.name.clone()).unwrap_or_default(),
        pages: region.pages.clone(),
        counts: region.counts,
        is_mapping: false,
    }
}

/// The mappings of now, and the regions with events that are no longer mapped.
fn from_maps(maps: &NumaMaps, process: &Process) -> Vec<Row> {
    let next = maps.mappings.iter().skip(1).map(|m| m.start).chain([u64::MAX]);
    let mut rows: Vec<Row> = maps.mappings.iter().zip(next).map(|(m, next)| from_mapping(m, next)).collect();
    for (start, region) in process.regions.iter() {
        let at = rows.partition_point(|row| row.start <= start).checked_sub(1);
        match at.and_then(|at| rows.get_mut(at)).filter(|row| row.end.is_none_or(|end| start < end)) {
            Some(row) => row.counts.add(&region.counts),
            None => rows
                .insert(at.map_or(0, |at| at + 1), Row { kind: "unmapped".to_owned(), ..from_events(start, region) }),
        }
    }
    rows
}

fn from_mapping(mapping: &Mapping, next: u64) -> Row {
    let mut pages = Nodes::default();
    let base_pages = (mapping.page_bytes / PAGE_BYTES).max(1);
    mapping.pages.iter().for_each(|(nid, n)| pages.add(nid, n.saturating_mul(base_pages)));
    Row {
        start: mapping.start,
        end: mapping.end.or(Some(next)),
        kind: mapping.kind.to_owned(),
        policy: Some(mapping.policy.clone()),
        name: mapping.name.rsplit('/').next().unwrap_or_default().to_owned(),
        pages,
        counts: Counts::default(),
        is_mapping: true,
    }
}

impl Table for Regions<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Addr(self.rows[row].start)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let r = &self.rows[row];
        let f = &self.state.fidelity;
        let given = |is: bool, n: u64| if is { Value::Number(n as f64) } else { Value::Missing };
        let words = |text: &str| if text.is_empty() { Value::Missing } else { Value::Text(escape_control(text)) };
        match column {
            0 => Value::Text(format!("{:#x}", r.start)),
            1 => r.end.map_or(Value::Missing, |end| Value::Number(end.saturating_sub(r.start) as f64)),
            2 => words(&r.kind),
            3 => r.policy.as_deref().map_or(Value::Missing, words),
            4 => given(r.pages.total() > 0 || r.is_mapping, r.pages.total()),
            5 => words(&shares(&r.pages)),
            6 => given(f.faults.is_available(), r.counts.faults),
            7 => r.counts.remote_percent().map_or(Value::Missing, Value::Number),
            8 => given(f.moved.is_available() && !f.moves_by_batch, r.counts.moved_pages),
            _ => Value::Text(escape_control(&r.name)),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (9, Value::Missing) => String::new(),
            (_, Value::Missing) => UNKNOWN.to_owned(),
            (_, Value::Text(text)) => text,
            (1, Value::Number(n)) => quantity::bytes(n as u64),
            (7, Value::Number(n)) => quantity::percent(n),
            (_, Value::Number(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (6, true)
    }

    fn empty(&self) -> String {
        if self.is_open {
            "no page of it was touched yet".to_owned()
        } else {
            "no process is open: select one in 2 Processes and press enter".to_owned()
        }
    }
}
