//! Failures and disturbances of a recorder: its reader is stopped, it is killed, it receives a signal, or a second
//! recorder is running.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use migtrace::{
    clock,
    event::{Body, FaultClass, LossCause, Probe},
    trace::Trace,
};
use tempfile::TempDir;

use crate::{
    recorder::{ChildGuard, Ended, Recorder, TIMEOUT, send, vmstat, wait_for},
    support::{PAGE, Script, migtrace, record, texts},
};

/// Returns the ids of all BPF programs that are loaded in the kernel.
fn programs() -> BTreeSet<u32> {
    aya::programs::loaded_programs().map(|program| program.unwrap().id()).collect()
}

/// Asserts that the kernel has no other programs than before. Waits, because it frees programs a moment after their
/// last use.
fn assert_nothing_stays(before: &BTreeSet<u32>) {
    let began = Instant::now();
    while programs() != *before {
        assert!(began.elapsed() < TIMEOUT, "programs stay loaded: {:?} against {before:?}", programs());
        thread::sleep(Duration::from_millis(50));
    }
}

/// A memtoy script that a shell starts only once a FIFO is written to. Until then the workload causes no events.
struct HeldScript {
    script: Script,
    _dir: TempDir,
    fifo: PathBuf,
}

impl HeldScript {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        Self { script: Script::new(text), _dir: dir, fifo }
    }

    /// Returns the command line. The command prints `held` and waits.
    fn argv(&self) -> [&OsStr; 7] {
        let shell = "echo held; read _ < \"$3\"; exec \"$0\" \"$1\" \"$2\"";
        let [migtrace, memtoy, path] = self.script.argv();
        ["sh".as_ref(), "-c".as_ref(), shell.as_ref(), migtrace, memtoy, path, self.fifo.as_os_str()]
    }

    fn release(&self) {
        fs::write(&self.fifo, "\n").unwrap();
    }
}

#[test]
fn a_stopped_reader_loses_events_and_the_account_is_exact() {
    let pages = 20_000;
    let held = HeldScript::new(&format!("anon seg {pages}p\nmap seg\ntouch seg write\n"));
    let recorder = Recorder::start(&["--ring-size", "64k"], &held.argv());
    recorder.wait_for_output("held");
    recorder.signal(libc::SIGSTOP);
    held.release();
    recorder.wait_for_output("touched 20000 pages");
    recorder.signal(libc::SIGCONT);
    let run = recorder.finish();
    run.assert_account();
    let faults = run.account(Probe::Fault);
    assert!(faults.seen >= pages, "every page was touched: {faults:?}");
    assert!(
        faults.lost[&LossCause::RingFull.into()] > pages / 2,
        "a ring of 64k cannot hold {pages} faults: {faults:?}"
    );
    assert!(run.ended.stderr.contains("lost"), "{}", run.ended.stderr);
}

#[test]
fn a_stopped_reader_with_room_in_the_ring_loses_nothing() {
    let held = HeldScript::new("anon seg 2000p\nmap seg\ntouch seg write\n");
    let recorder = Recorder::start(&["--ring-size", "4m"], &held.argv());
    recorder.wait_for_output("held");
    recorder.signal(libc::SIGSTOP);
    held.release();
    recorder.wait_for_output("touched 2000 pages");
    recorder.signal(libc::SIGCONT);
    let run = recorder.finish();
    run.assert_account();
    run.assert_lossless();
}

/// Records eight concurrent processes that touch `pages` pages each.
fn storm(options: &[&str], pages: u64) -> crate::support::Run {
    let script = Script::new(&format!("anon seg {pages}p\nmap seg\nmbind seg default\ntouch seg write\n"));
    let [program, memtoy, file] = script.argv();
    let all = "for i in 1 2 3 4 5 6 7 8; do \"$0\" \"$@\" & done; wait";
    Recorder::start(options, &["sh".as_ref(), "-c".as_ref(), all.as_ref(), program, memtoy, file]).finish()
}

