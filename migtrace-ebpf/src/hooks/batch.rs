//! Batches: each run of the kernel's migrate_pages(), and each lazy request's marking of its pages (mof:mof_lazy).

use aya_ebpf::programs::{TracePointContext, tracing::StackIdContext};
use migtrace_common::{
    counters::Probe,
    kinds::RecordKind,
    record::{Batch, NO_TIME},
};

use super::{
    args::{Args, field},
    folio_migrate::{self, batch_underway},
    request,
};
use crate::{
    account::Program,
    config::config,
    event::Event,
    filter,
    maps::THREADS,
    state::{BatchStart, FolioUnderway, Increment},
    thread,
};

/// The programs that count batches.
const DIRECT: Program = Program::new(Probe::Batch, 0);
const LAZY: Program = Program::new(Probe::LazyBatch, 0);

/// migrate_pages(from, get_new, put_new, private, mode, reason, ...) begins.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    store_start(ctx.arg(4) as i32, ctx.arg(5) as i32);
}

/// migrate:mm_migrate_pages_start(mode, reason), on kernels without fentry and kprobes.
#[inline(always)]
pub fn begin_event(ctx: &impl Args) {
    store_start(ctx.arg(0) as i32, ctx.arg(1) as i32);
}

#[inline(always)]
fn store_start(mode: i32, reason: i32) {
    // Traced or not: the owner of each folio decides as well.
    let Some(state) = THREADS.of_current_or_new() else { return };
    let (thread, request) = (thread::current(), state.request.name as u32);
    state.batch = BatchStart {
        start_ns: thread::now(),
        unmet: filter::unmet(thread),
        succeeded: 0,
        failed: 0,
        thp_split: 0,
        migrated_pages: 0,
        unmapping: 0,
        mm: 0,
        has_mapping: 0,
        underway: FolioUnderway::of_batch(thread, reason, request),
        copy_start_ns: 0,
        migrated_old: 0,
        migrated_new: 0,
        migrated_ns: 0,
        ended: FolioUnderway::EMPTY,
        copy_ns: NO_TIME,
        remapped_ns: 0,
        mode,
        reason,
        increment: Increment::default(),
        has_counts: 0,
        request,
        pad: 0,
    };
}

/// migrate:mm_migrate_pages: the kernel's own counts, in pages, just before migrate_pages() returns.
#[inline(always)]
pub fn counts(ctx: &TracePointContext) {
    let Some(batch) = batch_underway() else { return };
    batch.succeeded = field(ctx, config!(mm_migrate_pages.succeeded));
    batch.failed = field(ctx, config!(mm_migrate_pages.failed));
    batch.thp_split = field(ctx, config!(mm_migrate_pages.thp_split));
    batch.has_counts = 1;
}

/// migrate:mm_migrate_pages(succeeded, failed, thp_succeeded, thp_failed, thp_split, ...), on kernels without fentry and
/// kprobes: both the counts and the end.
#[inline(always)]
pub fn end_event(ctx: &impl Args) {
    if let Some(batch) = batch_underway() {
        batch.succeeded = ctx.arg(0);
        batch.failed = ctx.arg(1);
        batch.thp_split = ctx.arg(4);
        batch.has_counts = 1;
    }
    end(ctx);
}

/// migrate_pages() returned.
#[inline(always)]
pub fn end(ctx: &impl StackIdContext) {
    let event = Event::of_any(DIRECT);
    let Some(batch) = batch_underway() else {
        if event.passes(filter::wants_thread(event.thread) && filter::wants_here()) {
            DIRECT.lost_start();
        }
        return;
    };
    folio_migrate::batch_end(ctx, event.thread, batch);
    let start_ns = batch.start_ns;
    batch.start_ns = 0;
    if !event.passes(batch.unmet == 0 && filter::wants_here()) {
        return;
    }
    if batch.has_counts == 0 {
        return DIRECT.lost_start();
    }
    let latency_ns = event.ts_ns - start_ns;
    let wanted = filter::wants(RecordKind::BATCH)
        && filter::wants_latency(latency_ns)
        && filter::wants_direct_cause(batch.reason, batch.request as u8)
        && filter::wants_without_page();
    if !event.passes(wanted) {
        return;
    }
    event.record(ctx, move |header| Batch {
        header,
        requested: u64::MAX,
        succeeded: batch.succeeded,
        failed: batch.failed,
        migrated: batch.migrated_pages,
        latency_ns,
        mode: batch.mode,
        migrate_reason: batch.reason,
        request: batch.request as u8,
        pad: [0; 3],
        thp_split: batch.thp_split as u32,
    });
}

/// mof:mof_lazy: a placement syscall has marked its pages.
#[inline(always)]
pub fn lazy(ctx: &TracePointContext) {
    let Some(event) = Event::ending_now(LAZY) else { return };
    let latency_ns = field(ctx, config!(mof_lazy.latency_ns));
    let request = request::underway();
    let wanted = filter::wants(RecordKind::BATCH)
        && filter::wants_latency(latency_ns)
        && filter::wants_lazy_batch_cause(request)
        && filter::wants_without_page();
    if !event.passes(wanted) {
        return;
    }
    event.record(ctx, move |header| Batch {
        header,
        requested: field(ctx, config!(mof_lazy.nr_queued)),
        succeeded: field(ctx, config!(mof_lazy.nr_unmapped)),
        failed: field(ctx, config!(mof_lazy.nr_failed)),
        migrated: u64::MAX,
        latency_ns,
        mode: -1,
        migrate_reason: -1,
        request,
        pad: [0; 3],
        thp_split: u32::MAX,
    });
}
