//! Recordings on the host itself. The page faults of a child process are compared with the kernel's own count for that
//! process (getrusage). A full disk and a time namespace end a recording with an error.
//!
//! If this host does not allow tracing, the tests are skipped with a message.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, with its line")]

use std::{
    env, fs,
    io::Write,
    process::{Command, exit},
};

use migtrace::{
    event::{Body, Event},
    trace::Trace,
};
use nix::sys::{
    mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous},
    resource::{UsageWho, getrusage},
};

const PAGE: usize = 4096;
const PAGES: usize = 3000;
/// Set in the environment of the recorded process.
const WORKLOAD: &str = "MIGTRACE_TEST_WORKLOAD";
const TEST: &str = "recorded_faults_equal_the_count_of_getrusage";

#[test]
fn recorded_faults_equal_the_count_of_getrusage() {
    if env::var_os(WORKLOAD).is_some() {
        workload();
    }
    let Some(attach_method) = fault_attach_method() else {
        return skipped(TEST, "this process cannot trace faults on this machine");
    };
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("run.parquet");
    let mut record = Command::new(env!("CARGO_BIN_EXE_migtrace"));
    record.env_remove("MIGTRACE_LOG").env(WORKLOAD, "1").args(["record", "--quiet", "-o"]).arg(&trace);
    record.arg("--").arg(env::current_exe().unwrap()).args(["--exact", TEST, "--nocapture", "--test-threads=1"]);
    let output = record.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let counted: usize = stdout.lines().find_map(|line| line.strip_prefix("counted ")).unwrap().parse().unwrap();
    assert!(counted >= PAGES, "{counted}");

    let trace = Trace::open(&trace).unwrap();
    assert_eq!(trace.meta().lost(), 0);
    let events = trace.read_all().unwrap();
    let phase = |text: &str| events.iter().find(|e| matches!(&e.body, Body::Phase(p) if p.text == text)).unwrap();
    let (rehearsal, begin, end) = (phase("rehearsal"), phase("begin"), phase("end"));
    assert_eq!((begin.pid, begin.process_start_ns), (end.pid, end.process_start_ns));
    assert!(begin.process_start_ns.is_some_and(|ns| ns < begin.ts_ns));
    let inside = |e: &&Event| e.tid == begin.tid && (begin.ts_ns..end.ts_ns).contains(&e.ts_ns);
    // The kernel counts a fault once, although a fault with result retry is handled a second time.
    let is_fault = |e: &&Event| matches!(&e.body, Body::Fault(f) if f.result.as_deref() != Some("retry"));
    let seen = events.iter().filter(inside).filter(is_fault).count();
    let is_outside =
        |e: &&Event| e.tid == begin.tid && (rehearsal.ts_ns..begin.ts_ns).contains(&e.ts_ns) && is_fault(e);
    assert_eq!(events.iter().find(is_outside), None, "a fault between the count and its phase");
    assert_eq!(seen, counted, "faults traced by {attach_method}");
}

#[test]
fn a_full_disk_ends_the_recording_with_an_error() {
    let test = "a_full_disk_ends_the_recording_with_an_error";
    if fault_attach_method().is_none() {
        return skipped(test, "this process cannot trace faults on this machine");
    }
    let dir = tempfile::tempdir().unwrap();
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_migtrace")]).arg(dir.path());
        unshare.env_remove("MIGTRACE_LOG").output().unwrap()
    };
    let mount = "mount -t tmpfs -o size=64k none \"$1\"";
    if !unshare(mount).status.success() {
        return skipped(test, "only root can mount a small disk on this machine");
    }
    // Each process has its own addresses and page frames, so its events take some KiB.
    let workload = "sh -c 'for i in $(seq 2000); do /bin/true; done'";
    let output = unshare(&format!("{mount} && cd \"$1\" && exec \"$0\" record --quiet -o run.parquet -- {workload}"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("No space left on device") && stderr.contains("migtrace recover"), "{stderr}");
}

