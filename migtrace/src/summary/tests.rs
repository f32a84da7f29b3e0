use std::{num::NonZeroU32, path::PathBuf};

use bench_synth::{Shape, Synth};

use super::Summary;
use crate::{
    decode::{names::Names, record::decode},
    event::{
        Body, Cause, Comm, Event, FaultClass, Loss, NodeChange, NodeFacts, NumaPages, Owner, OwnerProcess, Probe,
        ProcessId, Task, TaskEvent,
    },
    recording::{Meta, ProbeInfo},
    testkit,
    trace::{Trace, Writer},
};

fn write(meta: &Meta, events: &[Event]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let mut writer = Writer::create(&path, meta).expect("a writer");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(meta).expect("finished");
    (dir, path)
}

fn summary(meta: &Meta, events: &[Event]) -> Summary {
    let (_dir, path) = write(meta, events);
    Summary::of(&Trace::open(&path).expect("opened")).expect("counted")
}

fn text(summary: &Summary) -> String {
    let mut out = Vec::new();
    summary.write("run.parquet", 10, &mut out).expect("written");
    anstream::adapter::strip_str(&String::from_utf8(out).expect("text")).to_string()
}

#[test]
fn a_lazy_run() {
    let (meta, events) = testkit::lazy(8, 0..8);
    insta::assert_snapshot!(text(&summary(&meta, &events)));
}

#[test]
fn the_document_lists_the_fields() {
    let document = include_str!("../../../docs/summary.md");
    let (meta, mut events) = testkit::direct(1);
    events.push(testkit::waited(&events));
    events.push(node(7, 1, 5));
    let mut hint = testkit::waited(&events);
    if let Body::Fault(fault) = &mut hint.body {
        (fault.class, fault.wait) = (Some(FaultClass::Hinting), None);
    }
    events.push(hint);
    let json = summary(&meta, &events).to_json("x", 1);
    let fields = |json: &serde_json::Value| json.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let places = [
        "",
        "/faults/0",
        "/faults/0/latency",
        "/moves/0",
        "/requests/0",
        "/batches/0",
        "/migration_waits/0",
        "/numa_balancing/0",
        "/nodes/0",
        "/nodes/0/first",
        "/processes/0",
        "/loss",
    ];
    for place in places {
        let object = json.pointer(place).unwrap_or_else(|| panic!("no {place}"));
        for field in fields(object) {
            assert!(document.contains(&format!("`{field}")), "{place}/{field}");
        }
    }
}

/// Node 2, which has memory only, with this many hits.
fn node(ts_ns: u64, free_bytes: u64, hit: u64) -> Event {
    let pages = NumaPages { hit: Some(hit), foreign: Some(3), ..NumaPages::default() };
    let (cpus, mem_bytes, free_bytes) = (Some(String::new()), Some(1 << 30), Some(free_bytes));
    let facts = NodeFacts { nid: 2, change: None, cpus, mem_bytes, free_bytes, tier: None, pages };
    Event::at(ts_ns, Body::Node(Box::new(facts)))
}

#[test]
fn nodes_have_their_first_and_last_values_and_the_difference() {
    let (meta, mut events) = testkit::direct(1);
    let before = summary(&meta, &events).events();
    // More than one row group, whose parts are counted in any order.
    events.extend((0..300_000).map(|n| node(n + 1, (1 << 29) - n, 100 + n)));
    let mut gone = node(400_000, 0, 0);
    let Body::Node(facts) = &mut gone.body else { unreachable!("as made") };
    **facts = NodeFacts { nid: 3, change: Some(NodeChange::Offline), ..NodeFacts::default() };
    events.push(gone);
    let summary = summary(&meta, &events);
    assert_eq!(summary.events(), before, "nodes are not events of the workload");
    let text = text(&summary);
    let row = |nid: &str| {
        let (_, part) = text.split_once("numastat").expect("a part on nodes");
        let row = part.lines().find(|line| line.split_whitespace().next() == Some(nid)).expect("a row");
        row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("2"), "none - 1 GiB 512 MiB 512 MiB 299999 ? 0 ? ? ?", "{text}");
    assert_eq!(row("3"), "? - ? ? ? ? ? ? ? ? ?", "{text}");
    assert!(text.contains("node 3: 1 change of CPUs, memory or tier, now offline"), "{text}");
    let json = summary.to_json("x", 1);
    let hits = ["first", "last"].map(|which| json["nodes"][0][which]["numa_hit"].as_u64());
    assert_eq!(hits, [Some(100), Some(300_099)]);
    assert!(json["kinds"].get("node").is_none() && json["nodes"][0]["last"]["numa_miss"].is_null());
}

