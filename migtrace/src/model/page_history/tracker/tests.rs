//! Page tracker of literal events.

use super::*;
use crate::{
    event::{Access, Comm, FaultClass, Loss, Place, PlaceChange, ProcessId, TaskEvent},
    model::page_history::{
        page::Rank,
        steps::{HistoryEntry, PageHistory},
    },
    testkit::{self, PAGES, PID, SEGMENT, Tape},
};

const PROCESS: ProcessId = ProcessId { pid: PID, start_ns: None };

fn tracked(events: &[Event]) -> PageTracker {
    let mut tracker = PageTracker::default();
    events.iter().for_each(|e| tracker.take(e));
    tracker
}

fn kinds(history: &PageHistory<'_>) -> Vec<&'static str> {
    let kind = |h: &HistoryEntry<'_>| match h {
        HistoryEntry::Step(step) => step.body().kind(),
        HistoryEntry::Syscall(_) => "request",
        HistoryEntry::Mapped(_) => "region",
        HistoryEntry::Forked { .. } => "fork",
        HistoryEntry::Executed { .. } => "exec",
        HistoryEntry::Exited { .. } => "exit",
    };
    history.entries.iter().map(kind).collect()
}

#[test]
fn a_lazily_moved_page_from_its_first_touch_to_its_end() {
    let (_, events) = testkit::lazy(PAGES, 0..PAGES);
    let tracker = tracked(&events);
    let page = tracker.page(PROCESS, SEGMENT + 0x3123).expect("it was touched");
    assert_eq!(page.page.addr, SEGMENT + 0x3000);
    assert_eq!(page.comm, Comm::from("memtoy"));
    assert_eq!(kinds(&page), ["request", "fault", "request", "mark", "fault", "check", "migrate", "exit"]);
    let c = page.counts;
    assert_eq!((c.faults, c.checks, c.marks, c.moves, c.failed_moves, c.bounces), (2, 1, 1, 1, 0, 0));
    assert!(c.waited_ns > c.moving_ns && c.moving_ns > 0);
    assert_eq!(tracker.page(PROCESS, SEGMENT + PAGES * 4096).map(|p| kinds(&p)), None);
    assert_eq!(tracker.gaps(), Gaps::default());
}

#[test]
fn a_page_that_goes_there_and_back_bounced() {
    let mut tape = Tape::new();
    tape.start(2);
    for (from, to) in [(1, 2), (2, 1), (1, 2), (2, 3)] {
        tape.wait(1_000);
        tape.push(Body::from(Migrate { src_nid: from, dst_nid: Some(to), ..testkit::moved(0, Cause::HintingFault) }));
    }
    let tracker = tracked(&tape.events);
    let top = tracker.top(Rank::Bounced, 10);
    assert_eq!(top.len(), 1, "the other page did not move");
    assert_eq!((top[0].id.addr, top[0].counts.bounces, top[0].counts.moves), (SEGMENT, 2, 4));
    assert_eq!(top[0].nid, Some(3));
    assert_eq!(tracker.top(Rank::Faulted, 1).len(), 1);
}

#[test]
fn marks_without_addresses_are_joined_by_frame_or_counted() {
    let (_, events) = testkit::lazy_without_addresses(4, [1]);
    // No event names the frames before the marks.
    let tracker = tracked(&events);
    assert_eq!(tracker.gaps().nameless_events, 4);
    // After a check of the frame, its next mark belongs to that page.
    let again = events.iter().filter(|e| matches!(e.body, Body::Check(_) | Body::Mark(_)));
    let mut known: Vec<Event> = again.cloned().collect();
    known.sort_by_key(|e| !matches!(e.body, Body::Check(_)));
    let tracker = tracked(&known);
    let page = tracker.page(PROCESS, SEGMENT + 0x1000).expect("checked");
    let by_frame: Vec<bool> = page
        .entries
        .iter()
        .filter_map(|h| if let HistoryEntry::Step(s) = h { Some(s.by_frame) } else { None })
        .collect();
    assert_eq!((by_frame.iter().filter(|b| **b).count(), tracker.gaps().nameless_events), (1, 3));
}

