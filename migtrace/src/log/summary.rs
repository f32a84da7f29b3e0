//! What the recording came to: moves, funnel, times.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{account, heading, theme};
use crate::{
    event::{Body, Event, RequestName, escape_control},
    model::{Run, funnel::Funnel, latency::Latencies, moves, work::Work},
    words,
};

pub(super) fn write(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    heading(out, "summary")?;
    moved(run, out)?;
    funnels(run, out)?;
    times(run, out)?;
    account::write(run, out)
}

pub(crate) fn part(out: &mut dyn Write, title: &str) -> io::Result<()> {
    writeln!(out, " {}", theme::paint(theme::TITLE, title))
}

fn moved(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    part(out, "pages moved, by cause and nodes")?;
    let counts = moves::count(&run.events);
    if counts.is_empty() {
        let seen = run.attached("direct_migrate") || run.attached("lazy_migrate");
        let why = if seen { "none" } else { "not known: moves of single pages were not recorded" };
        return writeln!(out, "   {why}");
    }
    writeln!(
        out,
        "   {}",
        theme::paint(
            theme::DIM,
            format!(
                "{:<14} {:>5} {:>5} {:>9} {:>9}  time for each, waiting included",
                "cause", "from", "to", "pages", "failed"
            )
        )
    )?;
    for ((cause, from, to), m) in &counts {
        let to = to.map_or_else(|| "?".into(), |n| n.to_string());
        let failed: u64 = m.failed_pages.values().sum();
        let cause = cause.word();
        let times = spread(&m.latency).unwrap_or_else(|| "not known".into());
        writeln!(out, "   {cause:<14} {from:>5} {to:>5} {:>9} {failed:>9}  {times}", m.moved_pages)?;
        for (reason, pages) in &m.failed_pages {
            let why = words::reason(&escape_control(reason));
            writeln!(
                out,
                "   {:<14} {:>5} {:>5} {:>9} {pages:>9}  {}",
                "",
                "",
                "",
                "",
                theme::paint(theme::FAILED, why)
            )?;
        }
    }
    Ok(())
}

/// `median 41.2 µs, 40.0 µs to 60.0 µs`; of two times there is no middle one.
fn spread(times: &Latencies) -> Option<String> {
    let [median, min, max] = [times.median_ns()?, times.min_ns()?, times.max_ns()?].map(words::duration);
    Some(match times.count() {
        1 => median,
        2 => format!("{min} and {max}"),
        _ => format!("median {median}, {min} to {max}"),
    })
}

fn funnels(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let is_lazy = |&i: &usize| matches!(&run.events[i].body, Body::Request(r) if r.is_lazy());
    let lazy: Vec<usize> = run.nest.by_end().iter().copied().filter(is_lazy).collect();
    let whole = if lazy.len() == 1 { Funnel::default() } else { Funnel::of_run(run) };
    if lazy.is_empty() && whole.is_empty() {
        return Ok(());
    }
    part(out, "what became of the marked pages")?;
    if lazy.len() <= 16 {
        for &request in &lazy {
            let ms = run.events[request].start_ns().saturating_sub(run.zero_ns()) as f64 / 1e6;
            funnel(out, &format!("request at {ms:.3} ms"), &Funnel::of_request(run, request))?;
        }
    }
    if lazy.len() == 1 { Ok(()) } else { funnel(out, "all", &whole) }
}

/// A funnel as an equation, and what is wrong with it.
pub(crate) fn funnel(out: &mut dyn Write, label: &str, f: &Funnel) -> io::Result<()> {
    let about = if f.is_estimated { "about " } else { "" };
    writeln!(
        out,
        "   {label}: {about}{} marked = {} migrated + {} already placed + {} failed{} + {} gone{} + {} untouched{}",
        f.total_pages(),
        f.migrated_pages,
        f.placed_pages,
        f.failed_total_pages(),
        parts(f.failed_pages.iter().map(|(reason, n)| (&**reason, *n))),
        f.gone_total_pages(),
        parts(f.gone_pages.iter().map(|(how, n)| (words::gone(*how), *n))),
        f.untouched_pages,
        if f.holds() { "; the identity holds" } else { "" },
    )?;
    doubts(out, f)?;
    if !f.refused_pages.is_empty() {
        let refused: u64 = f.refused_pages.values().sum();
        let why = parts(f.refused_pages.iter().map(|(reason, n)| (&**reason, *n)));
        writeln!(out, "   besides, {} could not be marked{why}", words::count(refused, "page"))?;
    }
    Ok(())
}

