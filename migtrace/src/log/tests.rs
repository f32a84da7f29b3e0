//! The log of literal recordings, as text snapshots.

use anstream::adapter::strip_str;

use super::{Options, write};
use crate::{
    event::{Body, Event, NodeChange, NodeFacts, Probe},
    model::Run,
    recording::Meta,
    testkit,
};

fn log_with((meta, events): (Meta, Vec<Event>), options: &Options) -> String {
    let mut out = Vec::new();
    write(&Run::new(meta, events), "run.parquet", options, &mut out).expect("memory does not fail");
    strip_str(&String::from_utf8(out).expect("text")).to_string()
}

fn log(recording: (Meta, Vec<Event>)) -> String {
    log_with(recording, &Options::default())
}

#[test]
fn direct() {
    insta::assert_snapshot!(log(testkit::direct(8)));
}

#[test]
fn lazy() {
    insta::assert_snapshot!(log(testkit::lazy(8, 0..8)));
}

#[test]
fn lazy_with_two_pages_touched() {
    insta::assert_snapshot!(log(testkit::lazy(8, [1, 4])));
}

#[test]
fn marks_without_addresses() {
    insta::assert_snapshot!(log(testkit::lazy_without_addresses(8, [1, 4])));
}

#[test]
fn a_query_that_migrates_the_page() {
    insta::assert_snapshot!(log(testkit::query()));
}

#[test]
fn loss() {
    insta::assert_snapshot!(log(testkit::lossy()));
}

#[test]
fn the_summary_names_who_waited_for_whose_migrations() {
    let text = log(testkit::waits());
    let part: Vec<_> = text.lines().skip_while(|line| !line.contains("waits for pages")).skip(1).take(4).collect();
    let expected = [
        "   memtoy 213 waited 5.50 ms for move_pages by numad-worker 300  2 faults; longest 3.00 ms",
        "   memtoy 213 waited 210 µs for compaction by kcompactd0 40  3 faults; longest 70.0 µs",
        "   memtoy 213 waited 9.00 µs for a migration that was not seen  1 fault",
    ];
    assert_eq!(part[..3], expected, "{text}");
    assert!(!part[3].contains("others"), "{text}");
    assert!(!log(testkit::direct(8)).contains("waits for pages"));
}

#[test]
fn long_runs_are_folded() {
    insta::assert_snapshot!(log(testkit::lazy(512, 0..512)));
}

#[test]
fn a_node_is_shown_when_something_changed() {
    let (meta, mut events) = testkit::direct(1);
    let cpus = Some("0-3".to_owned());
    let steady = NodeFacts { nid: 1, cpus, mem_bytes: Some(1 << 30), ..NodeFacts::default() };
    let bare = NodeFacts { change: Some(NodeChange::Cpus), cpus: Some(String::new()), ..steady.clone() };
    let gone = NodeFacts { nid: 2, change: Some(NodeChange::Offline), ..NodeFacts::default() };
    let came = NodeFacts { nid: 3, change: Some(NodeChange::Online), mem_bytes: Some(0), ..bare.clone() };
    let last_ns = events.last().expect("an event").ts_ns;
    let nodes = [steady, bare, gone, came].map(|node| Event::at(last_ns + 1, Body::Node(Box::new(node))));
    events.extend(nodes);
    let text = log((meta.clone(), events.clone()));
    for line in [
        "CPUs of node 1 changed, now online: no CPUs, 1 GiB",
        "node 2 went offline",
        "node 3 came online: neither CPUs nor memory",
    ] {
        assert!(text.contains(line), "no {line} in:\n{text}");
    }
    assert!(!text.contains("node 1: CPUs") && !text.contains("mapping"), "{text}");
    let all = log_with((meta, events), &Options { all: true, ..Options::default() });
    assert!(all.contains("node 1: CPUs 0-3, 1 GiB, unknown free"), "{all}");
}

#[test]
fn all_shows_every_event() {
    let options = Options { all: true, ..Options::default() };
    let text = log_with(testkit::lazy(512, 0..512), &options);
    assert_eq!(text.lines().filter(|l| l.contains("page fault, class swap")).count(), 512);
    assert_eq!(text.lines().filter(|l| l.contains("page fault, class file")).count(), 3);
}

#[test]
fn a_kind_alone_keeps_the_summary() {
    let options = Options { filter: "kind == migrate".parse().expect("a filter"), ..Options::default() };
    let text = log_with(testkit::lazy(8, 0..8), &options);
    assert_eq!(text.lines().filter(|l| l.contains(" migrated from node 1 to node 2, frame")).count(), 8);
    assert!(!text.contains("check: misplaced"));
    assert!(text.contains("8 marked = 8 migrated"));
}

