//! Which program goes where: one table. A kernel that lacks a place leaves that program out, and says so.

use migtrace_common::counters::Probe;

/// A way to hook a program into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A classic tracepoint: category and name. Its record's offsets come from BTF.
    Tracepoint(&'static str, &'static str),
    /// A tracepoint with its raw arguments.
    BtfTracepoint(&'static str),
    /// The start of a function.
    Fentry(&'static str),
    /// The end of a function.
    Fexit(&'static str),
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tracepoint(category, name) => write!(f, "tracepoint {category}:{name}"),
            Self::BtfTracepoint(name) => write!(f, "tp_btf {name}"),
            Self::Fentry(function) => write!(f, "fentry {function}"),
            Self::Fexit(function) => write!(f, "fexit {function}"),
        }
    }
}

/// One program of the BPF object.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in the object.
    pub program: &'static str,
    /// Whose records it makes, or helps to make.
    pub probe: Probe,
    pub hook: Hook,
    /// What the probe lacks without it.
    pub gives: Gives,
}

/// What a program gives its probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// The records themselves: without it there are none.
    Records,
    /// A field, by its name in the trace.
    Field(&'static str),
}

const fn entry(program: &'static str, probe: Probe, hook: Hook, gives: Gives) -> Entry {
    Entry { program, probe, hook, gives }
}

use Gives::{Field, Records};
use Hook::{BtfTracepoint, Fentry, Fexit, Tracepoint};

/// All programs, in the order in which they are attached. The traced command is started when all of them are, so what
/// is under way at that moment belongs to processes that were there before (`--pid`), and counts as `map_full` loss.
pub const CATALOG: &[Entry] = &[
    entry("handle_mm_fault_entry", Probe::Fault, Fentry("handle_mm_fault"), Records),
    entry("handle_mm_fault_exit", Probe::Fault, Fexit("handle_mm_fault"), Records),
    entry("do_swap_page", Probe::Fault, Fentry("do_swap_page"), Field("class")),
    entry("do_wp_page", Probe::Fault, Fentry("do_wp_page"), Field("class")),
    entry("task_numa_fault", Probe::Fault, Fentry("task_numa_fault"), Field("class")),
    entry("do_huge_pmd_anonymous_page", Probe::Fault, Fentry("do_huge_pmd_anonymous_page"), Field("class")),
    entry("mof_check", Probe::Check, Tracepoint("mof", "mof_check"), Records),
    entry("mof_migrate", Probe::LazyMigrate, Tracepoint("mof", "mof_migrate"), Records),
    entry("mof_unmap", Probe::Mark, Tracepoint("mof", "mof_unmap"), Records),
    entry("try_to_unmap_one", Probe::Mark, Fentry("try_to_unmap_one"), Field("addr")),
    entry("mof_lazy", Probe::LazyBatch, Tracepoint("mof", "mof_lazy"), Records),
    entry("migrate_pages_entry", Probe::Batch, Fentry("migrate_pages"), Records),
    entry("mm_migrate_pages", Probe::Batch, Tracepoint("migrate", "mm_migrate_pages"), Records),
    entry("migrate_pages_exit", Probe::Batch, Fexit("migrate_pages"), Records),
    entry("try_to_migrate", Probe::DirectMigrate, Fentry("try_to_migrate"), Records),
    entry("set_migration_pte", Probe::DirectMigrate, BtfTracepoint("set_migration_pte"), Field("addr")),
    entry("set_migration_pmd", Probe::DirectMigrate, BtfTracepoint("set_migration_pmd"), Field("addr")),
    entry("move_to_new_folio", Probe::DirectMigrate, Fentry("move_to_new_folio"), Field("copy_ns")),
    entry("folio_migrate_flags", Probe::DirectMigrate, Fentry("folio_migrate_flags"), Records),
    entry("remove_migration_pte", Probe::DirectMigrate, BtfTracepoint("remove_migration_pte"), Field("remap_ns")),
    entry("remove_migration_pmd", Probe::DirectMigrate, BtfTracepoint("remove_migration_pmd"), Field("remap_ns")),
    entry("mbind_entry", Probe::Request, Fentry("__x64_sys_mbind"), Records),
    entry("mbind_exit", Probe::Request, Fexit("__x64_sys_mbind"), Records),
    entry("set_mempolicy_entry", Probe::Request, Fentry("__x64_sys_set_mempolicy"), Records),
    entry("set_mempolicy_exit", Probe::Request, Fexit("__x64_sys_set_mempolicy"), Records),
    entry("get_mempolicy_entry", Probe::Request, Fentry("__x64_sys_get_mempolicy"), Records),
    entry("get_mempolicy_exit", Probe::Request, Fexit("__x64_sys_get_mempolicy"), Records),
    entry("move_pages_entry", Probe::Request, Fentry("__x64_sys_move_pages"), Records),
    entry("move_pages_exit", Probe::Request, Fexit("__x64_sys_move_pages"), Records),
    entry("migrate_pages_call_entry", Probe::Request, Fentry("__x64_sys_migrate_pages"), Records),
    entry("migrate_pages_call_exit", Probe::Request, Fexit("__x64_sys_migrate_pages"), Records),
    entry("home_node_entry", Probe::Request, Fentry("__x64_sys_set_mempolicy_home_node"), Records),
    entry("home_node_exit", Probe::Request, Fexit("__x64_sys_set_mempolicy_home_node"), Records),
    entry("prctl", Probe::Phase, Fentry("__x64_sys_prctl"), Records),
    entry("sched_process_fork", Probe::Task, BtfTracepoint("sched_process_fork"), Records),
    entry("sched_process_exec", Probe::Task, BtfTracepoint("sched_process_exec"), Records),
    entry("sched_process_exit", Probe::Task, BtfTracepoint("sched_process_exit"), Records),
];
