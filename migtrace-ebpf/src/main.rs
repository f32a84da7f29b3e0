//! migtrace's BPF programs: the entry points, a line each. What they do is in hooks/, by subject.
//!
//! Every program filters first, builds one fixed record, and hands it to [`emit`], which alone touches a ring.
#![no_std]
#![no_main]

mod config;
mod emit;
mod filter;
mod hooks;
mod maps;

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, tracepoint},
    programs::{BtfTracePointContext, FEntryContext, FExitContext, TracePointContext},
};
use migtrace_common::kinds::{FaultClass, RequestName};

/// `fn $name(ctx)` attached by `$attach`, which runs `$body` and lets the kernel go on.
macro_rules! programs {
    ($($attach:ident $name:ident($ctx:ident: $context:ty) => $body:expr;)*) => {$(
        #[$attach]
        pub fn $name($ctx: $context) -> i32 {
            $body;
            0
        }
    )*};
}

programs! {
    fentry handle_mm_fault_entry(ctx: FEntryContext) => hooks::fault::begin(&ctx);
    fexit handle_mm_fault_exit(ctx: FExitContext) => hooks::fault::end(&ctx);
    fentry do_swap_page(_ctx: FEntryContext) => hooks::fault::classify(FaultClass::SWAP);
    fentry do_wp_page(_ctx: FEntryContext) => hooks::fault::classify(FaultClass::COW);
    fentry task_numa_fault(_ctx: FEntryContext) => hooks::fault::classify(FaultClass::HINTING);
    fentry do_huge_pmd_anonymous_page(_ctx: FEntryContext) => hooks::fault::classify(FaultClass::HUGE);

    fentry try_to_unmap_one(ctx: FEntryContext) => hooks::mark::unmapping(&ctx);

    fentry migrate_pages_entry(ctx: FEntryContext) => hooks::migrate::batch_begin(&ctx);
    fexit migrate_pages_exit(_ctx: FExitContext) => hooks::migrate::batch_end();
    fentry try_to_migrate(ctx: FEntryContext) => hooks::migrate::unmap_begin(&ctx);
    btf_tracepoint set_migration_pte(ctx: BtfTracePointContext) => hooks::migrate::entry_set(&ctx);
    btf_tracepoint set_migration_pmd(ctx: BtfTracePointContext) => hooks::migrate::entry_set(&ctx);
    btf_tracepoint remove_migration_pte(ctx: BtfTracePointContext) => hooks::migrate::entry_removed(&ctx);
    btf_tracepoint remove_migration_pmd(ctx: BtfTracePointContext) => hooks::migrate::entry_removed(&ctx);
    fentry move_to_new_folio(_ctx: FEntryContext) => hooks::migrate::copy_begin();
    fentry folio_migrate_flags(ctx: FEntryContext) => hooks::migrate::moved(&ctx);

    fentry mbind_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::MBIND);
    fexit mbind_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::MBIND);
    fentry set_mempolicy_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::SET_MEMPOLICY);
    fexit set_mempolicy_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::SET_MEMPOLICY);
    fentry get_mempolicy_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::GET_MEMPOLICY);
    fexit get_mempolicy_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::GET_MEMPOLICY);
    fentry move_pages_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::MOVE_PAGES);
    fexit move_pages_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::MOVE_PAGES);
    fentry migrate_pages_call_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::MIGRATE_PAGES);
    fexit migrate_pages_call_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::MIGRATE_PAGES);
    fentry home_node_entry(ctx: FEntryContext) => hooks::request::begin(&ctx, RequestName::SET_MEMPOLICY_HOME_NODE);
    fexit home_node_exit(ctx: FExitContext) => hooks::request::end(&ctx, RequestName::SET_MEMPOLICY_HOME_NODE);
    fentry prctl(ctx: FEntryContext) => hooks::request::phase(&ctx);

    btf_tracepoint sched_process_fork(ctx: BtfTracePointContext) => hooks::sched::fork(&ctx);
    btf_tracepoint sched_process_exec(_ctx: BtfTracePointContext) => hooks::sched::exec();
    btf_tracepoint sched_process_exit(ctx: BtfTracePointContext) => hooks::sched::exit(&ctx);
}

/// The same for classic tracepoints, whose programs return u32.
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
