//! Migrate-on-fault's own trace events in the fault path: the check, and the move that may follow.

use aya_ebpf::programs::TracePointContext;
use migtrace_common::{
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{Check, Migrate, NO_TIME},
};

use super::{read_kernel, request};
use crate::{config::config, emit, filter};

/// mof:mof_check.
#[inline(always)]
pub fn check(ctx: &TracePointContext) {
    let Some(task) = filter::traced(Probe::Check) else { return };
    let ts_ns = emit::now();
    emit::commit(Probe::Check, |record| {
        record.write(Check {
            header: emit::header(task, RecordKind::CHECK, Probe::Check, ts_ns),
            addr: field(ctx, config!(mof_check.address)),
            pfn: field(ctx, config!(mof_check.pfn)),
            src_nid: field(ctx, config!(mof_check.src_nid)),
            dst_nid: field(ctx, config!(mof_check.dst_nid)),
            order: field(ctx, config!(mof_check.order)),
            flags: field(ctx, config!(mof_check.flags)),
            reason: field(ctx, config!(mof_check.reason)),
            mode: field(ctx, config!(mof_check.mode)),
            interleave: field(ctx, config!(mof_check.interleave)),
            lazy: field(ctx, config!(mof_check.lazy)),
        });
    });
}

/// mof:mof_migrate.
#[inline(always)]
pub fn migrate(ctx: &TracePointContext) {
    let Some(task) = filter::traced(Probe::LazyMigrate) else { return };
    let ts_ns = emit::now();
    emit::commit(Probe::LazyMigrate, |record| {
        let rc: i32 = field(ctx, config!(mof_migrate.rc));
        let latency_ns: u64 = field(ctx, config!(mof_migrate.latency_ns));
        record.write(Migrate {
            header: emit::header(task, RecordKind::MIGRATE, Probe::LazyMigrate, ts_ns),
            addr: field(ctx, config!(mof_migrate.address)),
            old_pfn: field(ctx, config!(mof_migrate.old_pfn)),
            new_pfn: field(ctx, config!(mof_migrate.new_pfn)),
            // The kernel gives 0 where the event was switched on in the middle of the move.
            latency_ns: if latency_ns == 0 { NO_TIME } else { latency_ns },
            // The page was unmapped when it was marked, and is mapped again by the fault: the kernel shows no stages.
            unmap_ns: NO_TIME,
            copy_ns: NO_TIME,
            remap_ns: NO_TIME,
            src_nid: field(ctx, config!(mof_migrate.src_nid)),
            dst_nid: field(ctx, config!(mof_migrate.dst_nid)),
            order: field(ctx, config!(mof_migrate.order)),
            migrate_reason: -1,
            mof_reason: field(ctx, config!(mof_migrate.reason)),
            moved: (rc == 0).into(),
            path: MigratePath::LAZY_FAULT.0,
            request: request::underway(task.tid),
            pad: 0,
        });
    });
}

/// A field of the trace event's own record, which always can be read; zero would need a kernel fault.
#[inline(always)]
pub fn field<T: Default>(ctx: &TracePointContext, offset: u32) -> T {
    use aya_ebpf::EbpfContext as _;
    read_kernel(ctx.as_ptr() as u64, offset).unwrap_or_default()
}
