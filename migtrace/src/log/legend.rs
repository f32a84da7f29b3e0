//! The legend: what the log's columns and words mean. It lists only what occurs in the log.

use crate::{
    event::{Body, Cause, FaultClass, Verdict},
    model::{Run, lazy::marked_page::MarkedPage},
    text::{self, Line, Tone, line},
};

/// A word, its meaning, and whether it occurs.
type Entry = (&'static str, &'static str, fn(&Run) -> bool);

const ENTRIES: [Entry; 18] = [
    ("ms", "when the event began, in milliseconds since the recording began", |_| true),
    ("cpu/node", "the CPU that it ran on, and that CPU's node", |_| true),
    ("task", "name and thread ID of the task that caused the event or waited for it", |_| true),
    ("indented", "nested in the line above: in that syscall, batch or page fault, while its caller waited", |_| true),
    ("page 3 of 8", "the third page of a requested range, with its virtual address", |run| !run.segments.is_empty()),
    ("range A, B", "the requested ranges, in the order of the syscalls", |run| run.segments.len() > 1),
    (
        "by frame",
        "the kernel shows only the page frame of a mark; the address is that of another event of the frame",
        |run| run.marks.list().iter().any(|m| m.addr_by_frame),
    ),
    ("one of ...", "a mark whose frame has no other event; it is on one of these pages of its range", |run| {
        let is_one_of = |m: &MarkedPage| {
            m.addr.is_none() && run.marks.request_of(m).is_some_and(|r| run.marks.remaining(r).is_some())
        };
        run.marks.list().iter().any(is_one_of)
    }),
    ("marked", "unmapped for lazy migration: the page stays in memory and is checked at its next touch", |run| {
        has(run, |b| matches!(b, Body::Mark(_)))
    }),
    ("misplaced", "the page is on another node than the policy of its range wants", |run| {
        has(run, |b| matches!(b, Body::Check(c) if c.verdict == Verdict::Misplaced))
    }),
    (
        "skipped",
        "the check ended before it used the policy, or the page may not migrate; it is mapped where it is",
        |run| has(run, |b| matches!(b, Body::Check(c) if c.verdict == Verdict::Skipped)),
    ),
    ("class anon", "first touch of memory that belongs to no file: the kernel allocates and clears a page", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Anon)))
    }),
    (
        "class swap",
        "touch of a page whose page-table entry is a swap entry; a marked page is still in memory, in the swap cache",
        |run| has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Swap))),
    ),
    ("class cow", "write to a page that is read-only because it may be shared: the writer gets a copy", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Cow)))
    }),
    ("class migration_wait", "touch of a page that is being migrated: the thread waits for the end of it", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::MigrationWait)))
    }),
    (
        "class hinting",
        "touch of a page that automatic NUMA balancing made inaccessible, to see which CPU uses it",
        |run| has(run, |b| matches!(b, Body::Fault(f) if f.class == Some(FaultClass::Hinting))),
    ),
    ("minor", "nothing was read from a device or from swap", |run| {
        has(run, |b| matches!(b, Body::Fault(f) if f.major == Some(false)))
    }),
    (
        "migrated",
        "copied to another frame, mostly on another node; cause lazy_fault: during the page fault of the next touch",
        |run| has(run, |b| matches!(b, Body::Migrate(_))),
    ),
];

/// The stages of a direct migration, if any event shows them.
const STAGES: &str = "stages: unmap (until no process maps the page), waiting (for the other pages of its batch), copy, \
remap (until it is mapped again)";

/// Which entries occur.
#[derive(Clone, Debug, Default)]
pub(super) struct Occurs {
    entries: [bool; ENTRIES.len()],
    stages: bool,
}

impl Occurs {
    /// Takes the next part of a recording.
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
    let mut lines = text::heading("legend").to_vec();
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
