//! All maps: the rings, the counters, who is traced, and what is under way in each thread.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::{
    btf_maps::{ArrayOfMaps, RingBuf},
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, StackTrace},
};
use migtrace_common::{
    aggregate::{PROCESSES, ProcessKey, ProcessTally, TALLIES as SORTS, Tally, TallyKey},
    config::FILTER_IDS,
    counters::{PROGRAMS_PER_PROBE, Probe, ProbeCounters},
};

use crate::{aggregate::Counting, task_storage::TaskStorage};

/// Folios that can be between unmapping and remapping at once: a batch holds 512.
const FOLIOS: u32 = 1 << 15;
/// Mappings that are remembered as seen.
const REGIONS: u32 = 1 << 14;
/// The collector makes as many rings as there are CPUs, at most these.
const RINGS_MAX: usize = 1;
/// Only says what kind of map a ring is: the collector makes each with the size that it wants.
const RING_TEMPLATE_BYTES: usize = 4096;

/// Records on their way to the collector, a ring for each CPU, so that CPUs do not wait for each other. The collector sets
/// the number of rings and puts them in.
#[btf_map]
pub static RINGS: ArrayOfMaps<RingBuf<u64, RING_TEMPLATE_BYTES>, RINGS_MAX> = ArrayOfMaps::new();

/// By [`migtrace_common::counters::counters_index`].
#[map]
pub static COUNTERS: PerCpuArray<ProbeCounters> =
    PerCpuArray::with_max_entries(Probe::ALL.len() as u32 * PROGRAMS_PER_PROBE, 0);

/// What happened, counted by sort. Memory is taken as sorts turn up.
#[map]
pub static TALLIES: PerCpuHashMap<TallyKey, Tally> = PerCpuHashMap::with_max_entries(SORTS, BPF_F_NO_PREALLOC);

/// What processes did. The collector removes those that have ended.
#[map]
pub static PROCESS_TALLIES: PerCpuHashMap<ProcessKey, ProcessTally> =
    PerCpuHashMap::with_max_entries(PROCESSES, BPF_F_NO_PREALLOC);

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

/// Kinds of records, and zero, which none has.
const KINDS: u32 = 16;

/// Processes whose bytes lie in one value of [`TRACED`].
pub const PIDS_PER_VALUE: u32 = 4096;
/// The largest process id that Linux gives, and one (PID_MAX_LIMIT on 64 bits).
const PIDS: u32 = 1 << 22;

/// A byte for each process id, nonzero where it is traced. A hash would be smaller, and cost every process that is not
/// traced a search on each of its faults.
#[map]
pub static TRACED: Array<[u8; PIDS_PER_VALUE as usize]> = Array::with_max_entries(PIDS / PIDS_PER_VALUE, 0);

/// Processes that the filter asks for by number, children not followed.
#[map]
pub static WANTED_PIDS: HashMap<u32, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// Cgroups that the filter asks for by id.
#[map]
pub static WANTED_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// Cgroups that a task must be in, or below of.
#[map]
pub static ROOT_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(FILTER_IDS, 0);

/// By CPU: its node, [`migtrace_common::record::NO_NODE`] where it is not known. The collector fills it.
#[map]
pub static CPU_NODES: Array<i32> = Array::with_max_entries(1, 0);

/// Stacks, each kept once and known by a number. The collector sets the size, and 1 where it wants none.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// Stacks whose place in the first table another one has.
#[map]
pub static MORE_STACKS: StackTrace = StackTrace::with_max_entries(1, 0);

/// A fault under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FaultStart {
    /// 0: none.
    pub start_ns: u64,
    pub addr: u64,
    /// User instruction, 0 for none.
    pub ip: u64,
    /// The address space's top page table.
    pub pgd: u64,
    pub flags: u32,
    pub class: u32,
}

/// A placement system call under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RequestStart {
    pub start_ns: u64,
    pub args: [u64; 6],
    /// [`migtrace_common::kinds::RequestName`], 0: none.
    pub name: u64,
}

/// The mapping that a thread has just taken away in order to mark a folio.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Unmapping {
    /// 0: none.
    pub folio: u64,
    pub addr: u64,
}

/// A run of migrate_pages() under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BatchStart {
    /// 0: none.
    pub start_ns: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// Pages that have moved so far.
    pub moved_pages: u64,
    /// The folio whose mappings go now, and since when; 0 for none.
    pub unmapping: u64,
    pub unmapping_ns: u64,
    /// When the folio that moves now began to be copied.
    pub copying_ns: u64,
    /// The folio that moved last and has no record yet, its successor, and when; 0 for none.
    pub moved_old: u64,
    pub moved_new: u64,
    pub moved_ns: u64,
    pub copy_ns: u64,
    /// When it was last mapped again, 0 for not yet.
    pub remapped_ns: u64,
    pub mode: i32,
    pub reason: i32,
    /// What is counted of the folio that moved last.
    pub counting: Counting,
    /// Nonzero once the kernel gave its counts.
    pub counted: u32,
    /// [`migtrace_common::kinds::RequestName`] of the call that it happens in, 0 for none.
    pub request: u32,
}

/// A check by policy under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CheckStart {
    /// Page or folio, 0: none.
    pub page: u64,
    pub addr: u64,
}

/// All that is under way in one thread. New threads begin with zeroes.
#[repr(C)]
pub struct TaskState {
    pub fault: FaultStart,
    pub request: RequestStart,
    pub unmapping: Unmapping,
    pub batch: BatchStart,
    pub check: CheckStart,
    /// Nonzero while its stack is walked for a record: what faults then is migtrace, not the thread.
    pub unwinding: u64,
    /// The mapping of its last fault.
    pub region_start: u64,
    pub region_end: u64,
}

/// By thread; the kernel frees it with the thread.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "TASKS")]
pub static TASKS: TaskStorage<TaskState> = TaskStorage::new();

/// A folio between unmapping and remapping.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FolioUnderway {
    pub addr: u64,
    pub start_ns: u64,
    pub unmapped_ns: u64,
}

/// By address of the old folio's struct.
#[map]
pub static FOLIOS_UNDERWAY: LruHashMap<u64, FolioUnderway> = LruHashMap::with_max_entries(FOLIOS, 0);

/// A mapping of a process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RegionKey {
    pub start: u64,
    pub pid: u32,
    pub pad: u32,
}

/// Mappings that have a record, with their ends.
#[map]
pub static REGIONS_SEEN: LruHashMap<RegionKey, u64> = LruHashMap::with_max_entries(REGIONS, 0);
