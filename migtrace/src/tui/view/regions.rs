//! Regions of a process: which memory it is, on which nodes it lies, and when it was touched.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::{Canvas, Piece, dim, plain},
    table::{self, Column, RowKey, Table, Value, known, number, text},
    theme::Tone,
};
use super::{heat_map, processes::shares, threads::Threads};
use crate::{
    event::{ProcessId, escape_control},
    model::live::{State, counts::Counts, nodes::Nodes, process::Process},
    recording::describe,
    text,
    tui::{
        driver::numa_maps::{Mapping, NumaMaps},
        format,
        state::{
            action::View,
            app::{App, Source},
        },
    },
    units::PAGE_BYTES,
};

const COLUMNS: [Column; 10] = [
    text("START", 14, 0, "address at which it begins"),
    number("SIZE", 8, 4, "of its addresses; of what the process mapped or touched there"),
    text(
        "KIND",
        8,
        1,
        "anon, file, shmem, hugetlb, stack, heap; seen: a range of addresses that faulted; unmapped: it is gone",
    ),
    text("POLICY", 10, 3, "its memory policy"),
    number("PAGES", 6, 1, "pages in it, as far as known"),
    text("PAGES ON", 16, 0, "nodes on which they lie"),
    number("FAULTS", 7, 2, "page faults in it while watched"),
    number("REMOTE", 7, 2, "of them, those with a page on another node than the CPU"),
    number("MOVED", 6, 5, "pages of it that moved while watched"),
    text("NAME", 12, 2, "file that is mapped"),
];

/// One region, from what the process's file says and what happened in it.
struct Row {
    start: u64,
    end: Option<u64>,
    kind: String,
    policy: Option<String>,
    name: String,
    pages: Nodes,
    counts: Counts,
    /// Its pages are known, also where there are none.
    is_mapping: bool,
}

pub(super) struct Regions<'a> {
    state: &'a State,
    rows: Vec<Row>,
    is_open: bool,
}

/// The rows of the opened process.
pub(super) fn rows(app: &App) -> Box<dyn Table + '_> {
    let state = app.shown();
    let Some((id, process)) = opened(app) else { return Box::new(Regions { state, rows: Vec::new(), is_open: false }) };
    let rows = match maps_of(app, id) {
        Some(maps) => from_maps(maps, process),
        None => process.regions.iter().map(|(start, region)| from_events(start, region)).collect(),
    };
    Box::new(Regions { state, rows, is_open: true })
}

fn opened(app: &App) -> Option<(ProcessId, &Process)> {
    let id = app.process?;
    Some((id, app.shown().processes.get(id)?))
}

/// What /proc says, where it was read.
fn maps_of(app: &App, id: ProcessId) -> Option<&NumaMaps> {
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

/// Mappings as they are now, and ranges in which something happened that are not mapped any more.
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
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
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

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        match (column, self.value(row, column)) {
            (9, Value::Missing) => (String::new(), Tone::Plain),
            (_, Value::Missing) => known(None, Tone::Dim),
            (_, Value::Text(text)) => (text, if column == 0 { Tone::Strong } else { Tone::Plain }),
            (1, Value::Number(n)) => (format::bytes(n as u64), Tone::Plain),
            (7, Value::Number(n)) => (format::percent(n), if n >= 5.0 { Tone::Remote } else { Tone::Plain }),
            (8, Value::Number(n)) => (format::number(n), if n > 0.0 { Tone::Good } else { Tone::Dim }),
            (_, Value::Number(n)) => (format::number(n), if n > 0.0 { Tone::Plain } else { Tone::Dim }),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (6, true)
    }

    fn empty(&self) -> String {
        if self.is_open {
            "nothing of it was touched yet".to_owned()
        } else {
            "no process is opened: choose one in 2 Processes and press enter".to_owned()
        }
    }
}

fn parts(app: &App, area: Rect) -> [Rect; 3] {
    let heat = match opened(app) {
        Some((_, process)) if process.heat.is_some() => (area.height / 3).clamp(6, 20),
        _ => 0,
    };
    Layout::vertical([Constraint::Length(3), Constraint::Length(heat), Constraint::Fill(1)]).areas(area)
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    parts(app, area)[2]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [head, heat, place] = parts(app, area);
    about(app, canvas, head);
    if let Some(map) = opened(app).and_then(|(_, process)| process.heat.as_ref()) {
        heat_map::draw(canvas, heat, map, app.shown().zero_ns());
    }
    let choice = app.choice(View::Regions);
    if app.threads {
        table::draw(canvas, place, &Threads::of(app), &choice, &app.search, true);
    } else {
        table::draw(canvas, place, &*rows(app), &choice, &app.search, true);
    }
}

/// Which process it is, and where the rows come from.
fn about(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some((id, p)) = opened(app) else {
        canvas.heading(area, 0, "no process is opened");
        return;
    };
    let gone = if p.exited { ", gone" } else { "" };
    let parent = p.parent.map(|pid| format!(", child of {pid}")).unwrap_or_default();
    canvas.heading(area, 0, &format!("{}/{}{parent}{gone}", p.comm, id.pid));
    let others = if p.other_threads > 0 { ", more not listed" } else { "" };
    let cgroup = app.meta().cgroups.get(&p.cgroup_id).map(|path| format!("   in {}", describe::cgroup(path)));
    canvas.line(
        area,
        1,
        &[
            dim("runs on "),
            plain(or_unknown(shares(&p.runs))),
            dim("   pages on "),
            plain(or_unknown(shares(&p.pages))),
            dim("   waited "),
            plain(app.shown().waited_ns(&p.counts).map_or_else(|| "?".to_owned(), text::duration)),
            dim("   threads "),
            plain(format!("{}{others}", p.threads.len())),
            dim(cgroup.unwrap_or_default()),
        ],
    );
    canvas.line(area, 2, &origin(app, id, p));
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { "?".to_owned() } else { text }
}

fn origin(app: &App, id: ProcessId, process: &Process) -> Vec<Piece> {
    let mut text = match (&app.numa_maps, maps_of(app, id)) {
        (_, Some(maps)) => {
            let more = if maps.left_out > 0 { format!("; {} mappings left out", maps.left_out) } else { String::new() };
            format!("pages by node: exact, from /proc/{}/numa_maps{more}; faults: while watched", maps.pid)
        }
        (Some(maps), None) if maps.pid == id.pid => {
            let why = escape_control(maps.error.as_deref().unwrap_or("not read"));
            format!("/proc/{}/numa_maps: {why}; pages by node: ~estimated from faults and moves", maps.pid)
        }
        _ => "pages by node: ~estimated from the faults and moves that were seen".to_owned(),
    };
    if process.regions.left_out() > 0 {
        text += &format!("; {} events in regions that are not listed", format::count(process.regions.left_out()));
    }
    vec![(text, Tone::Dim)]
}
