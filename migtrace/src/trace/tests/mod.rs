//! Tests of the format: round trips, files and directories, damage.

mod columns;
mod convert;
mod damage;
mod document;
mod files;
mod foreign;
mod older;
mod output;
mod round_trip;

use std::{num::NonZeroU32, path::Path};

use super::Writer;
use crate::event::{
    Access, Batch, Body, Cause, Census, Check, CheckPath, Comm, Event, Fault, FaultClass, Loss, Mark, Migrate,
    NodeChange, NodeFacts, NumaPages, Outcome, Owner, OwnerProcess, PagePlace, Phase, Place, PlaceChange, Policy,
    ProcessId, Region, RegionClass, Request, RequestName, Task, TaskEvent, Verdict, Wait, Work,
};
use crate::recording::{Meta, OwnCost, ProbeAccount, ProgramCost};

/// Metadata as a recording would have it.
fn meta() -> Meta {
    Meta {
        format_version: crate::trace::FORMAT_VERSION,
        migtrace_version: "0.1.0".into(),
        kernel_release: "6.12.0".into(),
        start_ns: 1_000,
        wall_offset_ns: -5,
        ..Meta::default()
    }
}

/// [`meta`] of a recording that ended.
fn final_meta() -> Meta {
    Meta { end_ns: Some(9_000), command_status: Some(0), ..meta() }
}

fn event(ts_ns: u64, body: Body) -> Event {
    Event {
        cpu: 3,
        cpu_node: Some(1),
        pid: 10,
        tid: 11,
        comm: Comm::from("memtoy"),
        cgroup_id: 1 << 40,
        ..Event::at(ts_ns, body)
    }
}

fn fault(ts_ns: u64, addr: u64) -> Event {
    let body = Fault {
        addr,
        ip: Some(0x40_1000),
        access: Access::Read,
        class: Some(FaultClass::Anon),
        major: Some(false),
        nid: Some(2),
        order: None,
        latency_ns: Some(900),
        result: Some("ok".into()),
        wait: None,
    };
    event(ts_ns, Body::Fault(body))
}

fn migrate(ts_ns: u64) -> Event {
    let body = Migrate {
        addr: Some(0x7f00_0000_1000),
        old_pfn: 77,
        new_pfn: Some(88),
        order: 9,
        src_nid: 1,
        dst_nid: Some(2),
        cause: Cause::LazyFault,
        result: Outcome::Ok,
        reason: None,
        latency_ns: Some(4_000),
        unmap_ns: Some(100),
        copy_ns: Some(3_000),
        remap_ns: Some(200),
        mappings: None,
    };
    event(ts_ns, body.into())
}

fn request(ts_ns: u64) -> Event {
    let body = Request {
        name: RequestName::Mbind,
        addr: Some(0x7f00_0000_0000),
        len: Some(1 << 21),
        policy: Some(Policy::WeightedInterleave),
        flags: "move|lazy".into(),
        nodemask: Some("0-2,5".parse().expect("a mask")),
        target_pid: None,
        ret: -22,
        latency_ns: 12,
    };
    event(ts_ns, body.into())
}

/// Every kind, each with all that it can hold, and with as little as it can.
fn every_kind() -> Vec<Event> {
    let mut few = Vec::new();
    let mut sparse = fault(9, 0);
    sparse.cpu_node = None;
    sparse.comm = Comm::default();
    if let Body::Fault(f) = &mut sparse.body {
        *f = Fault {
            ip: None,
            nid: None,
            major: Some(true),
            access: Access::Exec,
            result: Some("reason#17".into()),
            ..f.clone()
        };
    }
    few.push(sparse);
    let mut sparse = migrate(9);
    if let Body::Migrate(m) = &mut sparse.body {
        (m.addr, m.new_pfn, m.dst_nid, m.latency_ns) = (None, None, None, None);
        (m.unmap_ns, m.copy_ns, m.remap_ns) = (None, None, None);
        (m.order, m.result, m.reason) = (0, Outcome::Failed, Some("no_memory".into()));
    }
    few.push(sparse);
    let mut sparse = request(9);
    if let Body::Request(r) = &mut sparse.body {
        (r.addr, r.len, r.policy, r.target_pid) = (None, None, None, Some(7));
        (r.flags, r.nodemask, r.ret) = (String::new(), Some("".parse().expect("a mask")), i64::MIN);
    }
    few.push(sparse);
    [vec![fault(1, u64::MAX), migrate(2), request(3)], few, others()].concat()
}

