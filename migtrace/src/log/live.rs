//! The log of a running kernel: a line is written as soon as the events nested in it are known.
//!
//! Events arrive in the order of their ends, so a syscall arrives after all events nested in it. Each event waits [`HOLD_NS`]
//! after its end. An event that only happens in a syscall or a fault waits for the end of that, at most [`PATIENCE_NS`]. If
//! too many wait, all are written, and those without their enclosing event are counted. A phase's result is written at its
//! end.

use std::{
    io::{self, Write},
    mem,
};

use super::{
    header, legend,
    options::Options,
    section::{self, Beside, Seen},
    summary,
    totals::Totals,
    tree,
    tsv::Lines,
};
use crate::{
    event::{Body, Cause, Event, Probe, TaskEvent},
    model::{Run, lazy::tracker::LazyTracker, nesting::Nesting, phase::Section, requested_ranges::RequestedRanges},
    recording::Meta,
    text::{self, ansi},
};

/// How long each event waits after its end, ns.
pub const HOLD_NS: u64 = 250_000_000;
/// How long an event waits at most for the syscall or fault that it is nested in, ns.
pub const PATIENCE_NS: u64 = 10_000_000_000;
/// Maximum of waiting events.
const MOST_HELD: usize = 1 << 18;

/// A running log.
pub struct Follower {
    options: Options,
    meta: Meta,
    segments: RequestedRanges,
    held: Vec<Event>,
    marks: LazyTracker,
    totals: Totals,
    /// The current phase; `None` before anything was written.
    phase: Option<Phase>,
    /// `Some`: lines for programs.
    lines: Option<Lines>,
    /// Events that were written without their enclosing event.
    apart: u64,
    most_held: usize,
    hold_ns: u64,
}

/// What is written at the end of a phase.
#[derive(Default)]
struct Phase {
    seen: Seen,
    beside: Beside,
    has_columns: bool,
}

impl Follower {
    /// A log of a source with this metadata.
    #[must_use]
    pub fn new(meta: Meta, options: Options) -> Self {
        let lines = options.tsv.then(Lines::default);
        let (segments, marks, totals) = (RequestedRanges::default(), LazyTracker::default(), Totals::new());
        Self {
            options,
            meta,
            segments,
            held: Vec::new(),
            marks,
            totals,
            phase: None,
            lines,
            apart: 0,
            most_held: MOST_HELD,
            hold_ns: HOLD_NS,
        }
    }

