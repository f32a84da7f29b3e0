//! Adds the kernel's counts to the state, in place of the events they count.
//!
//! They are exact, except latencies, which are known to powers of two, and at most a second old. Addresses, threads and
//! stages still come from the events that have a record.

use migtrace_common::counters::ProbeCounters;

use super::{State, counts::Counts, latencies::What};
use crate::{
    counts::{self, Count, Sort},
    event::{Body, Event, Outcome, Probe, ProcessId, Verdict, migrate_probe},
    model::measure::Locality,
};

/// Probes of checks: by migrate-on-fault, and in NUMA hinting faults.
const CHECKS: [Probe; 2] = [Probe::Check, Probe::HintingCheck];
/// Resolution of process start times in /proc, ns. Events of processes that started before tracing have only that.
const TICK_NS: u64 = 10_000_000;

impl State {
    /// From now on faults, checks, marks and migrations are counted by [`State::count`], starting after `earlier`.
    pub fn count_since(&mut self, earlier: counts::Counts) {
        self.counted = Some(Box::new(earlier));
    }

    /// Adds the kernel's counts since the last call; nothing before [`State::count_since`].
    pub fn count(&mut self, counted: &counts::Counts, now_ns: u64) {
        let Some(before) = self.counted.take() else { return };
        let mut news = Counts::default();
        self.moves_second.roll(&self.moves, now_ns);
        for (sort, count) in &counted.sorts {
            let new = before.sorts.get(sort).map_or_else(|| count.clone(), |earlier| count.since(earlier));
            if new.events > 0 {
                news.add(&self.count_sort(sort, &new));
            }
        }
        for probe in CHECKS {
            let events = |counts: &counts::Counts| counts.probes.get(&probe).map_or(0, ProbeCounters::events);
            let seen = self.probes.entry(probe).or_default();
            *seen = seen.saturating_add(events(counted).saturating_sub(events(&before)));
        }
        self.counted_events = self.counted_events.saturating_add(news.events);
        let missed =
            |c: &counts::Counts| c.probes.values().fold(c.unreadable, |sum, p| sum.saturating_add(p.table_full));
        self.uncounted = self.uncounted.saturating_add(missed(counted).saturating_sub(missed(&before)));
        self.totals.add(&news);
        self.rates.add(now_ns, &news);
        self.now_ns = self.now_ns.max(now_ns);
        let all = |counts: &counts::Counts, id| {
            let processes = &counts.processes;
            processes.live.get(id).or_else(|| processes.ending.get(id)).copied().unwrap_or_default()
        };
        for id in counted.processes.live.keys().chain(counted.processes.ending.keys()) {
            let process = all(counted, id);
            let new = process.since(&all(&before, id));
            let counts = self.counts_of(&new);
            if counts.events > 0 {
                self.processes.count(self.identity(*id), &process, &counts, now_ns);
            }
        }
        self.counted = Some(Box::new(counted.clone()));
    }

    /// Events that are aggregated only: counted, without a record.
    #[must_use]
    pub const fn unrecorded(&self) -> u64 {
        self.counted_events.saturating_sub(self.recorded_events)
    }

    /// Whether the kernel's counts include the event.
    #[must_use]
    pub fn is_counted_in_kernel(&self, event: &Event) -> bool {
        self.counted.is_some()
            && matches!(event.body, Body::Fault(_) | Body::Check(_) | Body::Mark(_) | Body::Migrate(_))
    }

    /// Whether latencies of faults and migrations are known only to powers of two.
    #[must_use]
    pub const fn times_are_estimated(&self) -> bool {
        self.counted.is_some()
    }

    /// Events seen by a probe.
    #[must_use]
    pub fn events_of(&self, probe: Probe) -> u64 {
        self.probes.get(&probe).copied().unwrap_or(0)
    }

    fn count_sort(&mut self, sort: &Sort, new: &Count) -> Counts {
        let probe = match sort {
            Sort::Fault { .. } => Some(Probe::Fault),
            // Two probes share these counts.
            Sort::Check { .. } => None,
            Sort::Mark { .. } => Some(Probe::Mark),
            Sort::Migrate { cause, .. } => Some(migrate_probe(*cause)),
        };
        if let Some(probe) = probe {
            let seen = self.probes.entry(probe).or_default();
            *seen = seen.saturating_add(new.events);
        }
        let mut counts = Counts { events: new.events, ..Counts::default() };
        match sort {
            Sort::Fault { class, cpu_nid, nid, .. } => {
                counts.faults = new.events;
                counts.stalled_ns = new.times.total_ns;
                let locality = Locality::of(*cpu_nid, *nid);
                counts.placed_faults = if locality.is_some() { new.events } else { 0 };
                counts.remote_faults = if locality == Some(Locality::Remote) { new.events } else { 0 };
                if let (Some(cpu), Some(page)) = (*cpu_nid, *nid) {
                    self.faults.add(cpu, page, new.events);
                }
                self.latencies.feed_times(What::Fault(*class), &new.times);
            }
            Sort::Check { verdict, .. } => {
                counts.checks = new.events;
                counts.misplaced = if *verdict == Verdict::Misplaced { new.events } else { 0 };
            }
            Sort::Mark { result: Outcome::Ok, .. } => counts.marked_pages = new.pages,
            Sort::Mark { .. } => {}
            Sort::Migrate { result: Outcome::Failed, .. } => counts.failed_pages = new.pages,
            Sort::Migrate { cause, src_nid, dst_nid, .. } => {
                counts.moved_pages = new.pages;
                self.latencies.feed_times(What::Move(*cause), &new.times);
                if let (Some(from), Some(to)) = (*src_nid, *dst_nid) {
                    self.moves.add(from, to, new.pages);
                    self.latencies.feed_times(What::Pair(*cause, from, to), &new.times);
                }
            }
        }
        counts
    }

