use std::{collections::BTreeSet, num::NonZeroU32};

use super::{every_kind, fault, final_meta, migrate, request, write};
use crate::{
    event::{
        Batch, Body, Cause, Comm, Event, Fault, FaultClass, Migrate, Owner, OwnerProcess, ProcessId, Task, TaskEvent,
        Wait, Work,
    },
    recording::{Meta, OwnCost, ProgramCost},
    trace::{COLUMNS, FORMAT_VERSION, Trace, Value, Writer, recover},
};

#[test]
fn events_of_every_kind_come_back_as_they_were() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let events = every_kind();
    write(&path, &events);

    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.read_all().expect("read"), events);
    assert_eq!(trace.event_count(), events.len() as u64);
    assert_eq!(*trace.meta(), final_meta());
    assert!(!trace.truncated());
    let kinds = events.iter().map(|e| e.body.kind()).collect::<BTreeSet<_>>();
    assert_eq!(kinds.len(), 10, "every kind is tested");
}

/// A trace of format 1 with every kind of event, as `write` of that version made it.
const FORMAT_1: &[u8] = include_bytes!("format-1.parquet");

#[test]
fn a_trace_of_format_1_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    std::fs::write(&path, FORMAT_1).expect("written");
    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.read_all().expect("read"), every_kind());
    assert_eq!(*trace.meta(), Meta { format_version: 1, ..final_meta() });
    // Unknown, and not processes without a command.
    assert!(trace.meta().processes.is_empty());
}

/// A recording of format 3, of eight pages that one mbind migrated.
const FORMAT_3: &[u8] = include_bytes!("format-3.parquet");

#[test]
fn a_trace_of_format_3_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    std::fs::write(&path, FORMAT_3).expect("written");
    let trace = Trace::open(&path).expect("opened");
    let events = trace.read_all().expect("read");
    let batches = events.iter().filter_map(|e| if let Body::Batch(batch) = &e.body { Some(batch) } else { None });
    let batches: Vec<_> = batches.map(|b| (b.succeeded, b.unmoved, b.thp_split)).collect();
    assert_eq!((trace.meta().format_version, batches), (3, vec![(8, Some(0), None)]));
    assert!(trace.meta().processes.is_empty());
}

#[test]
fn what_later_formats_added_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
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
        unmoved: Some(4),
        thp_split: Some(2),
        cause: Cause::Hotplug,
        work: Work::Migrate("sync".into()),
        latency_ns: 1,
    };
    let Body::Fault(touched) = fault(1, 3).body else { panic!("a fault") };
    let wait = Wait { cause: Cause::Cpuset, pid: 2, tid: 3, comm: Comm::from("kworker"), inaccessible_ns: 4 };
    let wait = Some(Box::new(wait));
    let touched = Fault { order: Some(18), class: Some(FaultClass::MigrationWait), wait, ..touched };
    let more = [Body::Task(moved), Body::from(batch), Body::Fault(touched)].map(|body| Event::at(1, body));
    let Body::Migrate(shared) = migrate(1).body else { panic!("a migration") };
    let shared = Event::at(1, Body::from(Migrate { mappings: Some(2), ..*shared }));
    let owner = OwnerProcess {
        process: ProcessId { pid: 77, start_ns: Some(5) },
        comm: Comm::from("redis-server"),
        cgroup_id: 6,
    };
    let owners = [Owner::Other(Box::new(owner)), Owner::Unknown].map(|owner| Event { owner, ..shared.clone() });
    let more = more.into_iter().chain(owners);
    let events = every_kind().into_iter().chain(more).map(|event| Event {
        process_start_ns: Some(u64::MAX),
        weight: NonZeroU32::new(7),
        kernel_stack: Some("entry;asm_exc_page_fault;handle_mm_fault".into()),
        user_stack: Some("main;touch \u{e9}".into()),
        ..event
    });
    let events = events.collect::<Vec<_>>();
    let program = ProgramCost { name: "fault".into(), run_ns: Some(1), run_count: None, missed: Some(2) };
    let meta = Meta {
        own_cost: Some(OwnCost { programs: vec![program], max_rss_bytes: Some(3), ..OwnCost::default() }),
        cgroups: [(1 << 40, "/user.slice".to_owned())].into(),
        filter: Some("pid == 7".into()),
        sample: NonZeroU32::new(7),
        ..final_meta()
    };
    let mut writer = Writer::create(&path, &meta).expect("a writer");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");

    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.read_all().expect("read"), events);
    assert_eq!(*trace.meta(), meta);
}

