//! What the collector tells the programs before they run: offsets of this kernel's structures, and the filter's mode.
//!
//! Offsets come from the running kernel's BTF. A structure or field that this kernel does not have is [`ABSENT`], and the
//! programs that need it are not loaded.

/// Offset of a field that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Global of the BPF object by this name.
pub const CONFIG_GLOBAL: &str = "CONFIG";

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
    /// Rings that the collector made: a CPU uses the one of its number, modulo this.
    pub rings: u32,
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
    /// Where a task's CPU number lies.
    pub task_cpu: u32,
    pub task_start: u32,
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
