//! Lazy: what became of the pages that were marked for lazy migration.

use ratatui::layout::{Constraint, Layout, Rect};

use super::{
    canvas::{Canvas, Piece, plain},
    spark,
    table::{self, Column, RowKey, Table, Value, number, text},
    theme::Tone,
};
use crate::{
    event::escape_control,
    model::{
        address::pages_of,
        lazy::{funnel::Funnel, request::LazyRequest},
    },
    recording::Coverage,
    text,
    tui::{
        format,
        state::{action::View, app::App},
    },
};

const COLUMNS: [Column; 10] = [
    number("MS", 11, 1, "when the request began, since the start"),
    text("TASK", 16, 0, "who asked"),
    number("MARKED", 7, 0, "pages that it marked"),
    number("MOVED", 7, 0, "of them, touched and moved"),
    number("PLACED", 7, 2, "touched, and already where policy wants them"),
    number("FAILED", 7, 0, "touched, and stayed"),
    number("GONE", 6, 2, "no longer there before they were touched"),
    number("UNTOUCH", 8, 0, "not touched so far"),
    text("FILLED", 10, 3, "how much of it is settled"),
    text("RANGE", 20, 4, "what it named"),
];

pub(super) struct Requests<'a> {
    rows: &'a [LazyRequest],
    zero_ns: u64,
    why_empty: String,
}

impl<'a> Requests<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        let state = app.shown();
        let why_empty = match &state.fidelity.marks {
            Coverage::Unavailable(why) => format!(
                "Lazy marks cannot be seen here: {}. Migrate-on-fault needs the patched kernel; what NUMA balancing does is in 1 Overview and 6 Latency.",
                escape_control(&why.to_string())
            ),
            _ => "no page was marked yet: mbind with MPOL_MF_MOVE and MPOL_MF_LAZY marks pages".to_owned(),
        };
        Self { rows: &app.stories.lazy.requests, zero_ns: state.zero_ns(), why_empty }
    }
}

impl Table for Requests<'_> {
    fn columns(&self) -> Vec<Column> {
        COLUMNS.to_vec()
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(self.rows[row].id)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let r = &self.rows[row];
        let f = &r.funnel;
        let number = |n: u64| Value::Number(n as f64);
        match column {
            0 => Value::Number(r.began_ns.saturating_sub(self.zero_ns) as f64 / 1e6),
            1 => Value::Text(format!("{}/{}", r.comm, r.tid)),
            2 => number(f.total_pages()),
            3 => number(f.migrated_pages),
            4 => number(f.placed_pages),
            5 => number(f.failed_total_pages()),
            6 => number(f.gone_total_pages()),
            7 => number(f.untouched_pages),
            8 => Value::Text(format::percent(filled(f) * 100.0)),
            _ => r.request.as_ref().and_then(|q| q.addr.zip(q.len)).map_or(Value::Missing, |(addr, len)| {
                Value::Text(format!("{addr:#x}, {}", text::count(pages_of(addr, len), "page")))
            }),
        }
    }

    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        let some = |n: f64, tone| if n > 0.0 { tone } else { Tone::Dim };
        match (column, self.value(row, column)) {
            (8, _) => (spark::bar(filled(&self.rows[row].funnel), 10), Tone::Bar),
            (_, Value::Missing) => ("has not returned".to_owned(), Tone::Dim),
            (_, Value::Text(text)) => (text, Tone::Plain),
            (0, Value::Number(ms)) => (format!("{ms:.3}"), Tone::Dim),
            (3, Value::Number(n)) => (format::number(n), some(n, Tone::Good)),
            (5, Value::Number(n)) => (format::number(n), some(n, Tone::Bad)),
            (7, Value::Number(n)) => (format::number(n), some(n, Tone::Warn)),
            (_, Value::Number(n)) => (format::number(n), some(n, Tone::Plain)),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, true)
    }

    fn empty(&self) -> String {
        self.why_empty.clone()
    }
}

