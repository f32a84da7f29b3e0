//! Command lines, executables and parents of processes: in traces, in what shows them, and not with `--no-cmdline`.

use std::{
    fs,
    process::{Command, Stdio},
};

use migtrace::recording::ProcessDetails;
use serde_json::Value as Json;

use crate::{
    recorder::{ChildGuard, Recorder},
    support::{Run, migtrace, texts},
};

/// An argument of the recorded command and of its children.
const MARKER: &str = "--password=4mAdEuP";

/// A shell with two children: one executes a program with arguments, the other a second program after the first.
fn script() -> String {
    format!(
        "sleep 3 {MARKER} 2> /dev/null || sleep 3.5 & (exec sh -c 'exec tail -f --pid=$PPID /dev/null' {MARKER}) & sleep 3.25; exit 0"
    )
}

fn record(options: &[&str]) -> (Run, u32) {
    let recorder = Recorder::start(options, &["sh", "-c", &script(), "shell", MARKER]);
    let pid = recorder.pid();
    (recorder.finish(), pid)
}

/// The file that is executed for a command of this name.
fn executable(name: &str) -> String {
    let dirs = std::env::var("PATH").unwrap();
    let found = dirs.split(':').map(|dir| format!("{dir}/{name}")).find(|path| fs::exists(path).unwrap());
    fs::canonicalize(found.unwrap()).unwrap().to_str().unwrap().to_owned()
}

/// The only process with these arguments.
fn with_arguments<'a>(run: &'a Run, arguments: &[&str]) -> &'a ProcessDetails {
    let is_it = |details: &&ProcessDetails| details.command_line.as_deref().is_some_and(|words| words == arguments);
    let found: Vec<_> = run.meta.processes.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{:#?}", run.meta.processes);
    found[0]
}

#[test]
fn a_recording_has_the_command_line_executable_and_parent_of_a_command_and_its_children() {
    let (run, recorder) = record(&[]);
    let script = script();
    let shell = with_arguments(&run, &["sh", "-c", &script, "shell", MARKER]);
    assert_eq!((shell.parent_pid, shell.executable.as_deref()), (Some(recorder), Some(&*executable("sh"))));
    let child = with_arguments(&run, &["sleep", "3.25"]);
    assert_eq!((child.parent_pid, child.executable.as_deref()), (Some(shell.pid), Some(&*executable("sleep"))));
    // It executed a shell before. The shell's arguments are in no row: that would be a second row of this PID.
    let pid = shell.pid.to_string();
    let last = with_arguments(&run, &["tail", "-f", &format!("--pid={pid}"), "/dev/null"]);
    assert_eq!((last.parent_pid, last.executable.as_deref()), (Some(shell.pid), Some(&*executable("tail"))));
    assert!(run.events.iter().any(|event| event.process() == last.process()), "the key is that of its events");
    assert_eq!(run.meta.processes.iter().filter(|details| details.pid == last.pid).count(), 1);
    assert_eq!(run.meta.evicted_processes, 0);

    let line = format!("  process  {} (parent {}): sleep 3.25\n", child.pid, shell.pid);
    assert!(run.log().contains(&line), "{}", run.log());
    let rows = top(&[run.ended.trace.to_str().unwrap()]);
    let row = rows.iter().find(|row| row["PID"] == child.pid).unwrap();
    assert_eq!(row["COMMAND"], "sleep 3.25");
}

#[test]
fn a_recording_without_command_lines_has_no_argument_anywhere() {
    let holds = |run: &Run| {
        let raw = fs::read(&run.ended.trace).unwrap();
        let in_raw = raw.windows(MARKER.len()).any(|bytes| bytes == MARKER.as_bytes());
        let decoded = format!("{} {:?}", serde_json::to_string(&run.meta).unwrap(), run.events);
        (in_raw, decoded.contains(MARKER))
    };
    let filter = ["--filter", "comm != \"nothing\""];
    let (with, _) = record(&filter);
    assert_eq!(holds(&with), (true, true), "the search finds it where it is");
    let (without, _) = record(&[&filter[..], &["--no-cmdline"]].concat());
    assert_eq!(holds(&without), (false, false));
    assert!(without.meta.filter.as_deref().is_some_and(|filter| filter.contains("comm")), "{:?}", without.meta.filter);
    assert_eq!(without.meta.command, ["sh"]);
    assert!(without.meta.processes.iter().all(|details| details.command_line.is_none()));
    let sleep = executable("sleep");
    assert!(without.meta.processes.iter().any(|details| details.executable.as_deref() == Some(&*sleep)));
}

/// The rows of Processes.
fn top(options: &[&str]) -> Vec<Json> {
    let view = ["top", "--batch", "--json", "--view", "processes", "-n", "1"];
    let output = migtrace().args(view).args(options).stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = texts(&output);
    let update: Json = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    update["rows"].as_array().unwrap().clone()
}

#[test]
fn live_top_and_log_show_command_lines() {
    let loops = ["-c", "while :; do /bin/true; done", "loop", MARKER];
    let shell = ChildGuard::start(Command::new("sh").args(loops));
    let command = format!("sh {}", loops.join(" "));
    let rows = top(&["-d", "5"]);
    let row = rows.iter().find(|row| row["PID"] == shell.0.id()).expect("its row");
    assert_eq!(row["COMMAND"], &*command);
    let pid = shell.0.id().to_string();
    let output = migtrace().args(["log", "--pid", &pid, "--duration", "2s"]).stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = texts(&output);
    let line = format!("  process  {pid} (parent {}): {command}\n", std::process::id());
    let end = stdout.split("== processes").nth(1).unwrap_or_else(|| panic!("no processes: {stdout}{stderr}"));
    assert!(end.contains(&line), "{end}");
}
