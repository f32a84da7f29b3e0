//! The catalog: one table of all BPF programs and their hooks.
//!
//! A capability is what a probe can provide: its records, or a field of them. It has several attach methods, best
//! first. An attach method is a set of programs that only work together, such as those at the start and end of a
//! function. The loader uses the first method that this kernel accepts completely.

use migtrace_common::counters::Probe;

use super::capability::{
    Capability,
    Hook::{BtfTracepoint, Fentry, Fexit, Kprobe, Kretprobe, Tracepoint},
    Method, Placed,
    Provides::{Field, Records, RecordsOf, ValuesOf},
};

/// A method that provides every field.
const fn whole(programs: &'static [Placed]) -> Method {
    Method { programs, lacks: &[], reason: "" }
}

/// A capability provided at the start of a function.
macro_rules! at_start {
    ($probe:ident, $provides:expr, $fentry:literal, $kprobe:literal, $functions:expr) => {
        Capability {
            probe: Probe::$probe,
            provides: $provides,
            methods: &[whole(&[($fentry, Fentry($functions))]), whole(&[($kprobe, Kprobe($functions))])],
        }
    };
}

/// The methods to observe a function from start to end.
macro_rules! from_start_to_end {
    ($fentry:literal, $fexit:literal, $kprobe:literal, $kretprobe:literal, $functions:expr $(, $more:expr)*) => {
        &[
            whole(&[($fentry, Fentry($functions)), ($fexit, Fexit($functions))]),
            whole(&[($kprobe, Kprobe($functions)), ($kretprobe, Kretprobe($functions))]),
            $($more),*
        ]
    };
}

/// A capability provided by a tracepoint.
macro_rules! tracepoint {
    ($probe:ident, $provides:expr, $name:literal) => {
        Capability { probe: Probe::$probe, provides: $provides, methods: &[whole(&[($name, BtfTracepoint($name))])] }
    };
}

/// A capability provided by a trace event of migrate-on-fault.
macro_rules! mof {
    ($probe:ident, $name:literal) => {
        Capability {
            probe: Probe::$probe,
            provides: Records,
            methods: &[whole(&[($name, Tracepoint("mof", $name, concat!("trace_event_raw_", $name)))])],
        }
    };
}

/// Pages that no process maps, so that their driver migrates them itself: the end of its function has the result.
macro_rules! of_driver {
    ($name:literal, $program:literal, $function:literal) => {
        Capability {
            probe: Probe::DirectMigrate,
            provides: RecordsOf($name),
            methods: &[whole(&[($program, Fexit(&[$function]))])],
        }
    };
}

/// A placement syscall.
macro_rules! request {
    ($fentry:literal, $fexit:literal, $kprobe:literal, $kretprobe:literal, $enter:literal, $exit:literal, $call:literal) => {
        Capability {
            probe: Probe::Request,
            provides: Records,
            methods: from_start_to_end!(
                $fentry,
                $fexit,
                $kprobe,
                $kretprobe,
                &[concat!("__x64_sys_", $call)],
                whole(&[
                    ($enter, Tracepoint("syscalls", concat!("sys_enter_", $call), SYSCALL_ENTER)),
                    ($exit, Tracepoint("syscalls", concat!("sys_exit_", $call), SYSCALL_EXIT)),
                ])
            ),
        }
    };
}

/// Structures of the records of syscalls:*.
const SYSCALL_ENTER: &str = "syscall_trace_enter";
const SYSCALL_EXIT: &str = "syscall_trace_exit";
/// Of exceptions:*.
const EXCEPTIONS: &str = "trace_event_raw_exceptions";
const BATCH_COUNTS: Placed =
    ("mm_migrate_pages", Tracepoint("migrate", "mm_migrate_pages", "trace_event_raw_mm_migrate_pages"));

/// Changes of place that one kernel function shows.
macro_rules! places {
    ($provides:expr, $methods:expr) => {
        Capability { probe: Probe::Place, provides: $provides, methods: $methods }
    };
}

