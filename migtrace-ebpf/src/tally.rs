//! The tallies: totals that the programs keep beside the records, by what happened and by process.
//!
//! If the collector wants none, the verifier removes all of this.

use core::ptr;

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_get_current_comm};
use migtrace_common::{
    kinds::{FaultClass, RecordKind},
    record::{NO_NODE, NO_TIME, Owner},
    tally::{ProcessKey, ProcessTally, SHORTEST_NS, TIME_BUCKETS, Tally, TallyKey, WINDOW_NS},
};

use crate::{
    cgroup,
    config::config,
    maps::{PROCESS_TALLIES, TALLIES, WINDOWS},
    state::Increment,
    thread::{self, Thread},
};

/// Whether the collector wants tallies.
#[inline(always)]
pub fn is_on() -> bool {
    config!(tally) != 0
}

/// The event is in the tallies: a bit of what [`add`] returns.
pub const ADDED: u32 = 1;
/// The CPU may make a record of the event: the other bit.
pub const RECORD: u32 = 2;

/// Adds an event of process `pid` to the tallies: [`ADDED`] and [`RECORD`].
///
/// Not inlined: the caller's stack would exceed what a program and all that it calls may have ("combined stack size of
/// 3 calls is 544. Too large").
#[inline(never)]
pub fn add(increment: &Increment, pid: u32, ts_ns: u64) -> u32 {
    let key = ProcessKey { start_ns: thread::process_start_ns(), pid, pad: 0 };
    let added = add_by_key(increment) & add_to_process(key, ts_ns, increment);
    outcome(added, increment, ts_ns)
}

/// As [`add`], for the process that owns a page; for none if `owner` is unknown.
#[inline(never)]
pub fn add_to_owner(increment: &Increment, owner: &Owner, ts_ns: u64) -> u32 {
    let mut added = add_by_key(increment);
    if owner.pid != 0 {
        let key = ProcessKey { start_ns: owner.start_ns, pid: owner.pid, pad: 0 };
        let tally = tally_of(&key);
        if let Some(tally) = tally {
            if tally.named_ns == 0 {
                tally.named_ns = ts_ns;
                tally.cgroup_id = owner.cgroup_id;
                // SAFETY: the 16 bytes of the name, at a multiple of 8.
                tally.comm = unsafe { ptr::read(owner.comm.as_ptr().cast()) };
            }
            count(tally, increment);
        } else {
            added = false;
        }
    }
    outcome(added, increment, ts_ns)
}

#[inline(always)]
fn outcome(added: bool, increment: &Increment, ts_ns: u64) -> u32 {
    u32::from(added) * ADDED | u32::from(may_record(window_of(&increment.key), ts_ns)) * RECORD
}

/// The first values of entries. They are not on the stack, since a program and all that it calls have 512 bytes of it.
static EMPTY: Tally = Tally { events: 0, pages: 0, total_ns: 0, times: [0; TIME_BUCKETS] };
static EMPTY_PROCESS: ProcessTally = ProcessTally {
    comm: [0; 2],
    named_ns: 0,
    cgroup_id: 0,
    faults: 0,
    remote_faults: 0,
    fault_ns: 0,
    migration_waits: 0,
    migration_wait_ns: 0,
    misplaced: 0,
    migrated_pages: 0,
    failed_pages: 0,
};

