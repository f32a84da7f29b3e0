//! The records in the ring: fixed-width integers, explicit padding, no bool, no Option, no enum with a payload.
//!
//! `ts_ns` is the *end* of what is recorded (CLOCK_BOOTTIME); if a record has `latency_ns`, the start is `ts_ns -
//! latency_ns`. Addresses are virtual, and page aligned if the kernel's are. [`NO_ADDR`], [`NO_PFN`] and [`NO_NODE`]
//! mean that the kernel did not show the value; so does [`NO_TIME`] in the time of one stage.

use crate::kinds::RecordKind;

/// The virtual address is unknown.
pub const NO_ADDR: u64 = u64::MAX;
/// The page frame is unknown.
pub const NO_PFN: u64 = u64::MAX;
/// The node is unknown: the kernel's own NUMA_NO_NODE.
pub const NO_NODE: i32 = -1;
/// No stack.
pub const NO_STACK: i32 = -1;
/// A stack that the kernel's tables had no room for.
pub const STACK_NOT_KEPT: i32 = -2;
/// In the number of a stack: it is in the second table.
pub const SECOND_TABLE: i32 = 1 << 24;
/// No policy mode, or an unknown one.
pub const NO_MODE: u16 = u16::MAX;
/// The time of a stage is unknown.
pub const NO_TIME: u64 = u64::MAX;
/// In [`Wait::migrate_reason`]: migrate-on-fault migrates the page, in the fault of that thread.
pub const BY_LAZY_FAULT: i32 = -1;
/// In [`Owner::pid`]: the owner is the process in the record's header.
pub const OWNER_IS_ACTOR: u32 = u32::MAX;
/// Longest text of a [`Phase`], in bytes.
pub const PHASE_TEXT: usize = 232;
/// Longest name of a [`Region`]'s file, in bytes.
pub const REGION_NAME: usize = 64;
/// Words of a node mask in a [`Request`]: 1024 nodes, the largest NODES_SHIFT that Linux has.
pub const MASK_WORDS: usize = 16;
/// `prctl(2)` option by which a workload names its phase: `prctl(PR_MIGTRACE_PHASE, text, length)`. Traced or not, the
/// kernel rejects it with EINVAL and does nothing. The number spells `MTPH`.
pub const PR_MIGTRACE_PHASE: i32 = 0x4d54_5048;

macro_rules! records {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[cfg_attr(
            feature = "user",
            derive(
                PartialEq,
                Eq,
                zerocopy::FromBytes,
                zerocopy::IntoBytes,
                zerocopy::KnownLayout,
                zerocopy::Immutable
            )
        )]
        pub struct $name { $($body)* }
    )*};
}

/// A record that a header's `kind` announces.
pub trait Record {
    /// Its header's `kind`.
    const KIND: RecordKind;
}

macro_rules! kinds_of_records {
    ($($record:ident $kind:ident)*) => {$(
        impl Record for $record {
            const KIND: RecordKind = RecordKind::$kind;
        }
    )*};
}

kinds_of_records! {
    Fault FAULT
    Check CHECK
    Mark MARK
    Migrate MIGRATE
    Batch BATCH
    Request REQUEST
    Task TASK
    Phase PHASE
    Region REGION
    FaultDetails FAULT_DETAILS
    Place PLACE
}

