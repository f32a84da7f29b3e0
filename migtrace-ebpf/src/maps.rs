//! All maps: the ring, the counters, who is traced, and what is under way in each thread.

use aya_ebpf::{
    macros::map,
    maps::{HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use migtrace_common::counters::{Probe, ProbeCounters};

/// Threads that can be inside a traced fault, request or batch at once.
const THREADS: u32 = 1 << 14;
/// Folios that can be between unmapping and remapping at once: a batch holds 512.
const FOLIOS: u32 = 1 << 15;

/// Records on their way to the collector, which sets the size.
#[map]
pub static RING: RingBuf = RingBuf::with_byte_size(1 << 22, 0);

/// By [`Probe`].
#[map]
pub static COUNTERS: PerCpuArray<ProbeCounters> = PerCpuArray::with_max_entries(Probe::ALL.len() as u32, 0);

/// Traced processes (tgid) where not everything is traced.
#[map]
pub static TRACED: HashMap<u32, u8> = HashMap::with_max_entries(1 << 16, 0);

/// A fault under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FaultStart {
    pub start_ns: u64,
    /// The address space's top page table.
    pub pgd: u64,
    pub class: u8,
    pub pad: [u8; 7],
}

/// By thread.
#[map]
pub static FAULTS: LruHashMap<u32, FaultStart> = LruHashMap::with_max_entries(THREADS, 0);

/// A placement system call under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RequestStart {
    pub start_ns: u64,
    pub args: [u64; 6],
    /// [`migtrace_common::kinds::RequestName`].
    pub name: u64,
}

/// By thread.
#[map]
pub static REQUESTS: LruHashMap<u32, RequestStart> = LruHashMap::with_max_entries(THREADS, 0);

/// The mapping that a thread has just taken away in order to mark a folio.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Unmapping {
    pub folio: u64,
    pub addr: u64,
}

/// By thread.
#[map]
pub static UNMAPPING: LruHashMap<u32, Unmapping> = LruHashMap::with_max_entries(THREADS, 0);

/// A run of migrate_pages() under way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BatchStart {
    pub start_ns: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// The folio whose mappings go now, and since when.
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
    /// Nonzero once the kernel gave its counts.
    pub counted: u32,
    /// [`migtrace_common::kinds::RequestName`] of the call that it happens in, 0 for none.
    pub request: u32,
}

/// By thread.
#[map]
pub static BATCHES: LruHashMap<u32, BatchStart> = LruHashMap::with_max_entries(THREADS, 0);

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
