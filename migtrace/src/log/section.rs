//! One phase: its heading, its result in a sentence, and its events.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{options::Options, tree};
use crate::{
    event::{Body, Cause, FaultClass, Outcome, Probe, Verdict},
    model::{Run, phase::Section},
    text::{self, Line, Tone, ansi, escape_control, line},
};

pub(super) fn write(run: &Run, section: &Section, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    ansi::write_all(&text::heading(&title(run, section)), out)?;
    let mut seen = Seen::default();
    seen.take(run, section);
    ansi::write(&format!("   {}", seen.sentence(run)).into(), out)?;
    let mut beside = Beside::default();
    let shown = beside.part(run, section, options);
    if tree::shows_any(run, &shown, options) {
        ansi::write(&tree::columns(), out)?;
        tree::siblings(run, &shown, 0, options, out)?;
    }
    beside.line().map_or(Ok(()), |line| ansi::write(&line, out))
}

/// The heading of a section.
pub(super) fn title(run: &Run, section: &Section) -> String {
    let Some(index) = section.phase else {
        let only = run.sections.len() == 1;
        return if only { "the whole recording".into() } else { "before the first phase".into() };
    };
    let event = &run.events[index];
    let Body::Phase(phase) = &event.body else { return String::new() };
    let ms = text::ms_since(event.ts_ns, run.zero_ns());
    format!("{}   (phase of {}/{}, from {ms:.3} ms)", escape_control(&phase.text), event.comm, event.tid)
}

/// Whether to count an event instead of showing it. True for a fault outside all requested ranges in which no page was
/// misplaced or migrated, for a mapping without requested pages, for a node on which nothing changed, and
/// for a run of a census. Also true for other pages that changed their place and not their node.
fn is_irrelevant(run: &Run, index: usize) -> bool {
    let event = &run.events[index];
    let fault = match &event.body {
        Body::Fault(fault) => fault,
        Body::Node(n) => return n.change.is_none(),
        Body::Census(_) => return true,
        Body::Place(p) => return !p.changes_node() && !run.segments.names_any(event.pid, p.addr, p.len),
        Body::Region(r) => return !run.segments.names_any(event.pid, r.addr, r.len),
        _ => return false,
    };
    let matters = |&i: &usize| match &run.events[i].body {
        Body::Check(c) => c.verdict == Verdict::Misplaced,
        Body::Region(_) => false,
        _ => true,
    };
    matches!(fault.result.as_deref(), None | Some("ok" | "retry"))
        && fault.class != Some(FaultClass::Hinting)
        && run.segments.place(event.pid, fault.addr).is_none()
        && !run.nest.children(index).iter().any(matters)
}

/// Faults and mappings that are counted and not shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    mappings: u64,
    places: u64,
    classes: FaultClasses,
    faults: u64,
    /// Some durations are unknown.
    is_partial: bool,
    total_ns: u64,
}

impl Beside {
    /// Counts those of a section, and returns the events to show.
    pub(super) fn part(&mut self, run: &Run, section: &Section, options: &Options) -> Vec<usize> {
        let (beside, shown): (Vec<usize>, Vec<usize>) =
            section.roots.iter().partition(|&&i| !options.all && is_irrelevant(run, i));
        for event in beside.into_iter().map(|i| &run.events[i]).filter(|e| options.filter.wants(*e)) {
            let f = match &event.body {
                Body::Fault(f) => f,
                // Every second has one for each node, and each census one for each run of pages.
                Body::Node(_) | Body::Census(_) => continue,
                Body::Place(_) => {
                    self.places += event.weight();
                    continue;
                }
                _ => {
                    self.mappings += 1;
                    continue;
                }
            };
            self.faults += event.weight();
            *self.classes.entry(f.class).or_default() += event.weight();
            self.total_ns += f.latency_ns.unwrap_or(0).saturating_mul(event.weight());
            self.is_partial = self.is_partial || f.latency_ns.is_none();
        }
        shown
    }

    /// How many there were, if any.
    pub(super) fn line(&self) -> Option<Line> {
        let mut parts = Vec::new();
        if self.faults > 0 {
            let (many, classes) = (text::count(self.faults, "fault"), classes(&self.classes));
            let took = took((!self.is_partial).then_some(self.total_ns));
            parts.push(format!("{many} ({classes}) on other pages, without a migration, {took} in total"));
        }
        if self.places > 0 {
            parts.push(format!("changes of place of other pages, to no other node: {}", self.places));
        }
        if self.mappings > 0 {
            parts.push(format!("{} without requested pages", text::count(self.mappings, "mapping")));
        }
        let text = format!("not shown: {}; --all shows them", parts.join("; "));
        (!parts.is_empty()).then(|| line!["   ", Tone::Dim.paint(text)])
    }
}

/// Faults by class; `None`: not recorded.
type FaultClasses = BTreeMap<Option<FaultClass>, u64>;