records! {
    /// The start of every record.
    pub struct Header {
        /// CLOCK_BOOTTIME, ns, at the end of what is recorded.
        pub ts_ns: u64,
        /// cgroup v2 id of the task.
        pub cgroup_id: u64,
        /// Process (the kernel's tgid).
        pub pid: u32,
        /// Thread (the kernel's pid).
        pub tid: u32,
        pub cpu: u32,
        /// NUMA node of that CPU, by bpf_get_numa_node_id().
        pub cpu_node: i32,
        /// [`crate::kinds::RecordKind`].
        pub kind: u8,
        /// [`crate::ABI_VERSION`].
        pub abi: u8,
        /// [`crate::counters::Probe`] that made the record.
        pub probe: u16,
        /// Events that this one represents if the programs sample its kind, else 0.
        pub weight: u32,
        /// The kernel's number of the stack with [`SECOND_TABLE`] in it; [`NO_STACK`] if there is none or none is
        /// wanted; [`STACK_NOT_KEPT`].
        pub kernel_stack: i32,
        pub user_stack: i32,
        /// Task name, padded with zeroes.
        pub comm: [u8; 16],
    }

    /// The process in whose page table a page is, or was before its migration.
    pub struct Owner {
        /// Its start: CLOCK_BOOTTIME, ns.
        pub start_ns: u64,
        pub cgroup_id: u64,
        /// 0: no process maps the page, or the kernel does not show which. Then, and with [`OWNER_IS_ACTOR`], the other
        /// fields are 0.
        pub pid: u32,
        pub pad: u32,
        /// Its name, padded with zeroes.
        pub comm: [u8; 16],
    }

    /// The migration that a fault waited for.
    pub struct Wait {
        /// How long the page had been inaccessible, or been migrating in a fault, when this fault began to wait for it.
        pub inaccessible_ns: u64,
        /// The thread that migrated it, and its process; 0 if no program saw the migration.
        pub tid: u32,
        pub pid: u32,
        /// Name of that thread, padded with zeroes.
        pub comm: [u8; 16],
        /// The kernel's enum migrate_reason, [`BY_LAZY_FAULT`] for migrate-on-fault.
        pub migrate_reason: i32,
        /// [`crate::kinds::RequestName`] of the syscall that it is nested in, 0 for none.
        pub request: u8,
        pub pad: [u8; 3],
    }

    /// A page fault in another process's memory, or one that waited for a migration.
    pub struct FaultDetails {
        pub fault: Fault,
        pub owner: Owner,
        pub wait: Wait,
    }

    /// A page fault was handled (handle_mm_fault returned).
    pub struct Fault {
        pub header: Header,
        pub addr: u64,
        /// User instruction, 0 if no instruction caused the fault (get_user_pages).
        pub ip: u64,
        pub latency_ns: u64,
        /// FAULT_FLAG_* bits or the CPU's error code, depending on `hook`.
        pub flags: u32,
        /// VM_FAULT_* bits.
        pub result: u32,
        /// Node of the page that the address maps after the fault.
        pub nid: i32,
        /// [`crate::kinds::FaultClass`].
        pub class: u8,
        /// [`crate::kinds::FaultHook`].
        pub hook: u8,
        /// The page-table entry behind the address maps `1 << map_shift` bytes; 0 if `nid` is unknown.
        pub map_shift: u8,
        pub pad: u8,
    }

    /// A folio was checked against policy in the fault path.
    pub struct Check {
        pub header: Header,
        pub addr: u64,
        pub pfn: u64,
        pub src_nid: i32,
        pub dst_nid: i32,
        pub order: u32,
        /// FAULT_FLAG_* bits.
        pub flags: u32,
        /// The kernel's enum mof_reason.
        pub reason: i32,
        /// MPOL_* mode, [`NO_MODE`] if the kernel does not show it.
        pub mode: u16,
        pub interleave: u8,
        pub lazy: u8,
        /// [`crate::kinds::CheckPath`].
        pub path: u8,
        pub pad: [u8; 7],
        pub owner: Owner,
    }

    /// A folio was unmapped for lazy migration, or could not be.
    pub struct Mark {
        pub header: Header,
        pub addr: u64,
        pub pfn: u64,
        pub nid: i32,
        pub order: u32,
        /// The kernel's enum mof_reason.
        pub reason: i32,
        pub anon: u32,
        pub owner: Owner,
    }

    /// A folio was migrated, or failed to.
    pub struct Migrate {
        pub header: Header,
        pub addr: u64,
        pub old_pfn: u64,
        pub new_pfn: u64,
        pub latency_ns: u64,
        pub unmap_ns: u64,
        pub copy_ns: u64,
        pub remap_ns: u64,
        pub src_nid: i32,
        pub dst_nid: i32,
        pub order: u32,
        /// The kernel's enum migrate_reason if `path` is [`crate::kinds::MigratePath::DIRECT`], else -1.
        pub migrate_reason: i32,
        /// The kernel's enum mof_reason if `path` is [`crate::kinds::MigratePath::LAZY_FAULT`], else -1.
        pub mof_reason: i32,
        /// Nonzero if the folio was migrated.
        pub migrated: u8,
        /// [`crate::kinds::MigratePath`].
        pub path: u8,
        /// [`crate::kinds::RequestName`] of the syscall that it is nested in, 0 for none.
        pub request: u8,
        pub pad: u8,
        /// Address spaces that mapped the folio; 0 if that is unknown or none did.
        pub mappings: u32,
        pub pad_mappings: u32,
        pub owner: Owner,
    }

    /// The kernel's migrate_pages() ran once, or a placement syscall marked its pages for lazy migration.
    pub struct Batch {
        pub header: Header,
        /// Pages in the list if the kernel counted them, else u64::MAX.
        pub requested: u64,
        pub succeeded: u64,
        pub failed: u64,
        /// Pages that the programs saw migrate, filtered or not; u64::MAX for lazy marks.
        pub migrated: u64,
        pub latency_ns: u64,
        /// The kernel's enum migrate_mode, -1 for lazy marks.
        pub mode: i32,
        /// The kernel's enum migrate_reason, -1 for lazy marks.
        pub migrate_reason: i32,
        /// [`crate::kinds::RequestName`] of the syscall that it is nested in, 0 for none.
        pub request: u8,
        pub pad: [u8; 3],
        /// Huge pages that the kernel split to migrate them in part; u32::MAX for lazy marks.
        pub thp_split: u32,
    }

    /// A placement syscall returned.
    pub struct Request {
        pub header: Header,
        pub addr: u64,
        pub len: u64,
        pub flags: u64,
        pub latency_ns: u64,
        pub ret: i64,
        /// Mode argument of mbind and set_mempolicy, with its flags (MPOL_F_*).
        pub policy: u64,
        /// Bits in the mask, by the caller's argument.
        pub maxnode: u64,
        pub nodemask: [u64; MASK_WORDS],
        /// [`crate::kinds::RequestName`].
        pub name: u8,
        /// Nonzero if `nodemask` could be read.
        pub has_mask: u8,
        pub pad: u16,
        /// Target process of the syscall, 0 for the caller.
        pub target_pid: u32,
    }

    /// A task forked, executed a program, exited or changed nodes. In the last case the header names that task, not the
    /// thread that ran the program.
    pub struct Task {
        pub header: Header,
        /// Start of the new process of a fork, CLOCK_BOOTTIME in ns, else 0.
        pub child_start_ns: u64,
        /// [`crate::kinds::TaskEvent`].
        pub what: u8,
        pub pad: [u8; 3],
        /// The new process of a fork, else 0.
        pub child_pid: u32,
        pub from_node: i32,
        pub to_node: i32,
        /// Duration of a scan, else 0.
        pub latency_ns: u64,
    }

    /// A mapping (VMA), at the first fault seen in it.
    pub struct Region {
        pub header: Header,
        pub addr: u64,
        pub len: u64,
        /// VM_* bits.
        pub flags: u64,
        pub inode: u64,
        /// MPOL_* mode of the mapping's own policy, [`NO_MODE`] if it has none.
        pub mode: u16,
        /// [`crate::kinds::RegionClass`].
        pub class: u8,
        pub pad: [u8; 5],
        /// Name of the mapped file without its directory, padded with zeroes.
        pub name: [u8; REGION_NAME],
    }

    /// Virtual pages changed their place, or lost it, without a migration.
    pub struct Place {
        pub header: Header,
        pub addr: u64,
        /// Bytes.
        pub len: u64,
        /// Where the pages were mapped before, [`NO_ADDR`] if at `addr`.
        pub from_addr: u64,
        pub src_nid: i32,
        pub dst_nid: i32,
        /// [`crate::kinds::PlaceChange`].
        pub what: u8,
        pub pad: [u8; 7],
        pub owner: Owner,
    }

    /// The workload named the phase that starts now.
    pub struct Phase {
        pub header: Header,
        /// Bytes of `text` in use.
        pub len: u32,
        pub pad: u32,
        pub text: [u8; PHASE_TEXT],
    }
}
