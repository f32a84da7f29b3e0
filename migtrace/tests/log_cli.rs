//! `migtrace log` on traces in files: its output, its filters, and its errors for files that are not traces.

use std::{fs, path::Path, process::Command};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{event::Event, recording::Meta, testkit, trace::Writer};
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, (meta, events): (Meta, Vec<Event>)) {
    let mut writer = Writer::create(&dir.path().join(name), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
}

fn log(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    let output = command.current_dir(dir).env_remove("NO_COLOR").arg("log").args(arguments).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("an exit status"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_log_of_a_file_equals_the_log_of_its_events() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "lazy.parquet", testkit::lazy(8, 0..8));
    let (status, out, err) = log(dir.path(), &["lazy.parquet"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let (meta, events) = testkit::lazy(8, 0..8);
    let mut expected = Vec::new();
    let run = migtrace::model::Run::new(meta, events);
    let options = migtrace::log::Options::default();
    migtrace::log::write(&run, "lazy.parquet", &options, &mut expected).expect("memory does not fail");
    let expected = String::from_utf8(expected).expect("text");
    assert_eq!(
        out,
        anstream::adapter::strip_str(&expected).to_string(),
        "without colours, because standard output is no terminal"
    );
}

#[test]
fn color_always_writes_escape_sequences() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "run.parquet", testkit::direct(8));
    let (_, out, _) = log(dir.path(), &["run.parquet", "--color", "always"]);
    assert!(out.contains("\u{1b}["), "{out}");
    let (_, out, _) = log(dir.path(), &["run.parquet", "--color", "never"]);
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn the_pid_of_another_process_shows_no_pages() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "run.parquet", testkit::direct(8));
    let (status, out, _) = log(dir.path(), &["run.parquet", "--pid", "1"]);
    assert_eq!(status, 0);
    assert!(!out.contains("page 1 of 8"), "{out}");
}

#[test]
fn a_filter_hides_lines_and_is_shown_with_its_effect() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "run.parquet", testkit::lazy(8, 0..8));
    let (_, whole, _) = log(dir.path(), &["run.parquet", "--all"]);
    let moves = |text: &str| text.lines().filter(|l| l.contains(" migrated from node 1 to node 2, frame")).count();
    assert!(moves(&whole) == 8 && !whole.contains("  filter"), "{whole}");
    for options in [
        &["--kind", "migrate"][..],
        &["--cause", "lazy_fault"],
        &["--node-pair", "1:2", "--filter", "kind != check"],
        &["--filter", "kind == migrate && result == ok"],
    ] {
        let (status, out, err) = log(dir.path(), &[&["run.parquet"], options].concat());
        assert_eq!((status, moves(&out), err.as_str()), (0, 8, ""), "{options:?}: {out}");
        assert!(!out.contains("check: misplaced"), "{options:?}: {out}");
        assert!(out.contains("\n  filter   ") && out.contains("\n           8 of "), "{options:?}: {out}");
        assert!(out.contains("8 marked = 8 migrated"), "the summary covers all events: {out}");
    }
    let (_, out, _) = log(dir.path(), &["run.parquet", "--pid", "1", "--kind", "migrate"]);
    assert!(out.contains("filter   (pid == 1 || owner_pid == 1) && kind == migrate"), "{out}");
    assert!(out.contains("phase results and summary cover the 0 with pid == 1 || owner_pid == 1"), "{out}");
    assert!(!out.contains("8 marked"), "{out}");
}

#[test]
fn a_filter_error_is_reported_before_the_trace_is_opened() {
    let dir = TempDir::new().expect("a directory");
    let (status, out, err) = log(dir.path(), &["none.parquet", "--filter", "kind == fault && latency > 10us"]);
    assert_eq!((status, out.as_str()), (2, ""));
    for expected in ["unknown column latency", "\n                   ^^^^^^^\n", "did you mean latency_ns?"] {
        assert!(err.contains(expected), "no {expected:?} in {err}");
    }
}

#[test]
fn a_cgroup_is_found_by_the_path_in_the_trace() {
    let dir = TempDir::new().expect("a directory");
    let (mut meta, events) = testkit::direct(8);
    meta.cgroups = [(1, "/work.slice/a.service".to_owned())].into();
    write(&dir, "run.parquet", (meta, events));
    for path in ["/work.slice", "/sys/fs/cgroup/work.slice/a.service/", "1"] {
        let (status, out, err) = log(dir.path(), &["run.parquet", "--cgroup", path]);
        assert_eq!(status, 0, "{err}");
        assert!(out.contains("filter   cgroup_id == 1") && out.contains("page 1 of 8"), "{out}");
    }
    let (status, _, err) = log(dir.path(), &["run.parquet", "--cgroup", "/work"]);
    assert_eq!(status, 2);
    assert!(err.contains("run.parquet: --cgroup /work: the trace has no event"), "{err}");
}

#[test]
fn bad_input_gives_one_message_and_status_2() {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("text.parquet"), "no trace at all, but longer than a footer").expect("written");
    for (file, message) in [("none.parquet", "no such trace"), ("text.parquet", "not a Parquet file")] {
        let (status, out, err) = log(dir.path(), &[file]);
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with(&format!("migtrace: {file}")) && err.contains(message), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    let (status, _, err) = log(dir.path(), &["--kind", "nonsense"]);
    assert_eq!(status, 2, "{err}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = TempDir::new().expect("a directory");
    write(&dir, "run.parquet", testkit::lazy(3000, 0..3000));
    let binary = Command::cargo_bin("migtrace").expect("built").get_program().to_owned();
    let script = format!("{} log run.parquet --all | head -n 1; echo ${{PIPESTATUS[0]}}", binary.display());
    let output = Command::new("bash").current_dir(dir.path()).args(["-c", &script]).output().expect("runs");
    let out = String::from_utf8(output.stdout).expect("text");
    assert_eq!(out.lines().collect::<Vec<_>>(), ["migtrace log of run.parquet", "0"]);
    assert_eq!(String::from_utf8(output.stderr).expect("text"), "");
}
