//! The ring: reserves room for a record, has it filled, and commits it. No other file touches a ring.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::{
    bindings::{BPF_F_USER_STACK, BPF_RB_NO_WAKEUP},
    helpers::generated::bpf_get_current_task_btf,
    programs::tracing::StackIdContext,
};
use migtrace_common::{
    ABI_VERSION,
    counters::Probe,
    record::{Header, NO_STACK, Record, SECOND_TABLE, STACK_NOT_KEPT},
};

use crate::{
    account::Program,
    cgroup,
    config::config,
    filter,
    maps::{MORE_STACKS, RINGS, STACKS, THREADS},
    thread::{self, Thread},
};

/// Length of a task's name.
const COMM_BYTES: u32 = 16;

/// The header of a record `T` of `thread` that ended at `ts_ns`; [`commit`] adds the running task's name and cgroup.
#[inline(always)]
pub fn header<T: Record>(thread: Thread, probe: Probe, ts_ns: u64) -> Header {
    Header {
        ts_ns,
        cgroup_id: 0,
        pid: thread.pid,
        tid: thread.tid,
        cpu: thread::cpu(),
        cpu_node: thread::cpu_nid(),
        kind: T::KIND.0,
        abi: ABI_VERSION,
        probe: probe as u16,
        weight: filter::weight(T::KIND),
        kernel_stack: NO_STACK,
        user_stack: NO_STACK,
        comm: [0; COMM_BYTES as usize],
    }
}

/// Commits the record that `fill` writes, with the running task's name and cgroup. The program's counters say whether
/// it was stored or the ring was full.
///
/// `fill` gets memory that is not initialized and must write every byte of it.
#[inline(always)]
pub fn commit<T: 'static>(program: Program, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    commit_of_another(program, |record| {
        fill(record);
        // SAFETY: within the reserved record, which opens with its header (layout.rs asserts it).
        unsafe { sign(record.as_mut_ptr().cast()) };
    });
}

/// Writes the running task's name and cgroup into a header, by plain loads from memory whose type the verifier knows.
/// The helper for the name alone would cost as much as the rest of a fault's record.
///
/// # Safety
/// The header is in a reserved record.
#[inline(always)]
unsafe fn sign(header: *mut Header) {
    let comm = config!(task_comm);
    // SAFETY: the running task exists, and the kernel has the fields; a load through a bad pointer gives 0.
    let load = |at: u64, offset: u32| unsafe { ptr::read_volatile((at + u64::from(offset)) as *const u64) };
    // SAFETY: the helpers have no preconditions; the record is the caller's.
    unsafe {
        let task = bpf_get_current_task_btf() as u64;
        // By words: the compiler would copy through the stack byte by byte. The name is at a multiple of 8.
        let name: *mut u64 = (&raw mut (*header).comm).cast();
        name.write_volatile(load(task, comm));
        name.add(1).write_volatile(load(task, comm + size_of::<u64>() as u32));
        (*header).cgroup_id = cgroup::id_of(task);
    }
}

/// -EFAULT.
const EFAULT: i32 = -14;

/// As [`commit`], with the numbers of the kernel and user stacks if the collector wants stacks.
#[inline(always)]
pub fn commit_on_stack<T: 'static>(
    program: Program,
    ctx: &impl StackIdContext,
    fill: impl FnOnce(&mut MaybeUninit<T>),
) {
    commit(program, |record| {
        fill(record);
        if config!(stacks) != 0 {
            let number = |flags| match ctx.get_stackid(&STACKS, flags) {
                Ok(number) => number as i32,
                // A kernel thread has no user stack.
                Err(EFAULT) => NO_STACK,
                Err(_) => ctx.get_stackid(&MORE_STACKS, flags).map_or(STACK_NOT_KEPT, |n| n as i32 | SECOND_TABLE),
            };
            let mut state = THREADS.of_current_or_new();
            if let Some(state) = &mut state {
                state.unwinding = 1;
            }
            let header: *mut Header = record.as_mut_ptr().cast();
            // SAFETY: within the reserved record, which opens with its header (layout.rs asserts it).
            unsafe {
                (*header).kernel_stack = number(0);
                (*header).user_stack = number(BPF_F_USER_STACK.into());
            }
            if let Some(state) = &mut state {
                state.unwinding = 0;
            }
        }
    });
}

/// As [`commit`], for a record that is not about the running task.
#[inline(always)]
pub fn commit_of_another<T: 'static>(program: Program, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    let Some(counters) = program.counters() else { return };
    counters.seen += 1;
    let entry = RINGS.get(thread::cpu()).and_then(|ring| ring.reserve_untyped::<T>(0));
    let Some(mut entry) = entry else {
        counters.ring_full += 1;
        return;
    };
    fill(&mut entry);
    // The collector polls on a timer: a wakeup for each record would cost the traced program twenty times the record.
    entry.submit(BPF_RB_NO_WAKEUP.into());
    counters.stored += 1;
}