#[test]
fn all_faults_of_eight_concurrent_processes_are_recorded() {
    let pages = 1000;
    let run = storm(&[], pages);
    run.assert_account();
    run.assert_lossless();
    // For each process: the address of its segment.
    let mut segments = BTreeMap::new();
    for (event, request) in run.requests().iter().filter(|(_, r)| r.name == migtrace::event::RequestName::Mbind) {
        segments.insert(event.pid, request.addr.unwrap());
    }
    assert_eq!(segments.len(), 8);
    let mut absent = 0;
    for (pid, start) in segments {
        let inside = |addr: u64| (start..start + pages * PAGE).contains(&addr);
        let found = run.faults();
        let touched: Vec<u64> = found
            .iter()
            .filter(|(e, f)| e.pid == pid && f.class == Some(FaultClass::Anon) && inside(f.addr))
            .filter(|(_, f)| f.result.as_deref() == Some("ok"))
            .map(|(_, f)| f.addr & !(PAGE - 1))
            .collect();
        let distinct: BTreeSet<_> = touched.iter().collect();
        assert_eq!(touched.len(), distinct.len(), "process {pid}");
        absent += pages - touched.len() as u64;
    }
    let missed = run.max_missed(&Probe::Fault.into());
    assert!(absent <= missed, "{absent} faults are absent, but the kernel missed only {missed}");
}

#[test]
fn with_rings_of_one_page_the_account_of_eight_processes_adds_up() {
    let run = storm(&["--ring-size", "4k"], 1000);
    run.assert_account();
    let faults = run.account(Probe::Fault);
    assert!(faults.seen >= 8 * 1000 && faults.lost() > 0, "{faults:?}");
}

/// Kills a recorder and its workload after several flushes. Returns the age of the newest readable event at the kill.
fn killed(script: &Script, programs_before: &BTreeSet<u32>) -> (Duration, Ended) {
    let recorder = Recorder::start(&[], &script.argv());
    recorder.wait_for_output("pid = ");
    let workload = child_of(recorder.pid());
    let third = recorder.trace().with_extension("parquet.partial").join("000003.parquet");
    wait_for("the third segment", || third.exists().then_some(()));
    assert_ne!(programs(), *programs_before, "the recorder's programs are not loaded");
    recorder.signal(libc::SIGKILL);
    let killed_ns = clock::boot_ns();
    send(workload, libc::SIGKILL);
    let ended = recorder.end();
    assert_eq!(ended.shell_status(), 128 + libc::SIGKILL);
    assert_nothing_stays(programs_before);
    let trace = Trace::open(&ended.trace).unwrap();
    assert!(trace.truncated());
    let last_ns = trace.read_all().unwrap().iter().map(|e| e.ts_ns).max().unwrap();
    (Duration::from_nanos(killed_ns - last_ns), ended)
}

#[test]
fn a_killed_recorder_leaves_its_flushed_events_and_no_programs() {
    let before = programs();
    // 30 seconds and more, until it is killed.
    let turns = "touch seg 0 1p\nsleep 10\n".repeat(3000);
    let script = Script::new(&format!("anon seg 8p\nmap seg\ntouch seg write\npid\n{turns}"));
    // On a busy machine the recorder may not run in the last second. Therefore one of a few attempts must succeed.
    let mut attempts = (0..8).map(|_| killed(&script, &before));
    let lost_little = |(missing, _): &(Duration, Ended)| *missing < Duration::from_millis(1500);
    let (_, ended) = attempts.find(lost_little).expect("about one second is lost at most, in one of eight attempts");

    let recovered = migtrace().arg("recover").arg(&ended.trace).output().unwrap();
    assert!(recovered.status.success(), "{}", texts(&recovered).1);
    let recovered = Trace::open(&ended.trace).unwrap();
    assert!(recovered.read_all().unwrap().iter().any(|e| matches!(e.body, Body::Phase(_))));

    record("anon seg 1p\nmap seg\ntouch seg\n").assert_lossless();
}

#[test]
fn signals_end_a_recording_cleanly() {
    let before = programs();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let script = Script::new("anon seg 8p\nmap seg\ntouch seg write\npid\nsnooze 600\n");
        let recorder = Recorder::start(&[], &script.argv());
        recorder.wait_for_output("pid = ");
        let workload = child_of(recorder.pid());
        recorder.signal(signal);
        let ended = recorder.end();
        assert_eq!(ended.shell_status(), 128 + libc::SIGTERM, "the command is ended by SIGTERM: {}", ended.stderr);
        assert!(!fs::exists(format!("/proc/{workload}")).unwrap(), "the command is still running");
        assert!(!ended.dir.path().join("run.parquet.partial").exists());
        let run = ended.run();
        assert!(run.meta.end_ns.is_some());
        run.assert_account();
        run.assert_lossless();
    }
    assert_nothing_stays(&before);
}

