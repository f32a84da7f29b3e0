//! What the log's columns and words mean; only of what occurs in it.

use crate::{
    event::{Body, Cause, FaultClass, Verdict},
    model::Run,
    text::{self, Line, Tone, line},
};

/// A word, its meaning, and whether this recording has it.
type Entry = (&'static str, &'static str, fn(&Run) -> bool);

const ENTRIES: [Entry; 17] = [
    ("ms", "when it began, in milliseconds since the recording began (of a point in time: when it was)", |_| true),
    ("cpu/node", "the CPU it ran on, and that CPU's node", |_| true),
    ("task", "name and thread id of the task that did it or waited for it", |_| true),
    (
        "indented",
        "happened inside the line above it: in that system call, batch or fault, while its caller waited",
        |_| true,
    ),
    ("page 3 of 8", "the third page of the range that a request named, with its virtual address", |run| {
        !run.segments.is_empty()
    }),
    ("range A, B", "the ranges that requests named, in the order in which they did", |run| run.segments.len() > 1),
    (
        "by frame",
        "the kernel shows a mark by page frame only; the address is that of another event of the frame",
        |run| run.marks.list().iter().any(|m| m.addr_by_frame),
    ),
    (
        "one of ...",
        "a mark of whose frame no other event tells; of its range only these pages are left for it",
        |run| {
            run.marks
                .list()
                .iter()
                .any(|m| m.addr.is_none() && run.marks.request_of(m).is_some_and(|r| run.marks.remaining(r).is_some()))
        },
    ),
    ("marked", "unmapped by a lazy request: the page stays in memory and is checked when it is next touched", |run| {
        has(run, |b| matches!(b, Body::Mark(_)))
    }),
    ("misplaced", "the page is on another node than the policy of its range wants", |run| {
        has(run, |b| matches!(b, Body::Check(c) if c.verdict == Verdict::Misplaced))
    }),
    ("skipped", "the check ended before policy was asked, or the page may not move; it is mapped where it is", |run| {
        has(run, |b| matches!(b, Body::Check(c) if c.verdict == Verdict::Skipped))
    }),
    ("class anon", "first touch of memory that belongs to no file: the kernel finds and clears a page", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Anon)))
    }),
    ("class swap", "touch of an unmapped page: of a marked one, found in memory by way of the swap cache", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Swap)))
    }),
    (
        "class cow",
        "a write to a page that is read-only because others may have it too: the writer gets a copy",
        |run| has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Cow))),
    ),
    (
        "class hinting",
        "touch of a page that automatic NUMA balancing had made inaccessible, to see from where it is used",
        |run| has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Hinting))),
    ),
    ("not major", "nothing was read from a device or from swap", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.major == Some(false)))
    }),
    (
        "moved",
        "copied to a frame of another node; with cause lazy_fault inside the fault that touched the page",
        |run| has(run, |b| matches!(b, Body::Migrate(_))),
    ),
];

/// The stages of a direct move, where any event shows them.
const STAGES: &str = "unmap: until no process maps the page; waiting: for the other pages of its batch; copy: until the copy \
stands; remap: until it is mapped again";

/// Which entries something was told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Occurs {
    entries: [bool; ENTRIES.len()],
    stages: bool,
}

impl Occurs {
    /// Takes the next stretch of a recording.
    pub(super) fn take(&mut self, run: &Run) {
        for (occurs, (.., does)) in self.entries.iter_mut().zip(ENTRIES) {
            *occurs = *occurs || does(run);
        }
        let shows_stages =
            |b: &Body| matches!(b, Body::Migrate(m) if m.cause != Cause::LazyFault && m.unmap_ns.is_some());
        self.stages = self.stages || has(run, shows_stages);
    }
}

pub(super) fn lines(occurs: &Occurs) -> Vec<Line> {
    let mut lines = text::heading("key").to_vec();
    let entries = ENTRIES.iter().zip(occurs.entries).filter(|(_, occurs)| *occurs);
    lines.extend(entries.map(|((word, meaning, _), _)| entry(word, meaning)));
    lines.extend(occurs.stages.then(|| entry("unmap ...", STAGES)));
    lines
}

fn entry(word: &str, meaning: &str) -> Line {
    line!["   ", Tone::Strong.paint(format!("{word:<13}")), format!(" {meaning}")]
}

fn has(run: &Run, want: impl Fn(&Body) -> bool) -> bool {
    run.events.iter().any(|e| want(&e.body))
}
