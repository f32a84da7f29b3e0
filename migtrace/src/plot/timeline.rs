//! The content of a timeline for one run: for each page of the requested range, its node and its migrations over time.
//!
//! Times are ns since the first placement syscall that migrates pages began.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    event::{Body, Migrate, Outcome},
    model::{
        Run,
        address::{PAGE_BYTES, page_start},
        totals::move_requests::{MoveRequests, range_of, waiting_ns},
    },
    text,
};

/// One run's panel.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub(super) title: String,
    /// The result in a few words.
    pub(super) result: String,
    /// The run's part of the picture's title: wait time in the syscall and in page faults.
    pub(super) finding: String,
    /// Name of the syscall that the timeline begins with.
    pub(super) syscall: String,
    /// Pages of the range.
    pub(super) pages: u64,
    pub(super) syscalls: Vec<Span>,
    pub(super) faults: Vec<Span>,
    pub(super) migrations: Vec<Span>,
    pub(super) marks: Vec<Span>,
    pub(super) placements: Vec<Placement>,
    /// End of the last syscall, fault or migration.
    pub(super) end_ns: u64,
}

/// A time span of one page (from 0); a syscall's span is of all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) page: u64,
    pub(super) ns: Range<u64>,
    /// Of a migration: the target node.
    pub(super) nid: Option<i32>,
}

/// A time span in which a page was on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) page: u64,
    pub(super) ns: Range<u64>,
    /// `None` if no event shows it.
    pub(super) nid: Option<i32>,
    pub(super) mapped: bool,
}

/// A page's current node, and since when, ns of CLOCK_BOOTTIME.
#[derive(Clone, Copy)]
struct State {
    since_ns: u64,
    nid: Option<i32>,
    mapped: bool,
}

/// The range of a timeline.
struct Scope<'a> {
    run: &'a Run,
    pid: u32,
    addrs: Range<u64>,
    zero_ns: u64,
}

impl Timeline {
    /// The timeline of the first range that a syscall migrates; `None` if there is none.
    pub(super) fn new(run: &Run, name: &str) -> Option<Self> {
        let work = MoveRequests::new(run);
        let first = work.requests.iter().copied().find_map(|i| match &run.events[i].body {
            Body::Request(r) => range_of(r).map(|(addr, _)| (i, r.target_pid.unwrap_or(run.events[i].pid), addr)),
            _ => None,
        });
        let (request, pid, addr) = first?;
        let (start, end) = work.ranges.find(pid, addr)?;
        let scope = Scope { run, pid, addrs: start..end, zero_ns: run.events[request].start_ns() };
        let mut timeline = Self { pages: (end - start) / PAGE_BYTES, ..Self::default() };
        timeline.syscalls = work.requests.iter().map(|&i| scope.span(i, 0, None)).collect();
        let mut states = BTreeMap::new();
        for &i in run.nest.by_end() {
            timeline.take(&scope, i, &mut states);
        }
        let ends = timeline.syscalls.iter().chain(&timeline.faults).chain(&timeline.migrations).map(|s| s.ns.end);
        timeline.end_ns = ends.max().unwrap_or(0);
        timeline.unmap_the_rest(&scope, &work, &mut states);
        timeline.close(&scope, states);
        (timeline.title, timeline.result) = (title(run, request, name), result(run, &work));
        timeline.syscall = syscall_name(run, request);
        timeline.finding = finding(run, &work, name, &timeline.syscall);
        Some(timeline)
    }

    fn take(&mut self, scope: &Scope, index: usize, states: &mut BTreeMap<u64, State>) {
        let event = &scope.run.events[index];
        let Some(page) = scope.page(index) else { return };
        let after = event.ts_ns >= scope.zero_ns;
        let state = states.get(&page).copied();
        let (nid, mapped) = match &event.body {
            Body::Fault(f) => {
                if after {
                    self.faults.push(scope.span(index, page, None));
                }
                (f.nid.or_else(|| state.and_then(|s| s.nid)), true)
            }
            Body::Migrate(m) if m.result == Outcome::Ok => {
                states.entry(page).or_insert(State { since_ns: 0, nid: Some(m.src_nid), mapped: true });
                if after {
                    self.migration(scope, index, page, m, states);
                }
                (m.dst_nid, state.is_none_or(|s| s.mapped))
            }
            Body::Mark(m) if m.result == Outcome::Ok => {
                states.entry(page).or_insert(State { since_ns: 0, nid: Some(m.nid), mapped: true });
                self.marks.push(scope.span(index, page, None));
                (Some(m.nid), false)
            }
            _ => return,
        };
        let next = State { since_ns: event.ts_ns, nid, mapped };
        if let Some(old) = states.insert(page, next) {
            self.place(scope, page, old, event.ts_ns);
        }
    }

