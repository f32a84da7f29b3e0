//! What the collector tells the programs before they run: offsets of this kernel's structures, and the filter's mode.
//!
//! Offsets come from the running kernel's BTF. A structure or field that this kernel does not have is [`ABSENT`], and the
//! programs that need it are not loaded.

use crate::record::MASK_WORDS;

/// Offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Globals of the BPF object by these names: a [`Config`] and a [`Filter`].
pub const CONFIG_GLOBAL: &str = "CONFIG";
pub const FILTER_GLOBAL: &str = "FILTER";

/// Byte offsets in kernel structures.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Address of the kernel's variable `vmemmap_base`; 0 where this kernel has a constant instead.
    pub vmemmap_base_addr: u64,
    /// Start of the array of struct page where it is a constant; 0 where it is not known at all.
    pub vmemmap_base: u64,
    /// Address of the kernel's variable `page_offset_base`; 0 where this kernel has a constant instead.
    pub page_offset_base_addr: u64,
    /// Start of the direct map where it is a constant; 0 where it is not known at all.
    pub page_offset_base: u64,
    /// Address of `shmem_vm_ops`, `shmem_anon_vm_ops` and `shm_vm_ops`, 0 where unknown.
    pub shmem_vm_ops: [u64; 3],
    /// Nonzero: only processes whose byte in the map of traced ones is set, and the children that they have.
    pub only_traced: u32,
    /// Nonzero: records get the numbers of the stacks on which their events happened.
    pub stacks: u32,
    /// Nonzero: faults, checks, marks and moves of folios are counted (see [`crate::aggregate`]).
    pub aggregate: u32,
    /// Where they are counted: records of faults, and of each of the others, that a CPU makes in a window at most.
    pub faults_per_window: u32,
    pub others_per_window: u32,
    /// BTF id of a struct of one word, as which any memory is read by plain loads; 0 where the kernel has no
    /// [`crate::kfunc::RDONLY_CAST`], and a helper is to be asked.
    pub word_type: u32,
    /// Nonzero: the kernel's lockdown forbids helpers that read its memory.
    pub no_read_helpers: u32,
    /// The collector's own process, never traced.
    pub self_pid: u32,
    /// sizeof(struct page).
    pub sizeof_page: u32,
    /// Bits that a node id takes at the top of page flags.
    pub nodes_shift: u32,
    /// Levels of page tables: 4 or 5.
    pub page_table_levels: u32,

    pub folio_flags: u32,
    /// Bit of the page flags that says that a folio is large.
    pub pg_head: u32,
    /// TTU_SYNC of the kernel's enum ttu_flags: a folio's mappings go so that it can be split. 0 where there is none.
    pub ttu_sync: u32,
    /// Offset, from a large folio's start, of the byte that holds its order.
    pub folio_order: u32,
    pub vma_mm: u32,
    pub vma_vm_file: u32,
    pub vma_vm_ops: u32,
    pub mm_pgd: u32,
    pub vma_start: u32,
    pub vma_end: u32,
    pub vma_flags: u32,
    pub vma_policy: u32,
    pub policy_mode: u32,
    pub mm_start_brk: u32,
    pub mm_brk: u32,
    pub mm_start_stack: u32,
    /// From a struct file: its path's directory entry.
    pub file_dentry: u32,
    /// From a struct file: its inode.
    pub file_inode: u32,
    pub inode_number: u32,
    /// From a directory entry: the pointer to its name.
    pub dentry_name: u32,
    pub task_pid: u32,
    pub task_tgid: u32,
    pub task_comm: u32,
    /// From a task to its cgroup's id: `cgroups`, `dfl_cgrp`, `kn` and `id`, each in what the one before points to.
    /// [`ABSENT`] in any: this kernel's structures are others, and a helper is to be asked.
    pub task_cgroup: [u32; 4],
    /// Where a task's CPU number lies.
    pub task_cpu: u32,
    pub task_start: u32,
    pub task_group_leader: u32,
    pub task_signal: u32,
    pub signal_live: u32,
    pub regs_ip: u32,
    /// Registers of a system call's six arguments, in order.
    pub regs_args: [u32; 6],

    pub mof_check: MofCheckOffsets,
    pub mof_unmap: MofUnmapOffsets,
    pub mof_migrate: MofMigrateOffsets,
    pub mof_lazy: MofLazyOffsets,
    pub mm_migrate_pages: MigratePagesOffsets,
    pub syscall_enter: SyscallEnterOffsets,
    pub syscall_exit: SyscallExitOffsets,
    pub page_fault: PageFaultOffsets,
    pub pad_end: u32,
}

/// Processes, or cgroups, that a [`Filter`] compares with, at most.
pub const FILTER_IDS: u32 = 1024;
/// Depth to which cgroups are looked at.
pub const CGROUP_LEVELS: u32 = 16;
/// Words of the mask of CPUs in a [`Filter`]: CPUs from 1024 on are left to user space.
pub const CPU_WORDS: usize = 16;
/// Names of tasks that a [`Filter`] can list.
pub const FILTER_COMMS: usize = 4;
/// Numbers of the kernel's enum migrate_reason that a [`Filter`] knows; it lets others through.
pub const MIGRATE_REASONS: usize = 32;

