//! Which program goes where: one table.
//!
//! A role is something that a probe needs: its records, or a field of them. It can be filled in several ways, best first;
//! a way is a set of programs that only make sense together, such as the begin and the end of a function. The loader takes
//! the first way that this kernel accepts as a whole.

use migtrace_common::counters::Probe;

/// A place in the kernel, and the form of program that goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with its raw arguments.
    BtfTracepoint(&'static str),
    /// The start of a function, which has one of these names.
    Fentry(&'static [&'static str]),
    /// The end of a function.
    Fexit(&'static [&'static str]),
    /// The start of a function, by a breakpoint or ftrace.
    Kprobe(&'static [&'static str]),
    /// The end of a function, in the same way.
    Kretprobe(&'static [&'static str]),
    /// A classic tracepoint: category, name, and the structure of its record.
    Tracepoint(&'static str, &'static str, &'static str),
}

/// A program of the BPF object, and where it goes.
pub type Placed = (&'static str, Hook);

/// One way to fill a role.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// All of them, or the way is not there.
    pub programs: &'static [Placed],
    /// Fields of the probe's records that they lack when made this way.
    pub lacks: &'static [&'static str],
    /// Why.
    pub because: &'static str,
}

/// What a probe needs.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Whose records are made.
    pub probe: Probe,
    pub gives: Gives,
    /// Best first.
    pub ways: &'static [Way],
}

/// What a role gives its probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// The records themselves: without it there are none.
    Records,
    /// A field, by its name in the trace. Of use only where the records' way does not lack it.
    Field(&'static str),
    /// More records: of folios that only this place, whose they are, shows. A kernel without it has no such folios.
    RecordsOf(&'static str),
}

impl Gives {
    /// What a trace calls it, where it is not the records themselves.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Records => None,
            Self::Field(what) | Self::RecordsOf(what) => Some(what),
        }
    }
}

use Gives::{Field, Records, RecordsOf};
use Hook::{BtfTracepoint, Fentry, Fexit, Kprobe, Kretprobe, Tracepoint};

/// A way that lacks nothing.
const fn whole(programs: &'static [Placed]) -> Way {
    Way { programs, lacks: &[], because: "" }
}

/// A role that the start of a function fills.
macro_rules! at_start {
    ($probe:ident, $gives:expr, $fentry:literal, $kprobe:literal, $functions:expr) => {
        Role {
            probe: Probe::$probe,
            gives: $gives,
            ways: &[whole(&[($fentry, Fentry($functions))]), whole(&[($kprobe, Kprobe($functions))])],
        }
    };
}

/// The ways to see a function from start to end.
macro_rules! from_start_to_end {
    ($fentry:literal, $fexit:literal, $kprobe:literal, $kretprobe:literal, $functions:expr $(, $more:expr)*) => {
        &[
            whole(&[($fentry, Fentry($functions)), ($fexit, Fexit($functions))]),
            whole(&[($kprobe, Kprobe($functions)), ($kretprobe, Kretprobe($functions))]),
            $($more),*
        ]
    };
}

/// A role that a tracepoint fills.
macro_rules! tracepoint {
    ($probe:ident, $gives:expr, $name:literal) => {
        Role { probe: Probe::$probe, gives: $gives, ways: &[whole(&[($name, BtfTracepoint($name))])] }
    };
}

/// A role that an event of migrate-on-fault fills.
macro_rules! mof {
    ($probe:ident, $name:literal) => {
        Role {
            probe: Probe::$probe,
            gives: Records,
            ways: &[whole(&[($name, Tracepoint("mof", $name, concat!("trace_event_raw_", $name)))])],
        }
    };
}

/// Pages that no process maps, so that their driver migrates them itself: the end of its function has the result.
macro_rules! of_driver {
    ($name:literal, $program:literal, $function:literal) => {
        Role {
            probe: Probe::DirectMigrate,
            gives: RecordsOf($name),
            ways: &[whole(&[($program, Fexit(&[$function]))])],
        }
    };
}

