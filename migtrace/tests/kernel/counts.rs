//! Counts made in the kernel, beside records or in their place, against what the workload is known to do.

use std::process::ExitStatus;

use migtrace::{
    counts::{Beside, Counts, Process, Sort},
    event::{Body, Cause, Event, FaultClass, Outcome, ProcessId, Verdict},
    filter::Filter,
    live::{
        scope::Scope,
        session::{Session, SessionError},
        workload::Workload,
    },
};
use migtrace_common::counters::ProbeCounters;
use rustix::thread::CapabilitySet;

use crate::{
    requirements::needs,
    support::{PAGES, Script, WRITTEN_ON_1, migtrace},
};

/// What was counted of one command and its children, and the events that were recorded beside.
struct Counted {
    counts: Counts,
    events: Vec<Event>,
    /// Of all probes together.
    counters: ProbeCounters,
    id: ProcessId,
}

/// Runs a memtoy script that must succeed. A CPU makes so many records of one kind in a tenth of a second at most.
fn count(records: u32, script: &str) -> Counted {
    // For its check that this is the virtual machine.
    drop(migtrace());
    let script = Script::new(script);
    let argv: Vec<String> = script.argv().iter().map(|word| word.to_str().unwrap().to_owned()).collect();
    let mut workload = Workload::hold(&argv).unwrap();
    let pid = workload.pid;
    // This thread runs other tests afterwards, which need all capabilities.
    let scope = Scope {
        processes: Some(vec![pid]),
        aggregate: Some(Beside { faults: records, others: records }),
        enrich: false,
        ..Scope::of(Filter::all(), CapabilitySet::all())
    };
    let mut session = Session::start(&scope).unwrap();
    workload.go().unwrap();
    let status: ExitStatus = workload.wait().unwrap();
    assert!(status.success(), "{status}");
    let counts = session.counts().unwrap().unwrap().clone();
    let of_probes = session.counters().unwrap();
    let counters = of_probes.values().fold(ProbeCounters::default(), |sum, c| ProbeCounters {
        seen: sum.seen + c.seen,
        stored: sum.stored + c.stored,
        aggregated_only: sum.aggregated_only + c.aggregated_only,
        table_full: sum.table_full + c.table_full,
        ..sum
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut events = Vec::new();
    let take = |batch: Vec<Event>| {
        events.extend(batch);
        Ok::<(), SessionError>(())
    };
    runtime.block_on(session.stop(take)).unwrap();
    let ids: Vec<_> = counts.processes.live.keys().copied().filter(|id| id.pid == pid).collect();
    assert_eq!(ids.len(), 1, "{:?}", counts.processes);
    assert_eq!(counts.unreadable, 0);
    assert!(counts.probes.values().all(|probe| probe.table_full == 0), "{:?}", counts.probes);
    Counted { counts, events, counters, id: ids[0] }
}

impl Counted {
    /// Events and pages of the sorts that are asked for.
    fn of(&self, wanted: impl Fn(&Sort) -> bool) -> (u64, u64) {
        let found = self.counts.sorts.iter().filter(|(sort, _)| wanted(sort));
        found.fold((0, 0), |(events, pages), (_, count)| (events + count.events, pages + count.pages))
    }

    fn process(&self) -> &Process {
        &self.counts.processes.live[&self.id]
    }
}

#[test]
fn direct_moves_are_counted_by_cause_and_nodes_without_a_record() {
    let counted = count(0, &format!("{WRITTEN_ON_1}mbind seg bind+move 2\ntouch seg read\nverify seg\n"));
    let moved =
        Sort::Migrate { cause: Cause::Mbind, result: Outcome::Ok, reason: None, src_nid: Some(1), dst_nid: Some(2) };
    let count = &counted.counts.sorts[&moved];
    assert_eq!((count.events, count.pages, count.times.events()), (PAGES, PAGES, PAGES));
    assert!(count.times.total_ns > 0);
    assert_eq!(counted.of(|sort| matches!(sort, Sort::Migrate { .. })), (PAGES, PAGES));
    assert_eq!((counted.process().moved_pages, counted.process().failed_pages), (PAGES, 0));
    let has_record = |e: &Event| matches!(e.body, Body::Fault(_) | Body::Migrate(_) | Body::Check(_) | Body::Mark(_));
    assert!(!counted.events.iter().any(has_record));
    assert!(counted.events.iter().any(|e| matches!(e.body, Body::Request(_))), "requests are still recorded");
}

#[test]
fn lazy_marks_checks_and_moves_are_counted() {
    needs!(migrate_on_fault);
    let counted = count(0, &format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg read\nverify seg\n"));
    let marked = Sort::Mark { result: Outcome::Ok, reason: None, nid: Some(1) };
    assert_eq!(counted.counts.sorts[&marked].pages, PAGES);
    let misplaced = Sort::Check { verdict: Verdict::Misplaced, reason: None, src_nid: Some(1), dst_nid: Some(2) };
    assert_eq!(counted.counts.sorts[&misplaced].events, PAGES);
    let by_fault = |sort: &Sort| matches!(sort, Sort::Migrate { cause: Cause::LazyFault, result: Outcome::Ok, .. });
    assert_eq!(counted.of(by_fault), (PAGES, PAGES));
    let on_2 = |sort: &Sort| matches!(sort, Sort::Fault { class: Some(FaultClass::Swap), nid: Some(2), .. });
    assert_eq!(counted.of(on_2).0, PAGES);
    assert_eq!((counted.process().misplaced, counted.process().moved_pages), (PAGES, PAGES));
}

#[test]
fn beside_counts_a_cpu_makes_so_many_records_and_no_more() {
    let counted = count(5, "anon seg 3000p\nmap seg\ntouch seg write\n");
    let (faults, _) = counted.of(|sort| matches!(sort, Sort::Fault { .. }));
    assert!(faults > 3000, "{faults}");
    let recorded = counted.events.iter().filter(|e| matches!(e.body, Body::Fault(_))).count() as u64;
    assert!((1..faults).contains(&recorded), "{recorded} of {faults}");
    // Nothing but faults is counted here: each of them has a record or is known to have none.
    assert_eq!(recorded + counted.counters.aggregated_only, faults);
    assert_eq!(counted.process().faults, faults);
}