/// Fields of a fault that an exception does not show.
const BEFORE_HANDLING: &[&str] = &["class", "major", "nid", "latency_ns", "result", "region"];

const EXCEPTIONS_ONLY: &str = "faults are seen when the CPU raises them, before the kernel handles them";

/// All capabilities, in the order of attaching. Records come before their fields. The traced command starts after all
/// of them, so operations under way at that time belong to older processes (`--pid`), and count as `no_start` loss.
///
/// Names by kernel: folio_migrate_flags() was migrate_page_states() up to 5.15, move_to_new_folio() was
/// move_to_new_page() up to 5.18. Trace events of migration entries exist from 5.18 on. Before, the functions that set
/// and remove the entries are used; they are called by pointer, and so never inlined. migrate_pages() has seven
/// arguments, and before 6.6 fentry takes six: its tracepoints come first.
pub const CATALOG: &[Capability] = &[
    Capability {
        probe: Probe::Fault,
        provides: Records,
        methods: from_start_to_end!(
            "handle_mm_fault_entry",
            "handle_mm_fault_exit",
            "handle_mm_fault_kprobe",
            "handle_mm_fault_kretprobe",
            &["handle_mm_fault"],
            Method {
                programs: &[
                    ("page_fault_user", BtfTracepoint("page_fault_user")),
                    ("page_fault_kernel", BtfTracepoint("page_fault_kernel")),
                ],
                lacks: BEFORE_HANDLING,
                reason: EXCEPTIONS_ONLY,
            },
            Method {
                programs: &[
                    ("page_fault_user_event", Tracepoint("exceptions", "page_fault_user", EXCEPTIONS)),
                    ("page_fault_kernel_event", Tracepoint("exceptions", "page_fault_kernel", EXCEPTIONS)),
                ],
                lacks: BEFORE_HANDLING,
                reason: EXCEPTIONS_ONLY,
            }
        ),
    },
    at_start!(Fault, Field("class"), "do_swap_page", "do_swap_page_kprobe", &["do_swap_page"]),
    at_start!(Fault, Field("class"), "do_wp_page", "do_wp_page_kprobe", &["do_wp_page"]),
    at_start!(Fault, Field("class"), "task_numa_fault", "task_numa_fault_kprobe", &["task_numa_fault"]),
    at_start!(
        Fault,
        Field("class"),
        "do_huge_pmd_anonymous_page",
        "do_huge_pmd_anonymous_page_kprobe",
        &["do_huge_pmd_anonymous_page"]
    ),
    // Before those that hugetlb_fault() calls: the last class that a fault gets is its own.
    at_start!(Fault, ValuesOf("class"), "hugetlb_fault", "hugetlb_fault_kprobe", &["hugetlb_fault"]),
    at_start!(Fault, ValuesOf("class"), "handle_userfault", "handle_userfault_kprobe", &["handle_userfault"]),
    at_start!(
        Fault,
        ValuesOf("class"),
        "migration_entry_wait",
        "migration_entry_wait_kprobe",
        &["migration_entry_wait"]
    ),
    at_start!(
        Fault,
        ValuesOf("class"),
        "pmd_migration_entry_wait",
        "pmd_migration_entry_wait_kprobe",
        &["pmd_migration_entry_wait"]
    ),
    at_start!(
        Fault,
        ValuesOf("class"),
        "migration_entry_wait_huge",
        "migration_entry_wait_huge_kprobe",
        &["migration_entry_wait_huge"]
    ),
    at_start!(Fault, ValuesOf("class"), "folio_lock", "folio_lock_kprobe", FOLIO_LOCK),
    at_start!(Fault, ValuesOf("class"), "folio_lock_or_retry", "folio_lock_or_retry_kprobe", FOLIO_LOCK_OR_RETRY),
    at_start!(Fault, ValuesOf("class"), "folio_put_wait", "folio_put_wait_kprobe", &["folio_put_wait_locked"]),
    at_start!(Fault, ValuesOf("class"), "migrate_vma_setup", "migrate_vma_setup_kprobe", &["migrate_vma_setup"]),
    mof!(Check, "mof_check"),
    mof!(LazyMigrate, "mof_migrate"),
    mof!(Mark, "mof_unmap"),
    at_start!(Mark, Field("addr"), "try_to_unmap_one", "try_to_unmap_one_kprobe", &["try_to_unmap_one"]),
    mof!(LazyBatch, "mof_lazy"),
    Capability {
        probe: Probe::HintingCheck,
        provides: Records,
        methods: from_start_to_end!(
            "mpol_misplaced_entry",
            "mpol_misplaced_exit",
            "mpol_misplaced_kprobe",
            "mpol_misplaced_kretprobe",
            &["mpol_misplaced"]
        ),
    },
    Capability {
        probe: Probe::DirectMigrate,
        provides: Records,
        methods: &[
            whole(&[("try_to_migrate", Fentry(&["try_to_migrate"])), ("folio_migrate_flags", Fentry(MIGRATE_FLAGS))]),
            whole(&[
                ("try_to_migrate_kprobe", Kprobe(&["try_to_migrate"])),
                ("folio_migrate_flags_kprobe", Kprobe(MIGRATE_FLAGS)),
            ]),
        ],
    },
    Capability {
        probe: Probe::DirectMigrate,
        provides: Field("addr"),
        methods: &[
            whole(&[
                ("set_migration_pte", BtfTracepoint("set_migration_pte")),
                ("set_migration_pmd", BtfTracepoint("set_migration_pmd")),
            ]),
            whole(&[("try_to_migrate_one", Fexit(&["try_to_migrate_one"]))]),
        ],
    },
    at_start!(
        DirectMigrate,
        Field("owner_pid"),
        "try_to_migrate_one_entry",
        "try_to_migrate_one_kprobe",
        &["try_to_migrate_one"]
    ),
    at_start!(
        DirectMigrate,
        Field("copy_ns"),
        "move_to_new_folio",
        "move_to_new_folio_kprobe",
        &["move_to_new_folio", "move_to_new_page"]
    ),
    Capability {
        probe: Probe::DirectMigrate,
        provides: Field("remap_ns"),
        methods: &[
            whole(&[
                ("remove_migration_pte", BtfTracepoint("remove_migration_pte")),
                ("remove_migration_pmd", BtfTracepoint("remove_migration_pmd")),
            ]),
            whole(&[("remove_migration_pte_exit", Fexit(&["remove_migration_pte"]))]),
        ],
    },
    // Before batches: it has the cause of those that run in it.
    Capability {
        probe: Probe::DirectMigrate,
        provides: ValuesOf("cause"),
        methods: from_start_to_end!(
            "cpuset_migrate_entry",
            "cpuset_migrate_exit",
            "cpuset_migrate_kprobe",
            "cpuset_migrate_kretprobe",
            &["cpuset_migrate_mm_workfn"]
        ),
    },
    of_driver!("zsmalloc", "zs_page_migrate", "zs_page_migrate"),
    of_driver!("balloon", "balloon_page_migrate", "balloon_page_migrate"),
    // After those that see folio migrations: a batch that began before them would miss migrations.
    Capability {
        probe: Probe::Batch,
        provides: Records,
        methods: &[
            whole(&[
                ("mm_migrate_pages_start", BtfTracepoint("mm_migrate_pages_start")),
                ("mm_migrate_pages_end", BtfTracepoint("mm_migrate_pages")),
            ]),
            whole(&[
                ("migrate_pages_entry", Fentry(&["migrate_pages"])),
                BATCH_COUNTS,
                ("migrate_pages_exit", Fexit(&["migrate_pages"])),
            ]),
            whole(&[
                ("migrate_pages_kprobe", Kprobe(&["migrate_pages"])),
                BATCH_COUNTS,
                ("migrate_pages_kretprobe", Kretprobe(&["migrate_pages"])),
            ]),
        ],
    },
    request!(
        "mbind_entry",
        "mbind_exit",
        "mbind_kprobe",
        "mbind_kretprobe",
        "mbind_enter_event",
        "mbind_exit_event",
        "mbind"
    ),
    request!(
        "set_mempolicy_entry",
        "set_mempolicy_exit",
        "set_mempolicy_kprobe",
        "set_mempolicy_kretprobe",
        "set_mempolicy_enter_event",
        "set_mempolicy_exit_event",
        "set_mempolicy"
    ),
    request!(
        "get_mempolicy_entry",
        "get_mempolicy_exit",
        "get_mempolicy_kprobe",
        "get_mempolicy_kretprobe",
        "get_mempolicy_enter_event",
        "get_mempolicy_exit_event",
        "get_mempolicy"
    ),
    request!(
        "move_pages_entry",
        "move_pages_exit",
        "move_pages_kprobe",
        "move_pages_kretprobe",
        "move_pages_enter_event",
        "move_pages_exit_event",
        "move_pages"
    ),
    request!(
        "migrate_pages_call_entry",
        "migrate_pages_call_exit",
        "migrate_pages_call_kprobe",
        "migrate_pages_call_kretprobe",
        "migrate_pages_call_enter_event",
        "migrate_pages_call_exit_event",
        "migrate_pages"
    ),
    request!(
        "home_node_entry",
        "home_node_exit",
        "home_node_kprobe",
        "home_node_kretprobe",
        "home_node_enter_event",
        "home_node_exit_event",
        "set_mempolicy_home_node"
    ),
    Capability {
        probe: Probe::Phase,
        provides: Records,
        methods: &[
            whole(&[("prctl", Fentry(&["__x64_sys_prctl"]))]),
            whole(&[("prctl_kprobe", Kprobe(&["__x64_sys_prctl"]))]),
            whole(&[("prctl_event", Tracepoint("syscalls", "sys_enter_prctl", SYSCALL_ENTER))]),
        ],
    },
    tracepoint!(Task, Records, "sched_process_fork"),
    tracepoint!(Task, Records, "sched_process_exec"),
    tracepoint!(Task, Records, "sched_process_exit"),
    tracepoint!(Task, Field("to_node"), "sched_migrate_task"),
    Capability {
        probe: Probe::Task,
        provides: ValuesOf("latency_ns"),
        methods: from_start_to_end!(
            "task_numa_work_entry",
            "task_numa_work_exit",
            "task_numa_work_kprobe",
            "task_numa_work_kretprobe",
            &["task_numa_work"]
        ),
    },
    // Unmapping. Copies and pages from swap are recorded with the faults.
    places!(
        Records,
        &[
            whole(&[("unmap_single_vma", Fentry(UNMAP))]),
            whole(&[("unmap_single_vma_kprobe", Kprobe(UNMAP))]),
            // It can be inlined, as in Ubuntu's 6.17. This one has the same arguments, and does not see hugetlb pages.
            whole(&[("unmap_single_vma", Fentry(UNMAP_PAGES))]),
            whole(&[("unmap_single_vma_kprobe", Kprobe(UNMAP_PAGES))]),
        ]
    ),
    places!(
        RecordsOf("migrate"),
        &[
            whole(&[("remove_migration_pte_entry", Fentry(RESTORE))]),
            whole(&[("remove_migration_pte_kprobe", Kprobe(RESTORE))]),
        ]
    ),
    // The function had another name, and other arguments, before 6.6.
    places!(
        RecordsOf("map_around"),
        &[
            whole(&[("set_pte_range", Fentry(&["set_pte_range"]))]),
            whole(&[("do_set_pte", Fentry(&["do_set_pte"]))]),
            whole(&[("set_pte_range_kprobe", Kprobe(&["set_pte_range"]))]),
            whole(&[("do_set_pte_kprobe", Kprobe(&["do_set_pte"]))]),
        ]
    ),
    // Before 6.4 it has more arguments than a trampoline passes.
    places!(
        RecordsOf("uffd"),
        &[
            whole(&[("mfill_exit", Fexit(FILL)), ("userfault_move", Fexit(&["move_pages"]))]),
            whole(&[("mfill_exit", Fexit(FILL))]),
            whole(&[("mfill_kprobe", Kprobe(FILL))]),
        ]
    ),
    places!(RecordsOf("reclaim"), &[whole(&[("try_to_unmap_one_exit", Fexit(&["try_to_unmap_one"]))])]),
    places!(
        RecordsOf("remap"),
        &[whole(&[("move_page_tables", Fentry(REMAP))]), whole(&[("move_page_tables_kprobe", Kprobe(REMAP))])]
    ),
    places!(RecordsOf("ksm"), &[whole(&[("ksm_merge", Fexit(&["try_to_merge_with_ksm_page"]))])]),
    places!(
        RecordsOf("collapse"),
        from_start_to_end!(
            "collapse_entry",
            "collapse_exit",
            "collapse_kprobe",
            "collapse_kretprobe",
            COLLAPSE,
            // The helper bpf_loop() came in 5.17.
            whole(&[("collapse_by_loop_entry", Fentry(COLLAPSE)), ("collapse_by_loop_exit", Fexit(COLLAPSE))]),
            whole(&[
                ("collapse_by_loop_kprobe", Kprobe(COLLAPSE)),
                ("collapse_by_loop_kretprobe", Kretprobe(COLLAPSE))
            ]),
            // Compilers inline that function in its only caller.
            whole(&[("collapse_scan_entry", Fentry(COLLAPSE_SCAN)), ("collapse_exit", Fexit(COLLAPSE_SCAN))]),
            whole(&[("collapse_scan_kprobe", Kprobe(COLLAPSE_SCAN)), ("collapse_kretprobe", Kretprobe(COLLAPSE_SCAN))])
        )
    ),
];

