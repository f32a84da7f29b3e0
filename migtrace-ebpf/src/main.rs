//! migtrace's BPF programs: the entry points, a line each. What they do is in hooks/, by subject.
//!
//! Every program filters first, builds one fixed record, and hands it to [`emit`], which alone touches a ring.
#![no_std]
#![no_main]

mod aggregate;
mod config;
mod emit;
mod filter;
mod hooks;
mod kfunc;
mod maps;
mod task_storage;

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, kprobe, kretprobe, tracepoint},
    programs::{BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext, TracePointContext},
};
use hooks::request;
use migtrace_common::kinds::{FaultClass, RequestName};

/// Programs at the start of a function, in two forms: `fentry` and, for kernels that refuse it, `kprobe`.
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
    handle_mm_fault_entry handle_mm_fault_kprobe(ctx) => hooks::fault::begin(&ctx);
    do_swap_page do_swap_page_kprobe(_ctx) => hooks::fault::classify(FaultClass::SWAP);
    do_wp_page do_wp_page_kprobe(_ctx) => hooks::fault::classify(FaultClass::COW);
    task_numa_fault task_numa_fault_kprobe(_ctx) => hooks::fault::classify(FaultClass::HINTING);
    do_huge_pmd_anonymous_page do_huge_pmd_anonymous_page_kprobe(_ctx) => hooks::fault::classify(FaultClass::HUGE);
    mpol_misplaced_entry mpol_misplaced_kprobe(ctx) => hooks::check::hinting_begin(&ctx);
    try_to_unmap_one try_to_unmap_one_kprobe(ctx) => hooks::mark::unmapping(&ctx);
    migrate_pages_entry migrate_pages_kprobe(ctx) => hooks::migrate::batch_begin(&ctx);
    try_to_migrate try_to_migrate_kprobe(ctx) => hooks::migrate::unmap_begin(&ctx);
    move_to_new_folio move_to_new_folio_kprobe(ctx) => hooks::migrate::copy_begin(&ctx);
    folio_migrate_flags folio_migrate_flags_kprobe(ctx) => hooks::migrate::moved(&ctx);
    prctl prctl_kprobe(ctx) => request::phase(&ctx, request::args_of_call(&ctx));
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
    handle_mm_fault_exit handle_mm_fault_kretprobe(ctx) => hooks::fault::end(&ctx);
    mpol_misplaced_exit mpol_misplaced_kretprobe(ctx) => hooks::check::hinting_end(&ctx);
    migrate_pages_exit migrate_pages_kretprobe(ctx) => hooks::migrate::batch_end(&ctx);
}

/// Programs at the end of functions whose arguments they read too, which a `kretprobe` cannot.
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
    zs_page_migrate(ctx) => hooks::migrate::driver_moved(hooks::migrate::AT_ZSMALLOC, &ctx);
    balloon_page_migrate(ctx) => hooks::migrate::driver_moved(hooks::migrate::AT_BALLOON, &ctx);
    try_to_migrate_one(ctx) => hooks::migrate::mapping_gone(&ctx);
    remove_migration_pte_exit(ctx) => hooks::migrate::mapping_back(&ctx);
}

/// The five forms of a placement system call: begin and end as functions, in two ways each, and as trace events.
macro_rules! requests {
    ($($name:ident: $entry:ident $exit:ident $kprobe:ident $kretprobe:ident $enter_event:ident $exit_event:ident;)*) => {
        at_entry! { $($entry $kprobe(ctx) => request::begin(request::args_of_call(&ctx), RequestName::$name);)* }
        at_exit! { $($exit $kretprobe(ctx) => request::end(&ctx, request::ret_of_call(&ctx), RequestName::$name);)* }
        $(
            #[tracepoint]
            pub fn $enter_event(ctx: TracePointContext) -> u32 {
                request::begin(request::args_of_event(&ctx), RequestName::$name);
                0
            }

            #[tracepoint]
            pub fn $exit_event(ctx: TracePointContext) -> u32 {
                request::end(&ctx, request::ret_of_event(&ctx), RequestName::$name);
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

/// Programs on tracepoints with their raw arguments.
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
    page_fault_user(ctx) => hooks::fault::user_exception(&ctx);
    page_fault_kernel(ctx) => hooks::fault::kernel_exception(&ctx);
    mm_migrate_pages_start(ctx) => hooks::migrate::batch_start_event(&ctx);
    mm_migrate_pages_end(ctx) => hooks::migrate::batch_end_event(&ctx);
    set_migration_pte(ctx) => hooks::migrate::entry_set(&ctx);
    set_migration_pmd(ctx) => hooks::migrate::entry_set(&ctx);
    remove_migration_pte(ctx) => hooks::migrate::pte_removed(&ctx);
    remove_migration_pmd(ctx) => hooks::migrate::pmd_removed(&ctx);
    sched_process_fork(ctx) => hooks::sched::fork(&ctx);
    sched_process_exec(_ctx) => hooks::sched::exec();
    sched_process_exit(ctx) => hooks::sched::exit(&ctx);
    sched_migrate_task(ctx) => hooks::sched::migrate(&ctx);
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
    mof_check => hooks::check::check;
    mof_unmap => hooks::mark::mark;
    mof_migrate => hooks::check::migrate;
    mof_lazy => hooks::mark::batch;
    mm_migrate_pages => hooks::migrate::batch_counts;
    page_fault_user_event => hooks::fault::user_exception_event;
    page_fault_kernel_event => hooks::fault::kernel_exception_event;
}

/// prctl as a trace event: syscalls:sys_enter_prctl.
#[tracepoint]
pub fn prctl_event(ctx: TracePointContext) -> u32 {
    request::phase(&ctx, request::args_of_event(&ctx));
    0
}

/// Several helpers that the programs use are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: no path of a program panics: the verifier would refuse it, and the linker drops this function.
    unsafe { core::hint::unreachable_unchecked() }
}
