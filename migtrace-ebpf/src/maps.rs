//! The maps: the rings, the counters, the tallies, which processes are traced, and what is under way.
//!
//! The collector finds most of them by name. Only their definitions are here, with the keys and values that no other
//! file owns.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::{
    btf_maps::{ArrayOfMaps, RingBuf},
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, StackTrace},
};
use migtrace_common::{
    config::FILTER_IDS,
    counters::{PROGRAMS_PER_PROBE, Probe, ProbeCounters},
    record::Owner,
    tally::{MAX_KEYS, MAX_PROCESSES, ProcessKey, ProcessTally, Tally, TallyKey},
};

use crate::{
    state::{FolioUnderway, ThreadState},
    task_storage::TaskStorage,
};

/// Folios that can be between unmapping and remapping at once: a batch holds 512.
const FOLIOS: u32 = 1 << 15;
/// Mappings whose record is remembered.
const MAPPINGS: u32 = 1 << 14;
/// The collector raises this to the number of CPUs.
const RINGS_MAX: usize = 1;
/// Declares the type of a ring only: the collector creates each with the size that it wants.
const RING_TEMPLATE_BYTES: usize = 4096;

/// Records on their way to the collector. Each CPU has its own ring, so that CPUs do not wait for each other. The
/// collector sets the number of rings and inserts them.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<u64, RING_TEMPLATE_BYTES>, RINGS_MAX> = ArrayOfMaps::new();

/// By [`migtrace_common::counters::counters_index`].
#[map]
pub static COUNTERS: PerCpuArray<ProbeCounters> =
    PerCpuArray::with_max_entries(Probe::ALL.len() as u32 * PROGRAMS_PER_PROBE, 0);

/// Events by what happened. The kernel allocates an entry at the first event of its key.
#[map]
pub static TALLIES: PerCpuHashMap<TallyKey, Tally> = PerCpuHashMap::with_max_entries(MAX_KEYS, BPF_F_NO_PREALLOC);

/// Events by process. The collector removes processes that have ended.
#[map]
pub static PROCESS_TALLIES: PerCpuHashMap<ProcessKey, ProcessTally> =
    PerCpuHashMap::with_max_entries(MAX_PROCESSES, BPF_F_NO_PREALLOC);

/// The records of one kind that a CPU may still make until the window ends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Window {
    pub end_ns: u64,
    pub left: u64,
}

/// By kind of record.
#[map]
pub static WINDOWS: PerCpuArray<Window> = PerCpuArray::with_max_entries(KINDS, 0);

/// More than the largest number of a kind of record.
const KINDS: u32 = 16;

/// Processes whose bytes are in one value of [`TRACED`].
pub const PIDS_PER_VALUE: u32 = 4096;
/// One more than the largest process id of Linux (PID_MAX_LIMIT on 64 bits).
const PIDS: u32 = 1 << 22;

/// A byte for each process id, nonzero if the process is traced. A hash would be smaller, but every fault of every
/// process that is not traced would pay for a lookup. The collector maps the memory.
#[map]
pub static TRACED: Array<[u8; PIDS_PER_VALUE as usize]> =
    Array::with_max_entries(PIDS / PIDS_PER_VALUE, BPF_F_MMAPABLE);

/// Processes that the filter lists by number, without their children.
#[map]
pub static WANTED_PIDS: HashMap<u32, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// Cgroups that the filter lists by id.
#[map]
pub static WANTED_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// Cgroups that the filter lists with all that is below them.
#[map]
pub static ROOT_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// By CPU: its node, [`migtrace_common::record::NO_NODE`] if it is unknown. The collector fills it.
#[map]
pub static CPU_NODES: Array<i32> = Array::with_max_entries(1, 0);

/// Stacks, each stored once and known by a number. The collector sets the size, 1 if it wants no stacks.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// Stacks whose slot in the first table is taken by another one.
#[map]
pub static MORE_STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// By thread; the kernel frees an entry with its thread.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "THREADS")]
pub static THREADS: TaskStorage<ThreadState> = TaskStorage::new();

/// One number, nonzero once a fault began that is recorded for the owner of the memory, and not for the thread.
#[map]
pub static UNTRACED_FAULTS: Array<u64> = Array::with_max_entries(1, 0);

/// Pages of one huge page.
pub const HUGE_PAGES: usize = 512;

/// A huge page that is being made of pages: on which nodes these are, by runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Collapse {
    pub addr: u64,
    pub mm: u64,
    pub pgd: u64,
    /// Runs in `first` and `nids`.
    pub runs: u64,
    /// When the function returned.
    pub ts_ns: u64,
    /// The node of the last page that was looked at.
    pub last_nid: i32,
    /// That of the huge page.
    pub dst_nid: i32,
    pub owner: Owner,
    /// Number of the first page of each run, and after the last run the number of pages.
    pub first: [u16; HUGE_PAGES + 4],
    /// Its node.
    pub nids: [i16; HUGE_PAGES],
}

/// By thread that collapses pages.
#[map]
pub static COLLAPSES: HashMap<u32, Collapse> = HashMap::with_max_entries(64, 0);

/// What a new entry of [`COLLAPSES`] is copied from: the stack has no room for it.
#[map]
pub static NO_COLLAPSE: PerCpuArray<Collapse> = PerCpuArray::with_max_entries(1, 0);

/// By address of the old folio's struct.
#[map]
pub static FOLIOS_UNDERWAY: LruHashMap<u64, FolioUnderway> = LruHashMap::with_max_entries(FOLIOS, 0);

/// A mapping of a process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MappingKey {
    pub start: u64,
    pub pid: u32,
    pub pad: u32,
}

/// Mappings that have a record, with their ends.
#[map]
pub static MAPPINGS_SEEN: LruHashMap<MappingKey, u64> = LruHashMap::with_max_entries(MAPPINGS, 0);
