//! `migtrace export` of a small trace; `recover`, `convert` and `completions`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use migtrace::{
    event::{Body, Cause, Comm, Event, Migrate, Outcome, Phase, Region, RegionClass},
    recording::Meta,
    trace::{COLUMNS, FORMAT_VERSION, Trace, Writer},
};
use predicates::prelude::*;

fn migtrace() -> Command {
    Command::cargo_bin("migtrace").expect("the program")
}

fn event(ts_ns: u64, body: Body) -> Event {
    Event { cpu: 1, pid: 7, tid: 8, comm: Comm::from("a,\u{1b}b"), cgroup_id: 9, ..Event::at(ts_ns, body) }
}

fn events() -> Vec<Event> {
    let migrate = Migrate {
        addr: Some(0x7fff_ffff_f000),
        old_pfn: 3,
        new_pfn: None,
        order: 2,
        src_nid: 0,
        dst_nid: Some(1),
        cause: Cause::Mbind,
        result: Outcome::Failed,
        reason: Some("busy".into()),
        latency_ns: None,
        unmap_ns: None,
        copy_ns: None,
        remap_ns: None,
        mappings: None,
    };
    let region = Region { addr: 1, len: 2, class: RegionClass::File, name: "a\nb \"c\"".into(), policy: None };
    vec![event(1, Body::Phase(Phase { text: "x".into() })), event(2, migrate.into()), event(3, Body::Region(region))]
}

/// Writes a trace of [`events`]: a finished one, or one whose recorder was killed.
fn trace(finished: bool) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let meta = Meta { format_version: FORMAT_VERSION, end_ns: finished.then_some(9), ..Meta::default() };
    let mut writer = Writer::create(&path, &meta).expect("a writer");
    for event in events() {
        writer.push(&event).expect("pushed");
    }
    if finished {
        writer.finish(&meta).expect("finished");
    } else {
        writer.flush().expect("flushed");
    }
    (dir, path)
}

fn export(path: &Path, format: &str) -> Command {
    let mut command = migtrace();
    command.arg("export").arg(path).args(["--format", format]);
    command
}