#[test]
fn another_tasks_move_belongs_to_the_page_that_was_seen_in_the_frame() {
    let mut tape = Tape::new();
    tape.start(1);
    tape.push(Body::Check(testkit::misplaced(0)));
    let move_by = |pid, addr| {
        let body = Body::from(Migrate { addr, ..testkit::moved(0, Cause::Compaction) });
        Event { pid, tid: pid, ..Event::at(testkit::START_NS + 90_000_000, body) }
    };
    let with = |addr| {
        let mut events = tape.events.clone();
        events.push(move_by(77, addr));
        tracked(&events)
    };
    for addr in [None, Some(SEGMENT)] {
        let tracker = with(addr);
        assert_eq!(tracker.page(PROCESS, SEGMENT).map(|p| p.counts.moves), Some(1), "{addr:?}");
    }
    let elsewhere = with(Some(SEGMENT + 0x5000));
    assert_eq!(elsewhere.page(PROCESS, SEGMENT).map(|p| p.counts.moves), Some(0), "the frame is another page's now");
    assert_eq!(elsewhere.gaps().ownerless_events, 1);
    assert!(elsewhere.pages().all(|p| p.id.process.pid == PID), "not the pages of the task that came by");
}

#[test]
fn pages_that_a_call_moves_are_those_of_the_process_that_it_names() {
    let call = |target_pid| {
        let mut tape = Tape::new();
        let began = tape.now;
        tape.push(Body::from(testkit::moved(0, Cause::MigratePages)));
        tape.mbind(1, crate::event::Policy::Bind, "2", "", began - 10);
        if let Some(Body::Request(r)) = tape.events.last_mut().map(|e| &mut e.body) {
            (r.name, r.target_pid, r.addr, r.len) = (RequestName::MigratePages, target_pid, None, None);
        }
        tracked(&tape.events)
    };
    for (target, pid) in [(None, PID), (Some(99), 99)] {
        let of = |page: &crate::model::page_history::page::Page| (page.id.process.pid, page.id.addr);
        assert_eq!(call(target).pages().map(of).collect::<Vec<_>>(), [(pid, SEGMENT)]);
    }
    let mut unreturned = PageTracker::default();
    unreturned.take(&Event::at(1, Body::from(testkit::moved(0, Cause::MovePages))));
    assert_eq!((unreturned.pages().count(), unreturned.gaps().ownerless_events), (0, 1));
}

#[test]
fn a_huge_folios_life_is_that_of_each_of_its_pages() {
    let mut tape = Tape::new();
    let began = tape.now;
    tape.fault(SEGMENT + 0x7000, Access::Write, FaultClass::Huge, Some(1), began);
    tape.push(Body::from(Migrate { order: 9, ..testkit::moved(0, Cause::Mbind) }));
    tape.fault(SEGMENT + 0x5000, Access::Write, FaultClass::Cow, Some(2), began);
    let tracker = tracked(&tape.events);
    let of = |page: u64| tracker.page(PROCESS, SEGMENT + page * 4096).map(|p| kinds(&p));
    assert_eq!(of(511), Some(vec!["fault", "migrate"]));
    assert_eq!(of(5).map(|k| k.len()), Some(3), "and its own");
    assert_eq!(of(512), None);
    assert_eq!(tracker.processes(SEGMENT + 300 * 4096), [PROCESS]);
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let touch = |start_ns, ts_ns| {
        let mut tape = Tape::new();
        tape.now = ts_ns;
        tape.fault(SEGMENT, Access::Write, FaultClass::Anon, Some(0), ts_ns);
        let mut event = tape.events.remove(0);
        event.process_start_ns = Some(start_ns);
        event
    };
    let tracker = tracked(&[touch(100, 1_000), touch(2_000, 3_000)]);
    let processes = tracker.processes(SEGMENT);
    assert_eq!(processes.iter().map(|p| p.start_ns).collect::<Vec<_>>(), [Some(100), Some(2_000)]);
    assert!(processes.iter().all(|p| tracker.page(*p, SEGMENT).is_some_and(|b| b.counts.faults == 1)));
}

#[test]
fn a_page_with_too_many_steps_keeps_the_first_and_the_last() {
    let mut tracker = PageTracker::new(Limits { steps_per_page: 16, ..Limits::default() });
    let mut tape = Tape::new();
    for n in 0..100 {
        tape.wait(1_000);
        tape.fault(SEGMENT, Access::Read, FaultClass::Hinting, Some(n), tape.now);
    }
    tape.events.iter().for_each(|e| tracker.take(e));
    let page = tracker.page(PROCESS, SEGMENT).expect("touched");
    let node = |h: &HistoryEntry<'_>| match h {
        HistoryEntry::Step(Step { what: What::Fault(f), .. }) => f.nid,
        _ => None,
    };
    let nodes: Vec<i32> = page.entries.iter().filter_map(node).collect();
    assert_eq!(nodes, (0..8).chain(92..100).collect::<Vec<_>>());
    assert_eq!((page.evicted_steps, page.counts.faults, tracker.gaps().evicted_steps), (84, 100, 84));
}