/// Which part of what was marked has met its fate.
fn filled(f: &Funnel) -> f64 {
    let total = f.total_pages();
    if total == 0 { 0.0 } else { total.saturating_sub(f.untouched_pages) as f64 / total as f64 }
}

fn parts(app: &App, area: Rect) -> [Rect; 2] {
    let funnel = if app.stories.lazy.all.is_empty() { 0 } else { 9 };
    Layout::vertical([Constraint::Length(funnel), Constraint::Fill(1)]).areas(area)
}

pub(super) fn table_area(app: &App, area: Rect) -> Rect {
    parts(app, area)[1]
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let [all, rows] = parts(app, area);
    if all.height > 0 {
        funnel(app, canvas, all);
    }
    table::draw(canvas, rows, &Requests::of(app), &app.choice(View::Lazy), &app.search, true);
}

/// The funnel of all requests together, a bar for each fate.
fn funnel(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let f = &app.stories.lazy.all;
    let sign = if f.is_estimated { "~" } else { "" };
    canvas.heading(area, 0, "all pages that were marked, and what became of them");
    let failed = reasons(f.failed_pages.iter().map(|(reason, n)| (reason.to_string(), *n)));
    let gone = reasons(f.gone_pages.iter().map(|(how, n)| (how.to_string(), *n)));
    let refused: u64 = f.refused_pages.values().sum();
    let rows = [
        (
            "marked",
            f.total_pages(),
            Tone::Bar,
            if refused > 0 { format!("{refused} more could not be marked") } else { String::new() },
        ),
        ("moved when touched", f.migrated_pages, Tone::Good, String::new()),
        ("already placed", f.placed_pages, Tone::Plain, String::new()),
        ("failed", f.failed_total_pages(), Tone::Bad, failed),
        ("gone", f.gone_total_pages(), Tone::Plain, gone),
        ("untouched so far", f.untouched_pages, Tone::Warn, String::new()),
    ];
    let width = usize::from(area.width.saturating_sub(29) / 2);
    let total = f.total_pages().max(1) as f64;
    for (n, (name, count, tone, note)) in rows.into_iter().enumerate() {
        let pieces: [Piece; 4] = [
            plain(format!("{name:<19}")),
            (format!("{sign}{:>7} ", format::count(count)), Tone::Strong),
            (spark::bar(count as f64 / total, width), tone),
            (format!(" {note}"), Tone::Dim),
        ];
        canvas.line(area, n as u16 + 1, &pieces);
    }
    canvas.line(area, 7, &[identity(f), (untold(app), Tone::Bad)]);
    let left_out = app.stories.lazy.left_out;
    let more = if left_out > 0 { format!(" ({left_out} older ones not listed)") } else { String::new() };
    canvas.heading(area, 8, &format!("request by request{more}"));
}

/// What did not come one by one may have told of marked pages.
fn untold(app: &App) -> String {
    match app.untold() {
        0 => String::new(),
        n => format!("; {} events did not come one by one, of these pages too maybe", format::count(n)),
    }
}

fn identity(f: &Funnel) -> Piece {
    if f.holds() {
        return ("every marked page is accounted for, once".to_owned(), Tone::Good);
    }
    let mut why = Vec::new();
    if f.unknown_pages > 0 {
        why.push(format!("of {} it is not known what became", f.unknown_pages));
    }
    if f.is_doubtful() {
        why.push(format!("{} events were lost that may tell of untouched ones", f.lost_events));
    }
    match f.evicted_pages {
        0 if f.is_estimated => why.push("estimated from a sample".to_owned()),
        0 => {}
        n => why.push(format!("estimated: {} too many to be followed one by one", format::count(n))),
    }
    if why.is_empty() {
        why.push(format!("{} of {} are accounted for so far", f.settled_pages(), f.total_pages()));
    }
    (why.join("; "), Tone::Warn)
}

fn reasons(counts: impl Iterator<Item = (String, u64)>) -> String {
    let known: Vec<String> = counts.map(|(word, n)| format!("{} {n}", escape_control(&word))).collect();
    known.join(", ")
}