#[test]
fn what_was_not_recorded_is_not_called_absent() {
    let (mut meta, mut events) = testkit::lazy(8, 0..8);
    events.retain(|e| matches!(e.body, Body::Task(_)));
    for probe in meta.probes.iter_mut().filter(|p| p.probe != Probe::Task) {
        (probe.attached, probe.error) = (None, Some("fentry: the kernel refused it; ".into()));
    }
    meta.account.iter_mut().filter(|a| a.probe != Probe::Task).for_each(|a| (a.seen, a.stored) = (0, 0));
    let text = log((meta, events));
    assert!(!text.contains("no placement syscall") && !text.contains("no page migrated"), "{text}");
    for said in [
        "not recorded: placement syscalls, page faults, migrations",
        "unknown: migrations of single pages were not recorded",
        "in page faults: unknown",
        "fault          not attached: no events",
        "unavailable: fentry: the kernel refused it\n",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn nothing_recorded_is_no_error_and_no_zero() {
    let text = log((Meta::default(), Vec::new()));
    assert!(text.contains("unknown: the trace does not list its probes"), "{text}");
    assert!(text.contains("no account in this trace"), "{text}");
}

#[test]
fn a_sample_is_weighted_in_every_sum() {
    let (mut meta, mut events) = testkit::direct(8);
    meta.sample = std::num::NonZeroU32::new(3);
    for event in &mut events {
        if matches!(event.body, Body::Fault(_) | Body::Migrate(_)) {
            event.weight = meta.sample;
        }
    }
    let text = log((meta, events));
    for said in [
        "sums below are estimated, each has weight 3",
        "24 faults on the requested pages (24 anon) took 1.21 ms",
        "24 pages migrated from node 1 to node 2",
        "not shown: 15 faults (9 file, 6 cow)",
        "mbind              1     2        24         0",
        "traced       24  estimated from the sample",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn migrations_of_a_sample_are_in_faults_even_if_the_fault_was_sampled_out() {
    let (mut meta, mut events) = testkit::lazy(8, 0..8);
    meta.sample = std::num::NonZeroU32::new(2);
    let mut faults = 0;
    events.retain_mut(|e| {
        if matches!(e.body, Body::Fault(_) | Body::Migrate(_)) {
            e.weight = std::num::NonZeroU32::new(2);
        }
        faults += usize::from(matches!(e.body, Body::Fault(_)));
        !matches!(e.body, Body::Fault(_)) || faults % 2 == 0
    });
    let text = log((meta, events));
    assert!(text.contains("; 16 pages migrated from node 1 to node 2 in faults."), "{text}");
}

#[test]
fn pages_outside_requested_ranges_are_shown_with_their_mapping() {
    let (meta, mut events) = testkit::direct(8);
    let region = crate::event::Region {
        addr: 0x40_0000,
        len: 8 * 4096,
        class: crate::event::RegionClass::File,
        name: "mem\u{1b}toy".into(),
        policy: None,
    };
    events.insert(0, Event { body: Body::Region(region), ..events[0].clone() });
    let brief = log((meta.clone(), events.clone()));
    assert!(!brief.contains("mapping mem") && brief.contains("; 1 mapping without requested pages; --all"), "{brief}");
    let text = log_with((meta, events), &Options { all: true, ..Options::default() });
    let said = "page at 0x401000, page 2 of 8 of the file mapping mem\\u{1b}toy, touched (read)";
    assert!(text.contains(said), "{text}");
}

#[test]
fn unknown_durations_of_faults_are_not_zero() {
    let (mut meta, mut events) = testkit::direct(8);
    let mut lacks = meta.probes[0].clone();
    (lacks.attached, lacks.field) = (None, Some("latency_ns".into()));
    meta.probes.push(lacks);
    for event in &mut events {
        if let Body::Fault(f) = &mut event.body {
            f.latency_ns = None;
        }
    }
    let text = log((meta, events));
    assert!(text.contains("in page faults: unknown, this kernel does not show how long they take"), "{text}");
    assert!(!text.contains("0 faults"), "{text}");
}

#[test]
fn events_of_two_tasks_are_not_folded_together() {
    let (meta, mut events) = testkit::lazy(60, 0..60);
    let mut faults = 0;
    for event in &mut events {
        let is_fault = matches!(event.body, Body::Fault(_));
        event.tid += u32::from(faults > 95);
        faults += u32::from(is_fault);
    }
    let text = log((meta, events));
    let folded: Vec<&str> =
        text.lines().filter(|l| l.contains("the same; ") && l.contains("from node 1 to 2")).collect();
    assert_eq!(folded.len(), 2, "{text}");
}

#[test]
fn the_check_of_a_hinting_fault_is_numa_balancings() {
    let (meta, mut events) = testkit::lazy(8, 0..8);
    for event in &mut events {
        if let Body::Check(c) = &mut event.body {
            (c.path, c.policy) = (crate::event::CheckPath::Hinting, None);
        }
    }
    let text = log((meta, events));
    assert!(text.contains("check: misplaced, automatic NUMA balancing wants node 2, the page is on node 1"), "{text}");
}
