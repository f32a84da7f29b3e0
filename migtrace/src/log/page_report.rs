//! The page history in text: the events of one page line by line, and why it did or did not migrate.

use super::{
    header::labelled,
    page, page_explanation, request, sentence,
    tree::{self, Columns},
};
use crate::{
    event::{Probe, ProbeField},
    model::{
        address::{PAGE_BYTES, page_start, pages_of},
        page_history::{
            page::FIRST_STEPS,
            steps::{HistoryEntry, PageHistory, What},
            tracker::Gaps,
        },
    },
    recording::{Meta, describe},
    text::{self, Line, Tone, escape_control, line},
};

/// The history of a page, from a recording with this name.
#[must_use]
pub fn lines(history: &PageHistory<'_>, gaps: &Gaps, meta: &Meta, name: &str) -> Vec<Line> {
    let title = format!("migtrace page {:#x} of {}", history.page.addr, escape_control(name));
    let mut lines = vec![Tone::Strong.paint(title).into()];
    lines.extend(head(history, meta));
    lines.extend(text::heading("page history"));
    lines.push(tree::columns());
    let mut left = history.evicted_steps;
    let mut steps = 0;
    for (n, entry) in history.entries.iter().enumerate() {
        lines.push(line(history, n, meta.start_ns));
        if let HistoryEntry::Syscall(syscall) = entry {
            lines.push(tree::aside(format!("it {}", request::means(&syscall.request)), 1));
        }
        steps += usize::from(matches!(entry, HistoryEntry::Step(_)));
        if steps == FIRST_STEPS && left > 0 {
            let text = format!("{} evicted to bound memory", text::count(left, "step"));
            lines.push(tree::aside(text, 0));
            left = 0;
        }
    }
    lines.extend(text::heading("explanation"));
    lines.extend(page_explanation::conclusions(history, meta).into_iter().map(|text| format!("   {text}").into()));
    lines.extend(missing(history, gaps, meta));
    lines
}

fn head(history: &PageHistory<'_>, meta: &Meta) -> Vec<Line> {
    let process = history.page.process;
    let started = process.start_ns.map(|ns| {
        let ms = ns as f64 / 1e6 - meta.start_ns as f64 / 1e6;
        if ms < 0.0 { ", started before the recording".to_owned() } else { format!(", started at {ms:.3} ms") }
    });
    let mut lines = vec![
        labelled("process", format!("{} ({}){}", process.pid, history.comm, started.unwrap_or_default())),
        labelled("page", place(history)),
        labelled("kernel", describe::kernel(meta)),
    ];
    lines.extend(meta.machine.as_ref().map(|machine| labelled("machine", text::machine(machine))));
    lines.push(labelled("in short", in_short(history, meta)));
    lines
}

/// Its address, its number in the last requested range, and its mapping.
fn place(history: &PageHistory<'_>) -> String {
    let addr = history.page.addr;
    let range = history.entries.iter().rev().find_map(|h| match h {
        HistoryEntry::Syscall(syscall) => syscall.request.addr.zip(syscall.request.len),
        _ => None,
    });
    let mapped =
        history.entries.iter().rev().find_map(|h| if let HistoryEntry::Mapped(m) = h { Some(&m.region) } else { None });
    let mut parts = vec![format!("{addr:#x}, page number {:#x}", addr / PAGE_BYTES)];
    parts.extend(range.map(|(start, len)| {
        let number = (addr - page_start(start)) / PAGE_BYTES + 1;
        format!("page {number} of {} of the last requested range", pages_of(start, len))
    }));
    parts.extend(mapped.map(|r| format!("in {}", page::mapping(r.class, &r.name))));
    parts.join("; ")
}

fn in_short(history: &PageHistory<'_>, meta: &Meta) -> String {
    let c = &history.counts;
    let times = |n: u64| text::count(n, "time");
    let mut parts = Vec::new();
    if meta.coverage(Probe::Fault, None).is_available() || c.faults > 0 {
        let is_timed = meta.coverage(Probe::Fault, ProbeField::LatencyNs).is_available() || c.waited_ns > 0;
        let took = if is_timed { text::duration(c.waited_ns) } else { "an unknown time".to_owned() };
        parts.push(format!("{} took {took}", text::count(c.faults, "fault")));
    } else {
        parts.push("faults were not recorded".to_owned());
    }
    if !meta.coverage(Probe::DirectMigrate, None).is_available() && c.moves + c.failed_moves == 0 {
        parts.push("migrations were not recorded".to_owned());
        return parts.join("; ");
    }
    parts.push(format!("migrated {} in {}", times(c.moves), text::duration(c.moving_ns)));
    if c.failed_moves > 0 {
        parts.push(format!("failed to migrate {}", times(c.failed_moves)));
    }
    parts.push(format!("migrated back {}", times(c.bounces)));
    parts.join("; ")
}

