//! The only way into the ring. Every event is counted here: stored, or refused and why.

use core::mem::{MaybeUninit, offset_of};

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_numa_node_id, bpf_get_smp_processor_id, bpf_ktime_get_boot_ns,
        generated::bpf_get_current_comm,
    },
};
use migtrace_common::{
    ABI_VERSION,
    counters::{Probe, ProbeCounters},
    kinds::RecordKind,
    record::Header,
};

use crate::{
    filter::Task,
    maps::{COUNTERS, RING},
};

/// Length of a task's name.
const COMM_BYTES: u32 = 16;

/// CLOCK_BOOTTIME, ns: one clock with the collector's, that goes on while the machine is suspended.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The header of a record of `task` that ended at `ts_ns`; [`commit`] adds the task's name.
#[inline(always)]
pub fn header(task: Task, kind: RecordKind, probe: Probe, ts_ns: u64) -> Header {
    Header {
        ts_ns,
        // SAFETY: the helpers have no preconditions.
        cgroup_id: unsafe { bpf_get_current_cgroup_id() },
        pid: task.pid,
        tid: task.tid,
        // SAFETY: as above.
        cpu: unsafe { bpf_get_smp_processor_id() },
        // SAFETY: as above.
        cpu_node: unsafe { bpf_get_numa_node_id() } as i32,
        kind: kind.0,
        abi: ABI_VERSION,
        probe: probe as u16,
        pad: 0,
        comm: [0; COMM_BYTES as usize],
    }
}

/// Counts an event of `probe` and puts the record that `fill` makes of it into the ring; a full ring is counted.
///
/// `fill` gets memory that is not initialized and must write every byte of it.
#[inline(always)]
pub fn commit<T: 'static>(probe: Probe, fill: impl FnOnce(&mut MaybeUninit<T>)) {
    count(probe, |c| c.seen += 1);
    let Some(mut entry) = RING.reserve::<T>(0) else {
        count(probe, |c| c.ring_full += 1);
        return;
    };
    fill(&mut entry);
    // Every record opens with its header (layout.rs asserts it). The helper writes the name into the ring itself: a copy
    // through the stack would be done byte by byte.
    // SAFETY: within the reserved record.
    unsafe { bpf_get_current_comm(entry.as_mut_ptr().byte_add(offset_of!(Header, comm)).cast(), COMM_BYTES) };
    // The collector polls on a timer: a wakeup per record would cost the traced program twenty times the record.
    entry.submit(BPF_RB_NO_WAKEUP.into());
    count(probe, |c| c.stored += 1);
}

/// Counts an event that must be given up because what began it is not in its map.
#[inline(always)]
pub fn lost_in_map(probe: Probe) {
    count(probe, |c| {
        c.seen += 1;
        c.map_full += 1;
    });
}

/// Counts an event that the filter leaves out.
#[inline(always)]
pub fn filtered(probe: Probe) {
    count(probe, |c| c.filtered += 1);
}

#[inline(always)]
fn count(probe: Probe, update: impl FnOnce(&mut ProbeCounters)) {
    if let Some(counters) = COUNTERS.get_ptr_mut(probe as u32) {
        // SAFETY: the map's own memory of this CPU. A program that interrupts this one between load and store could
        // swallow a count; tracing programs do not nest on one CPU for one probe but in softirq, where none of ours runs.
        update(unsafe { &mut *counters });
    }
}
