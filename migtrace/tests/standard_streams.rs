//! Standard output, stderr and standard input that are closed, full, or a pipe that nothing reads.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{testkit, trace::Writer};
use tempfile::TempDir;

/// Every command that writes to standard output, and its usual status.
fn commands() -> Vec<(Vec<&'static str>, i32)> {
    [
        ("--help", 0),
        ("--version", 0),
        ("help record", 0),
        ("log --help", 0),
        ("log run.parquet", 0),
        ("log run.parquet --format tsv", 0),
        ("log run.parquet --color always", 0),
        ("summary run.parquet", 0),
        ("summary run.parquet --json", 0),
        ("compare run.parquet --vs run.parquet", 0),
        ("compare run.parquet --vs run.parquet --json", 0),
        ("page run.parquet 0x7f0000000000", 0),
        ("export run.parquet --format csv", 0),
        ("export run.parquet --format jsonl", 0),
        ("top run.parquet --batch", 0),
        ("top run.parquet --batch --json", 0),
        ("completions bash", 0),
        ("memtoy script.memtoy", 0),
    ]
    .map(|(line, status)| (line.split(' ').collect(), status))
    .to_vec()
}

fn directory() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let (meta, events) = testkit::lazy(8, 0..8);
    let mut writer = Writer::create(&dir.path().join("run.parquet"), &meta).expect("created");
    events.iter().for_each(|e| writer.push(e).expect("pushed"));
    writer.finish(&meta).expect("finished");
    fs::write(dir.path().join("script.memtoy"), "pid\npid\n").expect("written");
    dir
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.current_dir(dir).args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// Runs it with some descriptors closed, as a shell does for `>&-`.
fn without(dir: &Path, arguments: &[&str], closed: &'static [i32]) -> Output {
    let mut command = command(dir, arguments);
    // SAFETY: close is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for fd in closed {
                libc::close(*fd);
            }
            Ok(())
        });
    }
    command.output().expect("runs")
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("opened")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The address of a page of the recording.
fn page(dir: &Path) -> String {
    let output = command(dir, &["export", "run.parquet", "--format", "jsonl"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fault = text.lines().find(|line| line.contains("\"kind\":\"fault\"")).expect("a fault").to_owned();
    let row: serde_json::Value = serde_json::from_str(&fault).expect("JSON");
    row["addr"].to_string()
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let dir = directory();
    let addr = page(dir.path());
    for (mut arguments, usual) in commands() {
        if arguments[0] == "page" {
            arguments[2] = &addr;
        }
        let whole = command(dir.path(), &arguments).output().expect("runs");
        assert_eq!((whole.status.code(), error_of(&whole)), (Some(usual), String::new()), "{arguments:?}");
        assert!(!whole.stdout.is_empty(), "{arguments:?}");
        let closed = without(dir.path(), &arguments, &[1]);
        let full = command(dir.path(), &arguments).stdout(full()).stderr(Stdio::piped()).output().expect("runs");
        for (output, what) in [(&closed, "it is closed"), (&full, "No space left")] {
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", error_of(output));
            let error = error_of(output);
            assert!(error.contains("cannot write to standard output: ") && error.contains(what), "{error}");
            assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
        }
    }
}

#[test]
fn a_pipe_that_nothing_reads_ends_it_quietly() {
    let dir = directory();
    let addr = page(dir.path());
    for (mut arguments, usual) in commands() {
        if arguments[0] == "page" {
            arguments[2] = &addr;
        }
        let (read, write) = std::io::pipe().expect("a pipe");
        drop(read);
        let output = command(dir.path(), &arguments).stdout(write).stderr(Stdio::piped()).output().expect("runs");
        assert_eq!((output.status.code(), error_of(&output)), (Some(usual), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_message_that_cannot_be_written_changes_no_status() {
    let dir = directory();
    // A filter is reported on stderr, the missing file too, and what a gate found.
    let cases = [
        ("export run.parquet --format csv --pid 1", 0),
        ("log missing.parquet", 2),
        ("log --no-such-option", 2),
        ("compare run.parquet --vs run.parquet --gate ratio.total_ns<=0.5", 1),
        ("memtoy missing.memtoy", 2),
        ("recover missing.parquet", 2),
        ("convert missing.parquet new.parquet", 2),
        ("top run.parquet", 2),
    ];
    for (line, status) in cases {
        let arguments: Vec<&str> = line.split(' ').collect();
        let usual = command(dir.path(), &arguments).output().expect("runs");
        assert_eq!(usual.status.code(), Some(status), "{line}: {}", error_of(&usual));
        assert!(!usual.stderr.is_empty(), "{line}");
        let full = command(dir.path(), &arguments).stderr(full()).output().expect("runs");
        assert_eq!((full.status.code(), full.stdout), (Some(status), usual.stdout.clone()), "{line}");
        let closed = without(dir.path(), &arguments, &[2]);
        assert_eq!((closed.status.code(), closed.stdout), (Some(status), usual.stdout), "{line}");
    }
}

#[test]
fn an_output_file_is_not_written_to_by_what_is_for_a_closed_stream() {
    let dir = directory();
    let usual = command(dir.path(), &["export", "run.parquet", "-f", "csv"]).output().expect("runs").stdout;
    // The first file opened would get the number of a closed stream.
    let export = ["export", "run.parquet", "-f", "csv", "-o", "run.csv", "--kind", "fault", "--kind", "check"];
    let whole = command(dir.path(), &export).output().expect("runs");
    assert_eq!(whole.status.code(), Some(0), "{}", error_of(&whole));
    let expected = fs::read(dir.path().join("run.csv")).expect("written");
    assert!(expected.len() < usual.len() && !error_of(&whole).is_empty());
    for closed in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        fs::remove_file(dir.path().join("run.csv")).expect("removed");
        assert_eq!(without(dir.path(), &export, closed).status.code(), Some(0), "without {closed:?}");
        assert_eq!(fs::read(dir.path().join("run.csv")).expect("written"), expected, "without {closed:?}");
    }
}

#[test]
fn a_null_device_that_is_meant_is_no_error() {
    let dir = directory();
    // Opened for reading and writing, as Python's DEVNULL is, and Rust's own for a closed descriptor.
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").expect("opened");
    let output = command(dir.path(), &["log", "run.parquet"]).stdout(null).output().expect("runs");
    assert_eq!((output.status.code(), error_of(&output)), (Some(0), String::new()));
}
