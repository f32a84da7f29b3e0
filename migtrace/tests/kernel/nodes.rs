//! Nodes in a trace: their counts against those of /sys, and what changes on them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use migtrace::event::{Body, NodeChange, NodeFacts};
use serde_json::Value;

use crate::{
    hotplug::OfflineCpu,
    recorder::{ChildGuard, Recorder, TIMEOUT},
    requirements::{self, needs},
    support::{Run, Script, migtrace, texts},
};

const PAGES: u64 = 1000;

impl Run {
    /// Returns the rows of a node, in order.
    fn rows_of(&self, nid: i32) -> Vec<&NodeFacts> {
        let facts = self.nodes.iter().filter_map(|event| match &event.body {
            Body::Node(node) => Some(&**node),
            _ => None,
        });
        facts.filter(|node| node.nid == nid).collect()
    }
}

/// Returns a node's counts as the kernel shows them: hit, miss, foreign.
fn numastat(nid: i32) -> [u64; 3] {
    let text = fs::read_to_string(format!("/sys/devices/system/node/node{nid}/numastat")).unwrap();
    ["numa_hit ", "numa_miss ", "numa_foreign "].map(|name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().parse().unwrap()
    })
}

fn counts(node: &NodeFacts) -> [u64; 3] {
    [node.pages.hit, node.pages.miss, node.pages.foreign].map(Option::unwrap)
}

#[test]
fn counts_of_a_node_equal_those_of_sys() {
    needs!(memory_only_node);
    // Little but the workload allocates there: no CPU is on that node.
    let nid = requirements::memory_only().unwrap();
    let before = numastat(nid);
    let text = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind {nid}\ntouch seg write\n");
    let script = Script::new(&text);
    let run = Recorder::start(&[], &script.argv()).finish();
    let after = numastat(nid);
    let rows = run.rows_of(nid);
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    let readings = [before, counts(first), counts(last), after];
    let are_in_order = readings.windows(2).all(|two| (0..3).all(|n| two[0][n] <= two[1][n]));
    let in_trace = counts(last)[0] - counts(first)[0];
    assert!(are_in_order && in_trace >= PAGES, "{PAGES} pages of the workload: {readings:?}");
    assert_eq!((first.cpus.as_deref(), first.lacks()), (Some(""), Some("no CPUs")));
    assert!(rows.iter().all(|row| row.change.is_none()), "{rows:?}");
    let nodes: Vec<_> = run.meta.topology.nodes.iter().map(|node| node.nid).collect();
    assert!(nodes.iter().all(|nid| run.rows_of(*nid).len() >= 2), "each node has a first and a last row");
    let tiers = Path::new("/sys/devices/virtual/memory_tiering");
    let names = |row: &NodeFacts| row.tier.is_some_and(|tier| tiers.join(format!("memory_tier{tier}")).exists());
    assert!(!tiers.exists() || names(first), "{first:?}");
    let summary = migtrace().args(["summary", "--json"]).arg(&run.ended.trace).output().unwrap();
    let json: Value = serde_json::from_str(&texts(&summary).0).unwrap();
    let node = json["nodes"].as_array().unwrap().iter().find(|node| node["nid"] == nid).unwrap();
    assert_eq!(node["last"]["numa_hit"], counts(last)[0]);
    let top = migtrace().args(["top", "--batch", "--json", "--view", "nodes"]).arg(&run.ended.trace).output().unwrap();
    let shown = row_of(&serde_json::from_str(&texts(&top).0).unwrap(), nid);
    assert_eq!((&shown["HAS"], shown["FREE"].as_u64()), (&"memory only".into(), last.free_bytes), "{shown}");
    assert!(shown["HIT/s"].as_f64().is_some_and(|rate| rate > 0.0), "{shown}");
}

/// Returns the row of a node in an update of `top --view nodes`.
fn row_of(update: &Value, nid: i32) -> Value {
    let rows = update["rows"].as_array().unwrap();
    rows.iter().find(|row| row["NODE"] == nid).unwrap_or_else(|| panic!("no node {nid}: {update}")).clone()
}

#[test]
fn top_shows_live_what_migrates_to_a_node() {
    needs!(memory_only_node);
    let nid = requirements::memory_only().unwrap();
    let mut command = migtrace();
    command.args(["top", "--batch", "--json", "--view", "nodes", "-d", "0.5"]);
    let mut top = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut updates = BufReader::new(top.0.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).expect("a document on each line"));
    // The first update comes once the probes are attached.
    let first = row_of(&updates.next().unwrap(), nid);
    let text = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind 0\ntouch seg write\nmbind seg bind+move {nid}\n");
    let script = Script::new(&text);
    assert!(script.command().status().unwrap().success());
    let moved = |row: &Value| row["IN"].as_u64().unwrap() - first["IN"].as_u64().unwrap();
    let mut has_rate = false;
    let began = Instant::now();
    let shown = updates.map(|update| row_of(&update, nid)).find(|row| {
        assert!(began.elapsed() < TIMEOUT, "{row}");
        has_rate |= row["IN/s"].as_f64().is_some_and(|rate| rate > 0.0);
        moved(row) >= PAGES && has_rate
    });
    let row = shown.unwrap();
    assert_eq!((&row["HAS"], &row["CPUS"]), (&"memory only".into(), &"".into()), "{row}");
}

#[test]
fn a_cpu_that_goes_offline_and_comes_back_is_in_the_log() {
    needs!(cpu_hotplug);
    let recorder = Recorder::attached(&["--comm", "migtrace"]);
    let offline = OfflineCpu::new();
    // Nodes are read once a second.
    thread::sleep(Duration::from_secs(3));
    offline.bring_online();
    thread::sleep(Duration::from_secs(3));
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    let rows = run.rows_of(3);
    let changes: Vec<_> = rows.iter().filter(|row| row.change.is_some()).collect();
    let changes: Vec<_> = changes.iter().map(|row| (row.change.unwrap(), row.cpus.as_deref().unwrap())).collect();
    assert_eq!(changes, [(NodeChange::Cpus, ""), (NodeChange::Cpus, "3")]);
    assert!(rows.len() >= 6, "{} rows in six seconds", rows.len());
    let log = run.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("CPUs of node 3 changed")).collect();
    assert!(lines.len() == 2 && lines[0].contains("no CPUs") && lines[1].contains("CPUs 3, "), "{log}");
    assert!(run.nodes.iter().all(|event| run.meta.start_ns <= event.ts_ns + 1_000_000_000));
}
