//! Which processes are traced, and which of their events the filter wants. It decides before a record is built, and
//! counts nothing.
//!
//! The collector sets the part of its filter that can be decided here ([`migtrace_common::config::Filter`]). All of it
//! is constant after load, so the verifier removes the tests that do not apply.

use aya_ebpf::helpers::{bpf_get_current_uid_gid, generated::bpf_get_prandom_u32};
use aya_ebpf::maps::HashMap;
use migtrace_common::{
    config::{CPU_WORDS, FILTER_COMMS, MIGRATE_REASONS, term},
    kinds::RecordKind,
    record::MASK_WORDS,
};

use crate::{
    cgroup,
    config::{config, wanted},
    kernel_memory::read_kernel,
    maps::{PIDS_PER_VALUE, ROOT_CGROUPS, TRACED, WANTED_CGROUPS, WANTED_PIDS},
    thread::{self, Thread},
};

/// Whether a node is in a mask of the filter; an unknown node is not.
///
/// The word is read before the node is compared. In the other order the compiler would know that the index is small,
/// and omit the remainder. The verifier does not know it and would reject the program ("R2 max value is outside of the
/// allowed memory range").
macro_rules! has_bit {
    ($mask:ident, $nid:expr) => {{
        let nid = $nid as u32;
        let word = wanted!($mask[(nid / 64) as usize % MASK_WORDS]);
        (nid < MASK_WORDS as u32 * 64) & (word >> (nid % 64) & 1 == 1)
    }};
}

/// The running thread, if its process is traced and the filter wants the thread's records.
#[inline(always)]
pub fn traced() -> Option<Thread> {
    let thread = thread::current();
    wants_thread(thread).then_some(thread)
}

/// Whether the process of `thread`, the running one, is traced and the filter wants the thread's records.
#[inline(always)]
pub fn wants_thread(thread: Thread) -> bool {
    unmet(thread) == 0
}

/// Whether a process is traced: never the collector itself.
#[inline(always)]
pub fn is_traced(pid: u32) -> bool {
    if config!(only_traced) == 0 {
        return pid != config!(self_pid);
    }
    // SAFETY: inside the map's value, see byte_of().
    byte_of(pid).is_some_and(|byte| unsafe { *byte } != 0)
}

