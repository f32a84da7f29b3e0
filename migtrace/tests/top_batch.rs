//! `migtrace top --batch` on recordings: text and JSON, its updates, its views, its errors.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{
    event::{Body, Event, NodeFacts, NumaPages, Outcome},
    recording::Meta,
    testkit::{self, START_NS},
    trace::Writer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn written((meta, events): (Meta, Vec<Event>)) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let mut writer = Writer::create(&dir.path().join("run.parquet"), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
    dir
}

fn top(dir: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.current_dir(dir).args(["top", "run.parquet"]).args(arguments);
    for variable in ["COLUMNS", "LC_ALL", "LC_CTYPE", "LANG", "XDG_CONFIG_HOME"] {
        command.env_remove(variable);
    }
    command.env("HOME", dir.path()).stdin(Stdio::null()).output().expect("runs")
}

fn text(output: &Output) -> String {
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn documents(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).expect("a document on each line")).collect()
}

#[test]
fn the_text_is_the_view_without_the_keys() {
    let dir = written(testkit::lazy(8, 0..6));
    // The time that tracing itself takes differs.
    let without_overhead = |text: String| {
        let lines = text.lines().filter(|line| !line.starts_with("overhead")).map(|line| line.to_owned() + "\n");
        lines.collect::<String>()
    };
    let overview = without_overhead(text(&top(&dir, &["--batch"])));
    insta::assert_snapshot!("overview", overview);
    for view in ["processes", "page", "lazy", "latency", "probes", "nodes"] {
        insta::assert_snapshot!(view, text(&top(&dir, &["--batch", "--view", view])));
    }
    let ascii = text(&top(&dir, &["--batch", "--ascii"]));
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn the_json_has_the_counts_of_the_events() {
    let (meta, events) = testkit::lazy(8, 0..6);
    let count = |is: fn(&Body) -> bool| events.iter().filter(|e| is(&e.body)).count();
    let faults = count(|body| matches!(body, Body::Fault(_)));
    let migrated = count(|body| matches!(body, Body::Migrate(m) if m.result == Outcome::Ok));
    assert!(faults > 0 && migrated == 6);
    let pid = events.iter().find(|e| matches!(e.body, Body::Fault(_))).expect("a fault").pid;
    let dir = written((meta, events));
    let all = documents(&top(&dir, &["--batch", "--json", "--view", "processes"]));
    let [document] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&document["update"], &document["view"]), (&1.into(), &"processes".into()));
    assert_eq!((&document["recording"], &document["recording_ended"]), (&"run.parquet".into(), &true.into()));
    assert_eq!(document["rates"]["faults"]["total"], faults);
    assert_eq!(document["rates"]["pages_migrated"]["total"], migrated);
    let process = &document["rows"][0];
    assert_eq!(
        (&process["PID"], &process["FAULTS"], &process["MOVED"]),
        (&pid.into(), &faults.into(), &migrated.into())
    );
    let keys: Vec<&String> = document.as_object().expect("an object").keys().collect();
    insta::assert_snapshot!("keys", format!("{keys:?}\n{:?}", process.as_object().expect("an object").keys()));
    // Every key is in the documentation.
    let docs = include_str!("../../docs/top.md");
    assert!(keys.iter().all(|key| docs.contains(&format!("`{key}`"))), "{keys:?}");
    let fidelity = document["fidelity"].as_object().expect("an object");
    let rates = document["rates"].as_object().expect("an object");
    assert!(fidelity.keys().chain(rates.keys()).all(|key| docs.contains(&format!("`{key}`"))));
}

/// Rows of kind `node` come once a second. With `-d`, an update has the means up to its time.
#[test]
fn the_nodes_view_has_the_rows_of_a_recording() {
    let (meta, _) = testkit::direct(8);
    let read = |second: u64, nid, cpus: &str| {
        let pages = NumaPages { miss: Some(second * second * 100), ..NumaPages::default() };
        let (cpus, mem_bytes, free_bytes) = (Some(cpus.to_owned()), Some(1 << 30), Some(1 << 28));
        let facts = NodeFacts { nid, cpus, mem_bytes, free_bytes, pages, ..NodeFacts::default() };
        Event::at(START_NS + second * 1_000_000_000, Body::Node(Box::new(facts)))
    };
    let events = (0..=3).flat_map(|second| [read(second, 0, "0-3"), read(second, 5, "")]).collect();
    let dir = written((Meta { start_ns: START_NS, end_ns: Some(START_NS + 3_500_000_000), ..meta }, events));
    let all = documents(&top(&dir, &["--batch", "--json", "--view", "nodes", "-d", "2.5", "--comm", "other"]));
    let node = |document: &Value| {
        let rows = document["rows"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["NODE"] == 5).expect("node 5").clone();
        ["HAS", "MEMORY", "USED", "MISS/s", "FOREIGN/s", "TIER"].map(|key| row[key].clone())
    };
    let expected =
        |misses: u64| [json!("memory only"), json!(1 << 30), json!(75), json!(misses), Value::Null, Value::Null];
    assert_eq!(all.iter().map(node).collect::<Vec<_>>(), [expected(200), expected(300)]);
}

