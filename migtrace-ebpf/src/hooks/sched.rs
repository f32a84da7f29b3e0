//! The life of traced processes; children of a traced process are traced.

use migtrace_common::{
    counters::Probe,
    kinds::{RecordKind, TaskEvent},
    record::{Header, NO_NODE, Task},
};

use super::{Args, read_kernel};
use crate::{
    aggregate,
    config::config,
    emit::{self, Counted},
    filter,
    maps::CPU_NODES,
};

/// The programs that count what happens to tasks.
const FORK: Counted = Counted(Probe::Task, 0);
const EXEC: Counted = Counted(Probe::Task, 1);
const EXIT: Counted = Counted(Probe::Task, 2);
const MOVED: Counted = Counted(Probe::Task, 3);

/// sched_process_fork(parent, child), in the parent.
#[inline(always)]
pub fn fork(ctx: &impl Args) {
    // Children of a traced process are traced whatever the filter says of this event.
    let Some(task) = is_traced(FORK) else { return };
    let child = ctx.arg(1);
    let child_pid: u32 = read_kernel(child, config!(task_tgid));
    if child_pid == task.pid {
        // A new thread: its process is traced already.
        return;
    }
    if config!(only_traced) != 0 {
        filter::set_traced(child_pid, true);
    }
    record(FORK, task, TaskEvent::FORK, child_pid, read_kernel(child, config!(task_start)));
}

/// sched_process_exec, in the task.
#[inline(always)]
pub fn exec() {
    if let Some(task) = is_traced(EXEC) {
        aggregate::renamed(task);
        record(EXEC, task, TaskEvent::EXEC, 0, 0);
    }
}

/// sched_process_exit(task), in the task: the process ends with its last thread.
#[inline(always)]
pub fn exit(ctx: &impl Args) {
    let Some(task) = is_traced(EXIT) else { return };
    let signal: u64 = read_kernel(ctx.arg(0), config!(task_signal));
    if read_kernel::<i32>(signal, config!(signal_live)) > 0 {
        return;
    }
    record(EXIT, task, TaskEvent::EXIT, 0, 0);
    if config!(only_traced) != 0 {
        filter::set_traced(task.pid, false);
    }
}

/// sched_migrate_task(task, cpu), in whoever moves it: recorded where the CPU belongs to another node.
#[inline(always)]
pub fn migrate(ctx: &impl Args) {
    let moved = ctx.arg(0);
    let Some(from_node) = node_of(read_kernel(moved, config!(task_cpu))) else { return };
    let Some(to_node) = node_of(ctx.arg(1) as u32) else { return };
    if from_node == to_node {
        return;
    }
    let (pid, tid): (u32, u32) = (read_kernel(moved, config!(task_tgid)), read_kernel(moved, config!(task_pid)));
    if pid == 0 || !filter::is_traced(pid) {
        return emit::filtered(MOVED);
    }
    let word = |n: u32| read_kernel::<u64>(moved, config!(task_comm) + n * size_of::<u64>() as u32);
    let comm = [word(0), word(1)];
    let here = filter::wants_here() && filter::wants_nowhere();
    if !filter::wants(RecordKind::TASK) || !filter::wants_other(pid, comm) || !here {
        return emit::filtered(MOVED);
    }
    let ts_ns = emit::now();
    // SAFETY: the same bytes.
    let comm: [u8; 16] = unsafe { core::mem::transmute(comm) };
    // Without its cgroup, which is not shown without walking there.
    emit::commit_of_another(MOVED, |entry| {
        entry.write(Task {
            header: Header { comm, ..emit::header(filter::Task { pid, tid }, RecordKind::TASK, Probe::Task, ts_ns) },
            child_start_ns: 0,
            what: TaskEvent::MOVED.0,
            pad: [0; 3],
            child_pid: 0,
            from_node,
            to_node,
        });
    });
}

/// The running thread, if its process is traced, else counts the event as filtered. What the filter says of it comes later.
#[inline(always)]
fn is_traced(by: Counted) -> Option<filter::Task> {
    let task = filter::current();
    if filter::is_traced(task.pid) {
        return Some(task);
    }
    emit::filtered(by);
    None
}

/// The node of a CPU, where it is known.
#[inline(always)]
fn node_of(cpu: u32) -> Option<i32> {
    // SAFETY: the map's own memory, which the collector fills before the programs run.
    CPU_NODES.get(cpu).copied().filter(|&node| node != NO_NODE)
}

#[inline(always)]
fn record(by: Counted, task: filter::Task, what: TaskEvent, child_pid: u32, child_start_ns: u64) {
    let here = filter::wants_here() && filter::wants_nowhere();
    if !filter::wants(RecordKind::TASK) || !filter::wants_running(task.pid) || !here {
        return emit::filtered(by);
    }
    let ts_ns = emit::now();
    emit::commit(by, |entry| {
        entry.write(Task {
            header: emit::header(task, RecordKind::TASK, Probe::Task, ts_ns),
            child_start_ns,
            what: what.0,
            pad: [0; 3],
            child_pid,
            from_node: NO_NODE,
            to_node: NO_NODE,
        });
    });
}
