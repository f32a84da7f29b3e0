//! Lazy marks: mof:mof_unmap for each folio, mof:mof_lazy for the request, and the address that only the unmapping shows.

use aya_ebpf::programs::TracePointContext;
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::RecordKind,
    record::{Batch, Mark, NO_ADDR},
};

use super::{Args, field, folio::Folio, request};
use crate::{
    config::config,
    emit::{self, Counted},
    filter,
    maps::{TASKS, Unmapping},
};

/// try_to_unmap_one(folio, vma, address, arg) takes one mapping away, of interest inside a placement system call only.
#[inline(always)]
pub fn unmapping(ctx: &impl Args) {
    if let Some(state) = TASKS.of_current()
        && state.request.name != 0
    {
        state.unmapping = Unmapping { folio: ctx.number(0), addr: ctx.number(2) };
    }
}

/// mof:mof_unmap.
#[inline(always)]
pub fn mark(ctx: &TracePointContext) {
    let Some(task) = filter::traced(Counted(Probe::Mark, 0)) else { return };
    let ts_ns = emit::now();
    let pfn: u64 = field(ctx, config!(mof_unmap.pfn));
    let addr = match TASKS.of_current() {
        Some(state) if state.unmapping.folio != 0 && Folio(state.unmapping.folio).pfn() == pfn => state.unmapping.addr,
        _ => {
            debug!(ctx, "page frame {} was marked, but which address it had was not seen", pfn);
            NO_ADDR
        }
    };
    emit::commit(Counted(Probe::Mark, 0), |record| {
        record.write(Mark {
            header: emit::header(task, RecordKind::MARK, Probe::Mark, ts_ns),
            addr,
            pfn,
            nid: field(ctx, config!(mof_unmap.nid)),
            order: field(ctx, config!(mof_unmap.order)),
            reason: field(ctx, config!(mof_unmap.reason)),
            anon: u32::from(field::<u8>(ctx, config!(mof_unmap.anon))),
        });
    });
}

/// mof:mof_lazy.
#[inline(always)]
pub fn batch(ctx: &TracePointContext) {
    let Some(task) = filter::traced(Counted(Probe::LazyBatch, 0)) else { return };
    let ts_ns = emit::now();
    emit::commit(Counted(Probe::LazyBatch, 0), |record| {
        record.write(Batch {
            header: emit::header(task, RecordKind::BATCH, Probe::LazyBatch, ts_ns),
            asked: field(ctx, config!(mof_lazy.nr_queued)),
            succeeded: field(ctx, config!(mof_lazy.nr_unmapped)),
            failed: field(ctx, config!(mof_lazy.nr_failed)),
            latency_ns: field(ctx, config!(mof_lazy.latency_ns)),
            mode: -1,
            migrate_reason: -1,
            request: request::underway(),
            pad: [0; 7],
        });
    });
}
