//! What is under way in a thread, from the program that sees its start to the one that sees its end.
//!
//! All of it is zero in a new thread. Where it is kept is in [`crate::maps`].

use migtrace_common::tally::TallyKey;

/// All that is under way in one thread.
#[repr(C)]
pub struct ThreadState {
    pub fault: FaultStart,
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
    pub class: u32,
}

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
    /// The folio that try_to_migrate() unmaps now, and since when; 0 for none.
    pub unmapping: u64,
    pub unmap_start_ns: u64,
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
    /// [`migtrace_common::kinds::RequestName`] of the placement syscall around it, 0 for none.
    pub request: u32,
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

/// A folio between unmapping and remapping.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FolioUnderway {
    pub addr: u64,
    pub start_ns: u64,
    pub unmapped_ns: u64,
}
