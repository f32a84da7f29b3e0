//! Placement syscalls that migrate pages: time inside them, and in later page faults on the same pages.

use crate::event::{Body, Cause, Event, Migrate, Outcome, Request, RequestName};
use crate::model::{
    Run,
    address::{PAGE_BYTES, pages_of},
    latency::Latencies,
    lazy::funnel::Funnel,
    measure::migrated_pages,
    ranges::Ranges,
};

/// The placement syscalls that migrate pages, directly or lazily, and later page faults on those pages.
#[derive(Clone, Debug, Default)]
pub struct MoveRequests {
    /// Indices of the syscalls, by start time.
    pub requests: Vec<usize>,
    /// The requested pages.
    pub ranges: Ranges,
    /// Page faults on those pages after the syscall returned, by start time.
    pub faults: Vec<usize>,
    /// Migrations of those pages in faults after the syscall returned. In a sample the fault itself may be missing.
    moves: Vec<usize>,
}

impl MoveRequests {
    /// Computes it for a recording. For a syscall without a range, such as move_pages(2), the pages migrated inside it
    /// count.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        Self::after(Ranges::default(), run)
    }

    /// Computes it for a part of a recording, before which `ranges` were requested.
    #[must_use]
    pub fn after(ranges: Ranges, run: &Run) -> Self {
        let mut work = Self { ranges, ..Self::default() };
        for &i in run.nest.by_end() {
            let event = &run.events[i];
            match &event.body {
                Body::Request(request) if asks_to_move(run, i, request) => {
                    work.requests.push(i);
                    work.cover(run, i, event, request);
                }
                Body::Fault(fault) if work.ranges.contains(event.pid, fault.addr) => work.faults.push(i),
                Body::Migrate(m) if in_fault(m) && m.addr.is_some_and(|a| work.ranges.contains(event.pid, a)) => {
                    work.moves.push(i);
                }
                _ => {}
            }
        }
        let by_begin = |&i: &usize| (run.events[i].start_ns(), i);
        work.requests.sort_by_key(by_begin);
        work.faults.sort_by_key(by_begin);
        work
    }

    fn cover(&mut self, run: &Run, index: usize, event: &Event, request: &Request) {
        let pid = request.target_pid.unwrap_or(event.pid);
        if let Some((addr, len)) = range_of(request) {
            self.ranges.insert(pid, addr, len);
            return;
        }
        for i in run.nest.descendants(index) {
            if let Body::Migrate(m) = &run.events[i].body
                && let Some(addr) = m.addr
            {
                self.ranges.insert(pid, addr, PAGE_BYTES << m.order);
            }
        }
    }

    /// Number of requested pages. A page in two syscalls counts twice. `None` if a syscall has no range.
    #[must_use]
    pub fn asked_pages(&self, run: &Run) -> Option<u64> {
        self.requests().map(|i| asked_by(run, i)).sum()
    }

    fn requests(&self) -> impl Iterator<Item = usize> + '_ {
        self.requests.iter().copied()
    }

    /// Time inside the syscalls, ns.
    #[must_use]
    pub fn request_ns(&self, run: &Run) -> u64 {
        self.requests().filter_map(|i| run.events[i].latency_ns()).sum()
    }

    /// Latencies of the faults, with their weights.
    #[must_use]
    pub fn fault_latency(&self, run: &Run) -> Latencies {
        self.faults.iter().filter_map(|&i| Some((run.events[i].latency_ns()?, run.events[i].weight()))).collect()
    }

    /// Pages migrated inside the syscalls; `None` if no probe covers that.
    #[must_use]
    pub fn moved_in_request_pages(&self, run: &Run) -> Option<u64> {
        self.requests().map(|i| run.moved_inside_pages(i)).sum()
    }

    /// Pages that failed to migrate inside the syscalls.
    #[must_use]
    pub fn failed_in_request_pages(&self, run: &Run) -> Option<u64> {
        self.requests().map(|i| run.failed_inside_pages(i)).sum()
    }

    /// Pages migrated inside the faults.
    #[must_use]
    pub fn moved_in_fault_pages(&self, run: &Run) -> Option<u64> {
        if run.is_sampled() {
            return self.sampled_pages(run, Outcome::Ok);
        }
        self.faults.iter().map(|&i| run.moved_inside_pages(i)).sum()
    }

    /// Pages that failed to migrate inside the faults.
    #[must_use]
    pub fn failed_in_fault_pages(&self, run: &Run) -> Option<u64> {
        if run.is_sampled() {
            return self.sampled_pages(run, Outcome::Failed);
        }
        self.faults.iter().map(|&i| run.failed_inside_pages(i)).sum()
    }

    fn sampled_pages(&self, run: &Run, want: Outcome) -> Option<u64> {
        let pages = |&i: &usize| migrated_pages(&run.events[i], want);
        run.sees_moves().then(|| self.moves.iter().filter_map(pages).sum())
    }

    /// Time that the faults spent migrating pages, ns; `None` if a migration has no latency.
    #[must_use]
    pub fn moving_in_faults_ns(&self, run: &Run) -> Option<u64> {
        let inside = self.faults.iter().flat_map(|&i| run.nest.descendants(i));
        let moves: Vec<usize> = if run.is_sampled() { self.moves.clone() } else { inside.collect() };
        let times = moves.into_iter().filter_map(|i| match &run.events[i].body {
            Body::Migrate(m) if m.result == Outcome::Ok => Some(m.latency_ns.map(|ns| ns * run.events[i].weight())),
            _ => None,
        });
        times.sum()
    }

    /// The funnel of all pages that the syscalls marked.
    #[must_use]
    pub fn funnel(&self, run: &Run) -> Option<Funnel> {
        let lazy = self.requests().any(|i| matches!(&run.events[i].body, Body::Request(r) if r.is_lazy()));
        lazy.then(|| run.marks.all().clone())
    }
}