    /// A migration. In a direct one, the folio may first be unmapped and wait for others of its batch.
    fn migration(&mut self, scope: &Scope, index: usize, page: u64, m: &Migrate, states: &mut BTreeMap<u64, State>) {
        let mut span = scope.span(index, page, m.dst_nid);
        if let (Some(waiting), Some(unmap)) = (waiting_ns(m), m.unmap_ns)
            && let Some(old) = states.get(&page).copied()
        {
            let unmapped_ns = scope.run.events[index].start_ns() + unmap;
            let ns = scope.since(unmapped_ns)..scope.since(unmapped_ns);
            span.ns.start = ns.end + waiting;
            self.marks.push(Span { page, ns, nid: None });
            self.place(scope, page, old, unmapped_ns);
            states.insert(page, State { since_ns: unmapped_ns, mapped: false, ..old });
        }
        self.migrations.push(span);
    }

    /// Marks without an address, whose pages are inferred: unmapped from the syscall's end on.
    fn unmap_the_rest(&mut self, scope: &Scope, work: &MoveRequests, states: &mut BTreeMap<u64, State>) {
        for &request in &work.requests {
            let since_ns = scope.run.events[request].ts_ns;
            for addr in scope.run.marks.remaining(request).unwrap_or_default() {
                let page = addr.wrapping_sub(scope.addrs.start) / PAGE_BYTES;
                if let Some(old) = states.get(&page).copied().filter(|s| s.since_ns < since_ns) {
                    states.insert(page, State { since_ns, mapped: false, ..old });
                    self.place(scope, page, old, since_ns);
                }
            }
        }
    }

    /// Every page keeps its last state to the end.
    fn close(&mut self, scope: &Scope, states: BTreeMap<u64, State>) {
        for (page, state) in states {
            self.place(scope, page, state, u64::MAX);
        }
    }

    fn place(&mut self, scope: &Scope, page: u64, state: State, until_ns: u64) {
        let ns = scope.since(state.since_ns)..scope.since(until_ns);
        if !ns.is_empty() {
            self.placements.push(Placement { page, ns, nid: state.nid, mapped: state.mapped });
        }
    }
}

impl Scope<'_> {
    fn since(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.zero_ns)
    }

    /// The page of an event of the range's process, from 0.
    fn page(&self, index: usize) -> Option<u64> {
        let addr = page_start(self.run.addr(index).filter(|_| self.run.events[index].pid == self.pid)?);
        self.addrs.contains(&addr).then(|| (addr - self.addrs.start) / PAGE_BYTES)
    }

    fn span(&self, index: usize, page: u64, nid: Option<i32>) -> Span {
        let ns = self.run.span(index);
        Span { page, ns: self.since(ns.start)..self.since(ns.end), nid }
    }
}

fn title(run: &Run, request: usize, name: &str) -> String {
    let Body::Request(r) = &run.events[request].body else { return name.into() };
    let nodes = r.nodemask.as_ref().filter(|m| !m.nodes().is_empty()).map(|m| format!("node {m}"));
    let arguments =
        [r.policy.map(|p| p.to_string()), nodes, Some(r.flags.replace('|', " + ")).filter(|f| !f.is_empty())];
    let arguments: Vec<String> = arguments.into_iter().flatten().collect();
    format!("{name}: {}({})", r.name, arguments.join(", "))
}

fn syscall_name(run: &Run, request: usize) -> String {
    match &run.events[request].body {
        Body::Request(r) => r.name.to_string(),
        _ => String::new(),
    }
}

/// `lazy 8.70 ms in mbind, then 7.52 ms in page faults`.
fn finding(run: &Run, work: &MoveRequests, name: &str, syscall: &str) -> String {
    let inside = text::duration(work.request_ns(run));
    let faults = work.fault_latency(run);
    let later = if faults.count() > 0 {
        format!(", then {} in page faults", text::duration(faults.total_ns()))
    } else {
        String::new()
    };
    format!("{name} {inside} in {syscall}{later}")
}

fn result(run: &Run, work: &MoveRequests) -> String {
    let faults = work.fault_latency(run);
    let pages = |n: Option<u64>| n.map_or_else(|| "an unknown number of pages".into(), |n| text::count(n, "page"));
    let inside = text::duration(work.request_ns(run));
    let mut text = match work.funnel(run) {
        Some(f) => format!("{} marked in {inside}", text::count(f.total_pages(), "page")),
        None => format!("{} migrated in {inside}", pages(work.moved_in_request_pages(run))),
    };
    if faults.count() > 0 {
        let (moved, took) = (pages(work.moved_in_fault_pages(run)), text::duration(faults.total_ns()));
        text += &format!(", then {moved} migrated in {}, {took} in total", text::count(faults.count(), "page fault"));
    } else {
        text += ", no page fault afterwards";
    }
    text
}
