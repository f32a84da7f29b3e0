//! The process that owns an address space: whose page tables a page is mapped in, whichever task touches or migrates it.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use migtrace_common::{
    config::ABSENT,
    record::{OWNER_IS_ACTOR, Owner},
};

use super::args::Args;
use crate::{cgroup, config::config, filter, kernel_memory::read_kernel, thread::Thread};

/// No owner is known.
pub const UNKNOWN: Owner = Owner { start_ns: 0, cgroup_id: 0, pid: 0, pad: 0, comm: [0; 16] };
/// The owner is the process of the running thread.
pub const ACTOR: Owner = Owner { pid: OWNER_IS_ACTOR, ..UNKNOWN };

/// The task that owns the address space `mm`; 0 if the kernel does not show it.
#[inline(always)]
pub fn task_of(mm: u64) -> u64 {
    if mm == 0 || config!(mm_owner) == ABSENT { 0 } else { read_kernel(mm, config!(mm_owner)) }
}

/// The task that owns the address space `mm`, an argument of the program or a field of one; 0 if it is unknown. `None`
/// if that is a task of the process of `thread`, the running one.
#[inline(always)]
pub fn another(ctx: &impl Args, mm: u64, thread: Thread) -> Option<u64> {
    let pid: u32 = if config!(mm_owner) == ABSENT {
        0
    } else {
        let task: u64 = ctx.load(mm, config!(mm_owner));
        ctx.load(task, config!(task_tgid))
    };
    if pid == thread.pid {
        return None;
    }
    if pid == 0 {
        return if is_current(mm) { None } else { Some(0) };
    }
    Some(task_of(mm))
}

/// The process that owns the address space `mm`; 0 if the kernel does not show it.
#[inline(always)]
pub fn pid_of(mm: u64) -> u32 {
    match task_of(mm) {
        0 => 0,
        task => read_kernel(task, config!(task_tgid)),
    }
}

/// Whether the process of `task` meets these terms, which the running thread does not; not if it is 0.
#[inline(always)]
pub fn meets(unmet: u32, task: u64) -> bool {
    task != 0 && filter::owner_meets(unmet, task, read_kernel(task, config!(task_tgid)))
}

/// Writes the process of `task` to `to`: [`UNKNOWN`] if it is 0.
#[inline(always)]
pub fn describe(task: u64, to: &mut Owner) {
    if task == 0 {
        *to = UNKNOWN;
        return;
    }
    let leader: u64 = read_kernel(task, config!(task_group_leader));
    to.pid = read_kernel(task, config!(task_tgid));
    to.pad = 0;
    to.start_ns = read_kernel(leader, config!(task_start));
    to.cgroup_id = cgroup::id_of_other(task);
    let words = [0, size_of::<u64>() as u32].map(|n| read_kernel(leader, config!(task_comm) + n));
    put_comm(&mut to.comm, words);
}

/// Writes a task's name, by words, to a place at a multiple of 8.
#[inline(always)]
pub fn put_comm(to: &mut [u8; 16], words: [u64; 2]) {
    // SAFETY: the 16 bytes of the name. They may be read as bytes only.
    unsafe { to.as_mut_ptr().cast::<[u64; 2]>().write(words) };
}

/// Whether the running task uses the address space `mm`.
#[inline(always)]
pub fn is_current(mm: u64) -> bool {
    let offset = u64::from(config!(task_mm));
    // SAFETY: the running task exists; the verifier knows its type.
    let current = unsafe { core::ptr::read_volatile((bpf_get_current_task_btf() as u64 + offset) as *const u64) };
    current == mm
}
