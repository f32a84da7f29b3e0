//! Counts beside records: one more of a sort of event, and for its process. Where nobody asked for counts the verifier takes
//! all of this out.

use core::{borrow::Borrow, ptr};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_numa_node_id,
        generated::{bpf_get_current_comm, bpf_get_current_task_btf},
    },
};
use migtrace_common::{
    aggregate::{ProcessKey, ProcessTally, SHORTEST_NS, TIME_BUCKETS, Tally, TallyKey, WINDOW_NS},
    kinds::RecordKind,
    record::{NO_NODE, NO_TIME},
};

use crate::{
    config::config,
    emit::{self, Counted},
    filter::Task,
    maps::{PROCESS_TALLIES, TALLIES, WINDOWS},
};

/// What is counted of an event.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Counting {
    pub key: TallyKey,
    pub pages: u64,
    /// [`NO_TIME`] where it is not known.
    pub latency_ns: u64,
}

/// Counts an event of `task`, where it is to be counted; whether a record of it is wanted as well.
#[inline(always)]
pub fn count<C: Borrow<Counting>>(by: Counted, task: Task, ts_ns: u64, counting: impl FnOnce() -> C) -> bool {
    if config!(aggregate) == 0 {
        return true;
    }
    let counted = counted(counting().borrow(), task.pid, ts_ns);
    if counted & COUNTED == 0 {
        emit::uncounted(by);
    }
    if counted & WANTED == 0 {
        emit::counted_only(by);
    }
    counted & WANTED != 0
}

/// What [`counted`] says: it was, and a record is wanted.
const COUNTED: u32 = 1;
const WANTED: u32 = 2;

/// A function of its own: inlined, it would take a program's stack beyond what the program and all that it calls may have
/// ("combined stack size of 3 calls is 544. Too large").
#[inline(never)]
fn counted(counting: &Counting, pid: u32, ts_ns: u64) -> u32 {
    let counted = tally(counting) & of_process(pid, ts_ns, counting);
    u32::from(counted) * COUNTED | u32::from(has_room(counting.key.kind, ts_ns)) * WANTED
}

/// What new entries begin with: outside of the stack, of which a program and all that it calls have 512 bytes together.
static NONE: Tally = Tally { events: 0, pages: 0, total_ns: 0, times: [0; TIME_BUCKETS] };
static NOTHING: ProcessTally = ProcessTally {
    comm: [0; 2],
    named_ns: 0,
    cgroup_id: 0,
    faults: 0,
    remote_faults: 0,
    fault_ns: 0,
    misplaced: 0,
    moved_pages: 0,
    failed_pages: 0,
};

#[inline(always)]
fn tally(counting: &Counting) -> bool {
    let found = TALLIES.get_ptr_mut(&counting.key).or_else(|| {
        // Another CPU may have been faster.
        let _ = TALLIES.insert(&counting.key, &NONE, BPF_NOEXIST.into());
        TALLIES.get_ptr_mut(&counting.key)
    });
    let Some(tally) = found else { return false };
    // SAFETY: the map's own memory of this CPU; entries are never removed. Two programs that interrupt each other count
    // different kinds, hence in different entries.
    let tally = unsafe { &mut *tally };
    tally.events += 1;
    tally.pages += counting.pages;
    if counting.latency_ns != NO_TIME {
        tally.total_ns += counting.latency_ns;
        let bucket = bucket(counting.latency_ns);
        if let Some(times) = tally.times.get_mut(bucket) {
            *times += 1;
        }
    }
    true
}

/// The bucket of a time.
#[inline(always)]
fn bucket(ns: u64) -> usize {
    let mut rest = ns / SHORTEST_NS;
    // The bits of `rest`, by halves: BPF has no instruction for that.
    let mut bits = 0;
    if rest >= 1 << 16 {
        bits += 16;
        rest >>= 16;
    }
    if rest >= 1 << 8 {
        bits += 8;
        rest >>= 8;
    }
    if rest >= 1 << 4 {
        bits += 4;
        rest >>= 4;
    }
    if rest >= 1 << 2 {
        bits += 2;
        rest >>= 2;
    }
    bits += if rest >= 2 { 2 } else { rest as usize };
    if bits < TIME_BUCKETS { bits } else { TIME_BUCKETS - 1 }
}

