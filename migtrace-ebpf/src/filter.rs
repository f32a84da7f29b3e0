//! Who is traced, and which of their events are wanted: decided before anything is built.
//!
//! The collector fills in what of its filter can be decided here ([`migtrace_common::config::Filter`]). All of it is constant
//! from load on, so that the verifier takes the tests that do not apply out of the programs.

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_get_numa_node_id,
    bpf_get_smp_processor_id,
    generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_comm},
};
use migtrace_common::{
    config::{CGROUP_LEVELS, CPU_WORDS, FILTER_COMMS, MIGRATE_REASONS, term},
    kinds::RecordKind,
    record::MASK_WORDS,
};

use crate::{
    config::{config, wanted},
    emit::{self, Counted},
    maps::{PIDS_PER_VALUE, ROOT_CGROUPS, TRACED, WANTED_CGROUPS, WANTED_PIDS},
};

/// Whether a node is in a mask of the filter; one that is not known is not.
///
/// The word is read before the node is compared: after it, the compiler would know that the index is small and not cut it,
/// and the verifier, which does not ("R2 max value is outside of the allowed memory range"), would refuse the program.
macro_rules! has_bit {
    ($mask:ident, $nid:expr) => {{
        let nid = $nid as u32;
        let word = wanted!($mask[(nid / 64) as usize % MASK_WORDS]);
        (nid < MASK_WORDS as u32 * 64) & (word >> (nid % 64) & 1 == 1)
    }};
}

/// The running thread, if it is traced.
#[derive(Clone, Copy)]
pub struct Task {
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
}

/// The running thread if it is traced and a record by it, here, can be wanted; else counts the event as filtered.
#[inline(always)]
pub fn traced(by: Counted) -> Option<Task> {
    match traced_uncounted() {
        Some(task) if wants_here() => Some(task),
        _ => {
            emit::filtered(by);
            None
        }
    }
}

/// The running thread if it is traced, for programs that only prepare what another will count.
#[inline(always)]
pub fn traced_uncounted() -> Option<Task> {
    let task = current();
    (is_traced(task.pid) && wants_running(task.pid)).then_some(task)
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

/// Whether a term applies.
#[inline(always)]
fn applies(term: u32) -> bool {
    wanted!(terms) & term != 0
}

/// Whether records of the running thread, of process `pid`, can be wanted.
#[inline(always)]
pub fn wants_running(pid: u32) -> bool {
    // In one test: each loads the terms again, which the verifier, who knows them, leaves in the program.
    if !applies(term::UID | term::CGROUP | term::UNDER_CGROUP | term::COMM | term::PID) {
        return true;
    }
    if !wants_pid(pid) {
        return false;
    }
    if applies(term::UID) && bpf_get_current_uid_gid() as u32 != wanted!(uid) {
        return false;
    }
    // SAFETY: the helper has no preconditions.
    if applies(term::CGROUP) && !wants_cgroup(unsafe { bpf_get_current_cgroup_id() }) {
        return false;
    }
    if applies(term::UNDER_CGROUP) && !is_under_cgroup() {
        return false;
    }
    if !applies(term::COMM) {
        return true;
    }
    let mut comm = [0u64; 2];
    // SAFETY: 16 bytes of our own.
    unsafe { bpf_get_current_comm((&raw mut comm).cast(), size_of_val(&comm) as u32) };
    wants_comm(comm)
}

/// Whether records of a thread that is not the running one can be wanted. Its user is not looked at: with a user asked
/// for, they are not.
#[inline(always)]
pub fn wants_other(pid: u32, comm: [u64; 2]) -> bool {
    // Such a record has no cgroup, and so none that is asked for.
    let unknown = term::UID | term::CGROUP | term::UNDER_CGROUP;
    wants_pid(pid) && !applies(unknown) && (!applies(term::COMM) || wants_comm(comm))
}

#[inline(always)]
fn wants_pid(pid: u32) -> bool {
    !applies(term::PID) || WANTED_PIDS.get_ptr(pid).is_some()
}

#[inline(always)]
fn wants_cgroup(id: u64) -> bool {
    WANTED_CGROUPS.get_ptr(id).is_some()
}

#[inline(always)]
fn is_under_cgroup() -> bool {
    for level in 0..CGROUP_LEVELS {
        if wanted!(cgroup_levels) >> level & 1 == 1 {
            // SAFETY: the helper has no preconditions; it gives 0, which no cgroup has, where there is none so deep.
            let above = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
            if above != 0 && ROOT_CGROUPS.get_ptr(above).is_some() {
                return true;
            }
        }
    }
    false
}

#[inline(always)]
fn wants_comm(comm: [u64; 2]) -> bool {
    for n in 0..FILTER_COMMS {
        if n < wanted!(comms_len) as usize && wanted!(comms[n][0]) == comm[0] && wanted!(comms[n][1]) == comm[1] {
            return true;
        }
    }
    false
}

/// Whether records that are made on this CPU can be wanted.
#[inline(always)]
pub fn wants_here() -> bool {
    if !applies(term::CPU | term::CPU_NODE) {
        return true;
    }
    if applies(term::CPU) {
        // SAFETY: the helper has no preconditions.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        // Read first, as in has_bit!. A CPU beyond the mask is left to the collector.
        let word = wanted!(cpus[(cpu / 64) as usize % CPU_WORDS]);
        if (cpu < CPU_WORDS as u32 * 64) & (word >> (cpu % 64) & 1 == 0) {
            return false;
        }
    }
    !applies(term::CPU_NODE) || has_bit!(cpu_nodes, cpu_node())
}

#[inline(always)]
fn cpu_node() -> i32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as i32 }
}