    /// Writes the header.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines.is_some() {
            return Lines::head(out);
        }
        ansi::write_all(&header::live(&self.meta, &self.options, HOLD_NS), out)
    }

    /// Takes the next event.
    pub fn take(&mut self, event: Event) {
        self.marks.take(&event);
        self.held.push(event);
    }

    /// Writes the events that are complete at this time (CLOCK_BOOTTIME, ns). Call it a few times a second.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&mut self, now_ns: u64, out: &mut dyn Write) -> io::Result<()> {
        let is_crowded = self.held.len() > self.most_held;
        let events = self.complete(now_ns, is_crowded);
        self.emit(events, out)
    }

    /// Writes the rest, the processes, the legend and the summary. `meta`: the final metadata.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn finish(mut self, meta: Meta, out: &mut dyn Write) -> io::Result<()> {
        let rest = mem::take(&mut self.held);
        self.emit(rest, out)?;
        if self.lines.is_some() {
            return Ok(());
        }
        let zero_ns = self.meta.start_ns;
        let run = Run::stretch(meta, Vec::new(), self.segments, zero_ns);
        if let Some(phase) = self.phase {
            phase.end(&run, out)?;
        }
        if self.apart > 0 {
            let apart = text::count(self.apart, "event");
            writeln!(
                out,
                "\n   {apart} shown without the syscall or fault that they are nested in: too many waited for it"
            )?;
        }
        if run.segments.unnamed() > 0 {
            let unnamed = text::count(run.segments.unnamed(), "range");
            writeln!(out, "\n   {unnamed} without a letter, as there are too many: their pages are shown by address")?;
        }
        let processes = header::processes(&run.meta);
        if !processes.is_empty() {
            ansi::write_all(&text::heading("processes"), out)?;
            ansi::write_all(&processes, out)?;
        }
        ansi::write_all(&legend::lines(&self.totals.occurs), out)?;
        ansi::write_all(&summary::lines(&self.totals, &self.marks, &run.meta, zero_ns), out)
    }

    /// Removes and returns the held events that need not wait any longer, or all of them.
    fn complete(&mut self, now_ns: u64, all: bool) -> Vec<Event> {
        let nest = Nesting::new(&self.held);
        let mut goes = vec![false; self.held.len()];
        for &root in nest.roots() {
            let event = &self.held[root];
            let waits = event.ts_ns + PATIENCE_NS > now_ns && is_nested(&self.meta, &event.body);
            let is_complete = event.ts_ns + self.hold_ns <= now_ns && !waits;
            if all || is_complete {
                self.apart += u64::from(all && waits);
                goes[root] = true;
                nest.descendants(root).into_iter().for_each(|i| goes[i] = true);
            }
        }
        let (mut complete, mut held) = (Vec::new(), Vec::new());
        for (event, goes) in mem::take(&mut self.held).into_iter().zip(goes) {
            if goes { complete.push(event) } else { held.push(event) }
        }
        self.held = held;
        complete
    }

    fn emit(&mut self, events: Vec<Event>, out: &mut dyn Write) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        events.iter().for_each(|event| self.segments.take(event));
        let zero_ns = self.meta.start_ns;
        let run = Run::stretch(mem::take(&mut self.meta), events, mem::take(&mut self.segments), zero_ns);
        self.totals.take(&run);
        let written = match &mut self.lines {
            Some(lines) => lines.write(&run, &self.options, out),
            None => run.sections.iter().try_for_each(|section| self.section(&run, section, out)),
        };
        (self.meta, self.segments) = (run.meta, run.segments);
        for event in &run.events {
            if matches!(&event.body, Body::Task(t) if t.what == TaskEvent::Exit) {
                self.segments.forget(event.pid);
            }
        }
        written
    }

    fn section(&mut self, run: &Run, section: &Section, out: &mut dyn Write) -> io::Result<()> {
        if section.phase.is_some() {
            if let Some(ended) = self.phase.take() {
                ended.end(run, out)?;
            }
            ansi::write_all(&text::heading(&section::title(run, section)), out)?;
        } else if self.phase.is_none() {
            ansi::write_all(&text::heading("from now on"), out)?;
        }
        let phase = self.phase.get_or_insert_default();
        phase.seen.take(run, section);
        let shown = phase.beside.part(run, section, &self.options);
        if tree::shows_any(run, &shown, &self.options) && !mem::replace(&mut phase.has_columns, true) {
            ansi::write(&tree::columns(), out)?;
        }
        tree::siblings(run, &shown, 0, &self.options, out)
    }
}

impl Phase {
    fn end(&self, run: &Run, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "   in total: {}", self.seen.sentence(run))?;
        self.beside.line().map_or(Ok(()), |line| ansi::write(&line, out))
    }
}

/// Whether it is nested in a syscall or a fault that is recorded as well.
fn is_nested(meta: &Meta, body: &Body) -> bool {
    let of_cause = |cause: Cause| match cause {
        Cause::Mbind | Cause::MovePages | Cause::MigratePages => meta.coverage(Probe::Request, None).is_available(),
        Cause::LazyFault | Cause::HintingFault => meta.coverage(Probe::Fault, None).is_available(),
        _ => false,
    };
    match body {
        Body::Mark(_) => meta.coverage(Probe::Request, None).is_available(),
        Body::Check(_) => meta.coverage(Probe::Fault, None).is_available(),
        Body::Migrate(m) => of_cause(m.cause),
        Body::Batch(b) => of_cause(b.cause),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