#[inline(always)]
fn add_by_key(increment: &Increment) -> bool {
    let found = TALLIES.get_ptr_mut(&increment.key).or_else(|| {
        // Another CPU may have inserted it meanwhile.
        let _ = TALLIES.insert(&increment.key, &EMPTY, BPF_NOEXIST.into());
        TALLIES.get_ptr_mut(&increment.key)
    });
    let Some(tally) = found else { return false };
    // SAFETY: the map's own memory of this CPU; entries are never removed. Two programs that interrupt each other count
    // different kinds, hence in different entries.
    let tally = unsafe { &mut *tally };
    tally.events += 1;
    tally.pages += increment.pages;
    if increment.latency_ns != NO_TIME {
        tally.total_ns += increment.latency_ns;
        let bucket = bucket(increment.latency_ns);
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
    // The number of bits of `rest`, by halves: BPF has no instruction for it.
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

/// The totals of a process on this CPU; `None` if the table is full.
#[inline(always)]
fn tally_of(key: &ProcessKey) -> Option<&'static mut ProcessTally> {
    let found = PROCESS_TALLIES.get_ptr_mut(key).or_else(|| {
        let _ = PROCESS_TALLIES.insert(key, &EMPTY_PROCESS, BPF_NOEXIST.into());
        PROCESS_TALLIES.get_ptr_mut(key)
    });
    // SAFETY: as in add_by_key(); the collector removes only entries of processes that have ended.
    found.map(|tally| unsafe { &mut *tally })
}

#[inline(always)]
fn add_to_process(key: ProcessKey, ts_ns: u64, increment: &Increment) -> bool {
    let Some(tally) = tally_of(&key) else { return false };
    // A container's first process, and a service's, counts its first faults in the cgroup of the program that starts it.
    if tally.named_ns == 0 || tally.cgroup_id != cgroup::current_id() {
        identify(tally, ts_ns);
    }
    count(tally, increment);
    true
}

#[inline(always)]
fn count(tally: &mut ProcessTally, increment: &Increment) {
    let key = &increment.key;
    match RecordKind(key.kind) {
        RecordKind::FAULT => {
            tally.faults += 1;
            tally.remote_faults += u64::from(is_remote(key));
            let ns = if increment.latency_ns == NO_TIME { 0 } else { increment.latency_ns };
            tally.fault_ns += ns;
            if is_wait(key) {
                tally.migration_waits += 1;
                tally.migration_wait_ns += ns;
            }
        }
        RecordKind::CHECK => tally.misplaced += u64::from(is_remote(key)),
        RecordKind::MIGRATE if key.outcome != 0 => tally.migrated_pages += increment.pages,
        RecordKind::MIGRATE => tally.failed_pages += increment.pages,
        _ => {}
    }
}

/// Whether the page of a fault is on another node than the CPU, or that of a check on another node than it should be.
#[inline(always)]
fn is_remote(key: &TallyKey) -> bool {
    key.to_nid != NO_NODE && key.from_nid != key.to_nid
}

/// Stores the name of the running process anew, after exec.
#[inline(always)]
pub fn rename(thread: Thread) {
    if !is_on() {
        return;
    }
    let key = ProcessKey { start_ns: thread::process_start_ns(), pid: thread.pid, pad: 0 };
    if let Some(tally) = PROCESS_TALLIES.get_ptr_mut(&key) {
        // SAFETY: as in add_by_key().
        identify(unsafe { &mut *tally }, thread::now());
    }
}

/// Stores the running process's name and cgroup.
#[inline(always)]
fn identify(tally: &mut ProcessTally, ts_ns: u64) {
    tally.named_ns = ts_ns;
    tally.cgroup_id = cgroup::current_id();
    // SAFETY: the helper has no preconditions; the name's 16 bytes are the map's own.
    unsafe { bpf_get_current_comm(ptr::from_mut(&mut tally.comm).cast(), size_of_val(&tally.comm) as u32) };
}

/// Whether an event is a fault that waited for a migration.
#[inline(always)]
fn is_wait(key: &TallyKey) -> bool {
    RecordKind(key.kind) == RecordKind::FAULT && key.class == FaultClass::MIGRATION_WAIT.0
}

/// The kind whose window limits the records of an event. Faults that waited for a migration are few and name both
/// sides: other faults must not take their place.
#[inline(always)]
fn window_of(key: &TallyKey) -> u8 {
    if is_wait(key) { RecordKind::FAULT_DETAILS.0 } else { key.kind }
}

/// Whether this CPU may make one more record of a kind.
#[inline(always)]
fn may_record(kind: u8, ts_ns: u64) -> bool {
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