#[test]
fn waits_for_migrations_name_both_sides() {
    let (meta, mut events) = testkit::direct(1);
    let waited = testkit::waited(&events);
    events.extend([waited.clone(), waited]);
    let summary = summary(&meta, &events);
    let text = text(&summary);
    let lines: Vec<_> = text.lines().skip_while(|line| !line.contains("waits for pages")).take(3).collect();
    assert!(lines[0].ends_with("waits for pages that were being migrated (1 of 1)"), "{text}");
    let words: Vec<_> = lines[2].split_whitespace().collect();
    let expected = ["memtoy", "213", "kcompactd0", "40", "compaction", "2", "140", "\u{b5}s", "70.0", "\u{b5}s"];
    assert_eq!(words, expected, "{text}");
    let json = summary.to_json("x", 1);
    assert_eq!(json["migration_waits"][0]["migrated_by_comm"], "kcompactd0");
    assert_eq!(json["migration_waits"][0]["total_ns"], 140_000);
}

/// A scan of 31 us in another thread than the main one, and two hinting faults, in one of which two pages migrated.
#[test]
fn numa_balancing_shows_scans_and_what_they_caused() {
    let (meta, mut events) = testkit::direct(1);
    let fault = |e: &&Event| matches!(e.body, Body::Fault(_));
    let mut hint = events.iter().find(fault).expect("a fault").clone();
    if let Body::Fault(fault) = &mut hint.body {
        (fault.class, fault.latency_ns) = (Some(FaultClass::Hinting), Some(6_000));
    }
    let mut moved = events.iter().find(|e| matches!(e.body, Body::Migrate(_))).expect("a migration").clone();
    if let Body::Migrate(migrate) = &mut moved.body {
        (migrate.cause, migrate.order) = (Cause::HintingFault, 1);
    }
    let task = Task {
        what: TaskEvent::Scanned,
        from_node: None,
        to_node: None,
        target_pid: None,
        pages: None,
        latency_ns: Some(31_000),
    };
    let scan = Event { tid: hint.tid + 1, body: Body::Task(task), ..hint.clone() };
    events.extend([hint.clone(), moved, hint, scan]);
    let summary = summary(&meta, &events);
    let text = text(&summary);
    let lines: Vec<_> = text.lines().skip_while(|line| !line.contains("NUMA balancing, by process")).take(3).collect();
    assert!(lines[0].ends_with("NUMA balancing, by process (1 of 1)"), "{text}");
    let words: Vec<_> = lines[2].split_whitespace().collect();
    let expected = ["memtoy", "213", "1", "31.0", "\u{b5}s", "1", "2", "12.0", "\u{b5}s", "2"];
    assert_eq!(words, expected, "{text}");
    let json = summary.to_json("x", 1);
    assert_eq!((&json["numa_balancing"][0]["scan_ns"], &json["numa_balancing_count"]), (&31_000.into(), &1.into()));
    let (meta, events) = testkit::direct(1);
    assert!(!self::text(&self::summary(&meta, &events)).contains("NUMA balancing, by"));
}

#[test]
fn migrated_pages_count_for_the_process_that_owns_them() {
    let (meta, mut events) = testkit::direct(4);
    for event in events.iter_mut().filter(|event| matches!(event.body, Body::Migrate(_))) {
        event.owner = Owner::Other(Box::new(OwnerProcess {
            process: ProcessId { pid: 77, start_ns: Some(9) },
            comm: Comm::from("postgres"),
            cgroup_id: 3,
        }));
    }
    // Nothing maps this one.
    events.iter_mut().rfind(|event| matches!(event.body, Body::Migrate(_))).expect("a migration").owner =
        Owner::Unknown;
    let json = summary(&meta, &events).to_json("x", 10);
    let of = |pid: u32| {
        let processes = json["processes"].as_array().expect("a list");
        let process = processes.iter().find(|p| p["pid"] == pid).unwrap_or_else(|| panic!("no {pid}: {processes:#?}"));
        (process["comm"].as_str().expect("a name").to_owned(), process["moved_pages"].as_u64().expect("a number"))
    };
    assert_eq!(of(77), ("postgres".to_owned(), 3));
    assert_eq!(of(213), ("memtoy".to_owned(), 0));
    assert_eq!(json["moved_pages"], 4);
}

