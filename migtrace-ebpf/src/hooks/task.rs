//! Tasks: fork, exec and exit of traced processes, and threads that change nodes. Children of a traced process are
//! traced.

use migtrace_common::{
    counters::Probe,
    kinds::{RecordKind, TaskEvent},
    record::{Header, NO_NODE, Task},
};

use super::args::Args;
use crate::{
    account::Program,
    config::config,
    emit, filter,
    kernel_memory::read_kernel,
    maps::{CPU_NODES, THREADS},
    tally,
    thread::{self, Thread},
};

/// The programs that count what happens to tasks.
const FORK: Program = Program::new(Probe::Task, 0);
const EXEC: Program = Program::new(Probe::Task, 1);
const EXIT: Program = Program::new(Probe::Task, 2);
const CHANGED_NODE: Program = Program::new(Probe::Task, 3);
const SCANNED: Program = Program::new(Probe::Task, 4);

/// PID and start of no process.
const NO_CHILD: (u32, u64) = (0, 0);

/// sched_process_fork(parent, child), in the parent.
#[inline(always)]
pub fn fork(ctx: &impl Args) {
    // Children of a traced process are traced even if the filter rejects this event.
    let Some(thread) = traced(FORK) else { return };
    let child = ctx.arg(1);
    let child_pid: u32 = read_kernel(child, config!(task_tgid));
    if child_pid == thread.pid {
        // A new thread: its process is traced already.
        return;
    }
    if config!(only_traced) != 0 {
        filter::set_traced(child_pid, true);
    }
    record(FORK, thread, TaskEvent::FORK, (child_pid, read_kernel(child, config!(task_start))), 0);
}

/// sched_process_exec, in the task.
#[inline(always)]
pub fn exec() {
    if let Some(thread) = traced(EXEC) {
        tally::rename(thread);
        record(EXEC, thread, TaskEvent::EXEC, NO_CHILD, 0);
    }
}

/// sched_process_exit(task), in the task: the process ends with its last thread.
#[inline(always)]
pub fn exit(ctx: &impl Args) {
    let Some(thread) = traced(EXIT) else { return };
    let signal: u64 = read_kernel(ctx.arg(0), config!(task_signal));
    if read_kernel::<i32>(signal, config!(signal_live)) > 0 {
        return;
    }
    record(EXIT, thread, TaskEvent::EXIT, NO_CHILD, 0);
    if config!(only_traced) != 0 {
        filter::set_traced(thread.pid, false);
    }
}

/// task_numa_work() begins, before a thread returns to user space.
#[inline(always)]
pub fn begin_scan() {
    if filter::traced().is_some()
        && let Some(state) = THREADS.of_current_or_new()
    {
        state.scan_start_ns = thread::now();
    }
}

/// task_numa_work() returned.
#[inline(always)]
pub fn end_scan() {
    let Some(thread) = traced(SCANNED) else { return };
    let start_ns = THREADS.of_current().map_or(0, |state| core::mem::take(&mut state.scan_start_ns));
    if start_ns == 0 {
        return SCANNED.lost_start();
    }
    let latency_ns = thread::now() - start_ns;
    if !filter::wants_latency(latency_ns) {
        return SCANNED.filtered();
    }
    record(SCANNED, thread, TaskEvent::SCANNED, NO_CHILD, latency_ns);
}

/// sched_migrate_task(task, cpu), in the thread that moves the task: recorded if the CPU belongs to another node.
#[inline(always)]
pub fn change_cpu(ctx: &impl Args) {
    let task = ctx.arg(0);
    let Some(from_node) = node_of(read_kernel(task, config!(task_cpu))) else { return };
    let Some(to_node) = node_of(ctx.arg(1) as u32) else { return };
    if from_node == to_node {
        return;
    }
    let (pid, tid): (u32, u32) = (read_kernel(task, config!(task_tgid)), read_kernel(task, config!(task_pid)));
    if pid == 0 || !filter::is_traced(pid) {
        return CHANGED_NODE.filtered();
    }
    let word = |n: u32| read_kernel::<u64>(task, config!(task_comm) + n * size_of::<u64>() as u32);
    let comm = [word(0), word(1)];
    let here = filter::wants_here() && filter::wants_without_page();
    if !filter::wants(RecordKind::TASK) || !filter::wants_other(pid, comm) || !here {
        return CHANGED_NODE.filtered();
    }
    let ts_ns = thread::now();
    // SAFETY: the same bytes.
    let comm: [u8; 16] = unsafe { core::mem::transmute(comm) };
    // Without its cgroup: a program can read only the running task's at little cost.
    emit::commit_of_another(CHANGED_NODE, |entry| {
        entry.write(Task {
            header: Header { comm, ..emit::header::<Task>(Thread { pid, tid }, Probe::Task, ts_ns) },
            child_start_ns: 0,
            what: TaskEvent::CHANGED_NODE.0,
            pad: [0; 3],
            child_pid: 0,
            from_node,
            to_node,
            latency_ns: 0,
        });
    });
}

/// The running thread, if its process is traced; otherwise counts the event as filtered. [`record`] asks the filter.
#[inline(always)]
fn traced(program: Program) -> Option<Thread> {
    let thread = thread::current();
    if filter::is_traced(thread.pid) {
        return Some(thread);
    }
    program.filtered();
    None
}

/// The node of a CPU, if it is known.
#[inline(always)]
fn node_of(cpu: u32) -> Option<i32> {
    // SAFETY: the map's own memory, which the collector fills before the programs run.
    CPU_NODES.get(cpu).copied().filter(|&node| node != NO_NODE)
}

#[inline(always)]
fn record(program: Program, thread: Thread, what: TaskEvent, (child_pid, child_start_ns): (u32, u64), latency_ns: u64) {
    let here = filter::wants_here() && filter::wants_without_page();
    if !filter::wants(RecordKind::TASK) || !filter::wants_thread(thread) || !here {
        return program.filtered();
    }
    let ts_ns = thread::now();
    emit::commit(program, |entry| {
        entry.write(Task {
            header: emit::header::<Task>(thread, Probe::Task, ts_ns),
            child_start_ns,
            what: what.0,
            pad: [0; 3],
            child_pid,
            from_node: NO_NODE,
            to_node: NO_NODE,
            latency_ns,
        });
    });
}
