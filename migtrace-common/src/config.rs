//! The collector's settings for the programs: offsets of this kernel's structures, what to record, and the filter.
//!
//! Offsets come from the running kernel's BTF. An offset is [`ABSENT`] if this kernel does not have the structure or
//! field; the programs that need it are not loaded.

use crate::record::MASK_WORDS;

/// Offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;
/// Marks an offset in [`Config::task_cgroup`] as one of a controller's state.
pub const CGROUP_V1: u32 = 1 << 31;

/// Names of the BPF object's globals: a [`Config`] and a [`Filter`].
pub const CONFIG_GLOBAL: &str = "CONFIG";
pub const FILTER_GLOBAL: &str = "FILTER";

/// What to record, and byte offsets in kernel structures.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Address of the kernel's variable `vmemmap_base`; 0 if this kernel has a constant instead.
    pub vmemmap_base_addr: u64,
    /// Start of the array of struct page if it is a constant; 0 if it is unknown.
    pub vmemmap_base: u64,
    /// Address of the kernel's variable `page_offset_base`; 0 if this kernel has a constant instead.
    pub page_offset_base_addr: u64,
    /// Start of the direct map if it is a constant; 0 if it is unknown.
    pub page_offset_base: u64,
    /// Addresses of `shmem_vm_ops`, `shmem_anon_vm_ops` and `shm_vm_ops`, 0 if unknown.
    pub shmem_vm_ops: [u64; 3],
    /// Nonzero: trace only processes whose byte is set in the map of traced processes, and their children.
    pub only_traced: u32,
    /// Nonzero: records get the numbers of the kernel and user stacks of their events.
    pub stacks: u32,
    /// Nonzero: keep tallies of faults, checks, marks and migrations of folios (see [`crate::tally`]).
    pub tally: u32,
    /// With tallies: the maximum number of records of faults, and of each other kind, that a CPU makes in a window.
    pub faults_per_window: u32,
    pub others_per_window: u32,
    /// BTF id of a struct of one word. By this type, plain loads read any memory. 0 if the kernel has no
    /// [`crate::kfunc::RDONLY_CAST`]: the programs then call a helper.
    pub word_type: u32,
    /// Nonzero: the kernel's lockdown forbids helpers that read kernel memory.
    pub no_read_helpers: u32,
    /// The collector's own process, never traced.
    pub self_pid: u32,
    /// sizeof(struct page).
    pub sizeof_page: u32,
    /// Width of the node id at the top of page flags, in bits.
    pub nodes_shift: u32,
    /// Levels of page tables: 4 or 5.
    pub page_table_levels: u32,

    pub folio_flags: u32,
    /// Bit of the page flags that marks a large folio.
    pub pg_head: u32,
    /// Bit number of PG_reserved in the page's flags.
    pub pg_reserved: u32,
    /// In the struct of a page: the address of its folio's first page plus 1, in all pages but the first. [`ABSENT`] if
    /// this kernel has no such field.
    pub page_head: u32,
    /// TTU_SYNC of the kernel's enum ttu_flags: a folio is unmapped to be split. 0 if the kernel has no such flag.
    pub ttu_sync: u32,
    /// Offset, from a large folio's start, of the byte that holds its order.
    pub folio_order: u32,
    pub vma_mm: u32,
    pub vma_vm_file: u32,
    pub vma_vm_ops: u32,
    pub mm_pgd: u32,
    /// In an address space: the task that owns it. [`ABSENT`] without CONFIG_MEMCG.
    pub mm_owner: u32,
    /// Offset of `mm_users` in `struct mm_struct`: 0 when the process exits.
    pub mm_users: u32,
    /// Offsets in `struct vm_fault`.
    pub vmf_orig_pte: u32,
    pub vmf_vma: u32,
    /// Offsets of `mm` and `address` in KSM's `struct rmap_item`, called ksm_rmap_item since 6.2.
    pub rmap_item_mm: u32,
    pub rmap_item_address: u32,
    /// Offsets in `struct pagetable_move_control`, the argument of move_page_tables() on newer kernels.
    pub pmc_old: u32,
    pub pmc_old_addr: u32,
    pub pmc_new_addr: u32,
    pub pmc_len: u32,
    /// Nonzero: changes of place that are no migration are recorded.
    pub places: u32,
    /// What a collapse returns if it made a huge page.
    pub collapse_succeeds: u32,
    pub pad_collapse: u32,
    /// Offset of `mm` in `struct userfaultfd_ctx`.
    pub userfault_mm: u32,
    pub vma_start: u32,
    pub vma_end: u32,
    pub vma_flags: u32,
    pub vma_policy: u32,
    pub policy_mode: u32,
    pub mm_start_brk: u32,
    pub mm_brk: u32,
    pub mm_start_stack: u32,
    /// In a struct file: its path's directory entry.
    pub file_dentry: u32,
    /// In a struct file: its inode.
    pub file_inode: u32,
    pub inode_number: u32,
    /// In a directory entry: the pointer to its name.
    pub dentry_name: u32,
    pub task_pid: u32,
    pub task_tgid: u32,
    pub task_comm: u32,
    /// From a task to its cgroup's id: `cgroups`, `dfl_cgrp`, `kn` and `id`, each in the struct that the one before
    /// points to. For a hierarchy of cgroup v1, [`CGROUP_V1`] and the offset of its controller's pointer in `subsys`
    /// replace `dfl_cgrp`. If that is [`ABSENT`], this kernel's structures differ: the programs then call a helper.
    pub task_cgroup: [u32; 4],
    /// In a controller's state of a cgroup (`struct cgroup_subsys_state`): the cgroup, and the state of the one above.
    pub css_cgroup: u32,
    pub css_parent: u32,
    /// In a task: its CPU number.
    pub task_cpu: u32,
    pub task_start: u32,
    /// In a task: its address space.
    pub task_mm: u32,
    /// In a task: its credentials. In these: the real user id.
    pub task_cred: u32,
    pub cred_uid: u32,
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
    /// MOF_MISPLACED of the kernel's enum mof_reason; [`ABSENT`] without migrate-on-fault.
    pub mof_misplaced: u32,
}

