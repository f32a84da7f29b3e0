//! Recordings that end as they should not: what was written before is whole.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use migtrace::{
    clock,
    trace::{Trace, recover},
};

const MIGTRACE: &str = env!("CARGO_BIN_EXE_migtrace");

/// A recording of 20000 made-up events a second that is killed after `age`; how old its newest recovered event was then.
fn lost_by_a_kill(age: Duration) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let mut recorder = Command::new(MIGTRACE)
        .args(["bench", "synth", "mixed", "--events", "100000000", "--per-second", "20000", "--output"])
        .arg(&path)
        .spawn()
        .expect("started");
    // From the first segment on it is at work.
    while fs::metadata(dir.path().join("run.parquet.partial/000001.parquet")).is_err() {
        thread::sleep(Duration::from_millis(10));
        assert!(recorder.try_wait().expect("waited").is_none(), "it goes on");
    }
    thread::sleep(age);
    let killed_ns = clock::boot_ns();
    recorder.kill().expect("killed");
    recorder.wait().expect("waited");
    let recovered = recover(&path, None).expect("recovered");
    assert!(recovered.left_out.is_empty(), "{:?}", recovered.left_out);
    let trace = Trace::open(&path).expect("opened");
    assert!(trace.truncated(), "the trace says that it was cut off");
    let newest = trace.events().map(|event| event.expect("an event").ts_ns).max().expect("events");
    Duration::from_nanos(killed_ns - newest)
}

#[test]
fn a_kill_costs_no_more_than_the_last_second() {
    // A machine that has no time for the recorder at that moment is no fault of it: one of three must do.
    let lost = [500, 800, 1100].map(Duration::from_millis).map(lost_by_a_kill);
    assert!(lost.iter().any(|lost| *lost <= Duration::from_secs(1)), "{lost:?}");
}

/// Runs a shell script with a file system of its own, of 8 MiB, in `dir`: room for one segment, however fast events come.
fn on_a_small_disk(dir: &Path, script: &str) -> Option<Output> {
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--map-root-user", "sh", "-c", script, MIGTRACE]).arg(dir).stdin(Stdio::null());
        unshare.output().expect("unshare, of util-linux")
    };
    let mount = "mount -t tmpfs -o size=8m none \"$1\"";
    if !unshare(mount).status.success() {
        eprintln!("skipped: nobody but root may mount a small disk here");
        return None;
    }
    Some(unshare(&format!("{mount} && cd \"$1\" && {script}")))
}

#[test]
fn a_full_disk_is_told_and_the_trace_so_far_is_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "\"$0\" bench synth noise --events 2000000 --output run.parquet; echo \"status $?\"; \
                  ls -A run.parquet.partial; \"$0\" summary run.parquet";
    let Some(output) = on_a_small_disk(dir.path(), script) else { return };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("status 2\n"), "{out}{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert!(!out.contains(".tmp"), "nothing half-written stays: {out}");
    assert!(output.status.success() && out.contains("cut off after"), "{out}{err}");
    assert!(err.contains("the recording did not end, its last events are missing"), "{err}");
}
