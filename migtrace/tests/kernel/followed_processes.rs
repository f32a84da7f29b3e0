//! Which processes a recording follows, as which user its command runs, who owns its files, and when it ends by itself.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
};

use migtrace::event::{Body, TaskEvent};

use crate::{
    recorder::{ChildGuard, Recorder, send, wait_for},
    support::{Run, migtrace, texts},
};

/// A shell with two children: one sleeps, the other runs programs until the directory has a file `end`.
struct Supervisor {
    process: ChildGuard,
    dir: tempfile::TempDir,
}

impl Supervisor {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The last command keeps the shell from executing it in its own place.
        let script = "sleep 600 & sh -c 'echo $$ > worker; until [ -e end ]; do /bin/true; done; exit 0' & wait $!; kill $(jobs -p)";
        let process = ChildGuard::start(Command::new("bash").args(["-c", script]).current_dir(&dir));
        wait_for("the worker runs", || {
            fs::read_to_string(dir.path().join("worker")).ok().filter(|pid| !pid.is_empty())
        });
        Self { process, dir }
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }

    fn worker(&self) -> u32 {
        fs::read_to_string(self.dir.path().join("worker")).unwrap().trim().parse().unwrap()
    }

    fn end(&self) {
        fs::write(self.dir.path().join("end"), "").unwrap();
    }
}

fn forks_of(run: &Run, pid: u32) -> usize {
    run.tasks().into_iter().filter(|(event, task)| event.pid == pid && task.what == TaskEvent::Fork).count()
}

#[test]
fn a_recording_of_a_process_ends_when_it_exits() {
    let mut process = ChildGuard::start(Command::new("sleep").arg("600"));
    let recorder = Recorder::attached(&["--pid", &process.0.id().to_string()]);
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    let pid = process.0.id();
    let run = recorder.finish();
    assert!(run.ended.stderr.contains(&format!("process {pid} has exited")), "{}", run.ended.stderr);
    assert_eq!(run.meta.filter, Some(format!("process {pid} with its future children")));
    run.assert_account();
}

#[test]
fn a_recording_of_a_process_goes_on_until_its_traced_children_exit() {
    let dir = tempfile::tempdir().unwrap();
    // The shell waits for a file, starts a child, and exits. The child waits for another file.
    let child = "until [ -e end ]; do /bin/true; done; echo > ended";
    let script = format!("until [ -e begin ]; do sleep 0.1; done; sh -c '{child}' & exit 0");
    let mut process = ChildGuard::start(Command::new("sh").args(["-c", &script]).current_dir(&dir));
    let recorder = Recorder::attached(&["--pid", &process.0.id().to_string()]);
    fs::write(dir.path().join("begin"), "").unwrap();
    process.0.wait().unwrap();
    let recorder_pid = recorder.pid();
    // The recorder looks four times a second. The child writes `ended` after the end of its loop: if the recorder had
    // ended with the shell, the recording would not have the child's exit.
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(fs::exists(format!("/proc/{recorder_pid}")).unwrap(), "it ended with the first process");
    fs::write(dir.path().join("end"), "").unwrap();
    let run = recorder.finish();
    assert!(dir.path().join("ended").exists());
    let exits = run.tasks().into_iter().filter(|(_, task)| task.what == TaskEvent::Exit);
    let forked = run.tasks().into_iter().filter_map(|(_, task)| task.target_pid);
    let exited: Vec<u32> = exits.map(|(event, _)| event.pid).collect();
    assert!(forked.clone().count() > 1 && forked.clone().all(|pid| exited.contains(&pid)), "{exited:?}");
}

#[test]
fn a_tree_is_followed_as_it_is() {
    let supervisor = Supervisor::start();
    let recorder = Recorder::attached(&["--pid", &supervisor.pid().to_string(), "--tree"]);
    let worker = supervisor.worker();
    let utime = || fs::read_to_string(format!("/proc/{worker}/stat")).unwrap().split(' ').nth(15).unwrap().to_owned();
    // Field 16, cutime: grows with each program that the worker has waited for.
    let before = utime();
    wait_for("the worker runs programs", || (utime() != before).then_some(()));
    supervisor.end();
    let run = recorder.finish();
    assert!(forks_of(&run, worker) > 0, "{:?}", run.meta.account);
    assert!(!run.ended.stderr.contains("not followed"), "{}", run.ended.stderr);
    assert_eq!(run.meta.filter, Some(format!("process {} with all its descendants", supervisor.pid())));
}

#[test]
fn children_that_are_not_followed_are_counted() {
    let supervisor = Supervisor::start();
    let recorder = Recorder::attached(&["--pid", &supervisor.pid().to_string()]);
    let worker = supervisor.worker();
    supervisor.end();
    let run = recorder.finish();
    assert_eq!(forks_of(&run, worker), 0);
    // The two children, and the programs that the worker runs.
    let hint = format!("process {} has", supervisor.pid());
    let line = run.ended.stderr.lines().find(|line| line.contains(&hint) && line.contains("not followed"));
    let line = line.unwrap_or_else(|| panic!("{}", run.ended.stderr));
    assert!(["2 descendants", "3 descendants"].iter().any(|n| line.contains(n)) && line.contains("--tree"), "{line}");
}

