//! The life of traced processes; children of a traced process are traced.

use aya_ebpf::programs::BtfTracePointContext;
use migtrace_common::{
    counters::Probe,
    kinds::{RecordKind, TaskEvent},
    record::{NO_NODE, Task},
};

use super::read_kernel;
use crate::{config::config, emit, filter, maps::TRACED};

/// sched_process_fork(parent, child), in the parent.
#[inline(always)]
pub fn fork(ctx: &BtfTracePointContext) {
    let Some(task) = filter::traced(Probe::Task) else { return };
    let child: u64 = ctx.arg(1);
    let Some(child_pid) = read_kernel::<u32>(child, config!(task_tgid)) else { return };
    if child_pid == task.pid {
        // A new thread: its process is traced already.
        return;
    }
    if config!(only_traced) != 0 && TRACED.insert(child_pid, 1, 0).is_err() {
        emit::lost_in_map(Probe::Task);
    }
    record(task, TaskEvent::FORK, child_pid);
}

/// sched_process_exec, in the task.
#[inline(always)]
pub fn exec() {
    if let Some(task) = filter::traced(Probe::Task) {
        record(task, TaskEvent::EXEC, 0);
    }
}

/// sched_process_exit(task), in the task: the process ends with its last thread.
#[inline(always)]
pub fn exit(ctx: &BtfTracePointContext) {
    let Some(task) = filter::traced(Probe::Task) else { return };
    let signal: u64 = read_kernel(ctx.arg::<u64>(0), config!(task_signal)).unwrap_or(0);
    if read_kernel::<i32>(signal, config!(signal_live)).unwrap_or(0) > 0 {
        return;
    }
    record(task, TaskEvent::EXIT, 0);
    let _ = TRACED.remove(task.pid);
}

#[inline(always)]
fn record(task: filter::Task, what: TaskEvent, child_pid: u32) {
    let ts_ns = emit::now();
    emit::commit(Probe::Task, |entry| {
        entry.write(Task {
            header: emit::header(task, RecordKind::TASK, Probe::Task, ts_ns),
            what: what.0,
            pad: [0; 3],
            child_pid,
            from_node: NO_NODE,
            to_node: NO_NODE,
        });
    });
}