/// Maximum number of processes, and of cgroups, in a [`Filter`].
pub const FILTER_IDS: u32 = 1024;
/// Levels of the cgroup hierarchy that a [`Filter`] compares.
pub const CGROUP_LEVELS: u32 = 16;
/// Words of the mask of CPUs in a [`Filter`]. User space decides on CPUs from 1024 on.
pub const CPU_WORDS: usize = 16;
/// Maximum number of task names in a [`Filter`].
pub const FILTER_COMMS: usize = 4;
/// Numbers of the kernel's enum migrate_reason in a [`Filter`], which passes all others.
pub const MIGRATE_REASONS: usize = 32;

/// Bits of [`Filter::terms`].
pub mod term {
    /// [`super::Filter::kinds`].
    pub const KIND: u32 = 1 << 0;
    /// The process is in the map of wanted processes.
    pub const PID: u32 = 1 << 1;
    /// The cgroup is in the map of wanted cgroups.
    pub const CGROUP: u32 = 1 << 2;
    /// The cgroup or an ancestor is in the map of root cgroups: [`super::Filter::cgroup_levels`].
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
    /// The page is on another node than the CPU.
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

/// Which records are wanted: those for which every term that applies holds. If a record lacks a value, no set contains
/// it. All zero passes every record.
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
    /// The node of the CPU, the page, the source or the destination; bits as in `cpus`.
    pub touched_nodes: [u64; MASK_WORDS],
    /// The CPU's node.
    pub cpu_nodes: [u64; MASK_WORDS],
    /// The page's node.
    pub nodes: [u64; MASK_WORDS],
    pub src_nodes: [u64; MASK_WORDS],
    pub dst_nodes: [u64; MASK_WORDS],
    /// Names of tasks, 16 bytes each, padded with zeroes, as words; `comms_len` of them.
    pub comms: [[u64; 2]; FILTER_COMMS],
    /// By migrate_reason. Bit n: wanted if nested in the syscall [`crate::kinds::RequestName`] n; bit 0: in none.
    pub causes: [u8; MIGRATE_REASONS],
    /// The same bits for syscalls that mark their pages.
    pub lazy_batch_causes: u8,
    /// Nonzero: migrations by migrate-on-fault are wanted.
    pub lazy_fault_cause: u8,
    pub pad: u16,
    /// The terms that apply: bits of [`term`].
    pub terms: u32,
    /// Bit n: records of [`crate::kinds::RecordKind`] n are wanted.
    pub kinds: u32,
    pub comms_len: u32,
    /// Real user id of the task.
    pub uid: u32,
    /// One in this many faults, checks, marks and migrations is recorded.
    pub sample: u32,
    /// Bit n: the map of root cgroups has cgroups at depth n below the root.
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
    MigratePagesOffsets { succeeded, failed, thp_split, mode, reason }
    /// `struct syscall_trace_enter`.
    SyscallEnterOffsets { args }
    /// `struct syscall_trace_exit`.
    SyscallExitOffsets { ret }
    /// `struct trace_event_raw_exceptions`.
    PageFaultOffsets { address, ip, error_code }
}

#[cfg(feature = "user")]
// SAFETY: plain integers in C layout, explicit padding (layout.rs asserts the size), any bit pattern is valid.
unsafe impl aya::Pod for Config {}

#[cfg(feature = "user")]
// SAFETY: as above.
unsafe impl aya::Pod for Filter {}