#[test]
fn the_latency_view_lists_waits_for_migrations() {
    let dir = written(testkit::waits());
    let [document] = &documents(&top(&dir, &["--batch", "--json", "--view", "latency"]))[..] else { panic!("one") };
    let waits = document["migration_waits"].as_array().expect("a list");
    let row = |wait: &Value| {
        let keys = ["migrated_by_comm", "cause", "faults", "total_ns", "max_ns"];
        keys.map(|key| wait[key].clone())
    };
    let expected = [
        json!(["numad-worker", "move_pages", 2, 5_500_000, 3_000_000]),
        json!(["kcompactd0", "compaction", 3, 210_000, 70_000]),
        json!([null, null, 1, 9_000, 9_000]),
    ];
    assert_eq!(waits.iter().map(|wait| json!(row(wait))).collect::<Vec<_>>(), expected);
    assert!(waits.iter().all(|wait| wait["comm"] == "memtoy" && wait["pid"] == testkit::PID), "{waits:?}");
    assert_eq!(document["further_migration_waits"], 0);
    // Every key of a row is in the documentation.
    let docs = include_str!("../../docs/top.md");
    assert!(waits[0].as_object().expect("a row").keys().all(|key| docs.contains(&format!("`{key}`"))));
    let [overview] = &documents(&top(&dir, &["--batch", "--json"]))[..] else { panic!("one") };
    assert_eq!(overview["migration_waits"], Value::Null);
    let text = text(&top(&dir, &["--batch", "--view", "latency"]));
    assert!(text.contains("waits for pages that were being migrated (3 of 3)"), "{text}");
}

/// A fault each 100 ms, 3.05 s long.
fn steady() -> (Meta, Vec<Event>) {
    let (meta, events) = testkit::direct(8);
    let fault = events.iter().find(|e| matches!(e.body, Body::Fault(_))).expect("a fault");
    let faults = (1..=30).map(|n| Event { ts_ns: START_NS + n * 100_000_000, ..fault.clone() }).collect();
    (Meta { start_ns: START_NS, end_ns: Some(START_NS + 3_050_000_000), ..meta }, faults)
}

#[test]
fn updates_are_by_the_time_of_the_recording() {
    let dir = written(steady());
    let totals = |arguments: &[&str]| -> Vec<u64> {
        let all = documents(&top(&dir, &[&["--batch", "--json"], arguments].concat()));
        assert!(all.iter().enumerate().all(|(n, document)| document["update"] == n + 1));
        all.iter().filter_map(|document| document["rates"]["faults"]["total"].as_u64()).collect()
    };
    assert_eq!(totals(&[]), [30]);
    assert_eq!(totals(&["-d", "1"]), [10, 20, 30, 30]);
    assert_eq!(totals(&["--interval", "1s", "-n", "2"]), [10, 20]);
    assert_eq!(totals(&["-n", "5"]), [30]);
    let texts = text(&top(&dir, &["--batch", "-d", "2"]));
    assert_eq!(texts.lines().filter(|line| line.starts_with("migtrace run.parquet")).count(), 2, "{texts}");
}

#[test]
fn what_the_source_does_not_show_is_null() {
    let (mut meta, events) = steady();
    for probe in &mut meta.probes {
        (probe.attached, probe.error) = (None, Some("not supported".into()));
        probe.fidelity = "unavailable".into();
    }
    let dir = written((meta, events));
    let [document] = &documents(&top(&dir, &["--batch", "--json"]))[..] else { panic!("one") };
    assert_eq!(document["fidelity"]["faults"], "unavailable");
    assert_eq!(document["rates"]["faults"]["total"], Value::Null);
    assert_eq!(document["rows"][0]["FAULTS"], Value::Null);
}

#[test]
fn a_damaged_recording_and_wrong_options_are_errors() {
    let dir = written(testkit::lazy(8, 0..6));
    let status = |arguments: &[&str]| top(&dir, arguments).status.code();
    for wrong in [
        &["--json"][..],
        &["-n", "1"],
        &["--view", "lazy"],
        &["--batch", "-n", "0"],
        &["--batch", "-d", "0.05"],
        &["--batch", "--view", "regions"],
    ] {
        assert_eq!(status(wrong), Some(2), "{wrong:?}");
    }
    let path = dir.path().join("run.parquet");
    let mut bytes = fs::read(&path).expect("read");
    for byte in &mut bytes[20..200] {
        *byte ^= 0x55;
    }
    fs::write(&path, bytes).expect("written");
    let output = top(&dir, &["--batch"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}