#[test]
fn pages_that_only_faulted_are_forgotten_first() {
    let mut tracker = PageTracker::new(Limits { pages: 10, ..Limits::default() });
    let mut tape = Tape::new();
    tape.push(Body::from(testkit::moved(0, Cause::Mbind)));
    for page in 0..1_000 {
        tape.wait(1_000);
        tape.fault(SEGMENT + (page + 1) * 4096, Access::Write, FaultClass::Anon, Some(0), tape.now);
    }
    tape.events.iter().for_each(|e| tracker.take(e));
    assert_eq!((tracker.pages().count(), tracker.gaps().evicted_pages), (10, 991));
    assert!(tracker.page(PROCESS, SEGMENT).is_some(), "it moved");
    assert!(tracker.page(PROCESS, SEGMENT + 1_000 * 4096).is_some(), "it was the last");
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let limits = Limits {
        pages: 50,
        steps: 60,
        processes: 10,
        requests_per_process: 4,
        frames: 64,
        pending: 16,
        ..Limits::default()
    };
    let mut tracker = PageTracker::new(limits);
    for n in 0..5_000_u32 {
        let at = |body| Event { pid: n % 700, tid: n % 700, ..Event::at(u64::from(n) * 1_000, body) };
        let page = u64::from(n) % 321;
        let mut tape = Tape::new();
        tape.mbind(4, crate::event::Policy::Bind, "2", "move", tape.now);
        let request = tape.events.remove(0).body;
        for body in [
            Body::Check(testkit::misplaced(page)),
            Body::from(testkit::moved(page, if n % 2 == 0 { Cause::LazyFault } else { Cause::MovePages })),
            Body::Loss(Loss { probe: "check".into(), cause: "ring_full".into(), count: 1 }),
        ] {
            tracker.take(&at(body));
        }
        if n % 5 == 0 {
            tracker.take(&at(request));
        }
    }
    let steps: usize = tracker.pages().map(|p| p.steps.len()).sum();
    assert!(tracker.pages().count() <= 50 && steps <= 60);
    let gaps = tracker.gaps();
    assert!(gaps.evicted_pages > 0 && gaps.evicted_processes > 0 && gaps.evicted_frames > 0, "{gaps:?}");
    assert_eq!(gaps.lost_events, 5_000);
}

#[test]
fn one_address_alone_is_followed_in_all_processes() {
    let (_, mut events) = testkit::lazy(PAGES, 0..PAGES);
    let (_, mut others) = testkit::direct(PAGES);
    others.iter_mut().for_each(|e| (e.pid, e.tid) = (PID + 1, PID + 1));
    events.append(&mut others);
    events.sort_by_key(|e| e.ts_ns);
    let mut tracker = PageTracker::only(SEGMENT + 0x2345);
    events.iter().for_each(|e| tracker.take(e));
    assert_eq!(tracker.pages().count(), 2);
    let processes = tracker.processes(SEGMENT + 0x2345);
    assert_eq!(processes.iter().map(|p| p.pid).collect::<Vec<_>>(), [PID, PID + 1]);
    let direct = tracker.page(processes[1], SEGMENT + 0x2345).expect("it moved");
    assert_eq!(kinds(&direct), ["request", "fault", "request", "migrate", "exit"]);
}

#[test]
fn the_page_history_of_a_child_begins_with_its_fork() {
    let mut tape = Tape::new();
    tape.start(1);
    tape.task(TaskEvent::Fork);
    if let Some(Body::Task(t)) = tape.events.last_mut().map(|e| &mut e.body) {
        t.target_pid = Some(PID + 1);
    }
    let began = tape.now;
    tape.fault(SEGMENT, Access::Write, FaultClass::Cow, Some(0), began);
    tape.events.last_mut().expect("a fault").pid = PID + 1;
    let tracker = tracked(&tape.events);
    let child = ProcessId { pid: PID + 1, start_ns: None };
    assert_eq!(tracker.page(child, SEGMENT).map(|p| kinds(&p)), Some(vec!["fork", "fault"]));
}

#[test]
fn a_program_that_ran_before_had_other_pages() {
    let mut tape = Tape::new();
    tape.fault(SEGMENT + 0x9000, Access::Write, FaultClass::Anon, Some(0), tape.now);
    tape.wait(1_000);
    tape.start(1);
    tape.task(TaskEvent::Exec);
    let tracker = tracked(&tape.events);
    let of = |page: u64| tracker.page(PROCESS, SEGMENT + page * 4096).map(|p| kinds(&p));
    assert_eq!(of(9), Some(vec!["fault", "exec", "exec"]));
    assert_eq!(of(0), Some(vec!["request", "fault", "exec"]));
}

