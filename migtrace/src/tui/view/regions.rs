//! Draws Regions: the opened process, its map of faults, and its regions or threads.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    heat_map,
    table::{self, Cells, Width, remote_share, unless_zero, width},
};
use crate::{
    event::ProcessId,
    event::escape_control,
    model::live::process::Process,
    recording::describe,
    text::{self, Line, Tone, line, quantity},
    tui::{
        rows::{
            processes::parent_of,
            regions::{Regions, numa_maps_of, opened},
            shares::shares,
            table::{UNKNOWN, Value},
            threads::Threads,
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 10] = [
    width(14, 0), // START
    width(8, 4),  // SIZE
    width(8, 1),  // KIND
    width(10, 3), // POLICY
    width(6, 1),  // PAGES
    width(16, 0), // PAGES ON
    width(7, 2),  // FAULTS
    width(7, 2),  // REMOTE
    width(8, 5),  // MIGRATED
    width(12, 2), // NAME
];

impl Cells for Regions<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, _: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            (0, Value::Text(_)) => Tone::Strong,
            (1, _) | (_, Value::Text(_)) => Tone::Plain,
            (7, Value::Number(percent)) => remote_share(*percent),
            (8, Value::Number(n)) => unless_zero(*n, Tone::Good),
            (_, Value::Number(n)) => unless_zero(*n, Tone::Plain),
        }
    }
}

fn parts(app: &App, area: Rect) -> [Rect; 3] {
    let heat = match opened(app) {
        Some((_, process)) if process.heat.is_some() => (area.height / 3).clamp(6, 20),
        _ => 0,
    };
    Layout::vertical([Constraint::Length(4), Constraint::Length(heat), Constraint::Fill(1)]).areas(area)
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
        table::draw(canvas, place, &Regions::of(app), &choice, &app.search, true);
    }
}

/// Which process it is, and where the rows come from.
fn about(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some((id, p)) = opened(app) else {
        canvas.heading(area, 0, "no process is open");
        return;
    };
    let exited = if p.exited { ", exited" } else { "" };
    canvas.heading(area, 0, &format!("{}/{}{}{exited}", p.comm, id.pid, parent(app, id, p)));
    let others = if p.other_threads > 0 { ", others evicted" } else { "" };
    let cgroup = app.meta().cgroups.get(&p.cgroup_id).map(|path| format!("   cgroup {}", describe::cgroup(path)));
    canvas.line(
        area,
        1,
        &line![
            Tone::Dim.paint("runs on "),
            or_unknown(shares(&p.runs)),
            Tone::Dim.paint("   pages on "),
            or_unknown(shares(&p.pages)),
            Tone::Dim.paint("   waited "),
            app.shown().waited_ns(&p.counts).map_or_else(|| UNKNOWN.to_owned(), text::duration),
            Tone::Dim.paint("   threads "),
            format!("{}{others}", p.threads.len()),
            Tone::Dim.paint(cgroup.unwrap_or_default()),
        ],
    );
    canvas.line(area, 2, &program(app, id, area.width));
    canvas.line(area, 3, &origin(app, id, p));
}

/// `, child of 17 (bash)`; nothing if its parent is unknown.
fn parent(app: &App, id: ProcessId, process: &Process) -> String {
    let Some(pid) = parent_of(id, process, &app.details_of) else { return String::new() };
    // The last process of that PID that began before its child.
    let parents =
        app.shown().processes.iter().filter(|(parent, _)| parent.pid == pid && parent.start_ns <= id.start_ns);
    let name = parents.max_by_key(|(parent, _)| parent.start_ns).map(|(_, parent)| format!(" ({})", parent.comm));
    format!(", child of {pid}{}", name.unwrap_or_default())
}

/// Executable and command line. A long executable leaves half of the width to the command line.
fn program(app: &App, id: ProcessId, width: u16) -> Line {
    let known = app.details_of.get(id);
    let executable = known.and_then(|known| known.executable.as_deref()).unwrap_or(UNKNOWN);
    let command = known.and_then(|known| known.command_line.as_deref()).unwrap_or(UNKNOWN);
    line![
        Tone::Dim.paint("executable "),
        cut(executable, usize::from(width / 2).saturating_sub(11)),
        Tone::Dim.paint("   command "),
        command.to_owned(),
    ]
}

/// The first characters of a text.
fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { UNKNOWN.to_owned() } else { text }
}

fn origin(app: &App, id: ProcessId, process: &Process) -> Line {
    let without = match app.shown().unrecorded() {
        0 => String::new(),
        n => format!(", without {} events aggregated only", quantity::short_count(n)),
    };
    let mut text = match (&app.numa_maps, numa_maps_of(app, id)) {
        (_, Some(maps)) => {
            let more = if maps.left_out > 0 { format!("; {} mappings evicted", maps.left_out) } else { String::new() };
            format!(
                "pages by node: exact, from /proc/{}/numa_maps{more}; faults: since tracing began{without}",
                maps.pid
            )
        }
        (Some(maps), None) if maps.pid == id.pid => {
            let why = escape_control(maps.error.as_deref().unwrap_or("not read"));
            format!("/proc/{}/numa_maps: {why}; pages by node: ~estimated from faults and migrations", maps.pid)
        }
        _ => "pages by node: ~estimated from faults and migrations".to_owned(),
    };
    if process.regions.left_out() > 0 {
        text += &format!("; {} events in evicted regions", quantity::short_count(process.regions.left_out()));
    }
    line![Tone::Dim.paint(text)]
}