/// Bits of [`Filter::terms`].
pub mod term {
    /// [`super::Filter::kinds`].
    pub const KIND: u32 = 1 << 0;
    /// The process is in the map of wanted ones.
    pub const PID: u32 = 1 << 1;
    /// The cgroup is in the map of wanted ones.
    pub const CGROUP: u32 = 1 << 2;
    /// A cgroup above it, or itself, is in the map of wanted ones: [`super::Filter::cgroup_levels`].
    pub const UNDER_CGROUP: u32 = 1 << 16;
    /// [`super::Filter::comms`].
    pub const COMM: u32 = 1 << 3;
    /// [`super::Filter::uid`].
    pub const UID: u32 = 1 << 4;
    /// [`super::Filter::cpus`].
    pub const CPU: u32 = 1 << 5;
    /// [`super::Filter::cpu_nodes`].
    pub const CPU_NODE: u32 = 1 << 6;
    /// [`super::Filter::touched_nodes`].
    pub const TOUCHED: u32 = 1 << 7;
    /// [`super::Filter::nodes`].
    pub const NID: u32 = 1 << 8;
    /// [`super::Filter::src_nodes`].
    pub const SRC_NID: u32 = 1 << 9;
    /// [`super::Filter::dst_nodes`].
    pub const DST_NID: u32 = 1 << 10;
    /// The page is on a node, and it is not the CPU's.
    pub const REMOTE: u32 = 1 << 11;
    /// [`super::Filter::addr_first`] to [`super::Filter::addr_last`].
    pub const ADDR: u32 = 1 << 12;
    /// [`super::Filter::latency_min_ns`] to [`super::Filter::latency_max_ns`].
    pub const LATENCY: u32 = 1 << 13;
    /// [`super::Filter::causes`].
    pub const CAUSE: u32 = 1 << 14;
    /// [`super::Filter::sample`].
    pub const SAMPLE: u32 = 1 << 15;
}

/// Which records are wanted: all for which every term that applies holds. A value that a record does not have is in no set.
/// All zero lets everything through.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// First and last address.
    pub addr_first: u64,
    pub addr_last: u64,
    /// Shortest and longest latency, ns.
    pub latency_min_ns: u64,
    pub latency_max_ns: u64,
    /// Bit n of word n / 64: CPU n.
    pub cpus: [u64; CPU_WORDS],
    /// The node of the CPU, the page, the source, or the destination; bits as in `cpus`.
    pub touched_nodes: [u64; MASK_WORDS],
    /// The CPU's node.
    pub cpu_nodes: [u64; MASK_WORDS],
    /// The page's node.
    pub nodes: [u64; MASK_WORDS],
    pub src_nodes: [u64; MASK_WORDS],
    pub dst_nodes: [u64; MASK_WORDS],
    /// Names of tasks, 16 bytes each, padded with zeroes, as words; `comms_len` of them.
    pub comms: [[u64; 2]; FILTER_COMMS],
    /// By migrate_reason: bit n is for one that happened in the call [`crate::kinds::RequestName`] n, 0 for none.
    pub causes: [u8; MIGRATE_REASONS],
    /// The same for a request that marks its pages.
    pub lazy_batch_causes: u8,
    /// Nonzero: moves in a fault by migrate-on-fault.
    pub lazy_fault_cause: u8,
    pub pad: u16,
    /// Which terms apply: bits of [`term`].
    pub terms: u32,
    /// Bit n: records of [`crate::kinds::RecordKind`] n.
    pub kinds: u32,
    pub comms_len: u32,
    /// Real user id of the task.
    pub uid: u32,
    /// One of so many faults, checks, marks and moves is recorded.
    pub sample: u32,
    /// Bit n: cgroups at depth n below the root can be in the map of those that must be above.
    pub cgroup_levels: u32,
    pub pad_end: u32,
}

macro_rules! offsets {
    ($($(#[$meta:meta])* $name:ident { $($field:ident),* $(,)? })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $(pub $field: u32),* }

        impl $name {
            /// Offsets of all fields as `lookup` gives them for the field's name.
            pub fn resolve(lookup: &mut dyn FnMut(&'static str) -> u32) -> Self {
                Self { $($field: lookup(stringify!($field))),* }
            }
        }
    )*};
}

offsets! {
    /// `struct trace_event_raw_mof_check`.
    MofCheckOffsets { address, pfn, src_nid, dst_nid, mode, interleave, lazy, order, flags, reason }
    /// `struct trace_event_raw_mof_unmap`.
    MofUnmapOffsets { pfn, nid, order, anon, reason }
    /// `struct trace_event_raw_mof_migrate`.
    MofMigrateOffsets { address, old_pfn, new_pfn, src_nid, dst_nid, order, rc, reason, latency_ns }
    /// `struct trace_event_raw_mof_lazy`.
    MofLazyOffsets { nr_queued, nr_unmapped, nr_failed, latency_ns }
    /// `struct trace_event_raw_mm_migrate_pages`.
    MigratePagesOffsets { succeeded, failed, mode, reason }
    /// `struct syscall_trace_enter`.
    SyscallEnterOffsets { args }
    /// `struct syscall_trace_exit`.
    SyscallExitOffsets { ret }
    /// `struct trace_event_raw_exceptions`.
    PageFaultOffsets { address, ip, error_code }
}

#[cfg(feature = "user")]
// SAFETY: plain integers in C layout, padding spelled out (layout.rs asserts the size), any bit pattern is valid.
unsafe impl aya::Pod for Config {}

#[cfg(feature = "user")]
// SAFETY: as above.
unsafe impl aya::Pod for Filter {}
