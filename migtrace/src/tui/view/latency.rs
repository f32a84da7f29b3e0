//! Draws Latency: the table of durations, and the histogram of the selected row.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::Canvas,
    spark,
    table::{self, Cells, Width, width},
};
use crate::{
    model::{latency::Latencies as Times, live::latencies::What},
    text::{self, Tone, line, quantity},
    tui::{
        rows::{
            self,
            latency::{Latencies, words},
            table::Value,
            waits::{self, Waits},
        },
        state::{action::View, app::App},
    },
};

const WIDTHS: [Width; 9] = [
    width(7, 0),  // WHAT
    width(19, 0), // WHICH
    width(6, 1),  // COUNT
    width(8, 0),  // MEDIAN
    width(8, 3),  // P90
    width(8, 1),  // P99
    width(8, 4),  // P99.9
    width(8, 2),  // MAX
    width(8, 5),  // SUM
];
/// Rows of waits for which there is always room, which the histogram gives up.
const MIN_WAITS: u16 = 3;
/// Steps of the histogram in a factor of ten, and its range, as powers of ten of ns.
const STEPS: usize = 4;
const DECADES: (u32, u32) = (2, 10);
/// The range of the histogram of estimated durations, as powers of two of ns: 128 ns to 17 s.
const POWERS: std::ops::RangeInclusive<u32> = 7..=34;

impl Cells for Latencies<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, _: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            (1, Value::Text(_)) => Tone::Strong,
            (_, Value::Text(_)) => Tone::Dim,
            (_, Value::Number(_)) => Tone::Plain,
        }
    }
}

/// The table of durations, the waits for migrations, and the histogram. The second is empty if no thread waited.
fn parts(app: &App, area: Rect) -> [Rect; 3] {
    let histogram = if area.height >= 26 { 14 } else { 9 };
    let waits = Waits::of(app.shown());
    let (waits, histogram) = match waits.len() as u16 + u16::from(waits.further() > 0) {
        0 => (0, histogram),
        rows => (2 + rows.min((area.height / 8).max(MIN_WAITS)), histogram - MIN_WAITS),
    };
    Layout::vertical([Constraint::Fill(1), Constraint::Length(waits), Constraint::Length(histogram)]).areas(area)
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    parts(app, area)[0]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [rows, waits, below] = parts(app, area);
    let table = Latencies::of(app);
    let choice = app.choice(View::Latency);
    table::draw(canvas, rows, &table, &choice, &app.search, true);
    draw_waits(canvas, waits, &Waits::of(app.shown()));
    let order = rows::table::order(&table, &choice, &app.search);
    let selected = order.get(rows::table::position(&table, &order, &choice)).map(|row| table.row(*row));
    match selected {
        Some((what, times)) => {
            let bounds = if table.is_estimated(what) { powers_of_two() } else { parts_of_decades() };
            histogram(canvas, below, what, times, &bounds, app.shown().latencies.other_pairs());
        }
        None => canvas.heading(below, 0, "histogram of the selected row"),
    }
}

/// A heading, the columns, and as many rows as fit; the last one counts all that are not shown.
fn draw_waits(canvas: &mut Canvas<'_>, area: Rect, waits: &Waits<'_>) {
    let Some(room) = area.height.checked_sub(2) else { return };
    let shown = if waits.len() > room.into() || waits.further() > 0 { usize::from(room) - 1 } else { waits.len() };
    let shown = shown.min(waits.len());
    let title = format!("waits for pages that were being migrated ({shown} of {})", waits.len());
    canvas.heading(area, 0, &title);
    let row = |canvas: &mut Canvas<'_>, row, cells: &[String; 6], tone: Tone| {
        let mut x = 0;
        for (n, (cell, width)) in cells.iter().zip(wait_widths(area.width)).enumerate() {
            let place = Rect { x: area.x + x, width, ..area };
            let text = tone.paint(cell.as_str()).into();
            if n < 3 {
                canvas.line(place, row, &text)
            } else {
                canvas.line_right(place, row, &text)
            }
            x += width + 1;
        }
    };
    row(canvas, 1, &waits::TITLES.map(str::to_owned), Tone::Dim);
    for n in 0..shown {
        row(canvas, n as u16 + 2, &waits.cells(n), Tone::Plain);
    }
    if waits.len() > shown || waits.further() > 0 {
        let more = waits.len() - shown;
        let mut text = if more > 0 { format!("{} more", quantity::short_count(more as u64)) } else { String::new() };
        if waits.further() > 0 {
            let and = if more > 0 { "; " } else { "" };
            text += &format!("{and}{} further waits are in no row", quantity::short_count(waits.further()));
        }
        canvas.line(area, shown as u16 + 2, &Tone::Dim.paint(text).into());
    }
}

/// The widths of the columns of waits. Both sides share what the numbers leave.
fn wait_widths(width: u16) -> [u16; 6] {
    let side = (width.saturating_sub(14 + 6 + 8 + 8 + 5) / 2).clamp(12, 40);
    [side, side, 14, 6, 8, 8]
}

fn parts_of_decades() -> Vec<u64> {
    let steps = DECADES.0 * STEPS as u32..=DECADES.1 * STEPS as u32;
    steps.map(|step| 10_f64.powf(f64::from(step) / STEPS as f64) as u64).collect()
}

/// For durations that the kernel counted by powers of two: a narrower step would be empty.
fn powers_of_two() -> Vec<u64> {
    POWERS.map(|power| 1 << power).collect()
}

/// The distribution of the selected row, a line for each step of time, and how many migrations no row of pairs has.
fn histogram(canvas: &mut Canvas<'_>, area: Rect, what: What, times: &Times, bounds: &[u64], other_pairs: u64) {
    let others = if other_pairs == 0 {
        String::new()
    } else {
        format!("; {} migrations between other nodes are in no row", quantity::short_count(other_pairs))
    };
    let [sort, name] = words(what);
    canvas.heading(area, 0, &format!("{sort} {name}: how many took how long{others}"));
    let counts: Vec<u64> = times.between(bounds);
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    let room = usize::from(area.height.saturating_sub(1));
    // If there is no room for all steps, neighbours share a line.
    let merged = (last - first + 1).div_ceil(room.max(1)).max(1);
    let lines: Vec<(usize, u64)> =
        (first..=last).step_by(merged).map(|at| (at, counts[at..=last.min(at + merged - 1)].iter().sum())).collect();
    let max = lines.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let width = usize::from(area.width.saturating_sub(32));
    for (row, (at, count)) in lines.into_iter().enumerate() {
        let from = if at == 0 { 0 } else { bounds[at - 1] };
        let until = bounds.get(at + merged - 1).map_or_else(|| "more".to_owned(), |ns| text::duration(*ns));
        let label = format!("{:>8} to {until:>8} {:>7} ", text::duration(from), quantity::short_count(count));
        let bar = spark::bar(count as f64 / max as f64, width);
        canvas.line(area, row as u16 + 1, &line![Tone::Dim.paint(label), Tone::Bar.paint(bar)]);
    }
}