#[test]
fn a_mapping_that_grows_is_told_once() {
    let mut tape = Tape::new();
    for (pages, policy) in [(8, None), (9, None), (10, Some(crate::event::Policy::Bind))] {
        let class = crate::event::RegionClass::Stack;
        tape.push(Body::Region(Region { addr: SEGMENT, len: pages * 4096, class, name: String::new(), policy }));
    }
    tape.wait(1_000);
    tape.fault(SEGMENT, Access::Write, FaultClass::Anon, Some(0), tape.now);
    let mut tracker = PageTracker::only(SEGMENT);
    tape.events.iter().for_each(|e| tracker.take(e));
    let page = tracker.page(PROCESS, SEGMENT).expect("touched");
    assert_eq!(kinds(&page), ["region", "region", "fault"]);
}

fn place(ts_ns: u64, what: PlaceChange, addr: u64, from_addr: Option<u64>, nodes: [Option<i32>; 2]) -> Event {
    let [src_nid, dst_nid] = nodes;
    let place = Place { what, addr, len: 4 * 4096, from_addr, src_nid, dst_nid };
    let process =
        Event { pid: PID, tid: PID, comm: Comm::from("memtoy"), ..Event::at(ts_ns, Body::Place(Box::new(place))) };
    Event { process_start_ns: None, ..process }
}

#[test]
fn a_page_keeps_its_history_when_it_moves_to_another_address() {
    const NEW: u64 = SEGMENT + (1 << 30);
    let (_, mut events) = testkit::direct(PAGES);
    let last_ns = events.last().expect("an event").ts_ns;
    let exits = events.iter().position(|e| matches!(&e.body, Body::Task(t) if t.what == TaskEvent::Exit));
    events.truncate(exits.unwrap_or(events.len()));
    let before = tracked(&events);
    let old = before.page(PROCESS, SEGMENT + 0x1000).expect("it was touched");
    events.push(place(last_ns + 1, PlaceChange::Remap, NEW, Some(SEGMENT), [None, None]));
    events.push(place(last_ns + 2, PlaceChange::Collapse, NEW, None, [Some(1), Some(3)]));
    let tracker = tracked(&events);
    let new = tracker.page(PROCESS, NEW + 0x1000).expect("it moved there");
    // Syscalls belong to the addresses that they name.
    let steps = |kinds: Vec<&'static str>| kinds.into_iter().filter(|kind| *kind != "request").collect::<Vec<_>>();
    assert_eq!(kinds(&new), [steps(kinds(&old)), vec!["place", "place"]].concat());
    assert_eq!((new.counts, tracker.page(PROCESS, SEGMENT + 0x1000).is_none()), (old.counts, true));
    assert!(tracker.pages().any(|page| page.id.addr == NEW + 0x1000 && page.nid == Some(3)));
    // Beyond the range.
    assert!(tracker.page(PROCESS, SEGMENT + 0x4000).is_some());
    // The same for one page, whose earlier address is known beforehand.
    let mut only = PageTracker::only_with(NEW + 0x1000, vec![(last_ns + 1, SEGMENT + 0x1000)]);
    events.iter().for_each(|event| only.take(event));
    let page = only.page(PROCESS, NEW + 0x1000).expect("it moved there");
    assert_eq!(kinds(&page), kinds(&new));
}

#[test]
fn a_page_that_comes_to_the_address_of_an_earlier_one_follows_it() {
    let (_, mut events) = testkit::direct(PAGES);
    events.retain(|e| !matches!(&e.body, Body::Task(t) if t.what == TaskEvent::Exit));
    let last_ns = events.last().expect("an event").ts_ns;
    let [first, second] = [0, 0x4000].map(|offset| {
        let page = tracked(&events);
        page.page(PROCESS, SEGMENT + offset).expect("it was touched").counts.faults
    });
    events.push(place(last_ns + 1, PlaceChange::Unmap, SEGMENT, None, [None, None]));
    events.push(place(last_ns + 2, PlaceChange::Remap, SEGMENT, Some(SEGMENT + 0x4000), [None, None]));
    let tracker = tracked(&events);
    let page = tracker.page(PROCESS, SEGMENT).expect("both were touched");
    assert_eq!(page.counts.faults, first + second);
    assert_eq!(kinds(&page).iter().filter(|kind| **kind == "place").count(), 2);
}