#[test]
fn a_time_namespace_with_an_offset_is_refused() {
    let test = "a_time_namespace_with_an_offset_is_refused";
    if fault_attach_method().is_none() || !fs::exists("/proc/self/ns/time").unwrap() {
        return skipped(test, "this process cannot trace faults on this machine, or the kernel has no time namespaces");
    }
    let dir = tempfile::tempdir().unwrap();
    let record = |namespace: &[&str]| {
        let mut command = Command::new("unshare");
        command.current_dir(&dir).env_remove("MIGTRACE_LOG").args(["--time", "--fork"]).args(namespace);
        let output =
            command.args([env!("CARGO_BIN_EXE_migtrace"), "record", "--quiet", "--", "true"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A time namespace without an offset has the machine's clock, so it is accepted.
    let (status, stderr) = record(&[]);
    assert_eq!(status, Some(0), "{stderr}");
    let (status, stderr) = record(&["--boottime", "1000"]);
    assert_eq!((status, stderr.contains("time namespace")), (Some(69), true), "{stderr}");
}

fn skipped(test: &str, why: &str) {
    // Not by println!: libtest captures that, and does not show it for a test that passes.
    let mut out = std::io::stdout();
    writeln!(out, "test {test} ... skipped: {why}").unwrap();
}

/// Returns the hooks by which `record` traces faults on this machine; `None` if it cannot.
fn fault_attach_method() -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_migtrace")).args(["doctor", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let probes = report["probes"].as_array().unwrap();
    // The test also needs phases: they delimit the counted part of the recording.
    let attached = |probe: &str| probes.iter().find(|p| p["probe"] == probe)?["attached"].as_str().map(str::to_owned);
    attached("phase")?;
    attached("fault")
}

/// Touches memory by writes, reads and a system call, and prints how many faults the kernel counted meanwhile.
fn workload() -> ! {
    let len = PAGES * PAGE;
    let flags = MapFlags::MAP_PRIVATE;
    // SAFETY: a new mapping at an address that the kernel chooses.
    let memory = unsafe {
        mmap_anonymous(None, len.try_into().unwrap(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags).unwrap()
    };
    // A huge page would be one fault for 512 pages, and a small count would prove less.
    // SAFETY: the range is the mapping above.
    unsafe { madvise(memory, len, MmapAdvise::MADV_NOHUGEPAGE).unwrap() };
    let zero = fs::File::open("/dev/zero").unwrap();
    // SAFETY: the range is the mapping above, and no other reference to it exists.
    let bytes = unsafe { std::slice::from_raw_parts_mut(memory.as_ptr().cast::<u8>(), len) };

    // Map the code and the stack of both calls first. Otherwise their own first touch is a fault between the count and
    // the phase: in the count, and not among the events.
    faults();
    phase("rehearsal");

    let before = faults();
    phase("begin");
    let (written, rest) = bytes.split_at_mut(len / 3);
    let (read, filled) = rest.split_at_mut(len / 3);
    written.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    let sum: u64 = read.iter().step_by(PAGE).map(|byte| u64::from(*byte)).sum();
    // The kernel itself faults in read(2), and counts these faults for the process.
    std::io::Read::read_exact(&mut &zero, filled).unwrap();
    phase("end");
    let after = faults();
    println!("\ncounted {}", after - before + sum as i64);
    exit(0);
}

fn faults() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    usage.minor_page_faults() + usage.major_page_faults()
}

fn phase(text: &str) {
    let name = migtrace_common::record::PR_MIGTRACE_PHASE;
    // SAFETY: the kernel does not have this option and returns an error without access to the text; only a probe reads
    // it.
    unsafe { libc::prctl(name, text.as_ptr(), text.len(), 0, 0) };
}

/// Waits until `migtrace` has written this text to its stderr, a file.
fn wait_for_text(path: &std::path::Path, text: &str) -> bool {
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_secs(30) {
        if fs::read_to_string(path).is_ok_and(|log| log.contains(text)) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    false
}

/// `systemctl reload` and logrotate send SIGHUP to a service; it ended with status 0, and nothing started it again. A
/// recording under nohup ended with its terminal.
#[test]
fn a_hangup_ends_neither_a_service_nor_a_recording_under_nohup() {
    let test = "a_hangup_ends_neither_a_service_nor_a_recording_under_nohup";
    if fault_attach_method().is_none() {
        return skipped(test, "this process cannot trace faults on this machine");
    }
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_migtrace");
    let trace = dir.path().join("run.parquet");
    for (name, ready, wrapper, arguments) in [
        ("serve", "serving", vec!["setsid", "--wait", program], vec!["serve", "--listen", "127.0.0.1:0"]),
        ("record", "recording into", vec!["nohup", program], vec!["record", "-o", trace.to_str().unwrap()]),
    ] {
        let log = dir.path().join(name);
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).args(arguments).stdout(fs::File::create(dir.path().join("out")).unwrap());
        // setsid(1) forks if it leads its group; here it does not.
        let mut child = command.env_remove("MIGTRACE_LOG").stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        assert!(wait_for_text(&log, ready), "{name}: {}", fs::read_to_string(&log).unwrap());
        let send = |signal| nix::sys::signal::kill(pid, signal).unwrap();
        send(nix::sys::signal::Signal::SIGHUP);
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "{name} has ended: {}", fs::read_to_string(&log).unwrap());
        send(nix::sys::signal::Signal::SIGTERM);
        assert!(child.wait().unwrap().success(), "{name}: {}", fs::read_to_string(&log).unwrap());
    }
}

#[test]
fn a_flight_recording_answers_with_a_whole_trace_and_leaves_no_file() {
    let test = "a_flight_recording_answers_with_a_whole_trace_and_leaves_no_file";
    if fault_attach_method().is_none() {
        return skipped(test, "this process cannot trace faults on this machine");
    }
    let dir = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (log, got) = (dir.path().join("log"), dir.path().join("got.parquet"));
    let mut record = Command::new(env!("CARGO_BIN_EXE_migtrace"));
    record.args(["record", "--flight", "1m", "--listen", &address, "-o", "run.parquet"]).current_dir(dir.path());
    let mut child = record.env_remove("MIGTRACE_LOG").stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    assert!(wait_for_text(&log, "recording into"), "{}", fs::read_to_string(&log).unwrap());
    let fetch = |query: &str| {
        let url = format!("http://{address}/dump{query}");
        Command::new("curl").args(["--silent", "--show-error", "--fail", "-o"]).arg(&got).arg(url).status().unwrap()
    };
    for query in ["", "?last=30s"] {
        assert!(fetch(query).success());
        let trace = Trace::open(&got).unwrap();
        assert!(!trace.truncated());
        assert!(trace.read_all().unwrap().iter().any(|event| matches!(event.body, Body::Fault(_))), "curl faults");
    }
    assert!(!fetch("?last=soon").success());
    let left = fs::read_dir(dir.path().join("run.parquet.partial")).unwrap().count();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), nix::sys::signal::Signal::SIGINT)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
    // The metadata, which every recording has there.
    assert_eq!(left, 1);
}
