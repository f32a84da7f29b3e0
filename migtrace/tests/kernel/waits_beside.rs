//! `top` and `serve` beside a recording of threads that wait for migrations: all three have the same waits.

use std::{
    env,
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use migtrace::event::{Cause, FaultClass};
use serde_json::Value;

use crate::{
    attribution::WORKLOAD,
    own_workload,
    recorder::{ChildGuard, Recorder, TIMEOUT, send, wait_for},
    serve::{Server, sum},
    support::migtrace,
    waits,
};

#[test]
fn top_and_serve_have_the_waits_of_the_trace() {
    if env::var_os(WORKLOAD).is_some() {
        waits::workload(libc::MADV_NOHUGEPAGE);
    }
    let server = Server::start();
    let mut command = migtrace();
    command.args(["top", "--batch", "--json", "--view", "latency", "-d", "0.5"]);
    let mut top = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut updates = BufReader::new(top.0.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).expect("a document on each line"));
    // The first update comes once the probes are attached.
    let first = updates.next().unwrap();
    let before = server.metrics().unwrap();
    let argv = own_workload::argv("waits_beside::top_and_serve_have_the_waits_of_the_trace");
    let run = Recorder::start(&[], &argv).finish();
    run.assert_lossless();

    let all = run.faults();
    let faults: Vec<_> = all.iter().filter(|(_, fault)| fault.class == Some(FaultClass::MigrationWait)).collect();
    let (waiter, _) = faults.first().expect("a wait");
    let (pid, start_ns) = (waiter.pid, waiter.process_start_ns);
    assert!(faults.iter().all(|(event, _)| event.pid == pid), "{faults:#?}");
    let count = faults.len() as u64;
    let named = faults.iter().filter(|(_, fault)| fault.wait.is_some()).count() as u64;

    let (known, unknown) = (|wait: &Value| !wait["cause"].is_null(), |wait: &Value| wait["cause"].is_null());
    let of = |update: &Value, is: fn(&Value) -> bool, key: &str| {
        let waits = update["migration_waits"].as_array().unwrap().iter().filter(|wait| wait["pid"] == pid && is(wait));
        waits.map(|wait| wait[key].as_u64().unwrap()).sum::<u64>()
    };
    let began = Instant::now();
    let shown = updates.find(|update| {
        assert!(began.elapsed() < TIMEOUT, "{count} waits in the trace: {update}");
        of(update, known, "faults") + of(update, unknown, "faults") == count
    });
    let shown = shown.unwrap();
    // Other events may be lost for the screen, since an unoptimized build is slow on an emulated CPU.
    assert_eq!(shown["further_migration_waits"], 0, "{first} {shown}");
    // A wait that begins in the moment in which the migration ends may name it in the one and not in the other.
    assert!(of(&shown, known, "faults") > 0 && of(&shown, unknown, "faults") + named <= count + count / 10, "{shown}");
    for wait in shown["migration_waits"].as_array().unwrap().iter().filter(|wait| wait["pid"] == pid && known(wait)) {
        assert_eq!((&wait["cause"], &wait["migrated_by_pid"]), (&"move_pages".into(), &pid.into()), "{wait}");
        // The time at which it started is known to 10 ms in one of the two.
        assert!(start_ns.is_none() || wait["process_start_ns"].is_u64(), "{wait}");
    }
    // Each tracer reads the clock itself, before and after the others do.
    let (in_trace, in_top) = (
        faults.iter().map(|(_, fault)| fault.latency_ns.unwrap()).sum::<u64>() as f64,
        (of(&shown, known, "total_ns") + of(&shown, unknown, "total_ns")) as f64,
    );
    assert!((0.5..2.0).contains(&(in_top / in_trace)), "{in_top} ns in top, {in_trace} ns in the trace");

    let gained = |text: &str, name: &str, labels: &[&str]| sum(text, name, labels) - sum(&before, name, labels);
    let waits = "migtrace_migration_waits_total";
    let after = wait_for("the waits in the metrics", || {
        std::thread::sleep(Duration::from_millis(300));
        server.metrics().filter(|text| gained(text, waits, &[]) >= count as f64)
    });
    assert_eq!(gained(&after, waits, &[]), count as f64, "{after}");
    let by_cause = gained(&after, waits, &[&format!("cause=\"{}\"", Cause::MovePages.word())]);
    assert!(by_cause > 0.0 && by_cause == gained(&after, waits, &["cause="]), "{after}");
    let seconds = gained(&after, "migtrace_migration_wait_seconds_total", &[]);
    assert!((0.5..2.0).contains(&(seconds * 1e9 / in_trace)), "{seconds} s in serve, {in_trace} ns in the trace");
    assert_eq!(gained(&after, "migtrace_cgroup_migration_waits_total", &[]), count as f64, "{after}");
    let in_cgroups = gained(&after, "migtrace_cgroup_migration_wait_seconds_total", &[]);
    assert!((in_cgroups - seconds).abs() < 1e-6, "{in_cgroups} {seconds}");
    send(top.0.id(), libc::SIGTERM);
    drop(updates);
    assert_eq!(top.0.wait().unwrap().code(), Some(0));
    server.end();
}
