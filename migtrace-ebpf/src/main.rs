//! migtrace's BPF programs. This file has their entry points, one line each.
//!
//! | file | owns |
//! | --- | --- |
//! | [`hooks`] | what the programs do, one file per subject |
//! | [`event`] | an event's way to a record: filter, tallies, sample |
//! | [`filter`] | which processes are traced, which events are wanted |
//! | [`tally`] | totals by what happened and by process |
//! | [`account`] | each program's counters: events by outcome |
//! | [`emit`] | the ring: header, stacks, commit |
//! | [`thread`] | the running thread: ids, CPU, node, clock |
//! | [`state`] | what is under way in a thread |
//! | [`maps`] | the BPF maps |
//! | [`task_storage`] | the type of a map that belongs to threads |
//! | [`config`] | the collector's settings |
//! | [`kernel_memory`] | reads at any address of the kernel |
//! | [`kfunc`] | the kernel function that programs call |
//!
//! Each program that makes a record filters first, fills one record of fixed size, and commits it through [`emit`].
#![no_std]
#![no_main]

mod account;
mod cgroup;
mod config;
mod emit;
mod event;
mod filter;
mod hooks;
mod kernel_memory;
mod kfunc;
mod maps;
mod state;
mod tally;
mod task_storage;
mod thread;

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, tracepoint},
    programs::{BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext, TracePointContext},
};
use hooks::{
    args, batch,
    collapse::{self, Walk},
    exception, fault, folio_migrate, hinting_check, lazy_check, lazy_mark, lazy_migrate, phase, place, request, task,
};
use migtrace_common::kinds::{FaultClass, RequestName};

/// Programs at the start of a function, in two forms: `fentry`, and `kprobe` for kernels that reject it.
macro_rules! at_entry {
    ($($fentry:ident $kprobe:ident($ctx:ident) => $body:expr;)*) => {$(
        #[fentry]
        pub fn $fentry($ctx: FEntryContext) -> i32 {
            $body;
            0
        }

        #[kprobe]
        pub fn $kprobe($ctx: ProbeContext) -> u32 {
            $body;
            0
        }
    )*};
}

at_entry! {
    handle_mm_fault_entry handle_mm_fault_kprobe(ctx) => fault::begin(&ctx);
    do_swap_page do_swap_page_kprobe(_ctx) => fault::classify(FaultClass::SWAP);
    do_wp_page do_wp_page_kprobe(ctx) => fault::write_protected(&ctx);
    task_numa_fault task_numa_fault_kprobe(_ctx) => fault::classify(FaultClass::HINTING);
    do_huge_pmd_anonymous_page do_huge_pmd_anonymous_page_kprobe(_ctx) => fault::classify(FaultClass::HUGE);
    hugetlb_fault hugetlb_fault_kprobe(_ctx) => fault::classify(FaultClass::HUGETLB);
    handle_userfault handle_userfault_kprobe(_ctx) => fault::classify(FaultClass::USERFAULT);
    migration_entry_wait migration_entry_wait_kprobe(_ctx) => fault::wait();
    pmd_migration_entry_wait pmd_migration_entry_wait_kprobe(_ctx) => fault::wait();
    migration_entry_wait_huge migration_entry_wait_huge_kprobe(_ctx) => fault::wait();
    folio_lock folio_lock_kprobe(ctx) => fault::wait_for_lock(&ctx);
    folio_lock_or_retry folio_lock_or_retry_kprobe(ctx) => fault::wait_for_lock(&ctx);
    folio_put_wait folio_put_wait_kprobe(ctx) => fault::wait_for_lock(&ctx);
    migrate_vma_setup migrate_vma_setup_kprobe(_ctx) => fault::classify(FaultClass::DEVICE);
    mpol_misplaced_entry mpol_misplaced_kprobe(ctx) => hinting_check::begin(&ctx);
    try_to_unmap_one try_to_unmap_one_kprobe(ctx) => lazy_mark::begin(&ctx);
    migrate_pages_entry migrate_pages_kprobe(ctx) => batch::begin(&ctx);
    try_to_migrate try_to_migrate_kprobe(ctx) => folio_migrate::unmap_begin(&ctx);
    try_to_migrate_one_entry try_to_migrate_one_kprobe(ctx) => folio_migrate::mapping_begin(&ctx);
    move_to_new_folio move_to_new_folio_kprobe(ctx) => folio_migrate::copy_begin(&ctx);
    folio_migrate_flags folio_migrate_flags_kprobe(ctx) => folio_migrate::migrated(&ctx);
    cpuset_migrate_entry cpuset_migrate_kprobe(_ctx) => request::begin_cpuset();
    task_numa_work_entry task_numa_work_kprobe(_ctx) => task::begin_scan();
    collapse_entry collapse_kprobe(ctx) => collapse::begin(&ctx, 1, Walk::Helper);
    collapse_scan_entry collapse_scan_kprobe(ctx) => collapse::begin(&ctx, 2, Walk::Helper);
    collapse_by_loop_entry collapse_by_loop_kprobe(ctx) => collapse::begin(&ctx, 1, Walk::Loop);
    remove_migration_pte_entry remove_migration_pte_kprobe(ctx) => folio_migrate::mapping_begin(&ctx);
    set_pte_range set_pte_range_kprobe(ctx) => place::mapped_pages(&ctx);
    do_set_pte do_set_pte_kprobe(ctx) => place::mapped_page(&ctx);
    mfill_entry mfill_kprobe(ctx) => place::fill_begin(&ctx);
    unmap_single_vma unmap_single_vma_kprobe(ctx) => place::unmap(&ctx);
    move_page_tables move_page_tables_kprobe(ctx) => place::remap(&ctx);
    prctl prctl_kprobe(ctx) => phase::phase(&ctx, args::of_syscall(&ctx));
}

