//! The biography of one page in text: what happened to it, line by line, and why it is where it is.

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
            steps::{Happened, PageHistory, What},
            tracker::LeftOut,
        },
    },
    recording::{Meta, describe},
    text::{self, Line, Tone, escape_control, line},
};

/// The biography of a page of a recording that has this name.
#[must_use]
pub fn lines(life: &PageHistory<'_>, left_out: &LeftOut, meta: &Meta, name: &str) -> Vec<Line> {
    let title = format!("migtrace page {:#x} of {}", life.page.addr, escape_control(name));
    let mut lines = vec![Tone::Strong.paint(title).into()];
    lines.extend(head(life, meta));
    lines.extend(text::heading("what happened to it"));
    lines.push(tree::columns());
    let mut left = life.dropped_steps;
    let mut steps = 0;
    for (n, happened) in life.happened.iter().enumerate() {
        lines.push(line(life, n, meta.start_ns));
        if let Happened::Asked(asked) = happened {
            lines.push(tree::aside(format!("it {}", request::means(&asked.request)), 1));
        }
        steps += usize::from(matches!(happened, Happened::Step(_)));
        if steps == FIRST_STEPS && left > 0 {
            let text = format!("{} left out, to hold memory within bounds", text::count(left, "step"));
            lines.push(tree::aside(text, 0));
            left = 0;
        }
    }
    lines.extend(text::heading("why it is where it is"));
    lines.extend(page_explanation::conclusions(life, meta).into_iter().map(|text| format!("   {text}").into()));
    lines.extend(missing(life, left_out, meta));
    lines
}

fn head(life: &PageHistory<'_>, meta: &Meta) -> Vec<Line> {
    let process = life.page.process;
    let started = process.start_ns.map(|ns| {
        let ms = ns as f64 / 1e6 - meta.start_ns as f64 / 1e6;
        if ms < 0.0 { ", there before the recording began".to_owned() } else { format!(", started at {ms:.3} ms") }
    });
    let mut lines = vec![
        labelled("process", format!("{} ({}){}", process.pid, life.comm, started.unwrap_or_default())),
        labelled("page", place(life)),
        labelled("kernel", describe::kernel(meta)),
    ];
    lines.extend(meta.machine.as_ref().map(|machine| labelled("machine", text::machine(machine))));
    lines.push(labelled("in short", in_short(life, meta)));
    lines
}

/// Its number in the range that a request named last, and the mapping that it is in.
fn place(life: &PageHistory<'_>) -> String {
    let addr = life.page.addr;
    let range = life.happened.iter().rev().find_map(|h| match h {
        Happened::Asked(asked) => asked.request.addr.zip(asked.request.len),
        _ => None,
    });
    let mapped =
        life.happened.iter().rev().find_map(|h| if let Happened::Mapped(m) = h { Some(&m.region) } else { None });
    let mut parts = vec![format!("{addr:#x}, number {:#x}", addr / PAGE_BYTES)];
    parts.extend(range.map(|(start, len)| {
        let number = (addr - page_start(start)) / PAGE_BYTES + 1;
        format!("page {number} of {} of the range that a request named", pages_of(start, len))
    }));
    parts.extend(mapped.map(|r| format!("in {}", page::mapping(r.class, &r.name))));
    parts.join("; ")
}

fn in_short(life: &PageHistory<'_>, meta: &Meta) -> String {
    let c = &life.counts;
    let times = |n: u64| text::count(n, "time");
    let mut parts = Vec::new();
    if meta.coverage(Probe::Fault, None).is_available() || c.faults > 0 {
        let is_timed = meta.coverage(Probe::Fault, ProbeField::LatencyNs).is_available() || c.waited_ns > 0;
        let took = if is_timed { text::duration(c.waited_ns) } else { "an unknown time".to_owned() };
        parts.push(format!("{} on it took {took}", text::count(c.faults, "fault")));
    } else {
        parts.push("faults were not recorded".to_owned());
    }
    if !meta.coverage(Probe::DirectMigrate, None).is_available() && c.moves + c.failed_moves == 0 {
        parts.push("whether it moved was not recorded".to_owned());
        return parts.join("; ");
    }
    parts.push(format!("moved {} in {}", times(c.moves), text::duration(c.moving_ns)));
    if c.failed_moves > 0 {
        parts.push(format!("did not move {}", times(c.failed_moves)));
    }
    parts.push(format!("went back to where it came from {}", times(c.bounces)));
    parts.join("; ")
}

