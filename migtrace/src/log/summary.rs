//! The summary: migrations, funnels, wait time, losses and counters.

use super::{counters, totals::Totals};
use crate::{
    event::{Probe, ProbeField},
    model::{
        latency::Latencies,
        lazy::{funnel::Funnel, tracker::LazyTracker},
        totals::waits::Waits,
    },
    recording::{Meta, describe},
    text::{self, Line, Tone, escape_control, line},
};

pub(super) fn lines(totals: &Totals, marks: &LazyTracker, meta: &Meta, zero_ns: u64) -> Vec<Line> {
    let mut lines = text::heading("summary").to_vec();
    if let Some(sample) = meta.sample {
        let text = format!(" estimated from a sample: each fault, check, mark and migration has weight {sample}");
        lines.push(text.into());
    }
    lines.extend(migrated(totals, meta));
    lines.extend(funnels(marks, meta, zero_ns));
    lines.extend(times(&totals.waits, meta));
    lines.extend(migration_waits(totals));
    lines.extend(describe::loss(meta, totals.lost));
    lines.extend(describe::fidelity(meta));
    lines.extend(counters::lines(&totals.traced, meta));
    lines
}

fn migrated(totals: &Totals, meta: &Meta) -> Vec<Line> {
    let mut lines = vec![text::part("pages migrated, by cause and nodes")];
    let counts = &totals.moves;
    if counts.is_empty() {
        let seen = meta.coverage(Probe::DirectMigrate, None).is_available()
            || meta.coverage(Probe::LazyMigrate, None).is_available();
        let why = if seen { "none" } else { "unknown: migrations of single pages were not recorded" };
        lines.push(format!("   {why}").into());
        return lines;
    }
    let head = format!(
        "{:<14} {:>5} {:>5} {:>9} {:>9}  time each, including waiting",
        "cause", "from", "to", "pages", "failed"
    );
    lines.push(line!["   ", Tone::Dim.paint(head)]);
    for ((cause, from, to), m) in counts {
        let to = to.map_or_else(|| "?".into(), |n| n.to_string());
        let failed: u64 = m.failed_pages.values().sum();
        let cause = cause.word();
        let times = spread(&m.latency).unwrap_or_else(|| "unknown".into());
        lines.push(format!("   {cause:<14} {from:>5} {to:>5} {:>9} {failed:>9}  {times}", m.moved_pages).into());
        for (reason, pages) in &m.failed_pages {
            let columns = format!("   {:<14} {:>5} {:>5} {:>9} {pages:>9}  ", "", "", "", "");
            lines.push(line![columns, Tone::Bad.paint(text::reason(&escape_control(reason)))]);
        }
    }
    lines
}

/// `median 41.2 µs, 40.0 µs to 60.0 µs`; of two times there is no middle one.
fn spread(times: &Latencies) -> Option<String> {
    let [median, min, max] = [times.median_ns()?, times.min_ns()?, times.max_ns()?].map(text::duration);
    Some(match times.count() {
        1 => median,
        2 => format!("{min} and {max}"),
        _ => format!("median {median}, {min} to {max}"),
    })
}

/// Of more syscalls than this, only the sum is shown.
const MOST_FUNNELS: usize = 16;

fn funnels(marks: &LazyTracker, meta: &Meta, zero_ns: u64) -> Vec<Line> {
    let count = marks.requests().count();
    if count == 0 && marks.all().is_empty() {
        return Vec::new();
    }
    let mut lines = vec![text::part("fate of the marked pages")];
    if count <= MOST_FUNNELS {
        for request in marks.requests() {
            let ms = text::ms_since(request.began_ns, zero_ns);
            let lacks = if request.request.is_none() { " (its return was not recorded)" } else { "" };
            lines.extend(funnel(&format!("syscall at {ms:.3} ms{lacks}"), &request.funnel));
        }
    }
    if count != 1 {
        lines.extend(funnel("all", marks.all()));
    }
    let unseen: Vec<&str> = [Probe::Check, Probe::LazyMigrate, Probe::Fault, Probe::Task]
        .into_iter()
        .filter(|probe| !meta.coverage(*probe, None).is_available())
        .map(Probe::name)
        .collect();
    if !unseen.is_empty() {
        let text = format!(
            "UNKNOWN: events of {} were not recorded, so untouched pages may have been touched or be gone",
            unseen.join(", ")
        );
        lines.push(line!["   ", Tone::Bad.paint(text)]);
    }
    match marks.evicted_requests() {
        0 => {}
        n => lines.push(format!("   {} only in the sum", text::count(n, "more syscall")).into()),
    }
    lines
}

/// A funnel as an equation, and what is wrong or uncertain about it.
fn funnel(label: &str, f: &Funnel) -> Vec<Line> {
    let about = if f.is_estimated { "about " } else { "" };
    let sum = format!(
        "   {label}: {about}{} marked = {} migrated + {} already placed + {} failed{} + {} gone{} + {} untouched{}",
        f.total_pages(),
        f.migrated_pages,
        f.placed_pages,
        f.failed_total_pages(),
        parts(f.failed_pages.iter().map(|(reason, n)| (&**reason, *n))),
        f.gone_total_pages(),
        parts(f.gone_pages.iter().map(|(how, n)| (how.words(), *n))),
        f.untouched_pages,
        if f.holds() { "; the funnel balances" } else { "" },
    );
    let mut lines = vec![sum.into()];
    lines.extend(doubts(f));
    if !f.refused_pages.is_empty() {
        let refused: u64 = f.refused_pages.values().sum();
        let why = parts(f.refused_pages.iter().map(|(reason, n)| (&**reason, *n)));
        lines.push(format!("   not marked: {}{why}", text::count(refused, "page")).into());
    }
    lines
}