/// Programs at the end of a function: `fexit` and `kretprobe`.
macro_rules! at_exit {
    ($($fexit:ident $kretprobe:ident($ctx:ident) => $body:expr;)*) => {$(
        #[fexit]
        pub fn $fexit($ctx: FExitContext) -> i32 {
            $body;
            0
        }

        #[kretprobe]
        pub fn $kretprobe($ctx: RetProbeContext) -> u32 {
            $body;
            0
        }
    )*};
}

at_exit! {
    handle_mm_fault_exit handle_mm_fault_kretprobe(ctx) => fault::end(&ctx);
    mpol_misplaced_exit mpol_misplaced_kretprobe(ctx) => hinting_check::end(&ctx);
    migrate_pages_exit migrate_pages_kretprobe(ctx) => batch::end(&ctx);
    cpuset_migrate_exit cpuset_migrate_kretprobe(_ctx) => request::end_cpuset();
    task_numa_work_exit task_numa_work_kretprobe(_ctx) => task::end_scan();
    collapse_exit collapse_kretprobe(ctx) => collapse::end(&ctx, Walk::Helper);
    collapse_by_loop_exit collapse_by_loop_kretprobe(ctx) => collapse::end(&ctx, Walk::Loop);
}

/// Programs at the end of functions that also read the arguments, which a `kretprobe` cannot.
macro_rules! at_exit_with_arguments {
    ($($fexit:ident($ctx:ident) => $body:expr;)*) => {$(
        #[fexit]
        pub fn $fexit($ctx: FExitContext) -> i32 {
            $body;
            0
        }
    )*};
}

at_exit_with_arguments! {
    zs_page_migrate(ctx) => folio_migrate::driver_migrated(folio_migrate::AT_ZSMALLOC, &ctx);
    balloon_page_migrate(ctx) => folio_migrate::driver_migrated(folio_migrate::AT_BALLOON, &ctx);
    try_to_migrate_one(ctx) => folio_migrate::mapping_removed(&ctx);
    try_to_unmap_one_exit(ctx) => place::reclaim(&ctx);
    ksm_merge(ctx) => place::ksm_merge(&ctx);
    mfill_exit(ctx) => place::filled(&ctx);
    userfault_move(ctx) => place::userfault_moved(&ctx);
    remove_migration_pte_exit(ctx) => folio_migrate::mapping_restored(&ctx);
}

