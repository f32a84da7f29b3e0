//! What is under way in a thread, from the program that sees its start to the one that sees its end.
//!
//! All of it is zero in a new thread. Where it is kept is in [`crate::maps`].

use migtrace_common::{
    record::{Owner, Wait},
    tally::TallyKey,
};

use crate::thread::{self, Thread};

/// All that is under way in one thread.
#[repr(C)]
pub struct ThreadState {
    pub fault: FaultStart,
    /// The owner of the memory that the fault is in, if [`FOREIGN`] is set.
    pub fault_owner: Owner,
    /// The migration that the fault waits for, if [`WAITS`] is set.
    pub fault_wait: Wait,
    pub request: RequestStart,
    pub mark: MarkStart,
    pub batch: BatchStart,
    pub check: CheckStart,
    /// Nonzero while a program walks this thread's stack for a record: migtrace causes the page faults of that time,
    /// not the thread.
    pub unwinding: u64,
    /// The mapping of the thread's last fault.
    pub mapping_start: u64,
    pub mapping_end: u64,
    /// Start of task_numa_work(), 0 if the thread is not in it.
    pub scan_start_ns: u64,
    /// The folio that migrate-on-fault copies to in the fault under way, 0 for none.
    pub lazy_copy: u64,
    /// The page-table entry that a write found protected in the fault under way, 0 for none.
    pub protected_entry: u64,
    /// The address space that this thread last faulted in as a thread of its owner, 0 for none. It saves the lookup of
    /// the owner in most faults.
    pub own_mm: u64,
    /// The address space of a fault with [`FOREIGN`].
    pub foreign_mm: u64,
}

/// A page fault.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FaultStart {
    /// 0: none is under way.
    pub start_ns: u64,
    pub addr: u64,
    /// User instruction, 0 for none.
    pub ip: u64,
    /// The top page table of the address space.
    pub pgd: u64,
    pub flags: u32,
    /// [`migtrace_common::kinds::FaultClass`].
    pub class: u16,
    /// Bits: [`FOREIGN`], [`UNTRACED`], [`WAITS`], [`IN_SWAP_CACHE`].
    pub details: u16,
}

/// The fault is in the memory of another process.
pub const FOREIGN: u16 = 1;
/// The fault is recorded for the process that owns the memory: the filter does not want the thread.
pub const UNTRACED: u16 = 2;
/// The fault waits for a migration that a program saw.
pub const WAITS: u16 = 4;
/// The folio whose lock the fault waits for is in the swap cache.
pub const IN_SWAP_CACHE: u16 = 8;

/// A placement syscall.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RequestStart {
    pub start_ns: u64,
    pub args: [u64; 6],
    /// [`migtrace_common::kinds::RequestName`], 0: none is under way.
    pub name: u64,
}

/// The last mapping that try_to_unmap_one() removed in a placement syscall. The mark that may follow lacks its address.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MarkStart {
    /// 0: none.
    pub folio: u64,
    pub addr: u64,
    pub owner: Owner,
    /// Nonzero if the filter wants the thread or the owner.
    pub wanted: u64,
}

/// A check against policy in mpol_misplaced().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CheckStart {
    /// Page or folio, 0: none is under way.
    pub page: u64,
    pub addr: u64,
}

/// A run of migrate_pages().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BatchStart {
    /// 0: none is under way.
    pub start_ns: u64,
    /// Pages, by the kernel's own count: valid if `has_counts` is nonzero.
    pub succeeded: u64,
    pub failed: u64,
    /// Huge pages that were split, by the kernel's own count.
    pub thp_split: u64,
    /// Pages that the programs saw migrate so far.
    pub migrated_pages: u64,
    /// The folio that try_to_migrate() unmaps now; 0 for none.
    pub unmapping: u64,
    /// The address space whose mapping of it is being removed, 0 if that is unknown.
    pub mm: u64,
    /// Nonzero once an entry of that mapping is removed.
    pub has_mapping: u64,
    /// That folio. Between folios, it has what all of the batch share.
    pub underway: FolioUnderway,
    /// The folio whose migration ended last: a copy, because the map may give its entry to another folio.
    pub ended: FolioUnderway,
    /// The start of the copy of the folio that migrates now, 0 for none.
    pub copy_start_ns: u64,
    /// The folio that migrated last and has no record yet, the folio that replaced it, and the time; 0 for none.
    pub migrated_old: u64,
    pub migrated_new: u64,
    pub migrated_ns: u64,
    /// How long its copy took, [`migtrace_common::record::NO_TIME`] if that is unknown.
    pub copy_ns: u64,
    /// When one of its mappings was last restored, 0: none yet.
    pub remapped_ns: u64,
    pub mode: i32,
    pub reason: i32,
    /// What the folio that migrated last adds to the tallies. It is here because the programs' stack has no room for
    /// it.
    pub increment: Increment,
    /// Nonzero once the kernel reported its counts.
    pub has_counts: u32,
    /// The terms of the filter that the thread does not meet: see [`crate::filter::unmet`].
    pub unmet: u32,
    /// [`migtrace_common::kinds::RequestName`] of the placement syscall around it, 0 for none.
    pub request: u32,
    pub pad: u32,
}

/// What one event adds to the tallies.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Increment {
    pub key: TallyKey,
    pub pages: u64,
    /// [`migtrace_common::record::NO_TIME`] if it is unknown.
    pub latency_ns: u64,
}

/// A folio between unmapping and remapping, and the thread that migrates it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FolioUnderway {
    pub addr: u64,
    pub start_ns: u64,
    pub unmapped_ns: u64,
    pub owner: Owner,
    pub comm: [u64; 2],
    pub pid: u32,
    pub tid: u32,
    /// The kernel's enum migrate_reason.
    pub reason: i32,
    /// [`migtrace_common::kinds::RequestName`] of the placement syscall around it, 0 for none.
    pub request: u32,
    /// Address spaces that mapped it.
    pub mappings: u32,
    /// Nonzero if the filter wants the owner.
    pub wanted: u32,
}

impl FolioUnderway {
    /// No folio.
    pub const EMPTY: Self = Self {
        addr: 0,
        start_ns: 0,
        unmapped_ns: 0,
        owner: Owner { start_ns: 0, cgroup_id: 0, pid: 0, pad: 0, comm: [0; 16] },
        comm: [0; 2],
        pid: 0,
        tid: 0,
        reason: 0,
        request: 0,
        mappings: 0,
        wanted: 0,
    };

    /// What the folios of a batch share.
    #[inline(always)]
    pub fn of_batch(thread: Thread, reason: i32, request: u32) -> Self {
        Self { pid: thread.pid, tid: thread.tid, comm: thread::comm(), reason, request, ..Self::EMPTY }
    }
}
