//! Which capabilities migtrace still has while it traces, thread by thread, and that those suffice.

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
    recorder::{Beside, Heard, PATIENCE},
    serve::Server,
    support::migtrace,
};

/// Of a set in /proc/PID/status.
fn capabilities(status: &str, set: &str) -> CapabilitySet {
    let hex = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':')).expect("a set of capabilities");
    CapabilitySet::from_bits_retain(u64::from_str_radix(hex.trim(), 16).expect("hexadecimal"))
}

/// In effect, and permitted, of each thread by number and name.
fn threads(pid: u32) -> BTreeMap<(u32, String), (CapabilitySet, CapabilitySet)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
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

/// Waits until no thread has more in effect than this: each gives it up itself.
fn wait_until_at_most(pid: u32, kept: CapabilitySet) -> BTreeMap<(u32, String), (CapabilitySet, CapabilitySet)> {
    let began = Instant::now();
    loop {
        let threads = threads(pid);
        let permitted = kept | CapabilitySet::SYS_ADMIN;
        if threads.values().all(|(effective, all)| kept.contains(*effective) && permitted.contains(*all)) {
            return threads;
        }
        assert!(began.elapsed() < PATIENCE, "they keep more than {kept:?}: {threads:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_recorder_keeps_what_it_needs_and_its_command_has_all() {
    let dir = tempfile::tempdir().unwrap();
    // Owned by another user, as after sudo.
    chown(dir.path(), Some(65534), None).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = dir.path().join("run.parquet");
    let mut command = migtrace();
    command.args(["record", "--stacks", "-o"]).arg(&path);
    command.args(["--", "sh", "-c", "grep ^Cap /proc/self/status; read line"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut recorder = Beside::start(&mut command);
    let heard = Heard::from(recorder.0.stdout.take().unwrap());
    heard.wait_for("CapAmb");

    let own = fs::read_to_string("/proc/self/status").unwrap();
    let said = heard.so_far();
    assert_eq!(capabilities(&said, "CapEff"), capabilities(&own, "CapEff"), "the command's");
    let threads = wait_until_at_most(recorder.0.id(), privilege::WRITING | privilege::NAMING);
    assert!(threads.len() >= 3, "the main thread, the reader and the writer: {threads:?}");

    // The command reads a line, or the end of all lines.
    drop(recorder.0.stdin.take());
    // What it writes from here on is done with what is left.
    let ended = recorder.0.wait().unwrap();
    assert!(ended.code().is_some(), "{ended}");
    let trace = Trace::open(&path).unwrap();
    assert!(trace.event_count() > 0);
    assert_eq!(trace.meta().lost(), 0);
    assert!(!Path::new(&format!("{}.partial", path.display())).exists());
}

#[test]
fn who_answers_strangers_can_do_nothing_else() {
    let server = Server::start();
    let threads = wait_until_at_most(server.pid(), privilege::READING);
    let without = threads.values().filter(|(effective, all)| effective.is_empty() && all.is_empty()).count();
    assert!(without >= 1, "the threads that answer have none: {threads:?}");
    // The kernel goes on to be asked, and measured.
    let metrics = server.metrics().expect("metrics");
    assert!(metrics.contains("migtrace_program_measured_runs_total"), "{metrics}");
    server.end();
}