#[test]
fn json_lines_are_flat_objects_without_nulls() {
    let (_dir, path) = trace(true);
    let common = r#""cpu":1,"pid":7,"tid":8,"comm":"a,\u001bb","cgroup_id":9"#;
    let expected = [
        format!(r#"{{"ts_ns":1,{common},"kind":"phase","text":"x"}}"#),
        format!(
            r#"{{"ts_ns":2,{common},"kind":"migrate","addr":140737488351232,"result":"failed","order":2,"src_nid":0,"dst_nid":1,"reason":"busy","old_pfn":3,"pages":4,"cause":"mbind","owner_pid":7,"owner_comm":"a,\u001bb","owner_cgroup_id":9}}"#
        ),
        format!(r#"{{"ts_ns":3,{common},"kind":"region","addr":1,"class":"file","name":"a\nb \"c\"","len":2}}"#),
    ];
    export(&path, "jsonl").assert().success().stderr("").stdout(expected.map(|l| l + "\n").concat());
}

#[test]
fn csv_has_every_column_and_one_line_per_row() {
    let (_dir, path) = trace(true);
    let assert = export(&path, "csv").assert().success().stderr("");
    let text = String::from_utf8(assert.get_output().stdout.clone()).expect("text");
    assert_eq!(text.lines().count(), 4, "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    assert!(header.iter().eq(COLUMNS.iter().map(|c| c.name)));
    let rows = reader.records().map(|r| r.expect("a row")).collect::<Vec<_>>();
    let of = |row: usize, name: &str| {
        rows[row].get(header.iter().position(|h| h == name).expect(name)).expect("a field").to_owned()
    };
    assert_eq!(of(1, "comm"), "a,\\u{1b}b");
    assert_eq!((of(1, "pages"), of(1, "new_pfn"), of(1, "kind")), ("4".into(), String::new(), "migrate".into()));
    assert_eq!(of(2, "name"), "a\\nb \"c\"");
}

#[test]
fn an_exported_file_is_accessible_to_its_owner_only() {
    let (dir, path) = trace(true);
    let out = dir.path().join("out.jsonl");
    export(&path, "jsonl").arg("-o").arg(&out).assert().success().stdout("");
    assert_eq!(fs::read_to_string(&out).expect("read").lines().count(), 3);
    assert_eq!(fs::metadata(&out).expect("there").permissions().mode() & 0o777, 0o600);
    export(&path, "jsonl")
        .args(["-o", "/nonexistent/x"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("cannot write /nonexistent/x"));
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let (dir, path) = trace(true);
    export(&path, "xml").assert().code(2).stderr(predicate::str::contains("[possible values: jsonl, csv]"));
    let missing = dir.path().join("missing.parquet");
    export(&missing, "csv").assert().code(2).stderr(format!("migtrace: {}: no such trace\n", missing.display()));
    let text = dir.path().join("text");
    fs::write(&text, "hello").expect("written");
    export(&text, "csv")
        .assert()
        .code(2)
        .stderr(format!("migtrace: {}: not a trace, because it is not a Parquet file\n", text.display()));
}

#[test]
fn a_full_disk_is_an_error() {
    let (_dir, path) = trace(true);
    let message = "migtrace: cannot write the export: No space left on device (os error 28)\n";
    export(&path, "csv").args(["-o", "/dev/full"]).assert().code(2).stderr(message);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (_dir, path) = trace(true);
    for format in ["jsonl", "csv"] {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("migtrace"))
            .arg("export")
            .arg(&path)
            .args(["--format", format])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    }
}

#[test]
fn an_unfinished_recording_is_exported_with_a_warning_and_recovered() {
    let (dir, path) = trace(false);
    export(&path, "jsonl")
        .assert()
        .success()
        .stdout(predicate::str::contains("\n").count(3))
        .stderr(predicate::str::contains("was cut off"));
    let recover = || {
        let mut command = migtrace();
        command.arg("recover").arg(&path);
        command
    };
    recover().assert().success().stdout("").stderr(predicate::str::contains("run.parquet: 3 events, "));
    assert_eq!(Trace::open(&path).and_then(|t| t.read_all()).expect("read"), events());
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    recover().assert().code(2).stderr(predicate::str::contains("nothing to recover"));
}

/// A trace of format 4, with unsigned columns and the address 2^64 - 1.
const FORMAT_4: &[u8] = include_bytes!("../src/trace/tests/format-4.parquet");

fn convert(from: &Path, to: &Path) -> Command {
    let mut command = migtrace();
    command.arg("convert").arg(from).arg(to);
    command
}

#[test]
fn a_converted_trace_is_exported_as_the_old_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old, new) = (dir.path().join("old.parquet"), dir.path().join("new.parquet"));
    fs::write(&old, FORMAT_4).expect("written");
    let message = predicate::str::starts_with(format!("migtrace: {}: 20 events, ", new.display()));
    let message = message.and(predicate::str::ends_with(format!(" bytes, format 4 to {FORMAT_VERSION}\n")));
    convert(&old, &new).assert().success().stdout("").stderr(message);
    for format in ["csv", "jsonl"] {
        for filter in ["true", "addr == 0xffffffffffffffff", "addr >= 0x8000000000000000 && weight == 7"] {
            let [before, after] = [&old, &new].map(|path| {
                let assert = export(path, format).args(["--filter", filter]).assert().success();
                String::from_utf8(assert.get_output().stdout.clone()).expect("text")
            });
            assert!(after.contains("18446744073709551615"), "{after}");
            assert_eq!(before, after);
        }
    }
}

#[test]
fn a_trace_is_not_converted_onto_itself_or_to_standard_output() {
    let dir = tempfile::tempdir().expect("a directory");
    let old = dir.path().join("old.parquet");
    fs::write(&old, FORMAT_4).expect("written");
    convert(&old, &old).assert().code(2).stderr(predicate::str::contains("are the same file: use another name"));
    convert(&old, Path::new("-")).assert().code(2).stderr(predicate::str::contains("cannot write a trace to standard"));
    assert_eq!(fs::read(&old).expect("read"), FORMAT_4);
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
}

#[test]
fn completions_exist_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        migtrace().args(["completions", shell]).assert().success().stdout(predicate::str::contains("recover"));
    }
}

#[test]
fn a_filter_excludes_rows_and_reports_how_many() {
    let (_dir, path) = trace(true);
    let export = |filter: &str| {
        let mut command = migtrace();
        command.args(["export", "--format", "jsonl", "--filter", filter]).arg(&path);
        command.assert().success()
    };
    export("kind == migrate && dst_nid == 1 || text != null")
        .stdout(predicates::str::contains("\n").count(2).and(predicates::str::contains("\"kind\":\"region\"").not()))
        .stderr("migtrace: filter: (kind == migrate && dst_nid == 1) || text != null; 2 of 3 events written\n");
    export("name.contains(\"b\")").stdout(predicates::str::starts_with("{\"ts_ns\":3,"));
    export("false").stdout("").stderr(predicates::str::contains("0 of 3 events"));
    let mut csv = migtrace();
    csv.args(["export", "--format", "csv", "--kind", "region"]).arg(&path);
    csv.assert().success().stdout(predicates::str::contains("region").and(predicates::str::contains("migrate").not()));
    let mut wrong = migtrace();
    wrong.args(["export", "--format", "csv", "--filter", "kind == regoin"]).arg(&path);
    wrong.assert().code(2).stderr(predicates::str::contains("did you mean region?"));
}
