//! What a timeline shows of one run: for each page of the range that was asked to move, where it was and when it moved.
//!
//! Times are ns since the first request to move pages began.

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
    /// What it came to, in a few words.
    pub(super) result: String,
    /// Pages of the range.
    pub(super) pages: u64,
    pub(super) requests: Vec<Span>,
    pub(super) faults: Vec<Span>,
    pub(super) moves: Vec<Span>,
    pub(super) marks: Vec<Span>,
    pub(super) stays: Vec<Stay>,
    /// When the last of it ended.
    pub(super) end_ns: u64,
}

/// Something that took a time, on one page (from 0) or, of a request, on all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) page: u64,
    pub(super) ns: Range<u64>,
    /// Of a move: where to.
    pub(super) nid: Option<i32>,
}

/// A page stayed on a node for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) page: u64,
    pub(super) ns: Range<u64>,
    /// `None` where no event says.
    pub(super) nid: Option<i32>,
    pub(super) mapped: bool,
}

/// Where a page is, and from when on, ns of CLOCK_BOOTTIME.
#[derive(Clone, Copy)]
struct State {
    since_ns: u64,
    nid: Option<i32>,
    mapped: bool,
}

/// The range that a timeline is about.
struct Scope<'a> {
    run: &'a Run,
    pid: u32,
    addrs: Range<u64>,
    zero_ns: u64,
}

impl Timeline {
    /// Of the first range that a request asked to move; `None` where none names a range.
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
        timeline.requests = work.requests.iter().map(|&i| scope.span(i, 0, None)).collect();
        let mut states = BTreeMap::new();
        for &i in run.nest.by_end() {
            timeline.take(&scope, i, &mut states);
        }
        let ends = timeline.requests.iter().chain(&timeline.faults).chain(&timeline.moves).map(|s| s.ns.end);
        timeline.end_ns = ends.max().unwrap_or(0);
        timeline.unmap_the_rest(&scope, &work, &mut states);
        timeline.close(&scope, states);
        (timeline.title, timeline.result) = (title(run, request, name), result(run, &work));
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
                    self.direct_move(scope, index, page, m, states);
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
            self.stay(scope, page, old, event.ts_ns);
        }
    }

    /// A move, whose folio may have been unmapped and waiting for the others of its batch before.
    fn direct_move(&mut self, scope: &Scope, index: usize, page: u64, m: &Migrate, states: &mut BTreeMap<u64, State>) {
        let mut span = scope.span(index, page, m.dst_nid);
        if let (Some(waiting), Some(unmap)) = (waiting_ns(m), m.unmap_ns)
            && let Some(old) = states.get(&page).copied()
        {
            let unmapped_ns = scope.run.events[index].start_ns() + unmap;
            let ns = scope.since(unmapped_ns)..scope.since(unmapped_ns);
            span.ns.start = ns.end + waiting;
            self.marks.push(Span { page, ns, nid: None });
            self.stay(scope, page, old, unmapped_ns);
            states.insert(page, State { since_ns: unmapped_ns, mapped: false, ..old });
        }
        self.moves.push(span);
    }

    /// Marks without an address, of pages that are known by elimination: unmapped from the request's end on.
    fn unmap_the_rest(&mut self, scope: &Scope, work: &MoveRequests, states: &mut BTreeMap<u64, State>) {
        for &request in &work.requests {
            let since_ns = scope.run.events[request].ts_ns;
            for addr in scope.run.marks.remaining(request).unwrap_or_default() {
                let page = addr.wrapping_sub(scope.addrs.start) / PAGE_BYTES;
                if let Some(old) = states.get(&page).copied().filter(|s| s.since_ns < since_ns) {
                    states.insert(page, State { since_ns, mapped: false, ..old });
                    self.stay(scope, page, old, since_ns);
                }
            }
        }
    }

    /// Every page stays as it is to the end.
    fn close(&mut self, scope: &Scope, states: BTreeMap<u64, State>) {
        for (page, state) in states {
            self.stay(scope, page, state, u64::MAX);
        }
    }

    fn stay(&mut self, scope: &Scope, page: u64, state: State, until_ns: u64) {
        let ns = scope.since(state.since_ns)..scope.since(until_ns);
        if !ns.is_empty() {
            self.stays.push(Stay { page, ns, nid: state.nid, mapped: state.mapped });
        }
    }
}

impl Scope<'_> {
    fn since(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.zero_ns)
    }

    /// The page of the range, from 0, that an event of its process is about.
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

fn result(run: &Run, work: &MoveRequests) -> String {
    let faults = work.fault_latency(run);
    let pages = |n: Option<u64>| n.map_or_else(|| "an unknown number of pages".into(), |n| text::count(n, "page"));
    let inside = text::duration(work.request_ns(run));
    let mut text = match work.funnel(run) {
        Some(f) => format!("{} marked in {inside}", text::count(f.total_pages(), "page")),
        None => format!("{} moved in {inside}", pages(work.moved_in_request_pages(run))),
    };
    if faults.count() > 0 {
        let (moved, took) = (pages(work.moved_in_fault_pages(run)), text::duration(faults.total_ns()));
        text += &format!(", then {moved} moved in {} of {took} in all", text::count(faults.count(), "fault"));
    } else {
        text += ", no fault afterwards";
    }
    text
}
