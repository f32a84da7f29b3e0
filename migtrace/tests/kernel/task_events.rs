//! Task events: all children are traced, even very short-lived ones, and a reused PID is another process.

use std::collections::{BTreeMap, BTreeSet};

use migtrace::event::TaskEvent;

use crate::{recorder::Recorder, requirements::needs, support::Run};

const CHILDREN: usize = 200;

fn count(run: &Run, what: TaskEvent) -> usize {
    run.tasks().iter().filter(|(_, task)| task.what == what).count()
}

#[test]
fn all_short_lived_children_are_traced() {
    let forks = format!("i=0; while [ $i -lt {CHILDREN} ]; do ( : ); i=$((i+1)); done");
    let run = Recorder::start(&[], &["sh", "-c", &forks]).finish();
    run.assert_account();
    run.assert_lossless();
    assert_eq!((count(&run, TaskEvent::Fork), count(&run, TaskEvent::Exit)), (CHILDREN, CHILDREN + 1));
    let children: BTreeSet<_> = run.tasks().iter().filter_map(|(_, task)| task.target_pid).collect();
    assert_eq!(children.len(), CHILDREN);
    // Each child faults at least once: it writes to its stack, which is shared with the parent until then.
    let faulted: BTreeSet<_> = run.faults().iter().map(|(event, _)| event.pid).collect();
    assert!(children.is_subset(&faulted), "{:?} never faulted?", children.difference(&faulted));
}

#[test]
fn grandchildren_and_executed_programs_are_traced() {
    let run = Recorder::start(&[], &["sh", "-c", "sh -c '/bin/true; /bin/true'; /bin/true"]).finish();
    run.assert_account();
    assert_eq!(count(&run, TaskEvent::Exec), 5, "{:#?}", run.tasks());
    assert_eq!(count(&run, TaskEvent::Fork), 4);
    assert_eq!(count(&run, TaskEvent::Exit), 5);
    let names: Vec<_> = run.faults().iter().map(|(event, _)| event.comm.to_string()).collect();
    assert!(names.iter().any(|name| name == "true"), "no fault of the executed program `true`: {names:?}");
}

#[test]
fn threads_belong_to_their_process() {
    let threads = "use threads; $_->join for map { threads->create(sub { my $x = 'x' x (1 << 20); length $x }) } 1..8;";
    let run = Recorder::start(&[], &["perl", "-e", threads]).finish();
    run.assert_account();
    run.assert_lossless();
    let pids: BTreeSet<_> = run.faults().iter().map(|(event, _)| event.pid).collect();
    let tids: BTreeSet<_> = run.faults().iter().map(|(event, _)| event.tid).collect();
    assert_eq!(pids.len(), 1);
    assert_eq!(tids.len(), 1 + 8, "each thread faults");
    assert_eq!(
        (count(&run, TaskEvent::Fork), count(&run, TaskEvent::Exit)),
        (0, 1),
        "threads have no fork and exit events: only the process exits"
    );
}

#[test]
fn a_reused_pid_is_another_process() {
    needs!(choosable_pids);
    // The shell's next child gets the PID after the one written to ns_last_pid.
    let again = "pid=$(sh -c 'echo $$'); echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; ( : )";
    let run = Recorder::start(&[], &["sh", "-c", again]).finish();
    run.assert_account();
    let mut start_times: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    for event in &run.events {
        start_times.entry(event.pid).or_default().extend(event.process_start_ns);
    }
    let forks: Vec<_> = run.tasks().iter().filter_map(|(_, task)| task.target_pid).collect();
    let twice = forks.iter().find(|pid| forks.iter().filter(|other| other == pid).count() == 2);
    let Some(twice) = twice else { panic!("no PID was used twice: {forks:?}") };
    assert_eq!(start_times[twice].len(), 2, "one start time per process: {start_times:?}");
}
