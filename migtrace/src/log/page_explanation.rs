//! Why a page did or did not migrate, derived from the order of its steps.

use super::sentence::{self, verdict};
use crate::{
    event::{Cause, FaultClass, Migrate, Outcome, Place, PlaceChange, Probe, Verdict},
    model::page_history::steps::{HistoryEntry, PageHistory, Step, What},
    recording::Meta,
    text,
};

/// Maximum of sentences: one for each migration, failed migration and check. One on the page's node follows.
const MOST: usize = 12;

pub(super) fn conclusions(history: &PageHistory<'_>, meta: &Meta) -> Vec<String> {
    let steps: Vec<&Step> =
        history.entries.iter().filter_map(|h| if let HistoryEntry::Step(s) = h { Some(*s) } else { None }).collect();
    let at = |step: &Step| format!("{:.3} ms", text::ms_since(step.start_ns(), meta.start_ns));
    let mut lines = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        match &step.what {
            What::Migrate(m) => lines.push(format!("At {} {}.", at(step), migrated(m, check_before(&steps, n)))),
            // The migration of a misplaced page says more than its check.
            What::Check(c) if c.verdict != Verdict::Misplaced || !is_followed(&steps, n) => {
                lines.push(format!("At {} {}.", at(step), verdict(&step.what).unwrap_or_default()));
            }
            What::Place(p) => lines.push(format!("At {} {}.", at(step), placed(p))),
            What::Fault(f) if n > 0 && is_new(&steps, n) && f.class == Some(FaultClass::Anon) => {
                lines.push(format!(
                    "At {} another page was at this address: the earlier one was unmapped or discarded.",
                    at(step)
                ));
            }
            _ => {}
        }
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.drain(MOST / 2..MOST / 2 + more);
        lines.insert(MOST / 2, format!("({more} more)"));
    }
    if lines.is_empty() {
        lines.push(nothing(meta));
    }
    lines.push(state(history, &steps));
    lines
}

/// The check that led to a migration: the step before it in the same thread.
fn check_before<'a>(steps: &[&'a Step], n: usize) -> Option<&'a What> {
    let before = steps[..n].iter().rev().find(|s| s.tid == steps[n].tid)?;
    matches!(&before.what, What::Check(c) if c.verdict == Verdict::Misplaced).then_some(&before.what)
}

/// What happened to the page without a migration.
fn placed(p: &Place) -> String {
    let nodes = sentence::nodes(p);
    match p.what {
        PlaceChange::Collapse => format!("it became part of a huge page, {nodes}"),
        PlaceChange::Cow => format!("a write copied it, {nodes}"),
        PlaceChange::SwapIn => format!("it came back from swap, {nodes}"),
        PlaceChange::Ksm => format!("KSM replaced it by an equal page, {nodes}"),
        PlaceChange::Remap => format!("mremap moved the range at {} to {:#x}", sentence::old_address(p), p.addr),
        PlaceChange::Migrate => format!("it migrated with another mapping of it, {nodes}"),
        PlaceChange::Uffd if p.from_addr.is_some() => {
            format!("userfaultfd moved the range at {} to {:#x}", sentence::old_address(p), p.addr)
        }
        PlaceChange::Uffd => format!("userfaultfd mapped it, {nodes}"),
        PlaceChange::MapAround => format!("a fault on a neighbour mapped it, {nodes}"),
        PlaceChange::Unmap if p.src_nid.is_some() => format!("it was unmapped {nodes}, for reclaim or a lazy mark"),
        PlaceChange::Unmap => "it was unmapped".into(),
    }
}

fn is_followed(steps: &[&Step], n: usize) -> bool {
    let next = steps[n + 1..].iter().find(|s| s.tid == steps[n].tid);
    next.is_some_and(|s| matches!(s.what, What::Migrate(_)))
}