/// The six programs of a placement syscall: begin and end, each as fentry or fexit, as kprobe or kretprobe, and as
/// trace event.
macro_rules! requests {
    ($($name:ident: $entry:ident $exit:ident $kprobe:ident $kretprobe:ident $enter_event:ident $exit_event:ident;)*) => {
        at_entry! { $($entry $kprobe(ctx) => request::begin(args::of_syscall(&ctx), RequestName::$name);)* }
        at_exit! { $($exit $kretprobe(ctx) => request::end(&ctx, args::syscall_ret(&ctx), RequestName::$name);)* }
        $(
            #[tracepoint]
            pub fn $enter_event(ctx: TracePointContext) -> u32 {
                request::begin(args::of_syscall_event(&ctx), RequestName::$name);
                0
            }

            #[tracepoint]
            pub fn $exit_event(ctx: TracePointContext) -> u32 {
                request::end(&ctx, args::syscall_event_ret(&ctx), RequestName::$name);
                0
            }
        )*
    };
}

requests! {
    MBIND: mbind_entry mbind_exit mbind_kprobe mbind_kretprobe mbind_enter_event mbind_exit_event;
    SET_MEMPOLICY: set_mempolicy_entry set_mempolicy_exit set_mempolicy_kprobe set_mempolicy_kretprobe
        set_mempolicy_enter_event set_mempolicy_exit_event;
    GET_MEMPOLICY: get_mempolicy_entry get_mempolicy_exit get_mempolicy_kprobe get_mempolicy_kretprobe
        get_mempolicy_enter_event get_mempolicy_exit_event;
    MOVE_PAGES: move_pages_entry move_pages_exit move_pages_kprobe move_pages_kretprobe
        move_pages_enter_event move_pages_exit_event;
    MIGRATE_PAGES: migrate_pages_call_entry migrate_pages_call_exit migrate_pages_call_kprobe
        migrate_pages_call_kretprobe migrate_pages_call_enter_event migrate_pages_call_exit_event;
    SET_MEMPOLICY_HOME_NODE: home_node_entry home_node_exit home_node_kprobe home_node_kretprobe
        home_node_enter_event home_node_exit_event;
}

/// Programs on raw tracepoints, whose arguments the verifier knows by type.
macro_rules! btf_tracepoints {
    ($($name:ident($ctx:ident) => $body:expr;)*) => {$(
        #[btf_tracepoint]
        pub fn $name($ctx: BtfTracePointContext) -> i32 {
            $body;
            0
        }
    )*};
}

btf_tracepoints! {
    page_fault_user(ctx) => exception::user(&ctx);
    page_fault_kernel(ctx) => exception::kernel(&ctx);
    mm_migrate_pages_start(ctx) => batch::begin_event(&ctx);
    mm_migrate_pages_end(ctx) => batch::end_event(&ctx);
    set_migration_pte(ctx) => folio_migrate::entry_set(&ctx);
    set_migration_pmd(ctx) => folio_migrate::entry_set(&ctx);
    remove_migration_pte(ctx) => folio_migrate::pte_removed(&ctx);
    remove_migration_pmd(ctx) => folio_migrate::pmd_removed(&ctx);
    sched_process_fork(ctx) => task::fork(&ctx);
    sched_process_exec(_ctx) => task::exec();
    sched_process_exit(ctx) => task::exit(&ctx);
    sched_migrate_task(ctx) => task::change_cpu(&ctx);
}

/// Programs on classic trace events.
macro_rules! tracepoints {
    ($($name:ident => $body:path;)*) => {$(
        #[tracepoint]
        pub fn $name(ctx: TracePointContext) -> u32 {
            $body(&ctx);
            0
        }
    )*};
}

tracepoints! {
    mof_check => lazy_check::check;
    mof_unmap => lazy_mark::mark;
    mof_migrate => lazy_migrate::migrate;
    mof_lazy => batch::lazy;
    mm_migrate_pages => batch::counts;
    page_fault_user_event => exception::user_event;
    page_fault_kernel_event => exception::kernel_event;
}

/// prctl as a trace event: syscalls:sys_enter_prctl.
#[tracepoint]
pub fn prctl_event(ctx: TracePointContext) -> u32 {
    phase::phase(&ctx, args::of_syscall_event(&ctx));
    0
}

/// The kernel offers several helpers of these programs to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: no path of a program panics: the verifier would reject it, and the linker drops this function.
    unsafe { core::hint::unreachable_unchecked() }
}