fn others() -> Vec<Event> {
    let check = Check {
        addr: 0x1000,
        pfn: 7,
        order: 0,
        src_nid: 1,
        path: CheckPath::LazyFault,
        dst_nid: Some(0),
        policy: Some(Policy::Default),
        interleaved: true,
        lazy: false,
        verdict: Verdict::Misplaced,
        reason: None,
    };
    let skipped = Check {
        dst_nid: None,
        policy: None,
        verdict: Verdict::Skipped,
        reason: Some("pinned".into()),
        ..check.clone()
    };
    let mark = Mark { addr: None, pfn: 7, nid: 1, order: 0, result: Outcome::Ok, reason: None };
    let failed = Mark { addr: Some(5), result: Outcome::Failed, reason: Some("busy".into()), ..mark.clone() };
    let batch = Batch {
        asked: Some(9),
        succeeded: 8,
        failed: 1,
        unmoved: None,
        thp_split: None,
        cause: Cause::Mbind,
        work: Work::Migrate("sync".into()),
        latency_ns: u64::MAX,
    };
    let uncounted = Batch { asked: None, ..batch.clone() };
    let task = Task {
        what: TaskEvent::Fork,
        from_node: None,
        to_node: None,
        target_pid: Some(12),
        pages: None,
        latency_ns: None,
    };
    let moved = Task {
        what: TaskEvent::Moved,
        from_node: Some(0),
        to_node: Some(3),
        target_pid: None,
        pages: None,
        latency_ns: None,
    };
    let region = Region {
        addr: 0x1000,
        len: 0x2000,
        class: RegionClass::File,
        name: "/tmp/\u{1b}x é".into(),
        policy: Some(Policy::Local),
    };
    let bodies = [
        Body::Check(check),
        Body::Check(skipped),
        Body::Mark(mark),
        Body::Mark(failed),
        Body::from(batch),
        Body::from(uncounted),
        Body::Task(task),
        Body::Task(moved),
        Body::Region(Region { policy: None, name: String::new(), ..region.clone() }),
        Body::Region(region),
        Body::Phase(Phase { text: "touch seg r".into() }),
        Body::Loss(Loss { probe: "fault".into(), cause: "ring_full".into(), count: 5 }),
    ];
    bodies.into_iter().zip(100..).map(|(body, ts_ns)| event(ts_ns, body)).collect()
}

/// Every kind, with what format `version` added to format 1.
fn with_later_columns(version: u32) -> Vec<Event> {
    let moved = Task {
        what: TaskEvent::Moved,
        from_node: Some(0),
        to_node: Some(1),
        target_pid: None,
        pages: Some(12),
        latency_ns: None,
    };
    let batch = Batch {
        asked: None,
        succeeded: 9,
        failed: 0,
        unmoved: (version >= 3).then_some(4),
        thp_split: (version >= 4).then_some(2),
        cause: Cause::Hotplug,
        work: Work::Migrate("sync".into()),
        latency_ns: 1,
    };
    let more = [Body::Task(moved), Body::from(batch)].map(|body| Event::at(1, body));
    let owners = if version >= 5 { with_owners() } else { Vec::new() };
    let events = every_kind().into_iter().chain(more).chain(owners).map(|event| Event {
        process_start_ns: Some(u64::MAX),
        weight: NonZeroU32::new(7),
        kernel_stack: Some("entry;asm_exc_page_fault;handle_mm_fault".into()),
        user_stack: Some("main;touch \u{e9}".into()),
        ..event
    });
    events.collect()
}

/// Events with what format 5 added.
fn with_owners() -> Vec<Event> {
    let Body::Fault(touched) = fault(1, 3).body else { panic!("a fault") };
    let wait = Wait { cause: Cause::Cpuset, pid: 2, tid: 3, comm: Comm::from("kworker"), inaccessible_ns: 4 };
    let wait = Some(Box::new(wait));
    let touched = Fault { order: Some(18), class: Some(FaultClass::MigrationWait), wait, ..touched };
    let Body::Migrate(shared) = migrate(1).body else { panic!("a migration") };
    let shared = Event::at(1, Body::from(Migrate { mappings: Some(2), ..*shared }));
    let owner = OwnerProcess {
        process: ProcessId { pid: 77, start_ns: Some(5) },
        comm: Comm::from("redis-server"),
        cgroup_id: 6,
    };
    let owners = [Owner::Other(Box::new(owner)), Owner::Unknown].map(|owner| Event { owner, ..shared.clone() });
    let scanned = Task {
        what: TaskEvent::Scanned,
        from_node: None,
        to_node: None,
        target_pid: None,
        pages: None,
        latency_ns: Some(6),
    };
    let others = [Body::Fault(touched), Body::Task(scanned)].map(|body| Event::at(1, body));
    others.into_iter().chain(owners).chain(nodes()).chain(census()).chain(places()).collect()
}

