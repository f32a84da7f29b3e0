//! Draws Probes: the table, the account of all probes, the selected probe, the cost of the programs, and what can be answered.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    table::{self, Cells, Width, unless_zero, width},
};
use crate::{
    doctor,
    event::escape_control,
    recording::{Fidelity, ProbeInfo},
    text::{self, Tone, line, quantity},
    tui::{
        rows::{
            self,
            probes::{self, Probes},
            table::Value,
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 5] = [
    width(24, 0), // PROBE
    width(11, 0), // FIDELITY
    width(7, 0),  // EVENTS
    width(6, 0),  // LOST
    width(30, 0), // ATTACHED
];
/// Longest name of a kernel program.
const LONGEST_NAME: usize = 24;

impl Cells for Probes<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, row: usize, column: usize, value: &Value) -> Tone {
        let is_attached = self.probe(row).attached.is_some();
        match (column, value) {
            (_, Value::Missing) => Tone::Plain,
            (0, _) => Tone::Strong,
            (1, Value::Text(_)) => tone_of(self.probe(row).coverage().fidelity()),
            (4, Value::Text(_)) if !is_attached => Tone::Dim,
            (3, Value::Number(n)) => unless_zero(*n, Tone::Bad),
            _ => Tone::Plain,
        }
    }
}

fn parts(area: Rect) -> [Rect; 4] {
    let below = if area.height >= 30 { 14 } else { 6 };
    let heights = [Constraint::Fill(1), Constraint::Length(1), Constraint::Length(3), Constraint::Length(below)];
    Layout::vertical(heights).areas(area)
}

pub(super) fn table_area(area: Rect) -> Rect {
    parts(area)[0]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [rows, account, selected, below] = parts(area);
    let table = Probes::of(app);
    let choice = app.choice(View::Probes);
    table::draw(canvas, rows, &table, &choice, &app.search, true);
    canvas.line(account, 0, &probes::account(app));
    let order = rows::table::order(&table, &choice, &app.search);
    if let Some(row) = order.get(rows::table::position(&table, &order, &choice)) {
        about(canvas, selected, table.probe(*row));
    }
    let half = area.width / 2;
    programs(app, canvas, Rect { width: half.saturating_sub(1), ..below });
    questions(app, canvas, Rect { x: below.x + half, width: area.width - half, ..below });
}

/// Draws the selected probe in full.
fn about(canvas: &mut Canvas<'_>, area: Rect, probe: &ProbeInfo) {
    canvas.heading(area, 0, &probes::name(probe));
    let attached = probe.attached.as_deref().map(|how| format!("attached: {}. ", escape_control(how)));
    let why = probe.error.as_deref().map(|why| {
        let label = if probe.attached.is_some() { "better attach methods failed" } else { "not attached" };
        format!("{label}: {}", escape_control(why))
    });
    let text = attached.unwrap_or_default() + &why.unwrap_or_default();
    canvas.wrapped(area, 1, &text, Tone::Plain);
}

/// Draws the cost of the programs as the kernel measured it.
fn programs(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.heading(area, 0, "BPF programs: time per run");
    let measured = probes::measured(app);
    if measured.is_empty() {
        canvas.line(area, 1, &Tone::Dim.paint("not measured").into());
    }
    for (row, (program, ns, count)) in measured.into_iter().enumerate() {
        let name: String = escape_control(&program.name).chars().take(LONGEST_NAME).collect();
        let missed = program.missed.filter(|n| *n > 0).map(|n| format!("  missed {}", quantity::short_count(n)));
        let text = format!(
            "{name:<LONGEST_NAME$} {:>7} ns  {:>7} runs{}",
            ns / count,
            quantity::short_count(count),
            missed.unwrap_or_default()
        );
        canvas.line(area, row as u16 + 1, &text.into());
    }
}

/// Draws how well each question can be answered.
fn questions(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.heading(area, 0, "what this kernel can answer");
    if app.meta().probes.is_empty() {
        canvas.line(area, 1, &Tone::Dim.paint("not known").into());
        return;
    }
    let all = doctor::views(&app.meta().probes);
    let order = [Fidelity::Unavailable, Fidelity::Estimated, Fidelity::Exact];
    let count = |fidelity: Fidelity| all.iter().filter(|view| view.fidelity == fidelity).count();
    let summary = order.iter().map(|f| format!("{} {f}", count(*f))).collect::<Vec<_>>().join(", ");
    canvas.line(area, 1, &Tone::Dim.paint(format!("{}: {summary}", text::count(all.len() as u64, "question"))).into());
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|view| std::cmp::Reverse(view.fidelity));
    for (row, view) in sorted.into_iter().enumerate() {
        let fidelity = tone_of(view.fidelity).paint(format!("{:<12}", view.fidelity));
        canvas.line(area, row as u16 + 2, &line![fidelity, view.question]);
    }
}

fn tone_of(fidelity: Fidelity) -> Tone {
    match fidelity {
        Fidelity::Exact => Tone::Good,
        Fidelity::Estimated => Tone::Warn,
        Fidelity::Unavailable => Tone::Dim,
    }
}
