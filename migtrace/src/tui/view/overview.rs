//! Draws Overview: what stands out, rates, nodes, durations, processes, and what the numbers lack.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{canvas::Canvas, matrix, spark, table};
use crate::{
    event::escape_control,
    recording::Coverage,
    text::{self, Tone, quantity},
    tui::{
        rows::{
            findings,
            latency::Latencies,
            nodes, overview,
            processes::Processes,
            rates::{self, Rate},
        },
        state::{
            action::View,
            app::App,
            selection::Choice,
            session::{Playing, Source},
        },
    },
};

/// From this width on, both matrices are shown.
const WIDE: u16 = 120;

/// Columns of the name of a rate, of its first number, and of the numbers beside the bars.
const NAME: u16 = 14;
const NOW: u16 = 9;
const TAIL: u16 = 34;

struct Parts {
    findings: Rect,
    rates: Rect,
    middle: Rect,
    table: Rect,
    foot: Rect,
}

fn parts(app: &App, area: Rect) -> Parts {
    let nodes = nodes::numbers(app.shown()).len() as u16;
    let tall = area.height >= 30;
    // If there is room, more of the durations.
    let least = if tall { area.height / 4 } else { 4 };
    let middle = (nodes + 2).clamp(least.min(14), if tall { 18 } else { 6 });
    let [findings, rates, middle, table, foot] = Layout::vertical([
        Constraint::Length(if tall { 4 } else { 2 }),
        Constraint::Length(6),
        Constraint::Length(middle),
        Constraint::Fill(1),
        Constraint::Length(3 + u16::from(overview::nodes(app).is_some())),
    ])
    .areas(area);
    Parts { findings, rates, middle, table, foot }
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    let table = parts(app, area).table;
    Rect { y: table.y + 1, height: table.height.saturating_sub(1), ..table }
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let parts = parts(app, area);
    let mut row = 0;
    for finding in findings::of(app.shown()) {
        if row < parts.findings.height {
            row += canvas.wrapped(parts.findings, row, &format!("▸ {}", finding.text), finding.tone);
        }
    }
    draw_rates(app, canvas, parts.rates);
    middle(app, canvas, parts.middle);
    let listed = app.shown().processes.len();
    canvas.heading(parts.table, 0, &format!("processes: {listed}, enter opens one"));
    let table = Processes::of(app, false);
    table::draw(canvas, table_area(app, area), &table, &app.choice(View::Overview), &app.search, true);
    let foot = overview::nodes(app).into_iter();
    let foot = foot.chain([overview::loss(app), overview::overhead(app), overview::fidelity(app)]);
    for (row, line) in foot.enumerate() {
        canvas.line(parts.foot, row as u16, &line);
    }
}

/// Draws a line for each rate. Live: now, the last seconds as bars, the mean, the total. In a recording: the mean, all of it
/// as bars, the highest bar, the total.
fn draw_rates(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let title = match &app.source {
        Source::Live => format!("per second; bars: the last {} s", bars(area)),
        Source::Recording(playing) => {
            let length = end_ns(app, playing).saturating_sub(state.zero_ns());
            format!("mean per second; bars: the whole recording, {}", text::duration(length))
        }
    };
    canvas.heading(area, 0, &title);
    for (row, rate) in rates::all(app).iter().enumerate() {
        draw_rate(app, canvas, Rect { y: area.y + 1 + row as u16, ..area }, rate);
    }
}

fn draw_rate(app: &App, canvas: &mut Canvas<'_>, area: Rect, rate: &Rate<'_>) {
    let y = area.y;
    canvas.put(area.x, y, NAME, rate.name, canvas.theme.style(Tone::Plain));
    if let Coverage::Unavailable(why) = rate.level {
        let text = format!("unavailable: {}", escape_control(&why.to_string()));
        canvas.put(area.x + NAME, y, area.width.saturating_sub(NAME), &text, canvas.theme.style(Tone::Dim));
        return;
    }
    let state = app.shown();
    let width = bars(area);
    let (values, name, beside): (Vec<f64>, _, _) = match (&app.source, &state.timeline) {
        (Source::Recording(playing), Some(timeline)) => {
            let values = timeline.columns(end_ns(app, playing), width.into(), rate.of);
            let highest = values.iter().copied().fold(0.0, f64::max);
            (values, "max", highest)
        }
        _ => (state.rates.last(width.into()).map(|c| (rate.of)(c) as f64).collect(), "mean", rate.mean()),
    };
    let shown = format!("{}{}", rate.level.sign(), quantity::rate(rate.now()));
    canvas.put_right(area.x + NAME, y, NOW, &shown, canvas.theme.style(Tone::Strong));
    spark::draw(canvas, (area.x + NAME + NOW + 1, y), width, &values, rate.tone);
    let tail = format!("{name:<4} {:>8}  total {:>7}", quantity::rate(beside), quantity::short_count(rate.total()));
    let x = area.x + area.width.saturating_sub(TAIL);
    canvas.put(x + 1, y, TAIL - 1, &tail, canvas.theme.style(Tone::Dim));
}

/// Columns that the bars take.
fn bars(area: Rect) -> u16 {
    area.width.saturating_sub(NAME + NOW + 2 + TAIL)
}

/// The end of a recording, or the position in it if the end is not known.
fn end_ns(app: &App, playing: &Playing) -> u64 {
    playing.end_ns.unwrap_or(playing.position_ns).max(app.shown().now_ns())
}

/// Draws one matrix, or both if there is room, and how long things took.
fn middle(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let nodes = nodes::numbers(state).len().max(2);
    let wide = area.width >= WIDE && usize::from(area.width / 3) >= usize::from(matrix::width(nodes));
    let most = area.width / if wide { 3 } else { 2 };
    let matrix_width = matrix::width(nodes).max(32).min(most);
    let (faults, moves) = ("faults: CPU node → page node", "pages migrated: node → node");
    let mut draw = |area: Rect, of_faults: bool| {
        let (matrix, title, axes, level) = if of_faults {
            (&state.faults, faults, "cpu\\pg", &state.fidelity.remote)
        } else {
            (&state.moves, moves, "from\\to", &state.fidelity.moved)
        };
        if let Coverage::Unavailable(why) = level {
            canvas.heading(area, 0, title);
            canvas.wrapped(
                Rect { y: area.y + 1, height: area.height - 1, ..area },
                0,
                &format!("unavailable: {}", escape_control(&why.to_string())),
                Tone::Dim,
            );
        } else if state.fidelity.moves_by_batch && !of_faults {
            canvas.heading(area, 0, title);
            canvas.wrapped(
                Rect { y: area.y + 1, height: area.height - 1, ..area },
                0,
                &format!("unavailable: {}", nodes::BATCHES_ONLY),
                Tone::Dim,
            );
        } else {
            matrix::draw(canvas, area, state, matrix, title, axes);
        }
    };
    let first = Rect { width: matrix_width, ..area };
    let mut used = matrix_width + 2;
    if wide {
        draw(first, true);
        draw(Rect { x: area.x + used, ..first }, false);
        used += matrix_width + 2;
    } else {
        draw(first, app.matrix_of_faults);
    }
    let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
    canvas.heading(rest, 0, "how long things took");
    let table = Latencies::without_parts(app);
    let below = Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest };
    table::draw(canvas, below, &table, &Choice::default(), "", false);
}