#[test]
fn a_recording_of_format_1_is_recovered_in_this_version() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let partial = dir.path().join("run.parquet.partial");
    std::fs::create_dir(&partial).expect("made");
    std::fs::write(partial.join("000001.parquet"), FORMAT_1).expect("written");
    recover(&path, None).expect("recovered");
    let trace = Trace::open(&path).expect("opened");
    // Nothing is known of owners, because that format does not have them.
    let without_owner = |event: Event| {
        let owner = if event.body.has_page() { Owner::Unknown } else { Owner::Actor };
        Event { owner, ..event }
    };
    let expected: Vec<_> = every_kind().into_iter().map(without_owner).collect();
    assert_eq!(trace.read_all().expect("read"), expected);
    assert_eq!(trace.meta().format_version, FORMAT_VERSION);
}

#[test]
fn an_event_says_its_columns_and_no_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    write(&path, &[request(3), migrate(4)]);

    let trace = Trace::open(&path).expect("opened");
    let batch = trace.rows().next().expect("a batch").expect("read");
    let of = |row: usize| {
        let values = batch.values(row);
        let pairs = COLUMNS.iter().zip(values).filter(|(_, v)| *v != Value::Null);
        pairs.map(|(c, v)| format!("{}={v:?}", c.name)).collect::<Vec<_>>().join(" ")
    };
    let common = "cpu=Unsigned(3) cpu_node=Signed(1) pid=Unsigned(10) tid=Unsigned(11) comm=Text(\"memtoy\") \
                  cgroup_id=Unsigned(1099511627776)";
    assert_eq!(
        of(0),
        format!(
            "ts_ns=Unsigned(3) {common} kind=Text(\"request\") addr=Unsigned(139637976727552) latency_ns=Unsigned(12) \
             policy=Text(\"weighted_interleave\") name=Text(\"mbind\") len=Unsigned(2097152) flags=Text(\"move|lazy\") \
             nodemask=Text(\"0-2,5\") ret=Signed(-22)"
        )
    );
    assert_eq!(
        of(1),
        format!(
            "ts_ns=Unsigned(4) {common} kind=Text(\"migrate\") addr=Unsigned(139637976731648) latency_ns=Unsigned(4000) \
             result=Text(\"ok\") order=Unsigned(9) src_nid=Signed(1) dst_nid=Signed(2) old_pfn=Unsigned(77) \
             new_pfn=Unsigned(88) pages=Unsigned(512) cause=Text(\"lazy_fault\") unmap_ns=Unsigned(100) \
             copy_ns=Unsigned(3000) remap_ns=Unsigned(200) owner_pid=Unsigned(10) owner_comm=Text(\"memtoy\") \
             owner_cgroup_id=Unsigned(1099511627776)"
        )
    );
}

#[test]
fn a_task_name_that_is_not_utf8_is_readable() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let mut named = fault(1, 0x1000);
    named.comm = Comm::from_bytes(*b"ab\xffc\0\0\0\0\0\0\0\0\0\0\0\0");
    write(&path, &[named]);
    let events = Trace::open(&path).and_then(|t| t.read_all()).expect("read");
    assert_eq!(events[0].comm.to_string(), "ab\u{fffd}c");
}

#[test]
fn many_batches_and_row_groups_keep_their_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let events = (0..300_000).map(|n| fault(n, n * 4096)).collect::<Vec<Event>>();
    write(&path, &events);
    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.event_count(), 300_000);
    for (n, event) in trace.events().enumerate() {
        assert_eq!(event.expect("an event").ts_ns, n as u64);
    }
}

#[test]
fn an_empty_recording_is_a_trace() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    write(&path, &[]);
    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.event_count(), 0);
    assert_eq!(trace.read_all().expect("read"), []);
}

#[test]
fn words_that_many_events_share_are_held_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    write(&path, &[fault(1, 0), fault(2, 0)]);
    let events = Trace::open(&path).and_then(|t| t.read_all()).expect("read");
    let [Body::Fault(a), Body::Fault(b)] = [&events[0].body, &events[1].body] else { panic!("faults") };
    let (Some(a), Some(b)) = (&a.result, &b.result) else { panic!("results") };
    assert!(std::sync::Arc::ptr_eq(a, b));
}
