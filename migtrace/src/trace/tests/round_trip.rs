use std::collections::BTreeSet;

use super::{every_kind, fault, final_meta, later_meta, migrate, request, with_later_columns, write};
use crate::{
    event::{Body, Comm, Event},
    trace::{COLUMNS, FORMAT_VERSION, Trace, Value, Writer},
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

#[test]
fn what_later_formats_added_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let (events, meta) = (with_later_columns(FORMAT_VERSION), later_meta());
    let mut writer = Writer::create(&path, &meta).expect("a writer");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");

    let trace = Trace::open(&path).expect("opened");
    assert_eq!(trace.read_all().expect("read"), events);
    assert_eq!(*trace.meta(), meta);
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
