//! Lazy: the fate of the pages that were marked for lazy migration.

use super::table::{Column, Table, Value, number, text};
use crate::{
    event::escape_control,
    model::{
        address::pages_of,
        lazy::{funnel::Funnel, request::LazyRequest},
    },
    recording::Coverage,
    text::{self, Line, Span, Tone, line, quantity},
    tui::state::{app::App, selection::RowKey},
};

const COLUMNS: [Column; 10] = [
    number("MS", "start of the mbind call, since the start of tracing"),
    text("TASK", "its thread"),
    number("MARKED", "pages that it marked"),
    number("MIGRATED", "of them, touched and migrated").in_csv("MOVED"),
    number("PLACED", "touched, and already on a node that the policy wants"),
    number("FAILED", "touched, and not migrated"),
    number("GONE", "no longer in memory before they were touched"),
    number("UNTOUCH", "not touched and not gone so far"),
    text("SETTLED", "share of them that have met their fate").in_csv("FILLED"),
    text("RANGE", "its address range"),
];

/// The rows: `mbind` calls that marked pages.
pub(crate) struct Requests<'a> {
    rows: &'a [LazyRequest],
    zero_ns: u64,
    why_empty: String,
}

impl<'a> Requests<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        let state = app.shown();
        let why_empty = match &state.fidelity.marks {
            Coverage::Unavailable(why) => format!(
                "Lazy marks are unavailable: {}. Lazy migration needs the patched kernel; for NUMA balancing see 1 Overview and 6 Latency.",
                escape_control(&why.to_string())
            ),
            _ => "no page was marked yet: mbind with MPOL_MF_MOVE and MPOL_MF_LAZY marks pages".to_owned(),
        };
        Self { rows: &app.details.lazy.requests, zero_ns: state.zero_ns(), why_empty }
    }
}

impl Requests<'_> {
    /// The share of the marked pages that have met their fate, from 0 to 1.
    pub(crate) fn settled(&self, row: usize) -> f64 {
        settled(&self.rows[row].funnel)
    }
}

impl Table for Requests<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
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
            8 => Value::Text(quantity::percent(settled(f) * 100.0)),
            _ => r.request.as_ref().and_then(|q| q.addr.zip(q.len)).map_or(Value::Missing, |(addr, len)| {
                Value::Text(format!("{addr:#x}, {}", text::count(pages_of(addr, len), "page")))
            }),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => "not returned yet".to_owned(),
            (_, Value::Text(text)) => text,
            (0, Value::Number(ms)) => format!("{ms:.3}"),
            (_, Value::Number(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, true)
    }

    fn empty(&self) -> String {
        self.why_empty.clone()
    }
}

/// The share of the marked pages that have met their fate, from 0 to 1.
fn settled(f: &Funnel) -> f64 {
    let total = f.total_pages();
    if total == 0 { 0.0 } else { total.saturating_sub(f.untouched_pages) as f64 / total as f64 }
}

/// A line of the funnel.
pub(crate) struct Fate {
    pub(crate) name: &'static str,
    pub(crate) pages: u64,
    pub(crate) tone: Tone,
    pub(crate) note: String,
}

/// The funnel over all marked pages: how many met each fate.
pub(crate) fn fates(f: &Funnel) -> [Fate; 6] {
    let failed = reasons(f.failed_pages.iter().map(|(reason, n)| (reason.to_string(), *n)));
    let gone = reasons(f.gone_pages.iter().map(|(how, n)| (how.to_string(), *n)));
    let refused: u64 = f.refused_pages.values().sum();
    let refused = if refused > 0 { format!("{refused} more were not marked") } else { String::new() };
    let fate = |name, pages, tone, note| Fate { name, pages, tone, note };
    [
        fate("marked", f.total_pages(), Tone::Bar, refused),
        fate("migrated", f.migrated_pages, Tone::Good, String::new()),
        fate("already placed", f.placed_pages, Tone::Plain, String::new()),
        fate("failed", f.failed_total_pages(), Tone::Bad, failed),
        fate("gone", f.gone_total_pages(), Tone::Plain, gone),
        fate("untouched", f.untouched_pages, Tone::Warn, String::new()),
    ]
}

/// Whether the funnel balances, and if not, why.
pub(crate) fn account(app: &App) -> Line {
    line![balance(&app.details.lazy.all), Tone::Bad.paint(not_listed(app))]
}

/// Events that are not listed one by one may be of marked pages.
fn not_listed(app: &App) -> String {
    match app.not_listed() {
        0 => String::new(),
        n => format!("; {} events aggregated only or lost: some may be of these pages", quantity::short_count(n)),
    }
}

fn balance(f: &Funnel) -> Span {
    if f.holds() {
        return Tone::Good.paint("the funnel balances: every marked page has one fate");
    }
    let mut why = Vec::new();
    if f.unknown_pages > 0 {
        why.push(format!("the fate of {} is unknown", f.unknown_pages));
    }
    if f.is_doubtful() {
        why.push(format!("{} lost events may be of untouched pages", f.lost_events));
    }
    match f.evicted_pages {
        0 if f.is_estimated => why.push("estimated from a sample".to_owned()),
        0 => {}
        n => why.push(format!("estimated: {} pages evicted", quantity::short_count(n))),
    }
    if why.is_empty() {
        why.push(format!("{} of {} have met their fate so far", f.settled_pages(), f.total_pages()));
    }
    Tone::Warn.paint(why.join("; "))
}

fn reasons(counts: impl Iterator<Item = (String, u64)>) -> String {
    let known: Vec<String> = counts.map(|(word, n)| format!("{} {n}", escape_control(&word))).collect();
    known.join(", ")
}
