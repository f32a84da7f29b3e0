//! Who is traced: decided before anything is built.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use migtrace_common::counters::Probe;

use crate::{config::config, emit, maps::TRACED};

/// The running thread, if it is traced.
#[derive(Clone, Copy)]
pub struct Task {
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
}

/// The running thread if it is traced; else counts the event as filtered on `probe`.
#[inline(always)]
pub fn traced(probe: Probe) -> Option<Task> {
    let task = current();
    if is_traced(task.pid) {
        return Some(task);
    }
    emit::filtered(probe);
    None
}

/// The running thread if it is traced, for programs that only prepare what another will count.
#[inline(always)]
pub fn traced_uncounted() -> Option<Task> {
    let task = current();
    is_traced(task.pid).then_some(task)
}

/// The running thread, traced or not.
#[inline(always)]
pub fn current() -> Task {
    let both = bpf_get_current_pid_tgid();
    Task { pid: (both >> 32) as u32, tid: both as u32 }
}

/// Whether a process is traced: never the collector itself.
#[inline(always)]
pub fn is_traced(pid: u32) -> bool {
    if config!(only_traced) == 0 {
        return pid != config!(self_pid);
    }
    TRACED.get_ptr(pid).is_some()
}
