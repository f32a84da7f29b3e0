//! The log for programs: per event a line with its fields and the log's sentence, separated by tabs (docs/log.md).
//!
//! New columns are only added at the end.

use std::io::{self, Write};

use super::{options::Options, page::letter, sentence};
use crate::{
    event::{Body, Event, Reason},
    model::Run,
    text::{self, escape_control},
};

/// The columns.
pub const COLUMNS: [&str; 23] = [
    "number",
    "inside",
    "phase",
    "ts_ns",
    "began_ms",
    "cpu",
    "cpu_node",
    "comm",
    "pid",
    "tid",
    "kind",
    "addr",
    "range",
    "page",
    "range_pages",
    "pages",
    "src_nid",
    "dst_nid",
    "result",
    "reason",
    "latency_ns",
    "weight",
    "text",
];

/// Writes the lines of a recording, part by part.
#[derive(Debug, Default)]
pub(super) struct Lines {
    written: u64,
    phase: String,
}

impl Lines {
    pub(super) fn head(out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", COLUMNS.join("\t"))
    }

    /// Writes all events that the filter selects, each before the events nested in it.
    pub(super) fn write(&mut self, run: &Run, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        for section in &run.sections {
            if let Some(phase) = section.phase {
                if let Body::Phase(p) = &run.events[phase].body {
                    self.phase = escape_control(&p.text);
                }
                self.tree(run, phase, None, options, out)?;
            }
            for &root in &section.roots {
                self.tree(run, root, None, options, out)?;
            }
        }
        Ok(())
    }

    fn tree(
        &mut self,
        run: &Run,
        index: usize,
        inside: Option<u64>,
        options: &Options,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut inside = inside;
        if options.filter.wants(&run.events[index]) {
            self.written += 1;
            let number = self.written;
            writeln!(out, "{}", self.fields(run, index, number, inside).join("\t"))?;
            inside = Some(number);
        }
        run.nest.children(index).iter().try_for_each(|&child| self.tree(run, child, inside, options, out))
    }

    fn fields(&self, run: &Run, index: usize, number: u64, inside: Option<u64>) -> [String; COLUMNS.len()] {
        let event = &run.events[index];
        let addr = run.addr(index);
        let place = addr.and_then(|addr| run.segments.place(event.pid, addr)).filter(|_| has_page(&event.body));
        let (src_nid, dst_nid) = nodes(&event.body);
        let (result, reason) = outcome(&event.body);
        let began_ms = text::ms_since(event.start_ns(), run.zero_ns());
        [
            number.to_string(),
            known(inside),
            self.phase.clone(),
            event.ts_ns.to_string(),
            format!("{began_ms:.6}"),
            event.cpu.to_string(),
            known(event.cpu_node),
            event.comm.to_string(),
            event.pid.to_string(),
            event.tid.to_string(),
            event.body.kind().to_owned(),
            addr.map_or_else(String::new, |addr| format!("{addr:#x}")),
            place.map_or_else(String::new, |p| letter(p.segment)),
            known(place.map(|p| p.page)),
            known(place.map(|p| p.pages)),
            known(pages(event)),
            known(src_nid),
            known(dst_nid),
            escape_control(result.unwrap_or_default()),
            escape_control(reason.as_deref().unwrap_or_default()),
            known(event.latency_ns()),
            event.weight().to_string(),
            escape_control(&sentence::of_event(run, index).to_string()),
        ]
    }
}

/// Empty if unknown.
fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

const fn has_page(body: &Body) -> bool {
    body.has_page()
}

/// Pages of the folio, or those that a batch migrated or marked.
const fn pages(event: &Event) -> Option<u64> {
    match &event.body {
        Body::Check(c) => Some(1 << c.order),
        Body::Mark(m) => Some(1 << m.order),
        Body::Migrate(m) => Some(m.pages()),
        Body::Batch(b) => Some(b.done_pages()),
        _ => None,
    }
}

/// The page's node before, and the node that it should be on or is on afterwards.
const fn nodes(body: &Body) -> (Option<i32>, Option<i32>) {
    match body {
        Body::Fault(f) => (f.nid, None),
        Body::Check(c) => (Some(c.src_nid), c.dst_nid),
        Body::Mark(m) => (Some(m.nid), None),
        Body::Migrate(m) => (Some(m.src_nid), m.dst_nid),
        Body::Place(p) => (p.src_nid, p.dst_nid),
        Body::Task(t) => (t.from_node, t.to_node),
        _ => (None, None),
    }
}

/// The result, and the reason.
fn outcome(body: &Body) -> (Option<&str>, Option<Reason>) {
    match body {
        Body::Fault(f) => (f.result.as_deref(), None),
        Body::Check(c) => (Some(c.verdict.word()), c.reason.clone()),
        Body::Mark(m) => (Some(m.result.word()), m.reason.clone()),
        Body::Migrate(m) => (Some(m.result.word()), m.reason.clone()),
        Body::Request(r) => (Some(if r.ret < 0 { "failed" } else { "ok" }), None),
        _ => (None, None),
    }
}
