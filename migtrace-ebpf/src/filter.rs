//! Who is traced: decided before anything is built.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use crate::{
    config::config,
    emit::{self, Counted},
    maps::{PIDS_PER_VALUE, TRACED},
};

/// The running thread, if it is traced.
#[derive(Clone, Copy)]
pub struct Task {
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
}

/// The running thread if it is traced; else counts the event as filtered.
#[inline(always)]
pub fn traced(by: Counted) -> Option<Task> {
    let task = current();
    if is_traced(task.pid) {
        return Some(task);
    }
    emit::filtered(by);
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
    // SAFETY: inside of the map's value, see byte_of().
    byte_of(pid).is_some_and(|byte| unsafe { *byte } != 0)
}

/// From now on a process is traced, or not.
#[inline(always)]
pub fn set_traced(pid: u32, traced: bool) {
    if let Some(byte) = byte_of(pid) {
        // SAFETY: inside of the map's value; only the byte of this process is written.
        unsafe { *byte = traced.into() };
    }
}

#[inline(always)]
fn byte_of(pid: u32) -> Option<*mut u8> {
    let value = TRACED.get_ptr_mut(pid / PIDS_PER_VALUE)?;
    // SAFETY: the remainder is smaller than the value.
    Some(unsafe { value.cast::<u8>().add((pid % PIDS_PER_VALUE) as usize) })
}
