//! Overview: what is going on, and what stands out.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::{Canvas, Piece, dim, plain},
    spark, table,
    theme::Tone,
};
use super::{latency, matrix, processes};
use crate::{
    event::escape_control,
    model::live::{
        counts::Counts,
        rates::{BUCKETS, SECOND_NS},
    },
    recording::{Coverage, Why},
    text,
    tui::{
        format,
        state::{
            action::View,
            app::{App, Source},
            findings,
        },
    },
};

/// Seconds that the long mean is of.
const MEAN_SECONDS: usize = 60;
/// From this width on, two matrices stand side by side.
const WIDE: u16 = 120;

struct Parts {
    findings: Rect,
    rates: Rect,
    middle: Rect,
    table: Rect,
    foot: Rect,
}

fn parts(app: &App, area: Rect) -> Parts {
    let nodes = matrix::nodes(app.shown()).len() as u16;
    let tall = area.height >= 30;
    // Where there is place, more of the latencies.
    let least = if tall { area.height / 4 } else { 4 };
    let middle = (nodes + 2).clamp(least.min(14), if tall { 18 } else { 6 });
    let [findings, rates, middle, table, foot] = Layout::vertical([
        Constraint::Length(if tall { 4 } else { 2 }),
        Constraint::Length(6),
        Constraint::Length(middle),
        Constraint::Fill(1),
        Constraint::Length(3),
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
    for (text, tone) in findings::of(app.shown()) {
        if row < parts.findings.height {
            row += canvas.wrapped(parts.findings, row, &format!("▸ {text}"), tone);
        }
    }
    rates(app, canvas, parts.rates);
    middle(app, canvas, parts.middle);
    let listed = app.shown().processes.len();
    canvas.heading(parts.table, 0, &format!("processes: {listed}, enter opens one"));
    let table = processes::Processes::of(app, false);
    table::draw(canvas, table_area(app, area), &table, &app.choice(View::Overview), &app.search, true);
    foot(app, canvas, parts.foot);
}

/// A line for each rate: now, the last minutes as bars, the mean, the total.
fn rates(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let bucket_ns = state.rates.bucket_ns();
    let title = match bucket_ns {
        SECOND_NS => "per second".to_owned(),
        ns => format!("per second; a column is {}", text::duration(ns)),
    };
    canvas.heading(area, 0, &title);
    let by_batch = state.fidelity.moves_by_batch;
    let moved = move |c: &Counts| if by_batch { c.batch_moved_pages } else { c.moved_pages };
    let failed = move |c: &Counts| if by_batch { c.batch_failed_pages } else { c.failed_pages };
    let f = &state.fidelity;
    rate(app, canvas, area, 1, "faults", &f.faults, Tone::Bar, |c| c.faults);
    rate(app, canvas, area, 2, "remote faults", &f.remote, Tone::Remote, |c| c.remote_faults);
    rate(app, canvas, area, 3, "misplaced", &f.misplaced, Tone::Remote, |c| c.misplaced);
    rate(app, canvas, area, 4, "pages moved", &f.moved, Tone::Good, moved);
    rate(app, canvas, area, 5, "moves failed", &f.moved, Tone::Bad, failed);
}

#[expect(clippy::too_many_arguments, reason = "a row of a fixed list, written once for each")]
fn rate(
    app: &App,
    canvas: &mut Canvas<'_>,
    area: Rect,
    row: u16,
    name: &str,
    level: &Coverage,
    tone: Tone,
    of: impl Fn(&Counts) -> u64 + Copy,
) {
    const NAME: u16 = 14;
    const NOW: u16 = 9;
    const TAIL: u16 = 34;
    let y = area.y + row;
    canvas.put(area.x, y, NAME, name, canvas.theme.style(Tone::Plain));
    if let Coverage::Unavailable(why) = level {
        let text = format!("unavailable: {}", escape_control(&why.to_string()));
        canvas.put(area.x + NAME, y, area.width.saturating_sub(NAME), &text, canvas.theme.style(Tone::Dim));
        return;
    }
    let state = app.shown();
    let now = format!("{}{}", level.sign(), format::rate(state.rates.now(of)));
    canvas.put_right(area.x + NAME, y, NOW, &now, canvas.theme.style(Tone::Strong));
    let width = area.width.saturating_sub(NAME + NOW + 2 + TAIL);
    let of_recording = matches!(app.source, Source::Recording(_));
    let values: Vec<f64> =
        state.rates.last(if of_recording { BUCKETS } else { width.into() }).map(|c| of(c) as f64).collect();
    let values = if of_recording { spark::squeezed(&values, width.into()) } else { values };
    spark::draw(canvas, (area.x + NAME + NOW + 1, y), width, &values, tone);
    // Of a recording all of it, live the last minute.
    let seconds = state.elapsed_ns() as f64 / SECOND_NS as f64;
    let mean = match &app.source {
        Source::Recording(_) if seconds > 0.0 => of(&state.totals) as f64 / seconds,
        _ => state.rates.mean(MEAN_SECONDS, of),
    };
    let mean = format::rate(mean);
    let tail = format!("mean {mean:>8}  total {:>7}", format::count(of(&state.totals)));
    let x = area.x + area.width.saturating_sub(TAIL);
    canvas.put(x + 1, y, TAIL - 1, &tail, canvas.theme.style(Tone::Dim));
}

/// The matrix, or both where there is place, and how long things took.
fn middle(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let state = app.shown();
    let nodes = matrix::nodes(state).len().max(2);
    let wide = area.width >= WIDE && usize::from(area.width / 3) >= usize::from(matrix::width(nodes));
    let most = area.width / if wide { 3 } else { 2 };
    let matrix_width = matrix::width(nodes).max(32).min(most);
    let (faults, moves) = ("faults: CPU node, page node", "pages moved, node to node");
    let mut draw = |area: Rect, of_faults: bool| {
        let (matrix, title, axes, level) = if of_faults {
            (&state.faults, faults, "cpu\\pg", &state.fidelity.remote)
        } else {
            (&state.moves, moves, "fr\\to", &state.fidelity.moved)
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
                "unavailable: only the kernel's totals of its batches are shown here, not the way of each page",
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
    let table = latency::Latencies::shortest(app);
    let below = Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest };
    table::draw(canvas, below, &table, &table::Choice::default(), "", false);
}

/// Loss, own cost, fidelity: always there.
fn foot(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.line(area, 0, &loss(app));
    canvas.line(area, 1, &own_cost(app));
    canvas.line(area, 2, &fidelity(app));
}

fn loss(app: &App) -> Vec<Piece> {
    let state = app.shown();
    let mut pieces = vec![dim("loss      ")];
    if state.losses.is_empty() && state.meta.lost() == 0 {
        pieces.push(("0 events lost".to_owned(), Tone::Good));
    } else if state.losses.is_empty() {
        pieces.push((format!("{} lost", text::count(state.meta.lost(), "event")), Tone::Bad));
    }
    for ((probe, cause), count) in &state.losses {
        pieces.push((
            format!(
                "{}: {} {}  ",
                escape_control(probe.as_str()),
                format::count(*count),
                escape_control(cause.as_str())
            ),
            Tone::Bad,
        ));
    }
    let (evicted, _) = state.processes.evicted();
    let mut also = Vec::new();
    if evicted > 0 {
        also.push(format!("{} processes no longer listed", format::count(evicted)));
    }
    if app.left_out.too_fast > 0 {
        also.push(format!("{} events came too fast to be counted", format::count(app.left_out.too_fast)));
    }
    if app.missed() > 0 {
        also.push(text::missed(app.missed()));
    }
    if app.is_silenced() {
        also.push(Why::Interrupted.to_string());
    }
    if let Some(sample) = state.meta.sample {
        also.push(format!("numbers are of a sample, one of {sample}"));
    }
    if !also.is_empty() {
        pieces.push((format!("  {}", also.join(", ")), Tone::Warn));
    }
    pieces
}

fn own_cost(app: &App) -> Vec<Piece> {
    let mut pieces = vec![dim("own cost")];
    let cpu = app.own.cpu_percent.map(|p| format!("{} of a CPU", format::percent(p)));
    let rss = app.own.rss_bytes.map(format::bytes);
    match (cpu, rss) {
        (None, None) => {}
        (cpu, rss) => {
            pieces.push(plain(format!(
                "  this program {}",
                [cpu, rss].into_iter().flatten().collect::<Vec<_>>().join(", ")
            )));
        }
    }
    let runs = |p: &crate::recording::ProgramCost| p.run_ns.zip(p.run_count.filter(|n| *n > 0));
    let recorded = app.meta().own_cost.as_ref().map(|cost| cost.programs.as_slice()).unwrap_or_default();
    let programs = if app.own.programs.is_empty() { recorded } else { &app.own.programs };
    let (ns, count) = programs.iter().filter_map(runs).fold((0, 0), |(ns, n), (its_ns, its)| (ns + its_ns, n + its));
    pieces.push(match ns.checked_div(count) {
        Some(ns) => plain(format!("  kernel programs {} a run", text::duration(ns))),
        None => dim("  kernel programs: not measured"),
    });
    pieces
}

fn fidelity(app: &App) -> Vec<Piece> {
    let f = &app.shown().fidelity;
    let all = [
        ("faults", &f.faults),
        ("remote", &f.remote),
        ("misplaced", &f.misplaced),
        ("moves", &f.moved),
        ("fault times", &f.fault_times),
        ("calls", &f.requests),
        ("regions", &f.regions),
        ("marks", &f.marks),
    ];
    let of = |want: fn(&Coverage) -> bool| {
        all.iter().filter(|(_, level)| want(level)).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let parts = [
        ("unavailable ", of(|l| matches!(l, Coverage::Unavailable(_))), Tone::Dim),
        ("~estimated ", of(|l| matches!(l, Coverage::Estimated(_))), Tone::Warn),
        ("exact ", of(|l| matches!(l, Coverage::Exact)), Tone::Good),
    ];
    let mut pieces = vec![dim("fidelity  ")];
    for (label, names, tone) in parts.into_iter().filter(|(_, names, _)| !names.is_empty()) {
        pieces.push((label.to_owned(), tone));
        pieces.push(plain(format!("{names}  ")));
    }
    pieces
}