/// ` (3 refs, 1 mapped)`.
fn parts<'a>(of: impl Iterator<Item = (&'a str, u64)>) -> String {
    let parts: Vec<String> =
        of.filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {}", escape_control(word))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Why a funnel's identity does not hold, or is not known to.
fn doubts(out: &mut dyn Write, f: &Funnel) -> io::Result<()> {
    if f.is_estimated {
        return writeln!(
            out,
            "   estimated from a sample: untouched is what remains, and the identity cannot be checked"
        );
    }
    let settled = f.settled_pages();
    if settled != f.total_pages() {
        let marked = words::count(f.total_pages(), "page");
        let text = format!("THE IDENTITY DOES NOT HOLD: of {marked} the trace accounts for {settled}");
        let mut why = vec![format!("{} touched, with no event of how that ended", f.unknown_pages)];
        if f.evicted_pages > 0 {
            why.push(format!("{} not followed, to hold memory within bounds", f.evicted_pages));
        }
        writeln!(out, "   {}; {}", theme::paint(theme::FAILED, text), why.join("; "))?;
    }
    if f.is_doubtful() {
        let (lost, pages) = (words::count(f.lost_events, "event"), words::count(f.never_touched_pages(), "page"));
        let text = format!("NOT KNOWN: {lost} lost meanwhile; {pages} of which no event tells may have been touched");
        writeln!(out, "   {}", theme::paint(theme::FAILED, text))?;
    }
    Ok(())
}

fn times(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    part(out, "time that callers waited")?;
    let mut by_name: BTreeMap<RequestName, Latencies> = BTreeMap::new();
    for event in &run.events {
        if let Body::Request(r) = &event.body {
            by_name.entry(r.name).or_default().record(r.latency_ns);
        }
    }
    for (name, times) in &by_name {
        waited(out, &format!("inside {name}"), "call", times)?;
    }
    if by_name.is_empty() {
        let why = if run.attached("request") { "none" } else { "not known: requests were not recorded" };
        writeln!(out, "   inside requests: {why}")?;
    }
    if !run.attached("fault") {
        return writeln!(out, "   in page faults: not known, they were not recorded");
    }
    let work = Work::new(run);
    if work.requests.is_empty() {
        let faults = run.events.iter().filter(|e| matches!(e.body, Body::Fault(_)));
        return waited(out, "in page faults", "fault", &faults.filter_map(Event::latency_ns).collect());
    }
    let requests = work.requests.iter().filter_map(|&i| run.events[i].latency_ns()).collect();
    waited(out, "inside requests to move pages", "call", &requests)?;
    waited(out, "in faults on those pages afterwards", "fault", &work.fault_latency(run))?;
    match work.moving_in_faults_ns(run) {
        Some(ns) if ns > 0 => writeln!(out, "   {:<38} {:>9}", "   of it moving pages", words::duration(ns)),
        _ => Ok(()),
    }
}

fn waited(out: &mut dyn Write, what: &str, unit: &str, times: &Latencies) -> io::Result<()> {
    let (total, count) = (words::duration(times.total_ns()), words::count(times.count(), unit));
    let each = spread(times).filter(|_| times.count() > 1).map(|s| format!("; {s}")).unwrap_or_default();
    let total = if times.count() == 0 { "none".into() } else { total };
    writeln!(out, "   {what:<38} {total:>9}  {count}{each}")
}
