//! The only way into the rings. Every event is counted here: stored, or refused and why.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::{
    bindings::{BPF_F_USER_STACK, BPF_RB_NO_WAKEUP},
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_numa_node_id, bpf_get_smp_processor_id, bpf_ktime_get_boot_ns,
        generated::{bpf_get_current_task_btf, bpf_get_prandom_u32},
    },
    programs::tracing::StackIdContext,
};
use migtrace_common::{
    ABI_VERSION,
    config::{ABSENT, term},
    counters::{Probe, ProbeCounters, counters_index},
    kinds::RecordKind,
    record::{Header, NO_STACK, SECOND_TABLE, STACK_NOT_KEPT},
};

use crate::{
    config::{config, wanted},
    filter::Task,
    maps::{COUNTERS, MORE_STACKS, RINGS, STACKS, TASKS},
};

/// Length of a task's name.
const COMM_BYTES: u32 = 16;

/// Who counts an event: a probe, and the number of the program among those that count for it.
#[derive(Clone, Copy)]
pub struct Counted(pub Probe, pub u32);

/// CLOCK_BOOTTIME, ns: one clock with the collector's, that goes on while the machine is suspended.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The header of a record of `task` that ended at `ts_ns`; [`commit`] adds the running task's name and cgroup.
#[inline(always)]
pub fn header(task: Task, kind: RecordKind, probe: Probe, ts_ns: u64) -> Header {
    Header {
        ts_ns,
        cgroup_id: 0,
        pid: task.pid,
        tid: task.tid,
        // SAFETY: the helpers have no preconditions.
        cpu: unsafe { bpf_get_smp_processor_id() },
        // SAFETY: as above.
        cpu_node: unsafe { bpf_get_numa_node_id() } as i32,
        kind: kind.0,
        abi: ABI_VERSION,
        probe: probe as u16,
        weight: if is_sampled(kind) && applies_sample() { wanted!(sample) } else { 0 },
        kernel_stack: NO_STACK,
        user_stack: NO_STACK,
        comm: [0; COMM_BYTES as usize],
    }
}

/// Counts an event and puts the record that `fill` makes of it into this CPU's ring, with the running task's name and cgroup;
/// a full ring is counted.
///
/// `fill` gets memory that is not initialized and must write every byte of it.
#[inline(always)]
pub fn commit<T: 'static>(by: Counted, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    commit_of_another(by, |record| {
        fill(record);
        // SAFETY: within the reserved record, which opens with its header (layout.rs asserts it).
        unsafe { sign(record.as_mut_ptr().cast()) };
    });
}

/// Writes the running task's name and cgroup into a header. By plain loads of what the verifier knows the type of: the
/// helper for the name alone costs as much as all else that a record of a fault does.
///
/// # Safety
/// The header is in a reserved record.
#[inline(always)]
unsafe fn sign(header: *mut Header) {
    let (comm, path) = (config!(task_comm), [0, 1, 2, 3].map(|n: usize| config!(task_cgroup[n])));
    // SAFETY: the running task is there, and the kernel has the fields; a load through a pointer that leads nowhere gives 0.
    let load = |at: u64, offset: u32| unsafe { ptr::read_volatile((at + u64::from(offset)) as *const u64) };
    // SAFETY: the helpers have no preconditions; the record is the caller's.
    unsafe {
        let task = bpf_get_current_task_btf() as u64;
        // By words: a copy through the stack would be done byte by byte. The name lies at a multiple of 8.
        let name: *mut u64 = (&raw mut (*header).comm).cast();
        name.write_volatile(load(task, comm));
        name.add(1).write_volatile(load(task, comm + size_of::<u64>() as u32));
        (*header).cgroup_id = if path.contains(&ABSENT) {
            bpf_get_current_cgroup_id()
        } else {
            path.iter().fold(task, |at, offset| load(at, *offset))
        };
    }
}

/// -EFAULT.
const EFAULT: i32 = -14;

/// As [`commit`], with the numbers of the stacks on which it happened, where they are wanted.
#[inline(always)]
pub fn commit_on_stack<T: 'static>(by: Counted, ctx: &impl StackIdContext, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    commit(by, |record| {
        fill(record);
        if config!(stacks) != 0 {
            let number = |flags| match ctx.get_stackid(&STACKS, flags) {
                Ok(number) => number as i32,
                // A thread of the kernel has no stack of a program's.
                Err(EFAULT) => NO_STACK,
                Err(_) => ctx.get_stackid(&MORE_STACKS, flags).map_or(STACK_NOT_KEPT, |n| n as i32 | SECOND_TABLE),
            };
            let mut state = TASKS.of_current_or_new();
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
pub fn commit_of_another<T: 'static>(by: Counted, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    let Some(counters) = counters(by) else { return };
    counters.seen += 1;
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let entry = RINGS.get(cpu).and_then(|ring| ring.reserve_untyped::<T>(0));
    let Some(mut entry) = entry else {
        counters.ring_full += 1;
        return;
    };
    fill(&mut entry);
    // The collector polls on a timer: a wakeup per record would cost the traced program twenty times the record.
    entry.submit(BPF_RB_NO_WAKEUP.into());
    counters.stored += 1;
}

/// Counts an event that must be given up because its begin was not seen.
#[inline(always)]
pub fn lost_start(by: Counted) {
    if let Some(counters) = counters(by) {
        counters.seen += 1;
        counters.no_start += 1;
    }
}

/// Counts an event that the filter leaves out.
#[inline(always)]
pub fn filtered(by: Counted) {
    if let Some(counters) = counters(by) {
        counters.filtered += 1;
    }
}

/// Whether an event that the filter wants is not in the sample; then it is counted so.
#[inline(always)]
pub fn sampled_out(by: Counted) -> bool {
    // SAFETY: the helper has no preconditions.
    let out = applies_sample() && wanted!(sample) != 0 && unsafe { bpf_get_prandom_u32() } % wanted!(sample) != 0;
    if out && let Some(counters) = counters(by) {
        counters.sampled_out += 1;
    }
    out
}

/// Counts an event that is in the counts alone.
#[inline(always)]
pub fn counted_only(by: Counted) {
    if let Some(counters) = counters(by) {
        counters.counted_only += 1;
    }
}

/// Counts an event that the counts have no room for.
#[inline(always)]
pub fn uncounted(by: Counted) {
    if let Some(counters) = counters(by) {
        counters.uncounted += 1;
    }
}

#[inline(always)]
fn applies_sample() -> bool {
    wanted!(terms) & term::SAMPLE != 0
}

/// Kinds of which there is one for every page: the others are few, and tell what those belong to.
#[inline(always)]
fn is_sampled(kind: RecordKind) -> bool {
    matches!(kind, RecordKind::FAULT | RecordKind::CHECK | RecordKind::MARK | RecordKind::MIGRATE)
}

#[inline(always)]
fn counters(by: Counted) -> Option<&'static mut ProbeCounters> {
    // SAFETY: the map's own memory of this CPU, which lives as long as the program. No other program uses these counters,
    // and the kernel runs this one once at a time on a CPU.
    COUNTERS.get_ptr_mut(counters_index(by.0, by.1)).map(|counters| unsafe { &mut *counters })
}