#[test]
fn loss_is_shown_by_probe_and_cause() {
    let (meta, events) = testkit::lossy();
    let summary = summary(&meta, &events);
    assert_eq!(summary.lost_by_events(), 3);
    let text = text(&summary);
    assert!(text.contains("= stored 5 + lost 3 (ring_full 3)"), "{text}");
    assert_eq!(summary.to_json("x", 1)["loss"]["rows"]["lazy_migrate"]["ring_full"], 3);
}

#[test]
fn missed_runs_are_shown_with_the_loss() {
    let (mut meta, events) = testkit::direct(1);
    let fault = meta.account.iter_mut().find(|a| a.probe == Probe::Fault).expect("it has faults");
    fault.missed = Some(2);
    let text = text(&summary(&meta, &events));
    let line = text.lines().find(|line| line.trim_start().starts_with("fault  ")).expect("a line of its loss");
    assert!(line.ends_with("; 2 program runs missed: the program was already running on that CPU"), "{line}");
    assert!(!text.contains("0 program runs"), "{text}");
}

#[test]
fn an_empty_trace_shows_what_is_unknown_and_no_zero_for_it() {
    let probes = testkit::direct(1).0.probes.into_iter().filter(|p| p.probe == Probe::Task).collect();
    let text = text(&summary(&Meta { probes, ..Meta::default() }, &[]));
    assert!(text.contains("unknown: page faults were not recorded"), "{text}");
    assert!(text.contains("unknown: migrations of single pages were not recorded"), "{text}");
}

#[test]
fn a_sampled_event_counts_by_its_weight() {
    let (meta, mut events) = testkit::direct(4);
    let whole = summary(&meta, &events).to_json("x", 5);
    events.iter_mut().for_each(|e| e.weight = NonZeroU32::new(10));
    let sampled = summary(&Meta { sample: NonZeroU32::new(10), ..meta }, &events).to_json("x", 5);
    for field in ["/events", "/kinds/fault", "/moves/0/moved_pages", "/faults/0/latency/count", "/processes/0/faults"] {
        let [whole, sampled] = [&whole, &sampled].map(|j| j.pointer(field).and_then(serde_json::Value::as_u64));
        assert!(whole.is_some_and(|n| n > 0), "{field}");
        assert_eq!(whole.map(|n| n * 10), sampled, "{field}");
    }
    assert_eq!(whole["rows"], sampled["rows"]);
}

/// Counting by columns and by row groups in threads gives what counting events one by one does.
#[test]
fn many_row_groups_count_as_their_events_do() {
    let mut synth = Synth::new(Shape::Mixed);
    let names = Names::default();
    let mut events = (0..270_000).map(|_| decode(synth.next_record(), &names).expect("a record")).collect::<Vec<_>>();
    let loss = Loss { probe: "fault".into(), cause: "ring_full".into(), count: 7 };
    events.push(Event::at(u64::MAX, Body::Loss(loss)));
    let (_dir, path) = write(&Meta::default(), &events);
    let trace = Trace::open(&path).expect("opened");
    assert!(trace.group_count() > 1);
    let json = Summary::of(&trace).expect("counted").to_json("x", 100);

    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|e| wanted(e)).count() as u64;
    assert_eq!(json["kinds"]["fault"], count(|e| matches!(e.body, Body::Fault(_))));
    assert_eq!(json["kinds"]["request"], count(|e| matches!(e.body, Body::Request(_))));
    assert_eq!(json["events"], events.len() as u64 - 1);
    let remote = count(|e| matches!(&e.body, Body::Fault(f) if f.nid != e.cpu_node));
    let sum = |list: &str, field: &str| -> u64 {
        json[list].as_array().expect("a list").iter().filter_map(|o| o[field].as_u64()).sum()
    };
    assert_eq!((sum("faults", "remote"), sum("processes", "remote_faults")), (remote, remote));
    let moves = crate::model::totals::migrations::count(&events);
    assert_eq!(json["moved_pages"], moves.values().map(|m| m.moved_pages).sum::<u64>());
    let failed = moves.values().flat_map(|m| m.failed_pages.values()).sum::<u64>();
    assert_eq!(
        (json["failed_pages"].as_u64(), json["moves"].as_array().map(Vec::len)),
        (Some(failed), Some(moves.len()))
    );
    let waited = events.iter().filter(|e| matches!(e.body, Body::Fault(_) | Body::Request(_)));
    let waited = waited.filter_map(Event::latency_ns).sum::<u64>();
    assert_eq!(sum("processes", "stalled_ns"), waited);
    assert_eq!(json["loss"]["rows"]["fault"]["ring_full"], 7);
    assert!(json["processes"][0]["comm"].as_str().is_some_and(|c| c.starts_with("worker-")));
}