fn migrated(m: &Migrate, check: Option<&What>) -> String {
    let why = check.and_then(verdict).unwrap_or_else(|| cause(m.cause).to_owned());
    match m.result {
        Outcome::Ok => {
            let to = m.dst_nid.map_or_else(|| "an unknown node".into(), |nid| format!("node {nid}"));
            format!("it migrated from node {} to {to}, because {why}", m.src_nid)
        }
        Outcome::Failed => {
            let failed = verdict(&What::Migrate(Box::new(m.clone()))).unwrap_or_default();
            format!("it was to migrate from node {}, because {why}; {failed}", m.src_nid)
        }
    }
}

/// Why a page was to migrate, if no check shows it.
const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Mbind => "mbind(2) requested immediate migration of its range",
        Cause::MovePages => "move_pages(2) named it",
        Cause::MigratePages => "migrate_pages(2) requested migration of its process's pages",
        Cause::LazyFault => "it was touched while on another node than the policy wants",
        Cause::HintingFault => "it was touched from another node (automatic NUMA balancing)",
        Cause::Demotion => "its node was short of memory, and a slower node had free memory (demotion)",
        Cause::Compaction => "memory was compacted to make room for larger pages",
        Cause::Hotplug => "its memory was to be taken offline",
        Cause::ContigRange => "the memory around it was needed as one contiguous range",
        Cause::LongtermPin => "it was to be pinned long-term, and was in memory that must stay movable",
        Cause::Damon => "DAMON requested it",
        Cause::Cpuset => "the memory nodes of its process's cpuset changed",
        Cause::MemoryFailure => "its memory had errors, or was taken out of use (soft offline)",
        Cause::Other => "the kernel requested it for another cause",
    }
}

/// The probes that show why pages do or do not migrate.
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
        "No migration was requested: this trace has no check and no migration of this page.".into()
    } else {
        format!(
            "This trace has no check and no migration of this page; events of {} were not recorded.",
            unseen.join(", ")
        )
    }
}

/// Whether a fault allocated a page in place of an earlier one. A fault that raced another thread's did not.
fn is_new(steps: &[&Step], n: usize) -> bool {
    let began = steps[n].start_ns();
    steps[..n].iter().any(|s| !matches!(s.what, What::Check(_))) && steps[..n].iter().all(|s| s.ts_ns <= began)
}

/// The page's last node, and whether it is gone.
fn state(history: &PageHistory<'_>, steps: &[&Step]) -> String {
    let mark = steps.iter().rposition(|s| matches!(&s.what, What::Mark(m) if m.result == Outcome::Ok));
    let waits = mark.is_some_and(|n| !steps[n + 1..].iter().any(|s| matches!(s.what, What::Fault(_) | What::Check(_))));
    let nid = steps.iter().rev().find_map(|s| match &s.what {
        What::Fault(f) => f.nid,
        What::Check(c) => Some(c.src_nid),
        What::Mark(m) => Some(m.nid),
        What::Migrate(m) if m.result == Outcome::Ok => m.dst_nid,
        What::Migrate(m) => Some(m.src_nid),
        What::Place(p) => p.dst_nid,
    });
    let node = nid.map_or_else(|| "on an unknown node".into(), |nid| format!("on node {nid}"));
    let last_ns = steps.iter().map(|s| s.ts_ns).max().unwrap_or(0);
    let ends = |h: &HistoryEntry<'_>| {
        matches!(h, HistoryEntry::Exited { .. } | HistoryEntry::Executed { .. }) && h.ts_ns() >= last_ns
    };
    let ended = history.entries.iter().any(ends);
    match (waits, ended) {
        (true, true) => format!(
            "It was marked for lazy migration and never touched again: it was {node}, unchecked, when its process exited."
        ),
        (true, false) => {
            format!("It is marked for lazy migration {node}, and will be checked at its next touch.")
        }
        (false, true) => format!("It was last {node}. Its process has exited."),
        (false, false) => format!("It was last {node}."),
    }
}