    fn counts_of(&self, new: &counts::Process) -> Counts {
        let events = new.faults + new.misplaced + new.moved_pages + new.failed_pages;
        Counts {
            events,
            faults: new.faults,
            placed_faults: if self.fidelity.remote.is_available() { new.faults } else { 0 },
            remote_faults: new.remote_faults,
            misplaced: new.misplaced,
            moved_pages: new.moved_pages,
            failed_pages: new.failed_pages,
            stalled_ns: new.fault_ns,
            ..Counts::default()
        }
    }

    /// The process id that events use for a process.
    fn identity(&self, exact: ProcessId) -> ProcessId {
        let rounded = ProcessId { start_ns: exact.start_ns.map(|ns| ns / TICK_NS * TICK_NS), ..exact };
        let was_there = exact.start_ns.is_some_and(|ns| ns < self.meta.start_ns);
        let by_events = [exact, rounded].into_iter().find(|known| self.processes.get(*known).is_some());
        by_events.unwrap_or(if was_there { rounded } else { exact })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;
    use crate::{
        counts::{Process, Times},
        event::Comm,
        recording::Meta,
    };

    fn moved(events: u64) -> (Sort, Count) {
        let sort = Sort::Migrate {
            cause: Cause::Mbind,
            result: Outcome::Ok,
            reason: None,
            src_nid: Some(1),
            dst_nid: Some(2),
        };
        let mut times = Times { total_ns: events * 3000, ..Times::default() };
        // From 2048 to 4096 ns.
        times.buckets[4] = events;
        (sort, Count { events, pages: events * 512, times })
    }

    fn counts(events: u64) -> counts::Counts {
        let id = ProcessId { pid: 7, start_ns: Some(123_456_789) };
        let process = Process {
            comm: Comm::from("mover"),
            named_ns: 1,
            cgroup_id: 3,
            moved_pages: events * 512,
            ..Process::default()
        };
        counts::Counts {
            sorts: [moved(events)].into(),
            processes: counts::Processes { live: [(id, process)].into(), ..Default::default() },
            ..counts::Counts::default()
        }
    }

    #[test]
    fn what_the_kernel_counted_is_taken_once() {
        let mut state = State::new(Meta { start_ns: 1_000_000_000, ..Meta::default() });
        state.count_since(counts(2));
        state.count(&counts(5), 2_000_000_000);
        state.count(&counts(5), 3_000_000_000);
        assert_eq!((state.totals.moved_pages, state.moves.get(1, 2)), (3 * 512, 3 * 512));
        assert_eq!(state.moves_last_second().get(1, 2), 3 * 512, "counted in the second before this one");
        let moves = state.latencies.get(What::Move(Cause::Mbind)).expect("they took time");
        assert_eq!(moves.count(), 3);
        assert_eq!((state.events_of(Probe::DirectMigrate), state.events_of(Probe::Fault)), (3, 0));
        assert!((2048..4096).contains(&moves.median_ns().expect("three")));
        // It started before tracing: /proc has its start time to 10 ms.
        let process = state.processes.get(ProcessId { pid: 7, start_ns: Some(120_000_000) }).expect("it is listed");
        assert_eq!((process.counts.moved_pages, process.comm.to_string()), (3 * 512, "mover".to_owned()));
        assert_eq!(state.unrecorded(), 3);
    }

    #[test]
    fn what_the_kernel_had_no_room_to_count_is_said() {
        let mut state = State::new(Meta::default());
        let missed = |fault, unreadable| counts::Counts {
            probes: [(Probe::Fault, ProbeCounters { table_full: fault, ..ProbeCounters::default() })].into(),
            unreadable,
            ..counts::Counts::default()
        };
        state.count_since(missed(2, 0));
        state.count(&missed(5, 1), 1);
        state.count(&missed(5, 1), 2);
        assert_eq!(state.uncounted, 4);
    }

    #[test]
    fn checks_are_told_apart_by_their_probes() {
        let mut state = State::new(Meta::default());
        let checks = |lazy, hinting| {
            let counters =
                |aggregated_only, stored| ProbeCounters { aggregated_only, seen: stored, stored, ..Default::default() };
            counts::Counts {
                probes: [(Probe::Check, counters(lazy, 1)), (Probe::HintingCheck, counters(hinting, 2))].into(),
                ..counts::Counts::default()
            }
        };
        state.count_since(checks(5, 7));
        state.count(&checks(10, 7), 1);
        state.count(&checks(10, 9), 2);
        assert_eq!((state.events_of(Probe::Check), state.events_of(Probe::HintingCheck)), (5, 2));
    }

    #[test]
    fn an_event_that_the_kernel_counted_is_not_counted_again() {
        let (meta, events) = crate::testkit::direct(8);
        let mut state = State::new(meta);
        state.count_since(counts::Counts::default());
        events.iter().for_each(|event| state.feed(event));
        assert_eq!((state.totals.moved_pages, state.totals.faults), (0, 0));
        assert_eq!((state.totals.requests, state.totals.batch_moved_pages), (2, 8), "these come one by one");
        assert!(state.latencies.get(What::Move(Cause::Mbind)).is_none());
    }
}
