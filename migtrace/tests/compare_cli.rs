//! `migtrace compare` on traces in files.

use std::{fs, process::Command};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{event::Event, recording::Meta, testkit, trace::Writer};
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, (meta, events): (Meta, Vec<Event>)) {
    let mut writer = Writer::create(&dir.path().join(name), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
}

fn compare(dir: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    let output = command.current_dir(dir.path()).arg("compare").args(arguments).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("an exit status"), text(&output.stdout), text(&output.stderr))
}

fn direct_and_lazy() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "direct.parquet", testkit::direct(8));
    write(&dir, "lazy.parquet", testkit::lazy(8, 0..8));
    dir
}

#[test]
fn text_json_and_plot_of_two_traces() {
    let dir = direct_and_lazy();
    let (status, out, err) = compare(&dir, &["direct.parquet", "--vs", "lazy.parquet", "--plot", "t.svg"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("pages migrated in page faults"), "{out}");
    assert!(fs::read_to_string(dir.path().join("t.svg")).expect("drawn").starts_with("<svg"));
    let (_, out, _) = compare(&dir, &["direct.parquet", "--vs", "lazy.parquet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["metrics"]["moved_in_fault_pages"]["b"]["median"], 8.0);
    assert_eq!(json["a"]["label"], "direct");
}

#[test]
fn a_failed_gate_exits_with_status_1() {
    let dir = direct_and_lazy();
    let gate = |text: &str| compare(&dir, &["direct.parquet", "--vs", "lazy.parquet", "--gate", text]);
    let (status, _, err) = gate("ratio.request_ns < 0.5");
    assert_eq!(status, 0);
    assert!(err.starts_with("migtrace: gate passed"), "{err}");
    let (status, _, err) = gate("ratio.total_ns < 1");
    assert_eq!(status, 1);
    assert!(err.starts_with("migtrace: gate FAILED"), "{err}");
    assert_eq!(gate("nonsense < 1").0, 2);
}

#[test]
fn unreadable_traces_and_unknown_plot_formats_exit_with_status_2() {
    let dir = direct_and_lazy();
    let (status, _, err) = compare(&dir, &["direct.parquet", "--vs", "none.parquet"]);
    assert_eq!(status, 2);
    assert!(err.contains("none.parquet: no such trace"), "{err}");
    let (status, _, err) = compare(&dir, &["direct.parquet", "--vs", "lazy.parquet", "--plot", "t.jpg"]);
    assert_eq!(status, 2);
    assert!(err.contains("must end in .svg or .png"), "{err}");
    assert_eq!(compare(&dir, &["direct.parquet"]).0, 2, "--vs is missing");
}

#[test]
fn a_filter_is_shown_and_metrics_of_excluded_events_are_null() {
    let dir = direct_and_lazy();
    let files = ["direct.parquet", "--vs", "lazy.parquet"];
    let with = |filter: &[&str]| compare(&dir, &[&files[..], filter].concat());
    let (status, out, err) = with(&["--pid", "213"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("Filter: pid == 213 || owner_pid == 213. Only these events were used: "), "{out}");
    let json = |filter: &[&str]| {
        let (_, out, _) = with(&[filter, &["--json"]].concat());
        serde_json::from_str::<serde_json::Value>(&out).expect("JSON")
    };
    let whole = json(&[]);
    assert_eq!(whole["a"]["runs"][0]["filter"], serde_json::Value::Null);
    assert_eq!(json(&["--pid", "213"])["metrics"], whole["metrics"], "all events are of this process");
    assert!(whole["metrics"]["faults"]["a"]["median"].is_number(), "{whole}");
    let requests = json(&["--kind", "request"]);
    assert_eq!(requests["metrics"]["request_ns"], whole["metrics"]["request_ns"]);
    assert!(requests["metrics"]["faults"]["a"].is_null(), "an excluded metric is null, not 0: {requests}");
    assert!(requests["b"]["runs"][0]["events"].as_u64() < requests["b"]["runs"][0]["of_events"].as_u64());
}
