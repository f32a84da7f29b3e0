//! Direct migration: each run of the kernel's migrate_pages(), and each folio in it from unmapping to remapping.
//!
//! A mapped folio passes try_to_migrate() (its migration entries are set: there the kernel shows the address),
//! move_to_new_folio(), folio_migrate_flags() (once for a folio that really moved, both frames in hand) and
//! remove_migration_ptes(), where its record is made. An unmapped one passes only the middle two.

use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, FExitContext, TracePointContext};
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{Batch, Migrate, NO_ADDR, NO_NODE, NO_PFN, NO_TIME},
};

use super::{arg_number, check::field, folio::Folio, request};
use crate::{
    config::config,
    emit,
    filter::{self, Task},
    maps::{BATCHES, BatchStart, FOLIOS_UNDERWAY, FolioUnderway},
};

/// migrate_pages(from, get_new, put_new, private, mode, reason, ...) begins.
#[inline(always)]
pub fn batch_begin(ctx: &FEntryContext) {
    let Some(task) = filter::traced_uncounted() else { return };
    let start = BatchStart {
        start_ns: emit::now(),
        succeeded: 0,
        failed: 0,
        unmapping: 0,
        unmapping_ns: 0,
        copying_ns: 0,
        mode: ctx.arg::<u64>(4) as i32,
        reason: ctx.arg::<u64>(5) as i32,
        counted: 0,
        request: request::underway(task.tid).into(),
    };
    let _ = BATCHES.insert(task.tid, start, 0);
}

/// migrate:mm_migrate_pages: the kernel's own counts, in pages, just before migrate_pages() returns.
#[inline(always)]
pub fn batch_counts(ctx: &TracePointContext) {
    let Some(batch) = batch_of(filter::current()) else { return };
    batch.succeeded = field(ctx, config!(mm_migrate_pages.succeeded));
    batch.failed = field(ctx, config!(mm_migrate_pages.failed));
    batch.counted = 1;
}

/// migrate_pages() returned.
#[inline(always)]
pub fn batch_end() {
    let Some(task) = filter::traced(Probe::Batch) else { return };
    let ts_ns = emit::now();
    let Some(batch) = batch_of(task) else { return emit::lost_in_map(Probe::Batch) };
    let batch = *batch;
    let _ = BATCHES.remove(task.tid);
    if batch.counted == 0 {
        return emit::lost_in_map(Probe::Batch);
    }
    emit::commit(Probe::Batch, |record| {
        record.write(Batch {
            header: emit::header(task, RecordKind::BATCH, Probe::Batch, ts_ns),
            asked: u64::MAX,
            succeeded: batch.succeeded,
            failed: batch.failed,
            latency_ns: ts_ns - batch.start_ns,
            mode: batch.mode,
            migrate_reason: batch.reason,
            request: batch.request as u8,
            pad: [0; 7],
        });
    });
}

/// try_to_migrate(folio, flags) begins to take a folio's mappings away.
#[inline(always)]
pub fn unmap_begin(ctx: &FEntryContext) {
    if let Some(batch) = batch_of(filter::current()) {
        batch.unmapping = ctx.arg(0);
        batch.unmapping_ns = emit::now();
    }
}

/// migrate:set_migration_pte(address, pte, order): that folio's mapping at `address` is gone.
#[inline(always)]
pub fn entry_set(ctx: &BtfTracePointContext) {
    let Some(batch) = batch_of(filter::current()) else { return };
    let folio = FolioUnderway {
        addr: ctx.arg(0),
        start_ns: batch.unmapping_ns,
        unmapped_ns: emit::now(),
        moved_ns: 0,
        copy_ns: NO_TIME,
    };
    let _ = FOLIOS_UNDERWAY.insert(batch.unmapping, folio, 0);
}

/// move_to_new_folio() begins: the copy, and the replacement in the mapping.
#[inline(always)]
pub fn copy_begin(_ctx: &FEntryContext) {
    if let Some(batch) = batch_of(filter::current()) {
        batch.copying_ns = emit::now();
    }
}

/// folio_migrate_flags(new, old): the folio has moved.
#[inline(always)]
pub fn moved(ctx: &FEntryContext) {
    let Some(task) = filter::traced_uncounted() else { return };
    let Some(batch) = batch_of(task) else { return };
    let (new, old) = (Folio(arg_number(ctx, 0)), Folio(arg_number(ctx, 1)));
    let ts_ns = emit::now();
    let copy_ns = if batch.copying_ns == 0 { NO_TIME } else { ts_ns - batch.copying_ns };
    if let Some(folio) = FOLIOS_UNDERWAY.get_ptr_mut(old.0) {
        // SAFETY: the map's own memory; the kernel lets one thread at a time migrate a folio, for it is locked.
        unsafe {
            (*folio).moved_ns = ts_ns;
            (*folio).copy_ns = copy_ns;
        }
        return;
    }
    debug!(ctx, "a folio without mapping moved: its address is not known");
    let unmapped = FolioUnderway { addr: NO_ADDR, start_ns: 0, unmapped_ns: 0, moved_ns: ts_ns, copy_ns };
    emit_folio(task, batch, old, Some(new), &unmapped, ts_ns);
}

/// remove_migration_ptes(src, dst, ...) returned: the folio is mapped again, `dst` where it moved, `src` where it did not.
#[inline(always)]
pub fn remapped(ctx: &FExitContext) {
    let Some(task) = filter::traced_uncounted() else { return };
    let Some(batch) = batch_of(task) else { return };
    let (src, dst) = (Folio(arg_number(ctx, 0)), Folio(arg_number(ctx, 1)));
    let Some(folio) = FOLIOS_UNDERWAY.get_ptr(src.0) else { return };
    // SAFETY: as above.
    let folio = unsafe { *folio };
    let _ = FOLIOS_UNDERWAY.remove(src.0);
    emit_folio(task, batch, src, (src != dst).then_some(dst), &folio, emit::now());
}

#[inline(always)]
fn emit_folio(task: Task, batch: &BatchStart, old: Folio, new: Option<Folio>, folio: &FolioUnderway, ts_ns: u64) {
    let mapped = folio.start_ns != 0;
    emit::commit(Probe::DirectMigrate, |record| {
        record.write(Migrate {
            header: emit::header(task, RecordKind::MIGRATE, Probe::DirectMigrate, ts_ns),
            addr: folio.addr,
            old_pfn: old.pfn(),
            new_pfn: new.map_or(NO_PFN, Folio::pfn),
            latency_ns: if mapped { ts_ns - folio.start_ns } else { NO_TIME },
            unmap_ns: if mapped { folio.unmapped_ns - folio.start_ns } else { NO_TIME },
            copy_ns: folio.copy_ns,
            remap_ns: if mapped && new.is_some() { ts_ns - folio.moved_ns } else { NO_TIME },
            src_nid: old.nid(),
            dst_nid: new.map_or(NO_NODE, Folio::nid),
            order: old.order(),
            migrate_reason: batch.reason,
            mof_reason: -1,
            moved: new.is_some().into(),
            path: MigratePath::DIRECT.0,
            request: batch.request as u8,
            pad: 0,
        });
    });
}

/// The batch under way in a thread.
#[inline(always)]
fn batch_of(task: Task) -> Option<&'static mut BatchStart> {
    // SAFETY: the map's own memory, which outlives the program's run; only this thread uses its entry.
    BATCHES.get_ptr_mut(task.tid).map(|batch| unsafe { &mut *batch })
}
