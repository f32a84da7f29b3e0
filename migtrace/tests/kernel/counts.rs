//! Counts made in the kernel, with or without records, against the known counts of the workload.

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

/// The counts of one command and its children, and the events that were also recorded.
struct Counted {
    counts: Counts,
    events: Vec<Event>,
    /// Sum over all probes.
    counters: ProbeCounters,
    id: ProcessId,
}

/// Runs a memtoy script that must succeed. Each CPU may make at most `records` records of one kind in 0.1 s.
fn count(records: u32, script: &str) -> Counted {
    // Asserts that this is the virtual machine.
    drop(migtrace());
    let script = Script::new(script);
    let argv: Vec<String> = script.argv().iter().map(|word| word.to_str().unwrap().to_owned()).collect();
    let mut workload = Workload::hold(&argv, None).unwrap();
    let pid = workload.pid;
    // The session must keep all capabilities of this thread: it runs other tests afterwards, which need them.
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
    /// Returns the events and pages of the sorts that `wanted` selects.
    fn of(&self, wanted: impl Fn(&Sort) -> bool) -> (u64, u64) {
        let found = self.counts.sorts.iter().filter(|(sort, _)| wanted(sort));
        found.fold((0, 0), |(events, pages), (_, count)| (events + count.events, pages + count.pages))
    }

    fn process(&self) -> &Process {
        &self.counts.processes.live[&self.id]
    }
}

#[test]
fn direct_migrations_are_counted_by_cause_and_nodes_without_records() {
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
    assert!(counted.events.iter().any(|e| matches!(e.body, Body::Request(_))), "placement syscalls are still recorded");
}

#[test]
fn lazy_marks_checks_and_migrations_are_counted() {
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
fn faults_above_the_record_limit_are_aggregated_only() {
    let counted = count(5, "anon seg 3000p\nmap seg\ntouch seg write\n");
    let (faults, _) = counted.of(|sort| matches!(sort, Sort::Fault { .. }));
    assert!(faults > 3000, "{faults}");
    let recorded = counted.events.iter().filter(|e| matches!(e.body, Body::Fault(_))).count() as u64;
    assert!((1..faults).contains(&recorded), "{recorded} of {faults}");
    // The script causes only faults. Each of them has a record or is aggregated only.
    assert_eq!(recorded + counted.counters.aggregated_only, faults);
    assert_eq!(counted.process().faults, faults);
}