/// A placement syscall.
macro_rules! request {
    ($fentry:literal, $fexit:literal, $kprobe:literal, $kretprobe:literal, $enter:literal, $exit:literal, $call:literal) => {
        Role {
            probe: Probe::Request,
            gives: Records,
            ways: from_start_to_end!(
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

/// What an exception does not show of a fault.
const BEFORE_HANDLING: &[&str] = &["class", "major", "nid", "latency_ns", "result", "region"];

const EXCEPTIONS_ONLY: &str = "faults are seen when the CPU raises them, before the kernel handles them";

/// All roles, in the order in which they are filled. Records come before their fields. The traced command is started when
/// all of them are, so what is under way at that moment belongs to processes that were there before (`--pid`), and counts
/// as `no_start` loss.
///
/// Names by kernel: folio_migrate_flags() was migrate_page_states() up to 5.15, move_to_new_folio() was move_to_new_page()
/// up to 5.18. The events of migration entries are there from 5.18 on; before, the functions that set and remove them, which
/// are called by pointer and so never inlined. migrate_pages() has seven arguments, and before 6.6 fentry takes six: its tracepoints come first.
pub const CATALOG: &[Role] = &[
    Role {
        probe: Probe::Fault,
        gives: Records,
        ways: from_start_to_end!(
            "handle_mm_fault_entry",
            "handle_mm_fault_exit",
            "handle_mm_fault_kprobe",
            "handle_mm_fault_kretprobe",
            &["handle_mm_fault"],
            Way {
                programs: &[
                    ("page_fault_user", BtfTracepoint("page_fault_user")),
                    ("page_fault_kernel", BtfTracepoint("page_fault_kernel")),
                ],
                lacks: BEFORE_HANDLING,
                because: EXCEPTIONS_ONLY,
            },
            Way {
                programs: &[
                    ("page_fault_user_event", Tracepoint("exceptions", "page_fault_user", EXCEPTIONS)),
                    ("page_fault_kernel_event", Tracepoint("exceptions", "page_fault_kernel", EXCEPTIONS)),
                ],
                lacks: BEFORE_HANDLING,
                because: EXCEPTIONS_ONLY,
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
    mof!(Check, "mof_check"),
    mof!(LazyMigrate, "mof_migrate"),
    mof!(Mark, "mof_unmap"),
    at_start!(Mark, Field("addr"), "try_to_unmap_one", "try_to_unmap_one_kprobe", &["try_to_unmap_one"]),
    mof!(LazyBatch, "mof_lazy"),
    Role {
        probe: Probe::HintingCheck,
        gives: Records,
        ways: from_start_to_end!(
            "mpol_misplaced_entry",
            "mpol_misplaced_exit",
            "mpol_misplaced_kprobe",
            "mpol_misplaced_kretprobe",
            &["mpol_misplaced"]
        ),
    },
    Role {
        probe: Probe::DirectMigrate,
        gives: Records,
        ways: &[
            whole(&[("try_to_migrate", Fentry(&["try_to_migrate"])), ("folio_migrate_flags", Fentry(MIGRATE_FLAGS))]),
            whole(&[
                ("try_to_migrate_kprobe", Kprobe(&["try_to_migrate"])),
                ("folio_migrate_flags_kprobe", Kprobe(MIGRATE_FLAGS)),
            ]),
        ],
    },
    Role {
        probe: Probe::DirectMigrate,
        gives: Field("addr"),
        ways: &[
            whole(&[
                ("set_migration_pte", BtfTracepoint("set_migration_pte")),
                ("set_migration_pmd", BtfTracepoint("set_migration_pmd")),
            ]),
            whole(&[("try_to_migrate_one", Fexit(&["try_to_migrate_one"]))]),
        ],
    },
    at_start!(
        DirectMigrate,
        Field("copy_ns"),
        "move_to_new_folio",
        "move_to_new_folio_kprobe",
        &["move_to_new_folio", "move_to_new_page"]
    ),
    Role {
        probe: Probe::DirectMigrate,
        gives: Field("remap_ns"),
        ways: &[
            whole(&[
                ("remove_migration_pte", BtfTracepoint("remove_migration_pte")),
                ("remove_migration_pmd", BtfTracepoint("remove_migration_pmd")),
            ]),
            whole(&[("remove_migration_pte_exit", Fexit(&["remove_migration_pte"]))]),
        ],
    },
    of_driver!("zsmalloc", "zs_page_migrate", "zs_page_migrate"),
    of_driver!("balloon", "balloon_page_migrate", "balloon_page_migrate"),
    // Behind those that see folios move: a batch that began before them would be short of moves.
    Role {
        probe: Probe::Batch,
        gives: Records,
        ways: &[
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
    Role {
        probe: Probe::Phase,
        gives: Records,
        ways: &[
            whole(&[("prctl", Fentry(&["__x64_sys_prctl"]))]),
            whole(&[("prctl_kprobe", Kprobe(&["__x64_sys_prctl"]))]),
            whole(&[("prctl_event", Tracepoint("syscalls", "sys_enter_prctl", SYSCALL_ENTER))]),
        ],
    },
    tracepoint!(Task, Records, "sched_process_fork"),
    tracepoint!(Task, Records, "sched_process_exec"),
    tracepoint!(Task, Records, "sched_process_exit"),
    tracepoint!(Task, Field("to_node"), "sched_migrate_task"),
];

const MIGRATE_FLAGS: &[&str] = &["folio_migrate_flags", "migrate_page_states"];

impl Hook {
    /// How it is written, for the function of it that this kernel has.
    #[must_use]
    pub fn shown(&self, function: &str) -> String {
        match self {
            Self::Tracepoint(category, name, _) => format!("tracepoint {category}:{name}"),
            Self::BtfTracepoint(name) => format!("tp_btf {name}"),
            Self::Fentry(_) => format!("fentry {function}"),
            Self::Fexit(_) => format!("fexit {function}"),
            Self::Kprobe(_) => format!("kprobe {function}"),
            Self::Kretprobe(_) => format!("kretprobe {function}"),
        }
    }

    /// The form of its program: one of [`crate::live::host::requirements::FORMS`].
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Self::Fentry(_) | Self::Fexit(_) => "fentry",
            Self::Kprobe(_) | Self::Kretprobe(_) => "kprobe",
            Self::BtfTracepoint(_) => "tp_btf",
            Self::Tracepoint(..) => "tracepoint",
        }
    }

    /// The names that its function can have, none for a tracepoint.
    #[must_use]
    pub fn functions(&self) -> &'static [&'static str] {
        match self {
            Self::Fentry(names) | Self::Fexit(names) | Self::Kprobe(names) | Self::Kretprobe(names) => names,
            Self::Tracepoint(..) | Self::BtfTracepoint(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_program_has_one_place_in_each_way_and_records_come_before_fields() {
        let mut seen = HashSet::new();
        for role in CATALOG {
            let records = matches!(role.gives, Records);
            assert!(records || seen.contains(&role.probe.name()), "{role:?} comes before the records of its probe");
            seen.insert(role.probe.name());
            for way in role.ways {
                let programs: HashSet<_> = way.programs.iter().map(|(program, _)| program).collect();
                assert_eq!(programs.len(), way.programs.len(), "{way:?}");
            }
        }
    }
}
