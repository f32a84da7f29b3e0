//! Recordings that a kill or a full disk ends: the events written before can be read.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_synth::{Shape, Synth};
use migtrace::{
    clock,
    decode::{names::Names, record::decode},
    recording::Meta,
    trace::{FORMAT_VERSION, Trace, Writer, recover},
};

const MIGTRACE: &str = env!("CARGO_BIN_EXE_migtrace");

/// Set in the recorder's environment: `SHAPE EVENTS PER_SECOND OUTPUT`. 0 events per second means no limit.
const RECORD: &str = "MIGTRACE_TEST_RECORD";

/// The recorder. The tests below run it in a second process of this test program, because they kill it or fill its
/// disk.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn recorder() {
    let Ok(task) = env::var(RECORD) else { return };
    let task = task.split_whitespace().collect::<Vec<_>>();
    let [shape, events, per_second, output] = task[..] else { panic!("{RECORD}: {task:?}") };
    let (events, per_second): (u64, u64) = (events.parse().expect("events"), per_second.parse().expect("a rate"));
    record(shape.parse().expect("a shape"), events, per_second, Path::new(output)).expect("recorded");
}

fn record(shape: Shape, events: u64, per_second: u64, output: &Path) -> Result<(), migtrace::trace::Error> {
    let meta = |end_ns| Meta { format_version: FORMAT_VERSION, end_ns, ..Meta::default() };
    let (mut synth, names) = (Synth::new(shape), Names::default());
    let mut writer = Writer::create(output, &meta(None))?;
    let began = Instant::now();
    for n in 0..events {
        while per_second > 0 && n >= (began.elapsed().as_secs_f64() * per_second as f64) as u64 {
            writer.tick()?;
            thread::sleep(Duration::from_millis(1));
        }
        let mut event = decode(synth.next_record(), &names).expect("a record");
        event.ts_ns = clock::boot_ns();
        writer.push(&event)?;
    }
    writer.finish(&meta(Some(clock::boot_ns()))).map(drop)
}

/// Records 20000 synthetic events per second, kills the recorder after `age`, and recovers the trace. Returns the age
/// of the newest recovered event at the kill.
fn lost_by_a_kill(age: Duration) -> Duration {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let mut recorder = Command::new(env::current_exe().expect("this program"))
        .args(["recorder", "--exact", "--ignored"])
        .env(RECORD, format!("mixed 100000000 20000 {}", path.display()))
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    // The first segment shows that the recorder is running.
    while fs::metadata(dir.path().join("run.parquet.partial/000001.parquet")).is_err() {
        thread::sleep(Duration::from_millis(10));
        assert!(recorder.try_wait().expect("waited").is_none(), "the recorder ended before it was killed");
    }
    thread::sleep(age);
    let killed_ns = clock::boot_ns();
    recorder.kill().expect("killed");
    recorder.wait().expect("waited");
    let recovered = recover(&path, None).expect("recovered");
    assert!(recovered.left_out.is_empty(), "{:?}", recovered.left_out);
    let trace = Trace::open(&path).expect("opened");
    assert!(trace.truncated(), "the trace is marked as cut off");
    let newest = trace.events().map(|event| event.expect("an event").ts_ns).max().expect("events");
    Duration::from_nanos(killed_ns - newest)
}

#[test]
fn a_kill_loses_at_most_the_last_second() {
    // On a busy machine the recorder may not run in that second. Therefore one of a few attempts must succeed.
    let mut lost = [500, 800, 1100].into_iter().cycle().map(Duration::from_millis).take(12).map(lost_by_a_kill);
    assert!(lost.any(|lost| lost <= Duration::from_secs(1)), "in each of twelve attempts more was lost");
}

/// Mounts a file system of 8 MiB on `dir` and runs a shell script there. That is room for one segment at any event
/// rate. Returns `None` if this user cannot mount.
fn on_a_small_disk(dir: &Path, script: &str) -> Option<Output> {
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--map-root-user", "sh", "-c", script, MIGTRACE]).arg(dir).stdin(Stdio::null());
        unshare.arg(env::current_exe().expect("this program")).env(RECORD, "noise 2000000 0 run.parquet");
        unshare.output().expect("unshare, of util-linux")
    };
    let mount = "mount -t tmpfs -o size=8m none \"$1\"";
    if !unshare(mount).status.success() {
        eprintln!("skipped: only root can mount a small disk on this machine");
        return None;
    }
    Some(unshare(&format!("{mount} && cd \"$1\" && {script}")))
}

#[test]
fn a_full_disk_is_reported_and_the_trace_so_far_is_readable() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "\"$2\" recorder --exact --ignored --nocapture; echo \"status $?\"; \
                  ls -A run.parquet.partial; \"$0\" summary run.parquet";
    let Some(output) = on_a_small_disk(dir.path(), script) else { return };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("status 101\n"), "{out}{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert!(!out.contains(".tmp"), "no temporary file remains: {out}");
    assert!(output.status.success() && out.contains("was cut off after at least"), "{out}{err}");
    assert!(err.contains("the recording was cut off, its last events are missing"), "{err}");
}
