//! Lazy marks: mof:mof_unmap for each folio, mof:mof_lazy for the request, and the address that only the unmapping shows.

use aya_ebpf::programs::TracePointContext;
use aya_log_ebpf::debug;
use migtrace_common::{
    aggregate::TallyKey,
    counters::Probe,
    kinds::RecordKind,
    record::{Batch, Mark, NO_ADDR, NO_NODE, NO_TIME},
};

use super::{Args, field, folio::Folio, request};
use crate::{
    aggregate::{self, Counting},
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
        state.unmapping = Unmapping { folio: ctx.number(0), addr: ctx.arg(2) };
    }
}

/// The programs that count marks, and requests that marked pages.
const MARK: Counted = Counted(Probe::Mark, 0);
const BATCH: Counted = Counted(Probe::LazyBatch, 0);

/// mof:mof_unmap.
#[inline(always)]
pub fn mark(ctx: &TracePointContext) {
    let Some(task) = filter::traced(MARK) else { return };
    let ts_ns = emit::now();
    let pfn: u64 = field(ctx, config!(mof_unmap.pfn));
    let addr = match TASKS.of_current() {
        Some(state) if state.unmapping.folio != 0 && Folio(state.unmapping.folio).pfn() == pfn => state.unmapping.addr,
        _ => {
            debug!(ctx, "page frame {} was marked, but which address it had was not seen", pfn);
            NO_ADDR
        }
    };
    let nid = field(ctx, config!(mof_unmap.nid));
    if !filter::wants(RecordKind::MARK) || !filter::wants_addr(addr) || !filter::wants_on(nid) {
        return emit::filtered(MARK);
    }
    let (order, reason): (u32, i32) = (field(ctx, config!(mof_unmap.order)), field(ctx, config!(mof_unmap.reason)));
    let key = TallyKey {
        kind: RecordKind::MARK.0,
        class: 0,
        outcome: 0,
        request: request::underway(),
        reason,
        from_nid: nid,
        to_nid: NO_NODE,
    };
    let counting = || Counting { key, pages: 1 << (order & 63), latency_ns: NO_TIME };
    if !aggregate::count(MARK, task, ts_ns, counting) || emit::sampled_out(MARK) {
        return;
    }
    emit::commit_on_stack(MARK, ctx, |record| {
        record.write(Mark {
            header: emit::header(task, RecordKind::MARK, Probe::Mark, ts_ns),
            addr,
            pfn,
            nid,
            order,
            reason,
            anon: u32::from(field::<u8>(ctx, config!(mof_unmap.anon))),
        });
    });
}

/// mof:mof_lazy.
#[inline(always)]
pub fn batch(ctx: &TracePointContext) {
    let Some(task) = filter::traced(BATCH) else { return };
    let ts_ns = emit::now();
    let latency_ns = field(ctx, config!(mof_lazy.latency_ns));
    let request = request::underway();
    let wanted = filter::wants(RecordKind::BATCH)
        && filter::wants_latency(latency_ns)
        && filter::wants_lazy_batch(request)
        && filter::wants_nowhere();
    if !wanted {
        return emit::filtered(BATCH);
    }
    emit::commit_on_stack(BATCH, ctx, |record| {
        record.write(Batch {
            header: emit::header(task, RecordKind::BATCH, Probe::LazyBatch, ts_ns),
            asked: field(ctx, config!(mof_lazy.nr_queued)),
            succeeded: field(ctx, config!(mof_lazy.nr_unmapped)),
            failed: field(ctx, config!(mof_lazy.nr_failed)),
            moved: u64::MAX,
            latency_ns,
            mode: -1,
            migrate_reason: -1,
            request,
            pad: [0; 7],
        });
    });
}