#[inline(always)]
fn of_process(pid: u32, ts_ns: u64, counting: &Counting) -> bool {
    let key = ProcessKey { start_ns: process_start_ns(), pid, pad: 0 };
    let found = PROCESS_TALLIES.get_ptr_mut(&key).or_else(|| {
        let _ = PROCESS_TALLIES.insert(&key, &NOTHING, BPF_NOEXIST.into());
        PROCESS_TALLIES.get_ptr_mut(&key)
    });
    let Some(tally) = found else { return false };
    // SAFETY: as in tally(); the collector removes entries of processes that have ended only.
    let tally = unsafe { &mut *tally };
    if tally.named_ns == 0 {
        name(tally, ts_ns);
    }
    let key = &counting.key;
    match RecordKind(key.kind) {
        RecordKind::FAULT => {
            tally.faults += 1;
            tally.remote_faults += u64::from(key.to_nid != NO_NODE && key.from_nid != key.to_nid);
            tally.fault_ns += if counting.latency_ns == NO_TIME { 0 } else { counting.latency_ns };
        }
        RecordKind::CHECK => tally.misplaced += u64::from(key.to_nid != NO_NODE && key.from_nid != key.to_nid),
        RecordKind::MIGRATE if key.outcome != 0 => tally.moved_pages += counting.pages,
        RecordKind::MIGRATE => tally.failed_pages += counting.pages,
        _ => {}
    }
    true
}

/// The running process has another program now, and so another name.
#[inline(always)]
pub fn renamed(task: Task) {
    if config!(aggregate) == 0 {
        return;
    }
    let key = ProcessKey { start_ns: process_start_ns(), pid: task.pid, pad: 0 };
    if let Some(tally) = PROCESS_TALLIES.get_ptr_mut(&key) {
        // SAFETY: as in tally().
        name(unsafe { &mut *tally }, emit::now());
    }
}

/// Takes down who the running process is.
#[inline(always)]
fn name(tally: &mut ProcessTally, ts_ns: u64) {
    tally.named_ns = ts_ns;
    // SAFETY: the helpers have no preconditions; the name's 16 bytes are the map's own.
    unsafe {
        tally.cgroup_id = bpf_get_current_cgroup_id();
        bpf_get_current_comm(ptr::from_mut(&mut tally.comm).cast(), size_of_val(&tally.comm) as u32);
    }
}

/// When the running process started.
#[inline(always)]
fn process_start_ns() -> u64 {
    let (leader, start) = (u64::from(config!(task_group_leader)), u64::from(config!(task_start)));
    // SAFETY: the running task and its leader are there; the verifier knows their types, and accepts only fields of them.
    unsafe {
        let task = bpf_get_current_task_btf() as u64;
        let leader = ptr::read_volatile((task + leader) as *const u64);
        ptr::read_volatile((leader + start) as *const u64)
    }
}

/// The CPU's node, for faults.
#[inline(always)]
pub fn cpu_nid() -> i32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as i32 }
}

/// Whether this CPU may make one more record of a kind.
#[inline(always)]
fn has_room(kind: u8, ts_ns: u64) -> bool {
    let Some(window) = WINDOWS.get_ptr_mut(u32::from(kind)) else { return false };
    // SAFETY: the map's own memory of this CPU.
    let window = unsafe { &mut *window };
    if ts_ns >= window.end_ns {
        window.end_ns = ts_ns + WINDOW_NS;
        let faults = kind == RecordKind::FAULT.0;
        window.left = u64::from(if faults { config!(faults_per_window) } else { config!(others_per_window) });
    }
    if window.left == 0 {
        return false;
    }
    window.left -= 1;
    true
}