const COLLAPSE: &[&str] = &["collapse_huge_page"];
// Where faults wait for a folio's lock: of shared memory, and in the swap cache. All end in folio_wait_bit_common(), to
// which the kernel attaches no program: it is inline, and so notrace. filemap_fault(), and up to 6.3 the lookup of shared
// memory, call it without a function between. The names up to 5.15 come second.
const FOLIO_LOCK: &[&str] = &["__folio_lock", "__lock_page"];
const FOLIO_LOCK_OR_RETRY: &[&str] = &["__folio_lock_or_retry", "__lock_page_or_retry"];
/// khugepaged_scan_pmd() up to 6.0.
const COLLAPSE_SCAN: &[&str] = &["hpage_collapse_scan_pmd", "khugepaged_scan_pmd"];
const FILL: &[&str] = &["mfill_atomic_install_pte"];
const RESTORE: &[&str] = &["remove_migration_pte"];
const UNMAP: &[&str] = &["unmap_single_vma"];
const UNMAP_PAGES: &[&str] = &["unmap_page_range"];
const REMAP: &[&str] = &["move_page_tables"];

const MIGRATE_FLAGS: &[&str] = &["folio_migrate_flags", "migrate_page_states"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_program_has_one_place_in_each_way_and_records_come_before_fields() {
        let mut seen = HashSet::new();
        for capability in CATALOG {
            let records = matches!(capability.provides, Records);
            assert!(
                records || seen.contains(&capability.probe.name()),
                "{capability:?} comes before the records of its probe"
            );
            seen.insert(capability.probe.name());
            for method in capability.methods {
                let programs: HashSet<_> = method.programs.iter().map(|(program, _)| program).collect();
                assert_eq!(programs.len(), method.programs.len(), "{method:?}");
            }
        }
    }
}