#[test]
fn a_live_log_of_a_process_ends_when_it_exits() {
    let process = ChildGuard::start(Command::new("sleep").arg("600"));
    let pid = process.0.id();
    let mut log = migtrace();
    let log = log.args(["log", "--pid", &pid.to_string()]).stdin(Stdio::null());
    let mut log = ChildGuard::start(log.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let out = crate::recorder::CapturedOutput::from(log.0.stdout.take().unwrap());
    let err = crate::recorder::CapturedOutput::from(log.0.stderr.take().unwrap());
    out.wait_for("  lines ");
    drop(process);
    err.wait_for(&format!("process {pid} has exited"));
    assert!(log.0.wait().unwrap().success());
}

#[test]
fn a_recording_ends_after_its_duration() {
    let run = Recorder::start::<&str>(&["--duration", "500ms"], &[]).finish();
    let lasted = run.meta.end_ns.unwrap() - run.meta.start_ns;
    assert!(lasted >= 500_000_000, "{lasted}");
    // The command is ended too. That is no error.
    let run = Recorder::start(&["--duration", "500ms"], &["sleep", "600"]).finish();
    let status = run.meta.command_status;
    assert_eq!(status, Some(128 + libc::SIGTERM));
    // A command that ends earlier ends the recording, with its status.
    let ended = Recorder::start(&["--duration", "1h"], &["sh", "-c", "exit 3"]).end();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
}

#[test]
fn the_command_runs_as_the_given_user() {
    let script = "id -u; id -g; id -G; echo $USER $LOGNAME $HOME; grep CapEff /proc/self/status";
    let ended = Recorder::start(&["--user", "daemon"], &["sh", "-c", script]).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    let expected = Command::new("setpriv")
        .args(["--reuid", "daemon", "--regid", "daemon", "--init-groups", "sh", "-c", "id -u; id -g; id -G"])
        .output()
        .unwrap();
    let (expected, _) = texts(&expected);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[..3], expected.lines().collect::<Vec<_>>()[..], "{}", ended.stdout);
    assert!(lines[3].starts_with("daemon daemon /"), "{}", ended.stdout);
    assert_eq!(lines[4].split_whitespace().last(), Some("0000000000000000"), "it has no capabilities");
    let run = ended.run();
    assert!(run.events.iter().any(|event| matches!(event.body, Body::Fault(_))));
}

#[test]
fn a_recording_under_sudo_belongs_to_the_user_who_called_it() {
    let (uid, gid) = (60_123, 60_124);
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("run.parquet");
    let mut record = migtrace();
    record.env("SUDO_UID", uid.to_string()).env("SUDO_GID", gid.to_string());
    record.args(["record", "--rotate-size", "1", "-o"]).arg(&trace).args(["--", "sh", "-c"]);
    // The recorder starts another file at a tick, four times a second, if this one is not empty.
    record.arg("until [ -e \"$0.end\" ]; do /bin/true; done").arg(&trace).stderr(Stdio::piped());
    let mut record = ChildGuard::start(&mut record);
    let err = crate::recorder::CapturedOutput::from(record.0.stderr.take().unwrap());
    let owner = |path: &std::path::Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.uid(), file.gid(), file.mode() & 0o777))
    };
    let second = dir.path().join("run.1.parquet");
    let partial = wait_for("the second file's directory", || owner(&dir.path().join("run.1.parquet.partial")));
    assert_eq!(partial, (uid, gid, 0o700));
    wait_for("the second file", || second.exists().then_some(()));
    fs::write(dir.path().join("run.parquet.end"), "").unwrap();
    assert!(record.0.wait().unwrap().success());
    for path in [&trace, &second] {
        assert_eq!(owner(path), Some((uid, gid, 0o600)), "{}", path.display());
    }
    err.wait_for(&format!("owner UID {uid}"));
    // A recorder that root starts keeps its files.
    let run = Recorder::start(&[], &["true"]).finish();
    assert_eq!(owner(&run.ended.trace), Some((0, 0, 0o600)));
}

#[test]
fn a_stopped_process_has_not_exited() {
    let process = ChildGuard::start(Command::new("sleep").arg("600"));
    let pid = process.0.id();
    let recorder = Recorder::attached(&["--pid", &pid.to_string()]);
    send(pid, libc::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(fs::exists(format!("/proc/{}", recorder.pid())).unwrap(), "the recording ended with a stopped process");
    recorder.signal(libc::SIGINT);
    assert!(!recorder.finish().ended.stderr.contains("has exited"));
}
