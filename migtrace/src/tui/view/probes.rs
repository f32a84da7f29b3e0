//! Probes: what can be seen on this kernel, what was lost, what watching costs.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    table::{self, Column, RowKey, Table, Value, known, number, text},
    theme::Tone,
};
use crate::{
    doctor,
    event::escape_control,
    model::live::State,
    recording::{Fidelity, ProbeInfo, ProgramCost},
    text,
    tui::{
        format,
        state::{action::View, app::App},
    },
};

const COLUMNS: [Column; 5] = [
    text("PROBE", 24, 0, "what is watched; behind a point, the one field that the hook is for"),
    text("FIDELITY", 11, 0, "exact, estimated or unavailable"),
    number("EVENTS", 7, 0, "events of it so far"),
    number("LOST", 6, 0, "events that it saw and nobody got"),
    text("ATTACHED", 30, 0, "how, or why not"),
];
/// Of a kernel program.
const LONGEST_NAME: usize = 24;

pub(super) struct Probes<'a> {
    state: &'a State,
}

impl<'a> Probes<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        Self { state: app.shown() }
    }

    fn probe(&self, row: usize) -> &ProbeInfo {
        &self.state.meta.probes[row]
    }

    /// Events, for the probe itself and not for its fields.
    fn events(&self, probe: &ProbeInfo) -> Option<u64> {
        (probe.field.is_none() && probe.attached.is_some())
            .then(|| probe.probe.known().map_or(0, |probe| self.state.events_of(probe)))
    }

    fn lost(&self, probe: &ProbeInfo) -> Option<u64> {
        let told: u64 = self.state.losses.iter().filter(|((name, _), _)| *name == probe.probe).map(|(_, n)| n).sum();
        let account = self.state.meta.account.iter().find(|a| a.probe == probe.probe).map(|a| a.lost());
        (probe.field.is_none() && probe.attached.is_some()).then(|| told.max(account.unwrap_or(0)))
    }
}

impl Table for Probes<'_> {
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn len(&self) -> usize {
        self.state.meta.probes.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(row as u64)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let probe = self.probe(row);
        let number = |n: Option<u64>| n.map_or(Value::Missing, |n| Value::Number(n as f64));
        match column {
            0 => Value::Text(name(probe)),
            1 => Value::Text(probe.coverage().fidelity().to_string()),
            2 => number(self.events(probe)),
            3 => number(self.lost(probe)),
            _ => Value::Text(escape_control(
                probe.attached.as_deref().or(probe.error.as_deref()).unwrap_or("not attached"),
            )),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        let probe = self.probe(row);
        let is_there = probe.attached.is_some();
        match (column, self.value(row, column)) {
            (2 | 3, Value::Missing) => (String::new(), Tone::Plain),
            (_, Value::Missing) => known(None, Tone::Dim),
            (1, Value::Text(text)) => (text, tone(probe.coverage().fidelity())),
            (4, Value::Text(text)) => (text, if is_there { Tone::Plain } else { Tone::Dim }),
            (_, Value::Text(text)) => (text, if column == 0 { Tone::Strong } else { Tone::Plain }),
            (3, Value::Number(n)) => (format::number(n), if n > 0.0 { Tone::Bad } else { Tone::Dim }),
            (_, Value::Number(n)) => (format::number(n), Tone::Plain),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, false)
    }

    fn empty(&self) -> String {
        "the source does not list its probes".to_owned()
    }
}

fn parts(area: Rect) -> [Rect; 3] {
    let below = if area.height >= 30 { 14 } else { 6 };
    Layout::vertical([Constraint::Fill(1), Constraint::Length(3), Constraint::Length(below)]).areas(area)
}