fn line(life: &PageHistory<'_>, n: usize, zero_ns: u64) -> Line {
    let happened = &life.happened[n];
    let ms = text::ms_since(happened.start_ns(), zero_ns);
    let depth = depth(life, n);
    match happened {
        Happened::Step(step) => {
            let columns = Columns { ms, cpu: step.cpu, cpu_node: step.cpu_node, comm: step.comm, tid: step.tid };
            let text = match &step.what {
                What::Fault(f) => {
                    sentence::fault(if is_first(life, n) { "page, for the first time," } else { "page" }, f)
                }
                What::Check(c) => sentence::check("", c),
                What::Mark(m) => sentence::mark("page", m),
                What::Migrate(m) => sentence::migrate("", m, depth == 0),
            };
            let folio = if step.order() > 0 {
                format!(", with the {} pages of its folio", 1_u64 << step.order())
            } else {
                String::new()
            };
            let by_frame = if step.by_frame { " (by frame)" } else { "" };
            let weight = step.weight.filter(|w| w.get() > 1).map(|w| format!(" (stands for {w} of a sample)"));
            columns.line(depth, line![text, folio, by_frame, weight.unwrap_or_default()])
        }
        Happened::Asked(a) => {
            let columns = Columns { ms, cpu: a.cpu, cpu_node: a.cpu_node, comm: a.comm, tid: a.tid };
            columns.line(depth, request::returned(&a.request))
        }
        Happened::Mapped(m) => plain(ms, &sentence::region(&m.region)),
        Happened::Forked { from, .. } => plain(
            ms,
            &format!(
                "its process is forked from process {}, and has that one's pages until one of them writes",
                from.pid
            ),
        ),
        Happened::Executed { .. } => plain(ms, "its process runs another program (exec): the page is gone"),
        Happened::Exited { .. } => plain(ms, "its process ended, and the page with it"),
    }
}

fn plain(ms: f64, text: &str) -> Line {
    line![Tone::Dim.paint(format!("{ms:>10.3}  {:8} {:16}", "", "")), " ", text]
}

/// Whether a fault is the page's first event, of those that tell of it, and brings it.
fn is_first(life: &PageHistory<'_>, n: usize) -> bool {
    use crate::event::FaultClass::{Anon, Huge};
    let is_step = |h: &Happened<'_>| matches!(h, Happened::Step(_));
    let brings = |h: &Happened<'_>| match h {
        Happened::Step(s) => matches!(&s.what, What::Fault(f) if matches!(f.class, Some(Anon | Huge))),
        _ => false,
    };
    brings(&life.happened[n]) && !life.happened[..n].iter().any(is_step)
}

/// In how many calls and faults before it, of the same thread, something lies.
fn depth(life: &PageHistory<'_>, n: usize) -> usize {
    let Happened::Step(inner) = &life.happened[n] else { return 0 };
    let holds = |h: &&Happened<'_>| {
        let (tid, ends) = match h {
            Happened::Step(s) if matches!(s.what, What::Fault(_)) => (s.tid, s.ts_ns),
            Happened::Asked(a) => (a.tid, a.ts_ns),
            _ => return false,
        };
        tid == inner.tid && h.start_ns() <= inner.ts_ns && inner.ts_ns <= ends
    };
    life.happened[..n].iter().filter(holds).count()
}