/// Whether records of a kind can be wanted.
#[inline(always)]
pub fn wants(kind: RecordKind) -> bool {
    !applies(term::KIND) || wanted!(kinds) >> kind.0 & 1 == 1
}

/// Whether records about an address can be wanted.
#[inline(always)]
pub fn wants_addr(addr: u64) -> bool {
    !applies(term::ADDR) || (addr >= wanted!(addr_first) && addr <= wanted!(addr_last))
}

/// Whether records of what took so long can be wanted.
#[inline(always)]
pub fn wants_latency(ns: u64) -> bool {
    !applies(term::LATENCY) || (ns >= wanted!(latency_min_ns) && ns <= wanted!(latency_max_ns))
}

/// Whether records about a page on `nid`, here, can be wanted.
#[inline(always)]
pub fn wants_on(nid: i32) -> bool {
    if !applies(term::NID | term::REMOTE | term::TOUCHED) {
        return true;
    }
    (!applies(term::NID) || has_bit!(nodes, nid))
        && (!applies(term::REMOTE) || (nid >= 0 && cpu_node() >= 0 && nid != cpu_node()))
        && (!applies(term::TOUCHED) || has_bit!(touched_nodes, nid) || has_bit!(touched_nodes, cpu_node()))
}

/// Whether records about a page on its way from `src_nid` to `dst_nid`, here, can be wanted.
#[inline(always)]
pub fn wants_between(src_nid: i32, dst_nid: i32) -> bool {
    let touched =
        || has_bit!(touched_nodes, src_nid) || has_bit!(touched_nodes, dst_nid) || has_bit!(touched_nodes, cpu_node());
    (!applies(term::SRC_NID) || has_bit!(src_nodes, src_nid))
        && (!applies(term::DST_NID) || has_bit!(dst_nodes, dst_nid))
        && (!applies(term::TOUCHED) || touched())
}

/// Whether records about no page of any node, here, can be wanted.
#[inline(always)]
pub fn wants_nowhere() -> bool {
    !applies(term::TOUCHED) || has_bit!(touched_nodes, cpu_node())
}

/// Whether records of direct migration for a migrate_reason, in the system call `request`, can be wanted.
#[inline(always)]
pub fn wants_direct(migrate_reason: i32, request: u8) -> bool {
    if !applies(term::CAUSE) {
        return true;
    }
    let reason = migrate_reason as u32;
    // Read first, as in has_bit!. Reasons that are not in the table are left to the collector.
    let calls = wanted!(causes[reason as usize % MIGRATE_REASONS]);
    (reason >= MIGRATE_REASONS as u32) | (calls >> (request & 7) & 1 == 1)
}

/// Whether records of moves by migrate-on-fault can be wanted.
#[inline(always)]
pub fn wants_lazy_fault() -> bool {
    !applies(term::CAUSE) || wanted!(lazy_fault_cause) != 0
}

/// Whether records of marking pages in the system call `request` can be wanted.
#[inline(always)]
pub fn wants_lazy_batch(request: u8) -> bool {
    !applies(term::CAUSE) || wanted!(lazy_batch_causes) >> (request & 7) & 1 == 1
}