#[test]
fn a_signal_while_probes_are_attached_ends_the_recording_cleanly() {
    let before = programs();
    let recorder = Recorder::start::<&str>(&["--quiet"], &[]);
    // Attaching takes longer than this process needs to see the first program.
    wait_for("the first program", || (programs() != before).then_some(()));
    recorder.signal(libc::SIGINT);
    let ended = recorder.end();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    assert!(!ended.dir.path().join("run.parquet.partial").exists());
    ended.run().assert_account();
    assert_nothing_stays(&before);
}

#[test]
fn the_signal_of_flight_recordings_does_not_end_others() {
    let recorder = Recorder::attached(&[]);
    recorder.signal(libc::SIGUSR1);
    recorder.wait_for_message("SIGUSR1 writes the events that --flight keeps");
    recorder.signal(libc::SIGINT);
    recorder.finish().assert_account();
}

#[test]
fn two_concurrent_recorders_record_only_their_own_workload() {
    let before = programs();
    let script = Script::new(
        "anon seg 100p\nmap seg\nmbind seg preferred 1\ntouch seg write\nsleep 500\nmbind seg bind+move 2\n",
    );
    let recorders = [(); 2].map(|()| Recorder::start(&[], &script.argv()));
    let runs = recorders.map(Recorder::finish);
    let pids =
        runs.each_ref().map(|run| run.events.iter().filter(|e| e.pid != 0).map(|e| e.pid).collect::<BTreeSet<_>>());
    assert!(pids[0].is_disjoint(&pids[1]), "{pids:?}");
    for run in &runs {
        run.assert_account();
        run.assert_lossless();
        assert_eq!(run.migrated_pages().values().sum::<u64>(), 100);
        let (_, request) = run.migrating_mbind();
        let start = request.addr.unwrap();
        let faults = run.faults();
        let touched = faults.iter().filter(|(_, f)| (start..start + 100 * PAGE).contains(&f.addr)).count();
        assert_eq!(touched, 100);
    }
    assert_nothing_stays(&before);
}

#[test]
fn a_system_wide_recording_excludes_the_recorder() {
    let recorder = Recorder::attached(&[]);
    let pid = recorder.pid();
    let script = Script::new("anon seg 64p\nmap seg\nmbind seg preferred 1\ntouch seg write\nmbind seg bind+move 2\n");
    let workload = script.command().stderr(Stdio::piped()).spawn().unwrap();
    let workload_pid = workload.id();
    assert!(workload.wait_with_output().unwrap().status.success());
    // The recorder writes segments and allocates memory, so it faults itself.
    let minflt = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().split(' ').nth(9).unwrap().to_owned();
    let before = minflt();
    wait_for("the recorder faults", || (minflt() != before).then_some(()));
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_account();
    assert!(
        run.events.iter().all(|e| e.pid != pid || matches!(e.body, Body::Loss(_))),
        "the recording has events of the recorder"
    );
    assert!(
        run.account(Probe::Fault).filtered > 0,
        "no fault of the recorder was seen and filtered: {:?}",
        run.account(Probe::Fault)
    );
    let moved = run.migrations().iter().filter(|(e, _)| e.pid == workload_pid).count();
    assert_eq!(moved, 64);
}

/// The programs are detached one by one while events continue. No event may then have an end without a start, which
/// counts as lost.
#[test]
fn a_recording_that_is_stopped_under_load_loses_nothing() {
    let recorder = Recorder::attached(&[]);
    let turns = "mbind seg bind+move 2\nmbind seg bind+move 1\n".repeat(2000);
    let migrating = Script::new(&format!("anon seg 8p\nmap seg\nmbind seg bind 1\ntouch seg write\n{turns}"));
    let _migrating = ChildGuard::start(&mut migrating.command());
    let _faulting = ChildGuard::start(Command::new("sh").args(["-c", "while :; do /bin/true; done"]));
    let before = vmstat();
    wait_for("faults and migrations under way", || {
        let now = vmstat();
        let gained = |name: &str| now[name] - before[name];
        (gained("pgfault") > 2000 && gained("pgmigrate_success") > 100).then_some(())
    });
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    assert!(run.faults().len() > 1000 && run.batches().len() > 10, "{:?}", run.meta.account);
    run.assert_lossless();
}

/// Returns the only child of a process.
fn child_of(pid: u32) -> u32 {
    let parent_of = |pid: u32| {
        // State and parent follow the name, which is in parentheses and can itself contain parentheses and spaces.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let children: Vec<u32> = all.filter(|&other| parent_of(other) == Some(pid)).collect();
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}
