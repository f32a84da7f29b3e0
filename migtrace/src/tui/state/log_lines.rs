//! The last events as lines of the log, nested as they happened, with equal neighbours folded.

use crate::{
    event::ProcessId,
    event::{Body, Event, Outcome, TaskEvent, Verdict},
    log,
    model::{Run, live::State},
    text::Tone,
};

/// Most events that become lines: to nest more of them takes too long for a frame.
const EVENTS: usize = 1024;
/// Lines shown of a run of equal lines, before the one that folds the rest.
const SHOWN_OF_RUN: usize = 3;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// Start of the event since the start of tracing, ns; of folded events, of the last.
    pub(crate) at_ns: Option<u64>,
    /// CPU and node: `3/1`.
    pub(crate) place: String,
    pub(crate) task: String,
    pub(crate) text: String,
    pub(crate) tone: Tone,
    pub(crate) depth: usize,
    pub(crate) process: ProcessId,
    pub(crate) addr: Option<u64>,
}

/// All lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogLines {
    pub(crate) lines: Vec<LogLine>,
    /// Events before those of the lines.
    pub(crate) before: u64,
    version: Option<u64>,
}

impl LogLines {
    /// Makes the lines again if an event came since.
    pub(crate) fn refresh(&mut self, state: &State) {
        let recent = &state.recent;
        if self.version == Some(recent.version()) {
            return;
        }
        self.version = Some(recent.version());
        let skipped = recent.events().len().saturating_sub(EVENTS);
        self.before = recent.evicted() + skipped as u64;
        let events: Vec<Event> = recent.events().iter().skip(skipped).cloned().collect();
        self.lines = Self::of(state, events);
    }

    /// The lines of some events.
    pub(crate) fn of(state: &State, events: Vec<Event>) -> Vec<LogLine> {
        let run = Run::new(state.meta.clone(), events);
        let mut walk = Walk { run: &run, zero_ns: state.zero_ns(), lines: Vec::new() };
        walk.siblings(run.nest.roots(), 0);
        walk.lines
    }
}

struct Walk<'a> {
    run: &'a Run,
    zero_ns: u64,
    lines: Vec<LogLine>,
}

impl Walk<'_> {
    fn siblings(&mut self, events: &[usize], depth: usize) {
        let alike: Vec<(u32, u64)> =
            events.iter().map(|&event| (self.run.events[event].tid, log::signature(self.run, event))).collect();
        let mut at = 0;
        while at < events.len() {
            let length = alike[at..].iter().take_while(|other| **other == alike[at]).count();
            let run_of = &events[at..at + length];
            let shown = if length > SHOWN_OF_RUN + 1 { SHOWN_OF_RUN } else { length };
            for &event in &run_of[..shown] {
                self.lines.push(self.line(event, depth));
                self.siblings(self.run.nest.children(event), depth + 1);
            }
            if shown < length {
                self.lines.push(self.folded(&run_of[shown..], depth));
            }
            at += length;
        }
    }

    /// One line for many events.
    fn folded(&self, events: &[usize], depth: usize) -> LogLine {
        let text = format!("… {}", log::in_one_line(self.run, events));
        let last = events.last().map_or_else(LogLine::default, |&event| self.line(event, depth));
        LogLine { text, tone: Tone::Dim, ..last }
    }

    fn line(&self, index: usize, depth: usize) -> LogLine {
        let event = &self.run.events[index];
        let node = event.cpu_node.map_or_else(|| "?".to_owned(), |nid| nid.to_string());
        LogLine {
            at_ns: Some(event.start_ns().saturating_sub(self.zero_ns)),
            place: format!("{}/{node}", event.cpu),
            task: format!("{}/{}", event.comm, event.tid),
            text: log::sentence(self.run, index).to_string(),
            tone: tone(&event.body),
            depth,
            process: event.process(),
            addr: self.run.addr(index),
        }
    }
}

const fn tone(body: &Body) -> Tone {
    match body {
        Body::Loss(_) => Tone::Bad,
        Body::Migrate(m) => match m.result {
            Outcome::Ok => Tone::Good,
            Outcome::Failed => Tone::Bad,
        },
        Body::Check(c) if matches!(c.verdict, Verdict::Misplaced) => Tone::Remote,
        Body::Mark(m) if matches!(m.result, Outcome::Failed) => Tone::Bad,
        Body::Mark(_) => Tone::Warn,
        Body::Request(_) => Tone::Heading,
        Body::Phase(_) => Tone::Strong,
        Body::Task(t) if matches!(t.what, TaskEvent::Moved) => Tone::Warn,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    fn lines((meta, events): (crate::recording::Meta, Vec<Event>)) -> Vec<String> {
        let mut state = State::new(meta);
        events.iter().for_each(|e| state.feed(e));
        let mut log = LogLines::default();
        log.refresh(&state);
        log.lines.iter().map(|l| format!("{}{}", " ".repeat(l.depth * 2), l.text)).collect()
    }

    #[test]
    fn moves_stand_inside_of_what_caused_them() {
        let lines = lines(testkit::lazy(8, [1]));
        let at = lines.iter().position(|l| l.contains("page fault, class swap")).expect("the touch");
        assert!(lines[at + 1].starts_with("  check: misplaced"), "{lines:#?}");
        assert!(lines[at + 2].starts_with("  migrated from node 1 to node 2"), "{lines:#?}");
    }

    #[test]
    fn equal_neighbours_are_folded_and_counted() {
        let lines = lines(testkit::direct(100));
        assert!(lines.iter().any(|l| l.starts_with("… pages 4..100: the same; each ")), "{lines:#?}");
    }
}