/// Time that an unmapped folio waited for others of its batch before it was copied, ns; `None` if the kernel does not
/// show all stages.
#[must_use]
pub fn waiting_ns(m: &Migrate) -> Option<u64> {
    let stages = [m.unmap_ns, m.copy_ns, m.remap_ns].into_iter().sum::<Option<u64>>()?;
    Some(m.latency_ns?.saturating_sub(stages))
}

/// The range of a syscall that has one.
#[must_use]
pub fn range_of(request: &Request) -> Option<(u64, u64)> {
    match request.name {
        RequestName::MovePages | RequestName::MigratePages => None,
        _ => request.addr.zip(request.len),
    }
}

/// Whether migrations with this cause happen in a page fault.
const fn in_fault(m: &Migrate) -> bool {
    matches!(m.cause, Cause::LazyFault | Cause::HintingFault)
}

fn asked_by(run: &Run, index: usize) -> Option<u64> {
    let Body::Request(request) = &run.events[index].body else { return None };
    match request.name {
        RequestName::MovePages => request.len,
        _ => range_of(request).map(|(addr, len)| pages_of(addr, len)),
    }
}

/// By its flags, or because pages were migrated inside it: move_pages(2) without nodes only queries.
fn asks_to_move(run: &Run, index: usize, request: &Request) -> bool {
    let has = |word: &str| request.flags.split('|').any(|f| f == word);
    let moved = || {
        let moves = |i: usize| matches!(run.events[i].body, Body::Batch(_) | Body::Mark(_) | Body::Migrate(_));
        run.nest.descendants(index).into_iter().any(moves)
    };
    match request.name {
        RequestName::Mbind => has("move") || has("move_all") || has("lazy") || moved(),
        RequestName::MovePages | RequestName::MigratePages => moved(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Probe;
    use crate::testkit;

    #[test]
    fn first_touches_before_the_request_are_no_part_of_the_work() {
        let (meta, events) = testkit::direct(8);
        let run = Run::new(meta, events);
        let work = MoveRequests::new(&run);
        assert_eq!((work.requests.len(), work.faults.len()), (1, 0));
        assert_eq!((work.asked_pages(&run), work.moved_in_request_pages(&run)), (Some(8), Some(8)));
        assert_eq!(work.moved_in_fault_pages(&run), Some(0));
        assert!(work.funnel(&run).is_none());
    }

    #[test]
    fn faults_after_a_lazy_request_belong_to_it() {
        let (meta, events) = testkit::lazy(8, [1, 4]);
        let run = Run::new(meta, events);
        let work = MoveRequests::new(&run);
        assert_eq!((work.requests.len(), work.faults.len()), (1, 2));
        assert_eq!((work.moved_in_request_pages(&run), work.moved_in_fault_pages(&run)), (Some(0), Some(2)));
        assert_eq!(work.moving_in_faults_ns(&run), Some(41_700 + 43_200));
        assert_eq!(work.funnel(&run).map(|f| f.never_touched_pages()), Some(6));
    }

    #[test]
    fn of_a_sample_moves_and_faults_count_apart_as_often_as_they_stand_for() {
        let (mut meta, mut events) = testkit::lazy(64, 0..64);
        let mut drawn = 0;
        events.retain_mut(|e| {
            let is_sampled = matches!(e.body, Body::Fault(_) | Body::Check(_) | Body::Mark(_) | Body::Migrate(_));
            drawn += usize::from(is_sampled);
            e.weight = std::num::NonZeroU32::new(if is_sampled { 5 } else { 1 });
            !is_sampled || drawn % 5 == 0
        });
        meta.sample = std::num::NonZeroU32::new(5);
        let count = |want: fn(&Body) -> bool| events.iter().filter(|e| want(&e.body)).count() as u64;
        let moves = count(|b| matches!(b, Body::Migrate(_)));
        let faults = count(|b| matches!(b, Body::Fault(f) if f.class == Some(crate::event::FaultClass::Swap)));
        let run = Run::new(meta, events);
        let work = MoveRequests::new(&run);
        assert_eq!(work.moved_in_fault_pages(&run), Some(5 * moves));
        assert_eq!(work.fault_latency(&run).count(), 5 * faults);
        assert!(moves > 5 && faults > 5, "{moves} {faults}");
    }

    #[test]
    fn without_probes_for_moves_their_number_is_unknown() {
        let (mut meta, mut events) = testkit::direct(8);
        events.retain(|e| !matches!(e.body, Body::Migrate(_) | Body::Batch(_)));
        meta.probes.retain(|p| p.probe == Probe::Request || p.probe == Probe::Fault);
        let run = Run::new(meta, events);
        let work = MoveRequests::new(&run);
        assert_eq!(work.moved_in_request_pages(&run), None);
        assert_eq!(work.request_ns(&run), 284_200);
    }
}