#[test]
fn a_process_whose_last_row_has_no_cgroup_has_that_of_the_rows_before() {
    let (mut meta, mut events) = testkit::direct(4);
    events.iter_mut().for_each(|event| event.cgroup_id = 7);
    let last = events.iter().rfind(|event| event.tid == event.pid).expect("an event of a main thread").clone();
    events.push(testkit::changed_node(last));
    meta.cgroups = [(7, "/db".to_owned())].into();
    let (_dir, path) = write(&meta, &events);
    let json = Summary::of(&Trace::open(&path).expect("opened")).expect("counted").to_json("x", 10);
    assert_eq!(json["processes"][0]["cgroup"], "/db", "{}", json["processes"]);
}

#[test]
fn a_filter_counts_less_and_makes_no_zero_of_what_it_filters() {
    let (meta, events) = testkit::lazy(8, 0..8);
    let (_dir, path) = write(&meta, &events);
    let trace = Trace::open(&path).expect("opened");
    let of = |filter: &str| Summary::filtered(&trace, &filter.parse().expect("a filter")).expect("counted");
    let whole = Summary::of(&trace).expect("counted").to_json("x", 10);
    let moves = of("kind == migrate && dst_nid == 2").to_json("x", 10);
    assert_eq!((moves["rows"].as_u64(), moves["of_rows"].as_u64()), (Some(8), whole["rows"].as_u64()));
    assert_eq!(moves["filter"], "kind == migrate && dst_nid == 2");
    assert_eq!((&whole["filter"], &whole["of_rows"]), (&serde_json::Value::Null, &whole["rows"]));
    assert_eq!(moves["moves"], whole["moves"]);
    let text = text(&of("kind == migrate"));
    assert!(text.contains("8 of ") && text.contains("rows, with kind == migrate"), "{text}");
    assert!(text.contains("excluded by the filter"), "faults were not counted, which is not to say none: {text}");
}

#[test]
fn a_process_has_no_zero_for_what_its_faults_do_not_show() {
    let (mut meta, mut events) = testkit::direct(4);
    events.retain(|event| matches!(event.body, Body::Fault(_)));
    for event in &mut events {
        if let Body::Fault(fault) = &mut event.body {
            (fault.class, fault.major, fault.nid, fault.latency_ns, fault.result) = (None, None, None, None, None);
        }
    }
    meta.probes.retain(|probe| probe.probe == Probe::Fault && probe.field.is_none());
    for field in ["nid", "latency_ns"] {
        let lacking = ProbeInfo { field: Some(field.into()), attached: None, ..meta.probes[0].clone() };
        meta.probes.push(lacking);
    }
    let summary = summary(&meta, &events);
    let json = summary.to_json("x", 5);
    let process = &json["processes"][0];
    for key in ["remote_faults", "moved_pages", "stalled_ns"] {
        assert!(process[key].is_null(), "{key}: {process}");
    }
    assert!(json["moved_pages"].is_null() && json["failed_pages"].is_null());
    assert_eq!(process["faults"], events.len());
    let line = text(&summary).lines().rev().find(|line| line.contains("memtoy")).map(str::to_owned).expect("a line");
    assert_eq!(line.matches('?').count(), 3, "{line}");
}
