//! The running thread: its ids, the start of its process, its CPU and node, and the clock.

use core::ptr;

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_numa_node_id, bpf_get_smp_processor_id, bpf_ktime_get_boot_ns,
    generated::bpf_get_current_task_btf,
};

use crate::config::config;

/// A thread, by its ids.
#[derive(Clone, Copy)]
pub struct Thread {
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
}

/// The running thread, traced or not.
#[inline(always)]
pub fn current() -> Thread {
    let both = bpf_get_current_pid_tgid();
    Thread { pid: (both >> 32) as u32, tid: both as u32 }
}

/// The start of the running process: CLOCK_BOOTTIME, ns.
#[inline(always)]
pub fn process_start_ns() -> u64 {
    let (leader, start) = (u64::from(config!(task_group_leader)), u64::from(config!(task_start)));
    // SAFETY: the running task and its leader exist; the verifier knows their types and accepts only fields of them.
    unsafe {
        let task = bpf_get_current_task_btf() as u64;
        let leader = ptr::read_volatile((task + leader) as *const u64);
        ptr::read_volatile((leader + start) as *const u64)
    }
}

/// The running thread's name, padded with zeroes, as words.
#[inline(always)]
pub fn comm() -> [u64; 2] {
    let comm = u64::from(config!(task_comm));
    // SAFETY: the running task exists; the verifier knows its type and accepts only fields of it. The name is at a
    // multiple of 8.
    unsafe {
        let name = bpf_get_current_task_btf() as u64 + comm;
        [ptr::read_volatile(name as *const u64), ptr::read_volatile((name + 8) as *const u64)]
    }
}

/// The CPU that the thread runs on.
#[inline(always)]
pub fn cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// The NUMA node of that CPU.
#[inline(always)]
pub fn cpu_nid() -> i32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as i32 }
}

/// CLOCK_BOOTTIME, ns: the collector reads the same clock, and it runs on while the machine is suspended.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}