/// Starts or stops tracing a process.
#[inline(always)]
pub fn set_traced(pid: u32, traced: bool) {
    if let Some(byte) = byte_of(pid) {
        // SAFETY: inside the map's value; only the byte of this process is written.
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

/// In a set of terms: the process is traced.
const IS_TRACED: u32 = 1 << 31;

/// The terms about processes that the running thread does not meet. The record can be wanted if the owner of the page
/// meets these, see [`owner_meets`].
#[inline(always)]
pub fn unmet(thread: Thread) -> u32 {
    let traced = if is_traced(thread.pid) { 0 } else { IS_TRACED };
    // One test for all: each test loads the terms again, and the verifier leaves the load in the program although it
    // knows the value.
    if !applies(term::UID | term::CGROUP | term::UNDER_CGROUP | term::COMM | term::PID) {
        return traced;
    }
    let mut unmet = traced;
    if !wants_pid(thread.pid) {
        unmet |= term::PID;
    }
    if applies(term::UID) && bpf_get_current_uid_gid() as u32 != wanted!(uid) {
        unmet |= term::UID;
    }
    if applies(term::CGROUP) && !is_in(&WANTED_CGROUPS, cgroup::current_id()) {
        unmet |= term::CGROUP;
    }
    if applies(term::UNDER_CGROUP) && !cgroup::any_level(|id| is_in(&ROOT_CGROUPS, id)) {
        unmet |= term::UNDER_CGROUP;
    }
    if applies(term::COMM) && !wants_comm(thread::comm()) {
        unmet |= term::COMM;
    }
    unmet
}

/// Whether the process `pid`, to which `task` belongs, meets all of these terms. A filter by process and name holds if
/// one of actor and owner is the process, and one has the name.
#[inline(always)]
pub fn owner_meets(unmet: u32, task: u64, pid: u32) -> bool {
    if unmet & IS_TRACED != 0 && !is_traced(pid) {
        return false;
    }
    if !applies(term::UID | term::CGROUP | term::UNDER_CGROUP | term::COMM | term::PID) {
        return true;
    }
    let uid = || read_kernel::<u32>(read_kernel(task, config!(task_cred)), config!(cred_uid));
    let comm = || {
        let leader: u64 = read_kernel(task, config!(task_group_leader));
        [0, 8].map(|n| read_kernel(leader, config!(task_comm) + n))
    };
    let is_met = |term: u32| !applies(term) || unmet & term == 0;
    (is_met(term::PID) || wants_pid(pid))
        && (is_met(term::UID) || uid() == wanted!(uid))
        && (is_met(term::CGROUP) || is_in(&WANTED_CGROUPS, cgroup::id_of_other(task)))
        && (is_met(term::UNDER_CGROUP) || cgroup::any_level_of_other(task, |id| is_in(&ROOT_CGROUPS, id)))
        && (is_met(term::COMM) || wants_comm(comm()))
}

/// Whether records of a thread that is not the running one can be wanted. Its user and cgroup are unknown here: a
/// filter by either rejects the record.
#[inline(always)]
pub fn wants_other(pid: u32, comm: [u64; 2]) -> bool {
    let unknown = term::UID | term::CGROUP | term::UNDER_CGROUP;
    wants_pid(pid) && !applies(unknown) && (!applies(term::COMM) || wants_comm(comm))
}

#[inline(always)]
fn wants_pid(pid: u32) -> bool {
    !applies(term::PID) || WANTED_PIDS.get_ptr(pid).is_some()
}

#[inline(always)]
fn is_in(cgroups: &HashMap<u64, u8>, id: u64) -> bool {
    cgroups.get_ptr(id).is_some()
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

/// Whether records made on this CPU can be wanted.
#[inline(always)]
pub fn wants_here() -> bool {
    if !applies(term::CPU | term::CPU_NODE) {
        return true;
    }
    if applies(term::CPU) {
        let cpu = thread::cpu();
        // Read first, as in has_bit!. The collector decides on a CPU beyond the mask.
        let word = wanted!(cpus[(cpu / 64) as usize % CPU_WORDS]);
        if (cpu < CPU_WORDS as u32 * 64) & (word >> (cpu % 64) & 1 == 0) {
            return false;
        }
    }
    !applies(term::CPU_NODE) || has_bit!(cpu_nodes, thread::cpu_nid())
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

/// Whether records with this latency can be wanted.
#[inline(always)]
pub fn wants_latency(ns: u64) -> bool {
    !applies(term::LATENCY) || (ns >= wanted!(latency_min_ns) && ns <= wanted!(latency_max_ns))
}

/// Whether records about a page on node `nid`, made on this CPU, can be wanted.
#[inline(always)]
pub fn wants_page_on(nid: i32) -> bool {
    if !applies(term::NID | term::REMOTE | term::TOUCHED) {
        return true;
    }
    (!applies(term::NID) || has_bit!(nodes, nid))
        && (!applies(term::REMOTE) || (nid >= 0 && thread::cpu_nid() >= 0 && nid != thread::cpu_nid()))
        && (!applies(term::TOUCHED) || has_bit!(touched_nodes, nid) || has_bit!(touched_nodes, thread::cpu_nid()))
}

/// Whether records about a page that goes from node `src_nid` to `dst_nid`, made on this CPU, can be wanted.
#[inline(always)]
pub fn wants_between(src_nid: i32, dst_nid: i32) -> bool {
    let touched = || {
        has_bit!(touched_nodes, src_nid)
            || has_bit!(touched_nodes, dst_nid)
            || has_bit!(touched_nodes, thread::cpu_nid())
    };
    (!applies(term::SRC_NID) || has_bit!(src_nodes, src_nid))
        && (!applies(term::DST_NID) || has_bit!(dst_nodes, dst_nid))
        && (!applies(term::TOUCHED) || touched())
}

/// Whether records that name no page's node, made on this CPU, can be wanted.
#[inline(always)]
pub fn wants_without_page() -> bool {
    !applies(term::TOUCHED) || has_bit!(touched_nodes, thread::cpu_nid())
}

/// Whether records of direct migration for a migrate_reason, in the syscall `request`, can be wanted.
#[inline(always)]
pub fn wants_direct_cause(migrate_reason: i32, request: u8) -> bool {
    if !applies(term::CAUSE) {
        return true;
    }
    let reason = migrate_reason as u32;
    // Read first, as in has_bit!. The collector decides on reasons beyond the table.
    let requests = wanted!(causes[reason as usize % MIGRATE_REASONS]);
    (reason >= MIGRATE_REASONS as u32) | (requests >> (request & 7) & 1 == 1)
}

/// Whether records of migration in a fault (migrate-on-fault) can be wanted.
#[inline(always)]
pub fn wants_lazy_fault_cause() -> bool {
    !applies(term::CAUSE) || wanted!(lazy_fault_cause) != 0
}

/// Whether records of marking pages in the syscall `request` can be wanted.
#[inline(always)]
pub fn wants_lazy_batch_cause(request: u8) -> bool {
    !applies(term::CAUSE) || wanted!(lazy_batch_causes) >> (request & 7) & 1 == 1
}

/// Draws whether an event that the filter wants is in the sample.
#[inline(always)]
pub fn is_in_sample() -> bool {
    // SAFETY: the helper has no preconditions.
    !applies(term::SAMPLE) || wanted!(sample) == 0 || unsafe { bpf_get_prandom_u32() } % wanted!(sample) == 0
}

/// How many events a record of a kind stands for, 0 if the kind is not sampled.
#[inline(always)]
pub fn weight(kind: RecordKind) -> u32 {
    if is_sampled(kind) && applies(term::SAMPLE) { wanted!(sample) } else { 0 }
}

/// Kinds with one record for each page. The others are rare, and the sampled ones are understood by them.
#[inline(always)]
fn is_sampled(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::FAULT | RecordKind::FAULT_DETAILS | RecordKind::CHECK | RecordKind::MARK | RecordKind::MIGRATE
    )
}
