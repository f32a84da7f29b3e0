//! Compares each line of `migtrace log` with its event from `migtrace export`: counts, reasons, summary.

use std::{collections::BTreeMap, path::Path, process::Command};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{
    event::{Body, Event, Outcome, Verdict},
    log::tsv::COLUMNS,
    recording::Meta,
    testkit,
    trace::Writer,
};
use serde_json::Value;
use tempfile::TempDir;

fn migtrace(dir: &Path, arguments: &[&str]) -> String {
    let output =
        Command::cargo_bin("migtrace").expect("built").current_dir(dir).args(arguments).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn write_trace((meta, events): (Meta, Vec<Event>)) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let mut writer = Writer::create(&dir.path().join("run.parquet"), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
    dir
}

/// Returns recordings with every kind of event that the log describes, and with each outcome.
fn recordings() -> Vec<(Meta, Vec<Event>)> {
    let (meta, mut failing) = testkit::lazy(8, 0..8);
    let reasons = ["refs", "nomem", "mapped"];
    let mut n = 0;
    for event in &mut failing {
        match &mut event.body {
            Body::Migrate(m) if m.addr.is_some_and(|a| a & 0x1000 != 0) => {
                (m.result, m.reason, m.new_pfn) = (Outcome::Failed, Some(reasons[n % 3].into()), None);
                n += 1;
            }
            Body::Check(c) if c.addr & 0x2000 != 0 => {
                (c.verdict, c.reason) = (Verdict::Skipped, Some("writeback".into()));
            }
            Body::Mark(m) if m.addr == Some(testkit::SEGMENT + 0x6000) => {
                (m.result, m.reason) = (Outcome::Failed, Some("dma_pinned".into()));
            }
            Body::Phase(p) => p.text.push_str("\t\u{1b}[2J"),
            _ => {}
        }
    }
    failing.retain(|e| !matches!(&e.body, Body::Migrate(m) if m.addr.is_some_and(|a| a & 0x2000 != 0)));
    vec![
        testkit::direct(8),
        testkit::lazy(8, [1, 4]),
        testkit::lazy(300, 0..300),
        testkit::query(),
        testkit::lossy(),
        (meta, failing),
    ]
}

fn export(dir: &Path) -> Vec<Value> {
    let text = migtrace(dir, &["export", "run.parquet", "--format", "jsonl"]);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

type Line = BTreeMap<&'static str, String>;

fn lines(dir: &Path, options: &[&str]) -> Vec<Line> {
    let text = migtrace(dir, &[&["log", "run.parquet", "--format", "tsv"], options].concat());
    let mut rows = text.lines().map(|l| l.split('\t').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(rows.next().expect("a header"), COLUMNS);
    let line = |row: Vec<String>| {
        assert_eq!(row.len(), COLUMNS.len(), "{row:?}");
        COLUMNS.into_iter().zip(row).collect()
    };
    rows.map(line).collect()
}

/// Formats a JSON value as the log's columns do: empty for null, addresses in hexadecimal.
fn cell(event: &Value, column: &str) -> String {
    match &event[column] {
        Value::Null => String::new(),
        Value::String(text) => {
            text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
        }
        Value::Number(n) if column == "addr" => format!("{:#x}", n.as_u64().expect("an address")),
        other => other.to_string(),
    }
}

#[test]
fn each_line_matches_its_event_in_the_trace() {
    for recording in recordings() {
        let dir = write_trace(recording);
        let (mut events, lines) = (export(dir.path()), lines(dir.path(), &[]));
        assert_eq!(lines.len(), events.len(), "one line per event");
        for line in &lines {
            // Two events can end at the same time. Then their other columns differ.
            let is_same = |e: &Value| {
                ["ts_ns", "kind", "pid", "tid", "cpu", "cpu_node", "comm"].iter().all(|c| cell(e, c) == line[c])
                    && (cell(e, "addr").is_empty() || cell(e, "addr") == line["addr"])
            };
            let at = events.iter().position(is_same).unwrap_or_else(|| panic!("no event matches {line:?}"));
            let event = events.remove(at);
            check(line, &event);
        }
        assert!(events.is_empty(), "the log has no line for {events:?}");
    }
}

/// Asserts that a line's columns and sentence match the event.
fn check(line: &Line, event: &Value) {
    let text = &line["text"];
    let assert_in_text = |what: &str| assert!(text.contains(what), "{what:?} of {event} is not in {text:?}");
    let number = |column: &str| event[column].as_u64().unwrap_or_default();
    assert_eq!(line["reason"], cell(event, "reason"), "{event}");
    assert_eq!(line["latency_ns"], cell(event, "latency_ns"), "{event}");
    if !cell(event, "reason").is_empty() {
        assert_in_text(&format!("({}", cell(event, "reason")));
    }
    match line["kind"].as_str() {
        "fault" => {
            assert_eq!((&line["src_nid"], &line["result"]), (&cell(event, "nid"), &cell(event, "result")));
            assert_in_text(&format!("page fault, class {}", cell(event, "class")));
            assert_in_text(&format!("page now on node {}", cell(event, "nid")));
        }
        "check" => {
            let of = ["src_nid", "dst_nid"].map(|c| cell(event, c));
            assert_eq!([&line["src_nid"], &line["dst_nid"]], [&of[0], &of[1]]);
            assert_eq!(line["result"], cell(event, "verdict"));
            assert_in_text(&cell(event, "verdict"));
            assert_in_text(&format!("on node {}", of[0]));
        }
        "mark" => {
            assert_eq!((&line["src_nid"], &line["result"]), (&cell(event, "nid"), &cell(event, "result")));
            assert_in_text(&format!("frame {:#x}", number("pfn")));
            assert_in_text(if cell(event, "result") == "ok" { "marked: unmapped on node 1" } else { "not marked" });
        }
        "migrate" => {
            assert_eq!(line["pages"], cell(event, "pages"));
            assert_eq!(line["result"], cell(event, "result"));
            let migrated = if cell(event, "result") == "ok" { "migrated" } else { "not migrated" };
            assert_in_text(&format!(
                "{migrated} from node {} to node {}",
                cell(event, "src_nid"),
                cell(event, "dst_nid")
            ));
            assert_in_text(&format!("frame {:#x}", number("old_pfn")));
        }
        "batch" => {
            assert_eq!(line["pages"], cell(event, "succeeded"));
            let (succeeded, failed) = (number("succeeded"), number("failed"));
            assert_in_text(&match cell(event, "mode").as_str() {
                "lazy" => format!(", {succeeded} marked, {failed} failed"),
                mode => format!("mode {mode}: {succeeded} pages migrated, {failed} failed"),
            });
        }
        "request" => {
            assert_in_text(&format!("{}(", cell(event, "name")));
            assert_in_text(&format!("returned {}", cell(event, "ret")));
        }
        "loss" => assert_in_text(&format!("{} events of probe {}", number("count"), cell(event, "probe"))),
        "phase" => assert_in_text(&cell(event, "text")),
        "task" => {}
        other => panic!("a line of kind {other}"),
    }
}

#[test]
fn marks_nested_in_a_syscall_sum_to_the_counts_in_its_line() {
    for recording in recordings() {
        let dir = write_trace(recording);
        let lines = lines(dir.path(), &[]);
        let pages_nested_in = |outer: &Line, kind: &str, result: &str| {
            let mut numbers = vec![outer["number"].clone()];
            let mut pages = 0;
            for line in &lines {
                if numbers.contains(&line["inside"]) {
                    numbers.push(line["number"].clone());
                    if line["kind"] == kind && line["result"] == result {
                        pages += line["pages"].parse::<u64>().expect("pages");
                    }
                }
            }
            pages
        };
        for request in lines.iter().filter(|l| l["kind"] == "request") {
            for (kind, result, words) in [("mark", "ok", "marked"), ("mark", "failed", "not marked")] {
                let pages = pages_nested_in(request, kind, result);
                let expected = format!("{pages} page{} {words}", if pages == 1 { "" } else { "s" });
                let text = &request["text"];
                assert_eq!(text.contains(&expected), pages > 0, "{expected}: {text}");
            }
        }
    }
}

#[test]
fn a_folded_line_counts_the_lines_that_it_replaces() {
    let dir = write_trace(testkit::lazy(300, 0..300));
    let text = migtrace(dir.path(), &["log", "run.parquet"]);
    let (shown, folded): (Vec<&str>, Vec<&str>) = text
        .lines()
        .filter(|l| l.contains("page fault, class swap") || l.contains("from node 1 to 2;"))
        .partition(|l| !l.contains("the same"));
    assert_eq!((shown.len(), folded.len()), (2, 1), "{text}");
    assert!(folded[0].contains("pages 3..300: the same; 298 pages from node 1 to 2"), "{}", folded[0]);
    let all = migtrace(dir.path(), &["log", "run.parquet", "--all"]);
    assert_eq!(all.lines().filter(|l| l.contains("page fault, class swap")).count(), 300);
}

#[test]
fn summary_totals_equal_the_sum_of_the_lines() {
    for recording in recordings() {
        let dir = write_trace(recording);
        let (lines, text) = (lines(dir.path(), &[]), migtrace(dir.path(), &["log", "run.parquet"]));
        let pages = |kind: &str, result: &str| -> u64 {
            let of = lines.iter().filter(|l| l["kind"] == kind && l["result"] == result);
            of.map(|l| l["pages"].parse::<u64>().expect("pages")).sum()
        };
        let (mut moved, mut failed) = (0, 0);
        let table = text.lines().skip_while(|l| !l.contains("pages migrated, by cause")).skip(2);
        for row in table.take_while(|l| l.starts_with("   ")).filter(|l| !l.starts_with("    ")) {
            let fields: Vec<&str> = row.split_whitespace().collect();
            moved += fields[3].parse::<u64>().expect("pages");
            failed += fields[4].parse::<u64>().expect("pages");
        }
        assert_eq!((moved, failed), (pages("migrate", "ok"), pages("migrate", "failed")), "{text}");
        if let Some(funnel) = text.lines().find(|l| l.contains(" marked = ")) {
            let migrated = format!("= {} migrated", pages("migrate", "ok"));
            assert!(funnel.contains(&migrated), "{migrated}: {funnel}");
        }
    }
}

#[test]
fn filtered_tsv_lines_keep_their_nesting_and_range() {
    let dir = write_trace(testkit::lazy(8, 0..8));
    let lines = lines(dir.path(), &["--kind", "migrate", "--kind", "fault"]);
    let moves: Vec<&Line> = lines.iter().filter(|l| l["kind"] == "migrate").collect();
    assert_eq!(moves.len(), 8);
    for moved in moves {
        let fault = lines.iter().find(|l| l["number"] == moved["inside"]).expect("its fault");
        assert_eq!((&fault["kind"], &fault["addr"]), (&"fault".to_owned(), &moved["addr"]));
        assert_eq!((&moved["range"], &moved["range_pages"]), (&"A".to_owned(), &"8".to_owned()));
    }
}