/// ` (3 refs, 1 mapped)`.
fn parts<'a>(of: impl Iterator<Item = (&'a str, u64)>) -> String {
    let parts: Vec<String> =
        of.filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {}", escape_control(word))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Why a funnel does not balance, or cannot be verified.
fn doubts(f: &Funnel) -> Vec<Line> {
    if f.is_estimated {
        let why = match f.evicted_pages {
            0 => "estimated from a sample".to_owned(),
            n => format!("estimated: {n} of them evicted, as there were too many to follow"),
        };
        return vec![format!("   {why}; untouched is the remainder, so the sum cannot be verified").into()];
    }
    let mut lines = Vec::new();
    let settled = f.settled_pages();
    if settled != f.total_pages() {
        let marked = text::count(f.total_pages(), "page");
        let text = format!("THE FUNNEL DOES NOT BALANCE: the trace accounts for {settled} of {marked}");
        let why = format!("; {} touched without an event of the outcome", f.unknown_pages);
        lines.push(line!["   ", Tone::Bad.paint(text), why]);
    }
    if f.is_doubtful() {
        let (lost, pages) = (text::count(f.lost_events, "event"), text::count(f.never_touched_pages(), "page"));
        let text = format!("UNKNOWN: {lost} lost meanwhile; {pages} without further events may have been touched");
        lines.push(line!["   ", Tone::Bad.paint(text)]);
    }
    lines
}

fn times(waits: &Waits, meta: &Meta) -> Vec<Line> {
    let mut lines = vec![text::part("callers' wait time")];
    for (name, times) in &waits.by_name {
        lines.push(waited(&format!("in {name}"), "call", times));
    }
    if waits.by_name.is_empty() {
        let why =
            if meta.coverage(Probe::Request, None).is_available() { "none" } else { "unknown, they were not recorded" };
        lines.push(format!("   in placement syscalls: {why}").into());
    }
    if !meta.coverage(Probe::Fault, None).is_available() {
        lines.push("   in page faults: unknown, they were not recorded".into());
    } else if !meta.coverage(Probe::Fault, ProbeField::LatencyNs).is_available() {
        lines.push("   in page faults: unknown, this kernel does not show how long they take".into());
    } else if waits.to_move.count() == 0 {
        lines.push(waited("in page faults", "fault", &waits.faults));
    } else {
        lines.push(waited("in syscalls that migrate or mark", "call", &waits.to_move));
        lines.push(waited("in faults on those pages afterwards", "fault", &waits.faults_after));
        if waits.forgotten > 0 {
            lines.push("   (too many ranges: faults on some of those pages are not included)".into());
        }
        if let Some(ns) = waits.moving_ns.filter(|ns| *ns > 0) {
            lines.push(format!("   {:<38} {:>9}", "   of this, migrating pages", text::duration(ns)).into());
        }
    }
    lines
}

/// Pairs of processes that waited and threads that migrated; of more than this, only the sum is shown.
const MOST_WAITS: usize = 8;

fn migration_waits(totals: &Totals) -> Vec<Line> {
    let all = totals.migration_waits.longest();
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![text::part("waits for pages that were being migrated")];
    let mut rest = totals.migration_waits.total();
    for (pair, count) in all.iter().take(MOST_WAITS) {
        let name =
            totals.waiters.get(&pair.waiter).map_or_else(|| "?".into(), |comm| escape_control(&comm.to_string()));
        let by = pair.migration.as_ref().map_or_else(
            || "a migration that was not seen".to_owned(),
            |m| format!("{} by {} {}", m.cause.word(), escape_control(&m.comm), m.pid),
        );
        let (total, faults) = (text::duration(count.total_ns), text::count(count.faults, "fault"));
        let longest =
            if count.faults > 1 { format!("; longest {}", text::duration(count.max_ns)) } else { String::new() };
        lines.push(format!("   {name} {} waited {total} for {by}  {faults}{longest}", pair.waiter.pid).into());
        rest.faults -= count.faults;
        rest.total_ns = rest.total_ns.saturating_sub(count.total_ns);
    }
    if rest.faults > 0 {
        let (total, faults) = (text::duration(rest.total_ns), text::count(rest.faults, "further fault"));
        lines.push(format!("   others waited {total}  {faults}").into());
    }
    lines
}

fn waited(what: &str, unit: &str, times: &Latencies) -> Line {
    let (total, count) = (text::duration(times.total_ns()), text::count(times.count(), unit));
    let each = spread(times).filter(|_| times.count() > 1).map(|s| format!("; {s}")).unwrap_or_default();
    let total = if times.count() == 0 { "none".into() } else { total };
    format!("   {what:<38} {total:>9}  {count}{each}").into()
}
