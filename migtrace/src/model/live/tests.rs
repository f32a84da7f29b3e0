//! The state, fed with literal recordings and with more than its limits.

use super::{State, latencies::What, processes::PROCESSES, recent::RECENT};
use crate::{
    event::*,
    event::{LossCause, Probe, ProcessId},
    model::latency::Latencies,
    recording::{Coverage, Meta, Why},
    testkit::{self, PID},
};

fn fed((meta, events): (Meta, Vec<Event>)) -> State {
    let mut state = State::new(meta);
    events.iter().for_each(|e| state.feed(e));
    state
}

fn fault(ts_ns: u64, pid: u32, addr: u64, cpu_node: i32, nid: Option<i32>) -> Event {
    let body = Body::Fault(Fault {
        addr,
        ip: None,
        access: Access::Write,
        class: Some(FaultClass::Anon),
        major: Some(false),
        nid,
        order: nid.map(|_| 0),
        latency_ns: Some(1000),
        result: None,
        wait: None,
    });
    Event { pid, tid: pid, cpu_node: Some(cpu_node), comm: Comm::from("x"), ..Event::at(ts_ns, body) }
}

#[test]
fn a_direct_move_is_counted_by_page_and_by_batch() {
    let state = fed(testkit::direct(8));
    assert_eq!((state.totals.moved_pages, state.totals.batch_moved_pages), (8, 8));
    assert_eq!(state.moved_pages(&state.totals), 8);
    assert_eq!(state.moves.iter().collect::<Vec<_>>(), [((1, 2), 8)]);
    assert_eq!(state.faults.get(0, 1), 8, "touched on node 0, placed on node 1");
    assert_eq!((state.totals.placed_faults, state.totals.remote_faults), (13, 8));
    let moves = state.latencies.get(What::Move(Cause::Mbind)).expect("they took time");
    assert_eq!(moves.count(), 8);
    let between = |from, to| state.latencies.get(What::Pair(Cause::Mbind, from, to)).map(Latencies::count);
    assert_eq!((between(1, 2), between(2, 1)), (Some(8), None));
    let id = ProcessId { pid: PID, start_ns: None };
    let process = state.processes.get(id).expect("it is there");
    assert!(process.exited);
    assert_eq!(process.pages.iter().collect::<Vec<_>>(), [(0, 3), (1, 0), (2, 8)]);
    assert_eq!(process.home(), Some(0));
}

#[test]
fn pages_count_for_their_owner_and_time_for_the_task_that_acts() {
    let (meta, mut events) = testkit::direct(8);
    let owner = ProcessId { pid: 77, start_ns: Some(9) };
    for event in events.iter_mut().filter(|event| matches!(event.body, Body::Migrate(_))) {
        event.owner = Owner::Other(Box::new(OwnerProcess { process: owner, comm: Comm::from("redis"), cgroup_id: 3 }));
    }
    let state = fed((meta, events));
    let actor = state.processes.get(ProcessId { pid: PID, start_ns: None }).expect("it is there");
    assert_eq!((actor.counts.moved_pages, actor.counts.batch_moved_pages), (0, 8));
    assert!(actor.counts.stalled_ns > 0);
    let owner = state.processes.get(owner).expect("it is there");
    assert_eq!((owner.comm, owner.cgroup_id, owner.counts.moved_pages), (Comm::from("redis"), 3, 8));
    assert_eq!((owner.counts.events, owner.counts.stalled_ns), (0, 0));
    assert_eq!(state.totals.moved_pages, 8);
}

#[test]
fn a_lazy_touch_moves_a_page_and_does_not_add_one() {
    let state = fed(testkit::lazy(8, [1, 4]));
    assert_eq!((state.totals.marked_pages, state.totals.moved_pages, state.totals.misplaced), (8, 2, 2));
    let process = state.processes.get(ProcessId { pid: PID, start_ns: None }).expect("it is there");
    assert_eq!((process.pages.get(1), process.pages.get(2)), (6, 2));
}

#[test]
fn losses_are_told_by_probe_and_cause() {
    let state = fed(testkit::lossy());
    assert_eq!(state.lost(), 3);
    assert_eq!(state.losses.get(&(Probe::LazyMigrate.into(), LossCause::RingFull.into())), Some(&3));
}

#[test]
fn a_sampled_event_counts_for_all_that_it_stands_for() {
    let mut state = State::new(Meta::default());
    let mut event = fault(1, 7, 0x1000, 0, Some(1));
    event.weight = std::num::NonZeroU32::new(100);
    state.feed(&event);
    assert_eq!((state.totals.faults, state.totals.remote_faults, state.faults.get(0, 1)), (100, 100, 100));
}

#[test]
fn moves_of_more_pairs_than_are_told_apart_are_counted() {
    let mut state = State::new(Meta::default());
    let (_, events) = testkit::direct(1);
    let event = events.into_iter().find(|e| matches!(e.body, Body::Migrate(_))).expect("a move");
    for to in 0..100 {
        let mut event = event.clone();
        let Body::Migrate(m) = &mut event.body else { unreachable!("as found") };
        m.dst_nid = Some(to);
        state.feed(&event);
        state.feed(&event);
    }
    let pairs = state.latencies.iter().filter(|(what, _)| matches!(what, What::Pair(..)));
    let counted: u64 = pairs.map(|(_, times)| times.count()).sum();
    assert!(counted > 0 && state.latencies.other_pairs() > 0);
    assert_eq!(counted + state.latencies.other_pairs(), 200);
}

