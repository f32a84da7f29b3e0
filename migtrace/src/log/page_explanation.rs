//! Why a page moved or did not, from the order of its steps.

use super::sentence::verdict;
use crate::{
    event::{Cause, FaultClass, Migrate, Outcome, Probe, Verdict},
    model::page_history::steps::{Happened, PageHistory, Step, What},
    recording::Meta,
    text,
};

/// A sentence for each move and each time that it stayed, at most so many, then where it is.
const MOST: usize = 12;

pub(super) fn conclusions(life: &PageHistory<'_>, meta: &Meta) -> Vec<String> {
    let steps: Vec<&Step> =
        life.happened.iter().filter_map(|h| if let Happened::Step(s) = h { Some(*s) } else { None }).collect();
    let at = |step: &Step| format!("{:.3} ms", text::ms_since(step.start_ns(), meta.start_ns));
    let mut lines = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        match &step.what {
            What::Migrate(m) => lines.push(format!("At {} {}.", at(step), moved(m, asked_before(&steps, n)))),
            // A misplaced page's own move says more.
            What::Check(c) if c.verdict != Verdict::Misplaced || !is_followed(&steps, n) => {
                lines.push(format!("At {} {}.", at(step), verdict(&step.what).unwrap_or_default()));
            }
            What::Fault(f) if n > 0 && is_new(&steps, n) && f.class == Some(FaultClass::Anon) => {
                lines.push(format!(
                    "At {} there was another page in its place: the one before was unmapped or thrown away.",
                    at(step)
                ));
            }
            _ => {}
        }
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.drain(MOST / 2..MOST / 2 + more);
        lines.insert(MOST / 2, format!("({more} more of these)"));
    }
    if lines.is_empty() {
        lines.push(nothing(meta));
    }
    lines.push(state(life, &steps));
    lines
}

/// The check that asked for a move, in the same thread just before it.
fn asked_before<'a>(steps: &[&'a Step], n: usize) -> Option<&'a What> {
    let before = steps[..n].iter().rev().find(|s| s.tid == steps[n].tid)?;
    matches!(&before.what, What::Check(c) if c.verdict == Verdict::Misplaced).then_some(&before.what)
}

fn is_followed(steps: &[&Step], n: usize) -> bool {
    let next = steps[n + 1..].iter().find(|s| s.tid == steps[n].tid);
    next.is_some_and(|s| matches!(s.what, What::Migrate(_)))
}

fn moved(m: &Migrate, asked: Option<&What>) -> String {
    let why = asked.and_then(verdict).unwrap_or_else(|| cause(m.cause).to_owned());
    match m.result {
        Outcome::Ok => {
            let to = m.dst_nid.map_or_else(|| "a node that is not known".into(), |nid| format!("node {nid}"));
            format!("it moved from node {} to {to}, because {why}", m.src_nid)
        }
        Outcome::Failed => {
            let failed = verdict(&What::Migrate(Box::new(m.clone()))).unwrap_or_default();
            format!("it was to leave node {}, because {why}; {failed}", m.src_nid)
        }
    }
}

/// Who wants a page to move, where no check tells it.
const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Mbind => "mbind(2) asked for pages of its range to move now",
        Cause::MovePages => "move_pages(2) named it",
        Cause::MigratePages => "migrate_pages(2) asked for its process's pages to move",
        Cause::LazyFault => "it was touched, and on another node than policy wants",
        Cause::HintingFault => "it was touched from another node (automatic NUMA balancing)",
        Cause::Demotion => "its node was short of memory, and a slower one had some (demotion)",
        Cause::Compaction => "memory was compacted to make room for larger pages",
        Cause::Hotplug => "its memory was to be taken out of the system",
        Cause::ContigRange => "somebody wanted the memory around it in one piece",
        Cause::LongtermPin => "it was to be pinned for long, and was where pinned pages must not be",
        Cause::Damon => "DAMON asked for it",
        Cause::Other => "the kernel wanted it so",
    }
}

/// Those that see why pages move, and do not.
pub(super) const fn probes(meta: &Meta) -> &'static [Probe] {
    if meta.kernel_patched {
        &[Probe::Check, Probe::Mark, Probe::DirectMigrate, Probe::LazyMigrate]
    } else {
        &[Probe::HintingCheck, Probe::DirectMigrate]
    }
}

fn nothing(meta: &Meta) -> String {
    let unseen: Vec<&str> = probes(meta)
        .iter()
        .filter(|probe| !meta.coverage(**probe, None).is_available())
        .map(|probe| probe.name())
        .collect();
    if unseen.is_empty() {
        "Nobody asked for it to move: no check and no move of it is in this trace.".into()
    } else {
        format!("No check and no move of it is in this trace; events of {} were not recorded.", unseen.join(", "))
    }
}

/// Whether a fault brought a page where one had been before, and not a thread that raced another one.
fn is_new(steps: &[&Step], n: usize) -> bool {
    let began = steps[n].start_ns();
    steps[..n].iter().any(|s| !matches!(s.what, What::Check(_))) && steps[..n].iter().all(|s| s.ts_ns <= began)
}

/// Where it is in the end, or that it is no more.
fn state(life: &PageHistory<'_>, steps: &[&Step]) -> String {
    let mark = steps.iter().rposition(|s| matches!(&s.what, What::Mark(m) if m.result == Outcome::Ok));
    let waits = mark.is_some_and(|n| !steps[n + 1..].iter().any(|s| matches!(s.what, What::Fault(_) | What::Check(_))));
    let nid = steps.iter().rev().find_map(|s| match &s.what {
        What::Fault(f) => f.nid,
        What::Check(c) => Some(c.src_nid),
        What::Mark(m) => Some(m.nid),
        What::Migrate(m) if m.result == Outcome::Ok => m.dst_nid,
        What::Migrate(m) => Some(m.src_nid),
    });
    let node = nid.map_or_else(|| "on a node that is not known".into(), |nid| format!("on node {nid}"));
    let last_ns = steps.iter().map(|s| s.ts_ns).max().unwrap_or(0);
    let ends =
        |h: &Happened<'_>| matches!(h, Happened::Exited { .. } | Happened::Executed { .. }) && h.ts_ns() >= last_ns;
    let ended = life.happened.iter().any(ends);
    match (waits, ended) {
        (true, true) => format!(
            "It was marked for lazy migration and never touched again: it ended {node}, unchecked, with its process."
        ),
        (true, false) => {
            format!("It is marked for lazy migration {node}, and will be checked when it is next touched.")
        }
        (false, true) => format!("It was {node} last, and ended with its process."),
        (false, false) => format!("It was {node} last."),
    }
}