fn line(history: &PageHistory<'_>, n: usize, zero_ns: u64) -> Line {
    let entry = &history.entries[n];
    let ms = text::ms_since(entry.start_ns(), zero_ns);
    let depth = depth(history, n);
    match entry {
        HistoryEntry::Step(step) => {
            let columns = Columns { ms, cpu: step.cpu, cpu_node: step.cpu_node, comm: step.comm, tid: step.tid };
            let text = match &step.what {
                What::Fault(f) => sentence::fault(if is_first(history, n) { "first touch: page" } else { "page" }, f),
                What::Check(c) => sentence::check("", c),
                What::Mark(m) => sentence::mark("page", m),
                What::Migrate(m) => sentence::migrate("", m, depth == 0),
                What::Place(p) => sentence::place(p),
            };
            let folio = if step.order() > 0 {
                format!(", with the {} pages of its folio", 1_u64 << step.order())
            } else {
                String::new()
            };
            let by_frame = if step.by_frame { " (by frame)" } else { "" };
            let weight = step.weight.filter(|w| w.get() > 1).map(|w| format!(" (weight {w})"));
            columns.line(depth, line![text, folio, by_frame, weight.unwrap_or_default()])
        }
        HistoryEntry::Syscall(a) => {
            let columns = Columns { ms, cpu: a.cpu, cpu_node: a.cpu_node, comm: a.comm, tid: a.tid };
            columns.line(depth, request::returned(&a.request))
        }
        HistoryEntry::Mapped(m) => plain(ms, &sentence::region(&m.region)),
        HistoryEntry::Forked { from, .. } => plain(
            ms,
            &format!("its process was forked from process {}: they share pages until one of them writes", from.pid),
        ),
        HistoryEntry::Executed { .. } => plain(ms, "its process executed another program (exec): the page is gone"),
        HistoryEntry::Exited { .. } => plain(ms, "its process exited: the page is gone"),
    }
}

fn plain(ms: f64, text: &str) -> Line {
    line![Tone::Dim.paint(format!("{ms:>10.3}  {:8} {:16}", "", "")), " ", text]
}

/// Whether a fault is the page's first recorded event and allocates it.
fn is_first(history: &PageHistory<'_>, n: usize) -> bool {
    use crate::event::FaultClass::{Anon, Huge};
    let is_step = |h: &HistoryEntry<'_>| matches!(h, HistoryEntry::Step(_));
    let allocates = |h: &HistoryEntry<'_>| match h {
        HistoryEntry::Step(s) => matches!(&s.what, What::Fault(f) if matches!(f.class, Some(Anon | Huge))),
        _ => false,
    };
    allocates(&history.entries[n]) && !history.entries[..n].iter().any(is_step)
}

/// In how many earlier syscalls and faults of its thread a step is nested.
fn depth(history: &PageHistory<'_>, n: usize) -> usize {
    let HistoryEntry::Step(inner) = &history.entries[n] else { return 0 };
    let holds = |h: &&HistoryEntry<'_>| {
        let (tid, ends) = match h {
            HistoryEntry::Step(s) if matches!(s.what, What::Fault(_)) => (s.tid, s.ts_ns),
            HistoryEntry::Syscall(a) => (a.tid, a.ts_ns),
            _ => return false,
        };
        tid == inner.tid && h.start_ns() <= inner.ts_ns && inner.ts_ns <= ends
    };
    history.entries[..n].iter().filter(holds).count()
}