/// `4 anon, 2 file`.
fn classes(counts: &FaultClasses) -> String {
    let word = |class: &Option<FaultClass>| class.map_or("of unknown class", FaultClass::word);
    counts.iter().map(|(class, n)| format!("{n} {}", word(class))).collect::<Vec<_>>().join(", ")
}

/// A duration, or that some of it is unknown.
fn took(ns: Option<u64>) -> String {
    ns.map_or_else(|| "an unknown time".into(), text::duration)
}

/// What was recorded and did not happen.
fn nothing(run: &Run) -> impl Iterator<Item = String> {
    let faults = if run.segments.is_empty() { "no relevant page fault" } else { "no fault on the requested pages" };
    let kinds = [(Probe::Request, "no placement syscall"), (Probe::Fault, faults)];
    kinds.into_iter().filter(|(probe, _)| run.attached(*probe)).map(|(_, text)| text.to_string())
}

/// What was not recorded.
fn unseen(run: &Run) -> Option<String> {
    let kinds = [
        (run.attached(Probe::Request), "placement syscalls"),
        (run.attached(Probe::Fault), "page faults"),
        (run.sees_moves(), "migrations"),
    ];
    let unseen: Vec<&str> = kinds.into_iter().filter(|(seen, _)| !seen).map(|(_, name)| name).collect();
    (!unseen.is_empty()).then(|| format!("not recorded: {}", unseen.join(", ")))
}

/// Totals of a section.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    requests: BTreeMap<&'static str, (u64, u64)>,
    marked: u64,
    faults: u64,
    /// `None`: some of it is unknown.
    fault_ns: Option<u64>,
    fault_classes: FaultClasses,
    /// Pages by source, destination, and whether they migrated in a fault.
    migrated: BTreeMap<(i32, Option<i32>, bool), u64>,
    failed: u64,
}

impl Seen {
    /// Adds a section's events.
    pub(super) fn take(&mut self, run: &Run, section: &Section) {
        section.roots.iter().for_each(|&root| self.take_event(run, root, false));
    }

    /// The result of a phase, in a sentence.
    pub(super) fn sentence(&self, run: &Run) -> String {
        let seen = self;
        let mut parts = Vec::new();
        for (name, (calls, ns)) in &seen.requests {
            let calls = if *calls == 1 { (*name).to_string() } else { format!("{calls} {name} syscalls") };
            parts.push(format!("{calls} took {}", text::duration(*ns)));
        }
        if seen.marked > 0 {
            parts.push(format!("{} marked", text::count(seen.marked, "page")));
        }
        if seen.faults > 0 {
            let many = text::count(seen.faults, "fault");
            let whose = if run.segments.is_empty() { "" } else { " on the requested pages" };
            let classes = classes(&seen.fault_classes);
            parts.push(format!("{many}{whose} ({classes}) took {}", took(seen.fault_ns)));
        }
        for ((from, to, in_fault), pages) in &seen.migrated {
            let (pages, to) = (text::count(*pages, "page"), to.map_or_else(|| "?".into(), |n| n.to_string()));
            let where_ = if *in_fault { " in faults" } else { "" };
            parts.push(format!("{pages} migrated from node {from} to node {to}{where_}"));
        }
        if seen.failed > 0 {
            parts.push(format!("{} not migrated", text::count(seen.failed, "page")));
        }
        if seen.faults == 0 && seen.requests.is_empty() {
            parts.extend(nothing(run));
        }
        if seen.migrated.is_empty() && run.sees_moves() {
            parts.push("no page migrated".into());
        }
        parts.extend(unseen(run));
        parts.join("; ") + "."
    }

    fn take_event(&mut self, run: &Run, index: usize, in_fault: bool) {
        let event = &run.events[index];
        let weight = event.weight();
        let mut in_fault = in_fault;
        match &event.body {
            Body::Request(r) => {
                let entry = self.requests.entry(r.name.word()).or_default();
                *entry = (entry.0 + 1, entry.1 + r.latency_ns);
            }
            Body::Mark(m) if m.result == Outcome::Ok => self.marked += weight << m.order,
            Body::Fault(f) => {
                in_fault = true;
                if !is_irrelevant(run, index) {
                    self.fault_ns = if self.faults == 0 { Some(0) } else { self.fault_ns };
                    self.faults += weight;
                    self.fault_ns = self.fault_ns.zip(f.latency_ns).map(|(total, ns)| total + weight * ns);
                    *self.fault_classes.entry(f.class).or_default() += weight;
                }
            }
            Body::Migrate(m) if m.result == Outcome::Ok => {
                // In a sample, the fault itself may be missing.
                let in_fault = in_fault || matches!(m.cause, Cause::LazyFault | Cause::HintingFault);
                *self.migrated.entry((m.src_nid, m.dst_nid, in_fault)).or_default() += weight * m.pages();
            }
            Body::Migrate(m) => self.failed += weight * m.pages(),
            _ => {}
        }
        for &child in run.nest.children(index) {
            self.take_event(run, child, in_fault);
        }
    }
}