/// A change of place with all that it can have, and one with as little.
fn places() -> [Event; 2] {
    let moved = Place {
        what: PlaceChange::Remap,
        addr: 0x7000_0000,
        len: 1 << 20,
        from_addr: Some(0x6000_0000),
        src_nid: Some(0),
        dst_nid: Some(1),
    };
    let gone = Place { what: PlaceChange::Unmap, from_addr: None, src_nid: None, dst_nid: None, ..moved.clone() };
    let process = ProcessId { pid: 9, start_ns: Some(1) };
    let owner = Owner::Other(Box::new(OwnerProcess { process, comm: Comm::from("other"), cgroup_id: 3 }));
    let [moved, gone] = [moved, gone].map(|place| Event::at(1, Body::Place(Box::new(place))));
    [moved, Event { owner, ..gone }]
}

/// A node with all that it can have, and one that went offline.
fn nodes() -> [Event; 2] {
    let pages = NumaPages {
        hit: Some(1),
        miss: Some(2),
        foreign: Some(3),
        interleave_hit: Some(4),
        local: Some(5),
        other: Some(u64::MAX),
    };
    let facts = NodeFacts {
        nid: 1,
        change: Some(NodeChange::Cpus),
        cpus: Some(String::new()),
        mem_bytes: Some(1 << 40),
        free_bytes: Some(0),
        tier: Some(4),
        pages,
    };
    let gone = NodeFacts { nid: 2, change: Some(NodeChange::Offline), ..NodeFacts::default() };
    [facts, gone].map(|node| Event::at(200, Body::Node(Box::new(node))))
}

/// Runs of a census: in each place, with all that a mapping can have and with as little.
fn census() -> Vec<Event> {
    let run = Census {
        addr: 0x7f00_0000_0000,
        pages: 1 << 20,
        place: Some(PagePlace::Node(3)),
        reading_ns: 5_000,
        len: 1 << 40,
        class: RegionClass::Heap,
        permissions: "rw-p".into(),
        name: "[heap] \u{e9}".into(),
        policy: Some(Policy::PreferredMany),
        nodes: Some("0,2-3".parse().expect("nodes")),
    };
    let bare = Census { policy: None, nodes: None, name: String::new(), pages: 1, ..run.clone() };
    let places = [Some(PagePlace::UnknownNode), Some(PagePlace::Zero), Some(PagePlace::Swap), None];
    let others = places.into_iter().chain([Some(PagePlace::Special)]).map(|place| Census { place, ..bare.clone() });
    [run].into_iter().chain(others).map(|run| event(300, Body::Census(Box::new(run)))).collect()
}

/// The metadata of a recording of [`with_later_columns`].
fn later_meta() -> Meta {
    let program = ProgramCost { name: "fault".into(), run_ns: Some(1), run_count: None, missed: Some(2) };
    let lost = [("ring_full".into(), 5)].into();
    Meta {
        own_cost: Some(OwnCost { programs: vec![program], max_rss_bytes: Some(3), ..OwnCost::default() }),
        cgroups: [(1 << 40, "/user.slice".to_owned())].into(),
        filter: Some("pid == 7".into()),
        sample: NonZeroU32::new(7),
        account: vec![ProbeAccount { seen: 8, stored: 3, lost, ..ProbeAccount::empty("fault".into()) }],
        ..final_meta()
    }
}

/// Writes `events` as a finished trace.
fn write(path: &Path, events: &[Event]) {
    let mut writer = Writer::create(path, &meta()).expect("a writer");
    for event in events {
        writer.push(event).expect("pushed");
    }
    let summary = writer.finish(&final_meta()).expect("finished");
    assert_eq!(summary.events, events.len() as u64);
    assert_eq!(summary.bytes, path.metadata().expect("a file").len());
}