/// What the history may lack.
fn missing(history: &PageHistory<'_>, gaps: &Gaps, meta: &Meta) -> Vec<Line> {
    let mut lines = text::heading("what may be missing").to_vec();
    let mut add = |text: String| lines.push(format!("   {text}").into());
    match meta.lost().max(gaps.lost_events) {
        0 if meta.end_ns.is_some() => add("no event was lost".into()),
        0 => add("the recording did not end; no loss is known so far".into()),
        lost => {
            let lost = text::count(lost, "event");
            let text = format!("{lost} of this recording lost: some may be of this page");
            lines.push(line!["   ", Tone::Bad.paint(text)]);
        }
    }
    let mut add = |text: String| lines.push(format!("   {text}").into());
    let nameless = gaps.nameless_events + gaps.ownerless_events;
    add(format!(
        "{} could not be assigned to a page: without an address, or caused by another task",
        text::count(nameless, "event")
    ));
    if let Some(sample) = meta.sample {
        add(format!(
            "1 of {sample} faults, checks, marks and migrations was recorded: most of this page's are missing"
        ));
    }
    if let Some(filter) = &meta.filter {
        add(format!("only events with {} were recorded", escape_control(filter)));
    }
    if history.evicted_requests > 0 {
        add(format!(
            "the first {} of its process evicted to bound memory",
            text::count(history.evicted_requests, "placement syscall")
        ));
    }
    if !meta.kernel_patched {
        add("this kernel has no lazy migration: no marks, and checks of hinting faults only".into());
    }
    for probe in page_explanation::probes(meta).iter().chain(&[Probe::Fault, Probe::Request, Probe::Task]) {
        if !meta.coverage(*probe, None).is_available() {
            add(format!("probe {} was not attached: its events are unknown", probe.name()));
        }
    }
    if !meta.coverage(Probe::Place, None).is_available() {
        add("unmapping is seen only if another page appears at this address, or if its process exits".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::page_history::tracker::{Limits, PageTracker},
        testkit::{self, SEGMENT},
    };

    #[test]
    fn what_was_not_recorded_is_not_zero() {
        let (mut meta, events) = testkit::direct(8);
        let fault = events.iter().find(|e| matches!(&e.body, crate::event::Body::Fault(f) if f.addr == SEGMENT));
        let mut fault = fault.expect("it is touched").clone();
        let in_short = |fault: &crate::event::Event, meta: &Meta| {
            let mut tracker = PageTracker::new(Limits::default());
            tracker.take(fault);
            let process = fault.process();
            in_short(&tracker.page(process, SEGMENT).expect("it is known"), meta)
        };
        assert!(
            in_short(&fault, &meta).contains("migrated 0 times in 0 ns; migrated back"),
            "{}",
            in_short(&fault, &meta)
        );
        // As on a kernel without function probes.
        if let crate::event::Body::Fault(fault) = &mut fault.body {
            fault.latency_ns = None;
        }
        let mut lacks = meta.probes[0].clone();
        (lacks.field, lacks.attached) = (Some("latency_ns".into()), None);
        meta.probes.push(lacks);
        for probe in meta.probes.iter_mut().filter(|probe| probe.probe == Probe::DirectMigrate) {
            probe.attached = None;
        }
        let unknown = "1 fault took an unknown time; migrations were not recorded";
        assert_eq!(in_short(&fault, &meta), unknown);
    }

    #[test]
    fn evicted_steps_are_counted_where_they_were() {
        let (meta, events) = testkit::direct(8);
        let mut tracker = PageTracker::new(Limits { steps_per_page: 12, ..Limits::default() });
        let fault = events.iter().find(|e| matches!(&e.body, crate::event::Body::Fault(f) if f.addr == SEGMENT));
        let mut again = fault.expect("it is touched").clone();
        let request = events.iter().find(|e| matches!(e.body, crate::event::Body::Request(_)));
        let mut request = request.expect("they are moved").clone();
        for n in 0..30 {
            again.ts_ns += 100_000_000;
            tracker.take(&again);
            if n == 20 {
                request.ts_ns = again.ts_ns + 50_000_000;
                tracker.take(&request);
            }
        }
        let process = again.process();
        let page = tracker.page(process, SEGMENT).expect("it is known");
        let text: Vec<String> =
            lines(&page, &tracker.gaps(), &meta, "this machine").iter().map(Line::to_string).collect();
        let lines: Vec<_> = text.iter().skip_while(|line| !line.contains("page history")).skip(2).collect();
        assert!(lines[FIRST_STEPS - 1].contains("page fault, class"), "{text:#?}");
        assert_eq!(lines[FIRST_STEPS].trim(), "18 steps evicted to bound memory", "{text:#?}");
        assert!(lines[FIRST_STEPS + 1].contains("mbind("), "{text:#?}");
    }
}