pub(super) fn table_area(area: Rect) -> Rect {
    parts(area)[0]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [rows, selected, below] = parts(area);
    let table = Probes::of(app);
    let choice = app.choice(View::Probes);
    table::draw(canvas, rows, &table, &choice, &app.search, true);
    let order = table::order(&table, &choice, &app.search);
    if let Some(row) = order.get(table::position(&table, &order, &choice)) {
        about(canvas, selected, table.probe(*row));
    }
    let half = area.width / 2;
    programs(app, canvas, Rect { width: half.saturating_sub(1), ..below });
    questions(app, canvas, Rect { x: below.x + half, width: area.width - half, ..below });
}

/// `fault`, or of one field `fault.class`.
fn name(probe: &ProbeInfo) -> String {
    escape_control(&probe.name())
}

/// The selected hook, whole.
fn about(canvas: &mut Canvas<'_>, area: Rect, probe: &ProbeInfo) {
    canvas.heading(area, 0, &name(probe));
    let attached = probe.attached.as_deref().map(|how| format!("attached: {}. ", escape_control(how)));
    let why = probe.error.as_deref().map(|why| {
        let label = if probe.attached.is_some() { "better ways were refused" } else { "not attached" };
        format!("{label}: {}", escape_control(why))
    });
    let text = attached.unwrap_or_default() + &why.unwrap_or_default();
    canvas.wrapped(area, 1, &text, Tone::Plain);
}

/// What the kernel measured of the programs.
fn programs(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.heading(area, 0, "kernel programs: ns a run");
    let recorded = app.meta().own_cost.as_ref().map(|cost| cost.programs.as_slice()).unwrap_or_default();
    let programs = if app.own.programs.is_empty() { recorded } else { &app.own.programs };
    let mut measured: Vec<(&ProgramCost, u64, u64)> =
        programs.iter().filter_map(|p| Some((p, p.run_ns?, p.run_count.filter(|n| *n > 0)?))).collect();
    measured.sort_by_key(|(p, ns, _)| (std::cmp::Reverse(*ns), p.name.clone()));
    if measured.is_empty() {
        canvas.line(area, 1, &[("not measured".to_owned(), Tone::Dim)]);
    }
    for (row, (program, ns, count)) in measured.into_iter().enumerate() {
        let name: String = escape_control(&program.name).chars().take(LONGEST_NAME).collect();
        let missed = program.missed.filter(|n| *n > 0).map(|n| format!("  missed {}", format::count(n)));
        let text = format!(
            "{name:<LONGEST_NAME$} {:>7} ns  {:>7} runs{}",
            ns / count,
            format::count(count),
            missed.unwrap_or_default()
        );
        canvas.line(area, row as u16 + 1, &[(text, Tone::Plain)]);
    }
}

/// What each question gets for an answer here.
fn questions(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.heading(area, 0, "what can be answered here");
    if app.meta().probes.is_empty() {
        canvas.line(area, 1, &[("not known".to_owned(), Tone::Dim)]);
        return;
    }
    let all = doctor::views(&app.meta().probes);
    let order = [Fidelity::Unavailable, Fidelity::Estimated, Fidelity::Exact];
    let count = |fidelity: Fidelity| all.iter().filter(|view| view.fidelity == fidelity).count();
    let summary = order.iter().map(|f| format!("{} {f}", count(*f))).collect::<Vec<_>>().join(", ");
    canvas.line(area, 1, &[(format!("{}: {summary}", text::count(all.len() as u64, "question")), Tone::Dim)]);
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|view| std::cmp::Reverse(view.fidelity));
    for (row, view) in sorted.into_iter().enumerate() {
        canvas.line(
            area,
            row as u16 + 2,
            &[(format!("{:<12}", view.fidelity), tone(view.fidelity)), (view.question.to_owned(), Tone::Plain)],
        );
    }
}

fn tone(fidelity: Fidelity) -> Tone {
    match fidelity {
        Fidelity::Exact => Tone::Good,
        Fidelity::Estimated => Tone::Warn,
        Fidelity::Unavailable => Tone::Dim,
    }
}
