//! Lazy marks: mof:mof_unmap for each folio, mof:mof_lazy for the request, and the address that only the unmapping shows.

use aya_ebpf::programs::{FEntryContext, TracePointContext};
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::RecordKind,
    record::{Batch, Mark, NO_ADDR},
};

use super::{check::field, folio::Folio, request};
use crate::{
    config::config,
    emit, filter,
    maps::{REQUESTS, UNMAPPING, Unmapping},
};

/// try_to_unmap_one(folio, vma, address, arg) takes one mapping away, of interest inside a placement system call only.
#[inline(always)]
pub fn unmapping(ctx: &FEntryContext) {
    let task = filter::current();
    if REQUESTS.get_ptr(task.tid).is_none() {
        return;
    }
    let _ = UNMAPPING.insert(task.tid, Unmapping { folio: ctx.arg(0), addr: ctx.arg(2) }, 0);
}

/// mof:mof_unmap.
#[inline(always)]
pub fn mark(ctx: &TracePointContext) {
    let Some(task) = filter::traced(Probe::Mark) else { return };
    let ts_ns = emit::now();
    let pfn: u64 = field(ctx, config!(mof_unmap.pfn));
    let addr = match UNMAPPING.get_ptr(task.tid) {
        // SAFETY: the map's own memory; only this thread uses its entry.
        Some(last) if unsafe { Folio((*last).folio).pfn() } == pfn => unsafe { (*last).addr },
        _ => {
            debug!(ctx, "page frame {} was marked, but which address it had was not seen", pfn);
            NO_ADDR
        }
    };
    emit::commit(Probe::Mark, |record| {
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
    let Some(task) = filter::traced(Probe::LazyBatch) else { return };
    let ts_ns = emit::now();
    emit::commit(Probe::LazyBatch, |record| {
        record.write(Batch {
            header: emit::header(task, RecordKind::BATCH, Probe::LazyBatch, ts_ns),
            asked: field(ctx, config!(mof_lazy.nr_queued)),
            succeeded: field(ctx, config!(mof_lazy.nr_unmapped)),
            failed: field(ctx, config!(mof_lazy.nr_failed)),
            latency_ns: field(ctx, config!(mof_lazy.latency_ns)),
            mode: -1,
            migrate_reason: -1,
            request: request::underway(task.tid),
            pad: [0; 7],
        });
    });
}