#[test]
fn rates_are_of_whole_seconds() {
    let mut state = State::new(Meta::default());
    let second = 1_000_000_000;
    for n in 0..30 {
        state.feed(&fault(5 * second + n * second / 10, 7, 0x1000, 0, None));
    }
    state.tick(8 * second);
    let faults: Vec<u64> = state.rates.last(60).map(|c| c.faults).collect();
    assert_eq!(faults, [10, 10, 10]);
    let process = state.processes.get(ProcessId { pid: 7, start_ns: None }).expect("it is there");
    assert_eq!(process.last_second(8 * second).faults, 10);
    state.tick(10 * second);
    assert_eq!(process_faults(&state, 10 * second), 0, "nothing happened in the last second");
    assert!(state.rates.now(|c| c.faults) > 3.0);
}

fn process_faults(state: &State, now_ns: u64) -> u64 {
    state.processes.get(ProcessId { pid: 7, start_ns: None }).map_or(0, |p| p.last_second(now_ns).faults)
}

#[test]
fn a_gap_of_days_takes_no_time_and_no_memory() {
    let mut state = State::new(Meta::default());
    state.feed(&fault(1, 7, 0x1000, 0, None));
    state.feed(&fault(u64::MAX - 1, 7, 0x1000, 0, None));
    assert_eq!(state.rates.last(1000).count(), super::rates::BUCKETS - 1);
    state.feed(&fault(2, 7, 0x1000, 0, None));
    assert_eq!(state.rates.late(), 1);
}

#[test]
fn too_many_processes_are_counted_and_none_of_their_events_is_lost() {
    let mut state = State::new(Meta::default());
    let many = PROCESSES as u64 + 3000;
    for n in 0..many {
        state.feed(&fault(n, n as u32 + 1, 0x1000 * n, 0, Some(0)));
    }
    let (evicted, gone) = state.processes.evicted();
    assert_eq!(state.processes.len() as u64 + evicted, many);
    let held: u64 = state.processes.iter().map(|(_, p)| p.counts.faults).sum();
    assert_eq!(held + gone.faults, many);
    assert_eq!(state.recent.events().len(), RECENT);
    assert_eq!(state.recent.evicted(), many - RECENT as u64);
}

#[test]
fn without_mappings_regions_are_ranges_that_faulted() {
    let mut state = State::new(Meta::default());
    for page in [5, 3, 4, 100] {
        state.feed(&fault(page, 7, 0x40_0000 + page * 4096, 0, Some(1)));
    }
    state.feed(&fault(200, 7, 0x7f00_0000_0000, 0, Some(0)));
    let process = state.processes.get(ProcessId { pid: 7, start_ns: None }).expect("it is there");
    let ranges: Vec<_> = process.regions.iter().map(|(start, r)| (start, r.end, r.counts.faults)).collect();
    assert_eq!(ranges, [(0x40_3000, 0x46_5000, 4), (0x7f00_0000_0000, 0x7f00_0000_1000, 1)]);
    assert_eq!(process.heat.as_ref().map(|h| h.iter().map(|(.., c)| c.faults).sum::<u64>()), Some(5));
}

#[test]
fn a_mapping_takes_the_faults_within() {
    let mut state = State::new(Meta::default());
    let body = Body::Region(Region {
        addr: 0x10_0000,
        len: 0x10_0000,
        class: RegionClass::File,
        name: "libc.so".into(),
        policy: Some(Policy::Bind),
    });
    state.feed(&Event { pid: 7, tid: 7, ..Event::at(1, body) });
    state.feed(&fault(2, 7, 0x10_8000, 0, Some(1)));
    state.feed(&fault(3, 7, 0x20_0000, 0, Some(1)));
    let process = state.processes.get(ProcessId { pid: 7, start_ns: None }).expect("it is there");
    let regions: Vec<_> =
        process.regions.iter().map(|(_, r)| (r.mapping.as_ref().map(|m| &*m.name), r.counts.faults)).collect();
    assert_eq!(regions, [(Some("libc.so"), 1), (None, 1)]);
}

#[test]
fn what_a_source_cannot_show_is_not_zero() {
    let (mut meta, _) = testkit::direct(8);
    for probe in meta
        .probes
        .iter_mut()
        .filter(|p| [Probe::DirectMigrate, Probe::LazyMigrate, Probe::Check].iter().any(|probe| p.probe == *probe))
    {
        (probe.attached, probe.error) = (None, Some("no fentry".into()));
    }
    let state = State::new(meta.clone());
    assert!(state.fidelity.moves_by_batch && state.fidelity.moved.is_available());
    meta.probes.iter_mut().filter(|p| p.probe == Probe::Batch).for_each(|p| p.attached = None);
    let fidelity = State::new(meta).fidelity;
    assert_eq!(fidelity.moved, Coverage::Unavailable(Why::Rejected("no fentry".into())));
}

/// A task that another one moves to a node: who moves it knows its cgroup only.
#[test]
fn an_event_without_a_cgroup_leaves_the_process_its_cgroup() {
    let mut state = State::new(Meta::default());
    let touched = Event { cgroup_id: 7, ..fault(1, 5, 0x1000, 0, Some(0)) };
    let moved = testkit::changed_node(touched.clone());
    [&touched, &moved].into_iter().for_each(|event| state.feed(event));
    let cgroups: Vec<_> = state.processes.iter().map(|(_, process)| process.cgroup_id).collect();
    assert_eq!((moved.cgroup_id, cgroups), (0, vec![7]));
}
