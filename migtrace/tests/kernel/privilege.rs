//! Linux capabilities that each thread of migtrace keeps while it traces. They are minimal, and they suffice.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use migtrace::{live::privilege, trace::Trace};
use rustix::thread::CapabilitySet;

use crate::{
    recorder::{CapturedOutput, ChildGuard, TIMEOUT},
    serve::Server,
    support::migtrace,
};

/// Parses a capability set from the text of /proc/PID/status.
fn capabilities(status: &str, set: &str) -> CapabilitySet {
    let hex = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':')).expect("a set of capabilities");
    CapabilitySet::from_bits_retain(u64::from_str_radix(hex.trim(), 16).expect("hexadecimal"))
}

/// Returns the effective and the permitted capabilities of each thread, by TID and name.
fn threads(pid: u32) -> BTreeMap<(u32, String), (CapabilitySet, CapabilitySet)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is running");
    let status = |task: fs::DirEntry| Some((task.file_name(), fs::read_to_string(task.path().join("status")).ok()?));
    tasks
        .flatten()
        .filter_map(status)
        .map(|(number, status)| {
            let name = status.lines().find_map(|line| line.strip_prefix("Name:\t")).expect("a name").to_owned();
            let sets = (capabilities(&status, "CapEff"), capabilities(&status, "CapPrm"));
            ((number.to_str().unwrap().parse().unwrap(), name), sets)
        })
        .collect()
}

/// Waits until all threads have at most the capabilities `kept`, because each thread drops its own. Returns the sets.
fn wait_until_at_most(pid: u32, kept: CapabilitySet) -> BTreeMap<(u32, String), (CapabilitySet, CapabilitySet)> {
    let began = Instant::now();
    loop {
        let threads = threads(pid);
        let permitted = kept | CapabilitySet::SYS_ADMIN;
        if threads.values().all(|(effective, all)| kept.contains(*effective) && permitted.contains(*all)) {
            return threads;
        }
        assert!(began.elapsed() < TIMEOUT, "threads with more than {kept:?}: {threads:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_recorder_drops_capabilities_and_its_command_keeps_all() {
    let dir = tempfile::tempdir().unwrap();
    // Owned by another user, as after sudo.
    chown(dir.path(), Some(65534), None).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = dir.path().join("run.parquet");
    let mut command = migtrace();
    command.args(["record", "--stacks", "-o"]).arg(&path);
    command.args(["--", "sh", "-c", "grep ^Cap /proc/self/status; read line"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut recorder = ChildGuard::start(&mut command);
    let stdout = CapturedOutput::from(recorder.0.stdout.take().unwrap());
    stdout.wait_for("CapAmb");

    let own = fs::read_to_string("/proc/self/status").unwrap();
    let status = stdout.so_far();
    assert_eq!(capabilities(&status, "CapEff"), capabilities(&own, "CapEff"), "capabilities of the command");
    let threads = wait_until_at_most(recorder.0.id(), privilege::WRITING | privilege::NAMING);
    assert!(threads.len() >= 3, "the main thread, the reader and the writer: {threads:?}");

    // The end of its standard input ends the command.
    drop(recorder.0.stdin.take());
    // The recorder must be able to finish the trace with the remaining capabilities.
    let ended = recorder.0.wait().unwrap();
    assert!(ended.code().is_some(), "{ended}");
    let trace = Trace::open(&path).unwrap();
    assert!(trace.event_count() > 0);
    assert_eq!(trace.meta().lost(), 0);
    assert!(!Path::new(&format!("{}.partial", path.display())).exists());
}

#[test]
fn threads_that_serve_http_have_no_capabilities() {
    let server = Server::start();
    let threads = wait_until_at_most(server.pid(), privilege::READING);
    let without = threads.values().filter(|(effective, all)| effective.is_empty() && all.is_empty()).count();
    assert!(without >= 1, "no thread is without capabilities: {threads:?}");
    // The remaining threads can still read counts and measure the programs.
    let metrics = server.metrics().expect("metrics");
    assert!(metrics.contains("migtrace_program_measured_runs_total"), "{metrics}");
    server.end();
}