/// What the biography may lack.
fn missing(life: &PageHistory<'_>, left_out: &LeftOut, meta: &Meta) -> Vec<Line> {
    let mut lines = text::heading("what may be missing").to_vec();
    let mut add = |text: String| lines.push(format!("   {text}").into());
    match meta.lost().max(left_out.lost_events) {
        0 if meta.end_ns.is_some() => add("no event was lost".into()),
        0 => add("the recording was cut off; up to there no loss is known".into()),
        lost => {
            let lost = text::count(lost, "event");
            let text = format!("{lost} of this recording lost: some may have been of this page");
            lines.push(line!["   ", Tone::Bad.paint(text)]);
        }
    }
    let mut add = |text: String| lines.push(format!("   {text}").into());
    let nameless = left_out.nameless_events + left_out.ownerless_events;
    add(format!(
        "of {} it is not known which page they are about: they name no address, or another task made them",
        text::count(nameless, "event")
    ));
    if let Some(sample) = meta.sample {
        add(format!("one of {sample} faults, checks, marks and moves was recorded: most of this page's are not here"));
    }
    if let Some(filter) = &meta.filter {
        add(format!("only {} was recorded", escape_control(filter)));
    }
    if life.dropped_requests > 0 {
        add(format!("its process's first {} are not here", text::count(life.dropped_requests, "request")));
    }
    if !meta.kernel_patched {
        add("this kernel has no lazy migration: no marks, and no checks but those of hinting faults".into());
    }
    for probe in page_explanation::probes(meta).iter().chain(&[Probe::Fault, Probe::Request, Probe::Task]) {
        if !meta.coverage(*probe, None).is_available() {
            add(format!("probe {} was not attached: its events are unknown", probe.name()));
        }
    }
    add("unmapping shows only where another page is found in its place, or where its process ends".into());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::page_history::{
            steps::ProcessId,
            tracker::{Limits, PageTracker},
        },
        testkit::{self, SEGMENT},
    };

    #[test]
    fn what_was_not_recorded_is_not_nothing() {
        let (mut meta, events) = testkit::direct(8);
        let fault = events.iter().find(|e| matches!(&e.body, crate::event::Body::Fault(f) if f.addr == SEGMENT));
        let mut fault = fault.expect("it is touched").clone();
        let in_short = |fault: &crate::event::Event, meta: &Meta| {
            let mut lives = PageTracker::new(Limits::default());
            lives.take(fault);
            let process = ProcessId { pid: fault.pid, start_ns: fault.process_start_ns };
            in_short(&lives.page(process, SEGMENT).expect("it is known"), meta)
        };
        assert!(in_short(&fault, &meta).contains("moved 0 times in 0 ns; went back"), "{}", in_short(&fault, &meta));
        // As where the kernel lets nobody into functions.
        if let crate::event::Body::Fault(fault) = &mut fault.body {
            fault.latency_ns = None;
        }
        let mut lacks = meta.probes[0].clone();
        (lacks.field, lacks.attached) = (Some("latency_ns".into()), None);
        meta.probes.push(lacks);
        for probe in meta.probes.iter_mut().filter(|probe| probe.probe == Probe::DirectMigrate) {
            probe.attached = None;
        }
        let unknown = "1 fault on it took an unknown time; whether it moved was not recorded";
        assert_eq!(in_short(&fault, &meta), unknown);
    }

    #[test]
    fn what_is_left_out_is_told_where_it_was() {
        let (meta, events) = testkit::direct(8);
        let mut lives = PageTracker::new(Limits { steps_per_page: 12, ..Limits::default() });
        let fault = events.iter().find(|e| matches!(&e.body, crate::event::Body::Fault(f) if f.addr == SEGMENT));
        let mut again = fault.expect("it is touched").clone();
        let request = events.iter().find(|e| matches!(e.body, crate::event::Body::Request(_)));
        let mut request = request.expect("they are moved").clone();
        for n in 0..30 {
            again.ts_ns += 100_000_000;
            lives.take(&again);
            if n == 20 {
                request.ts_ns = again.ts_ns + 50_000_000;
                lives.take(&request);
            }
        }
        let process = ProcessId { pid: again.pid, start_ns: again.process_start_ns };
        let page = lives.page(process, SEGMENT).expect("it is known");
        let text: Vec<String> =
            lines(&page, &lives.left_out(), &meta, "this machine").iter().map(Line::to_string).collect();
        let lines: Vec<_> = text.iter().skip_while(|line| !line.contains("what happened to it")).skip(2).collect();
        assert!(lines[FIRST_STEPS - 1].contains("fault of class"), "{text:#?}");
        assert_eq!(lines[FIRST_STEPS].trim(), "18 steps left out, to hold memory within bounds", "{text:#?}");
        assert!(lines[FIRST_STEPS + 1].contains("mbind("), "{text:#?}");
    }
}
