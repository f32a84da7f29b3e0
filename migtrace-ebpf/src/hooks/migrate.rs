//! Direct migration: each run of the kernel's migrate_pages(), and each folio in it from unmapping to remapping.
//!
//! A mapped folio passes try_to_migrate() (its migration entries are set: there the kernel shows the address),
//! move_to_new_folio(), folio_migrate_flags() (once for a folio that really moved, both frames in hand), and
//! remove_migration_pte for each mapping that it gets back; an unmapped one passes only the middle two, and a page that a
//! driver moves (zsmalloc, a balloon) only the driver's function. The kernel moves
//! one folio after the other, so the record of one that moved is made when the next begins, or when the batch ends: then
//! all its mappings are back. (remove_migration_ptes() would be the one place for that, but compilers inline it where it
//! matters.) A folio that could not be moved gets its own entries back without having moved, and its record at once.

use aya_ebpf::programs::{TracePointContext, tracing::StackIdContext};
use migtrace_common::{
    aggregate::TallyKey,
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{Batch, Migrate, NO_ADDR, NO_NODE, NO_PFN, NO_TIME},
};

use super::{
    Args, Returned, field,
    folio::{self, Folio},
};
use crate::{
    aggregate::{self, Counting},
    config::config,
    emit::{self, Counted},
    filter::{self, Task},
    maps::{BatchStart, FOLIOS_UNDERWAY, FolioUnderway, TASKS},
};

/// The programs that count batches, and folios that moved or did not.
const BATCH: Counted = Counted(Probe::Batch, 0);
const AT_END: Counted = Counted(Probe::DirectMigrate, 0);
const AT_COPY: Counted = Counted(Probe::DirectMigrate, 1);
const AT_MOVE: Counted = Counted(Probe::DirectMigrate, 2);
const AT_PTE: Counted = Counted(Probe::DirectMigrate, 3);
const AT_PMD: Counted = Counted(Probe::DirectMigrate, 4);
pub const AT_ZSMALLOC: Counted = Counted(Probe::DirectMigrate, 5);
pub const AT_BALLOON: Counted = Counted(Probe::DirectMigrate, 6);

/// migrate_pages(from, get_new, put_new, private, mode, reason, ...) begins.
#[inline(always)]
pub fn batch_begin(ctx: &impl Args) {
    begin(ctx.arg(4) as i32, ctx.arg(5) as i32);
}

/// migrate:mm_migrate_pages_start(mode, reason), for kernels that let nobody into the function.
#[inline(always)]
pub fn batch_start_event(ctx: &impl Args) {
    begin(ctx.arg(0) as i32, ctx.arg(1) as i32);
}

/// migrate:mm_migrate_pages(succeeded, failed, ...), likewise: both the counts and the end.
#[inline(always)]
pub fn batch_end_event(ctx: &impl Args) {
    if let Some(batch) = underway() {
        batch.succeeded = ctx.arg(0);
        batch.failed = ctx.arg(1);
        batch.counted = 1;
    }
    batch_end(ctx);
}

#[inline(always)]
fn begin(mode: i32, reason: i32) {
    if filter::traced_uncounted().is_none() {
        return;
    }
    let Some(state) = TASKS.of_current_or_new() else { return };
    state.batch = BatchStart {
        start_ns: emit::now(),
        succeeded: 0,
        failed: 0,
        moved_pages: 0,
        unmapping: 0,
        unmapping_ns: 0,
        copying_ns: 0,
        moved_old: 0,
        moved_new: 0,
        moved_ns: 0,
        copy_ns: NO_TIME,
        remapped_ns: 0,
        mode,
        reason,
        counted: 0,
        counting: Counting::default(),
        request: state.request.name as u32,
    };
}

/// migrate:mm_migrate_pages: the kernel's own counts, in pages, just before migrate_pages() returns.
#[inline(always)]
pub fn batch_counts(ctx: &TracePointContext) {
    let Some(batch) = underway() else { return };
    batch.succeeded = field(ctx, config!(mm_migrate_pages.succeeded));
    batch.failed = field(ctx, config!(mm_migrate_pages.failed));
    batch.counted = 1;
}

/// migrate_pages() returned.
#[inline(always)]
pub fn batch_end(ctx: &impl StackIdContext) {
    let Some(task) = filter::traced(BATCH) else { return };
    let ts_ns = emit::now();
    let Some(batch) = underway() else { return emit::lost_start(BATCH) };
    flush_moved(AT_END, ctx, task, batch);
    let start_ns = batch.start_ns;
    batch.start_ns = 0;
    if batch.counted == 0 {
        return emit::lost_start(BATCH);
    }
    let latency_ns = ts_ns - start_ns;
    let wanted = filter::wants(RecordKind::BATCH)
        && filter::wants_latency(latency_ns)
        && filter::wants_direct(batch.reason, batch.request as u8)
        && filter::wants_nowhere();
    if !wanted {
        return emit::filtered(BATCH);
    }
    emit::commit_on_stack(BATCH, ctx, |record| {
        record.write(Batch {
            header: emit::header(task, RecordKind::BATCH, Probe::Batch, ts_ns),
            asked: u64::MAX,
            succeeded: batch.succeeded,
            failed: batch.failed,
            moved: batch.moved_pages,
            latency_ns,
            mode: batch.mode,
            migrate_reason: batch.reason,
            request: batch.request as u8,
            pad: [0; 7],
        });
    });
}

/// try_to_migrate(folio, flags) begins to take a folio's mappings away. Also where a large folio is to be split, which is no
/// move: its parts, which have their mappings back before they move, each begin anew.
#[inline(always)]
pub fn unmap_begin(ctx: &impl Args) {
    if let Some(batch) = underway() {
        let splits = ctx.arg(1) as u32 & config!(ttu_sync) != 0;
        batch.unmapping = if splits { 0 } else { ctx.number(0) };
        batch.unmapping_ns = emit::now();
    }
}

/// migrate:set_migration_pte(address, pte, order): that folio's mapping at `address` is gone.
#[inline(always)]
pub fn entry_set(ctx: &impl Args) {
    if let Some(batch) = underway() {
        unmapped(batch, ctx.arg(0));
    }
}

/// try_to_migrate_one(page, vma, address, arg) returned, in kernels that have no events of it (before 5.18): whether that
/// mapping is gone.
#[inline(always)]
pub fn mapping_gone(ctx: &(impl Args + Returned)) {
    // A bool: one byte of what is returned.
    if ctx.ret(4) as u8 != 0
        && let Some(batch) = underway()
    {
        unmapped(batch, ctx.arg(2));
    }
}

#[inline(always)]
fn unmapped(batch: &BatchStart, addr: u64) {
    if batch.unmapping == 0 {
        return;
    }
    let folio = FolioUnderway { addr, start_ns: batch.unmapping_ns, unmapped_ns: emit::now() };
    let _ = FOLIOS_UNDERWAY.insert(batch.unmapping, folio, 0);
}

/// move_to_new_folio() begins: the copy, and the replacement in the mapping.
#[inline(always)]
pub fn copy_begin(ctx: &impl StackIdContext) {
    let Some(batch) = underway() else { return };
    let task = filter::current();
    flush_moved(AT_COPY, ctx, task, batch);
    batch.copying_ns = emit::now();
}

/// folio_migrate_flags(new, old): the folio has moved.
#[inline(always)]
pub fn moved(ctx: &impl Args) {
    folio_moved(AT_MOVE, ctx);
}

/// A driver's migrate_page(new, old, mode) returned: pages that only it knows, and that nothing maps, move by it alone.
#[inline(always)]
pub fn driver_moved(by: Counted, ctx: &(impl Args + Returned)) {
    if ctx.ret(3) as i32 == 0 {
        folio_moved(by, ctx);
    }
}

/// The folio that is argument 1 is argument 0 now.
#[inline(always)]
fn folio_moved(by: Counted, ctx: &impl Args) {
    let Some(batch) = underway() else { return };
    let task = filter::current();
    flush_moved(by, ctx, task, batch);
    batch.moved_ns = emit::now();
    batch.copy_ns = if batch.copying_ns == 0 { NO_TIME } else { batch.moved_ns - batch.copying_ns };
    // Since 6.12 a driver's page does not pass move_to_new_folio().
    batch.copying_ns = 0;
    batch.remapped_ns = 0;
    batch.moved_new = ctx.number(0);
    batch.moved_old = ctx.number(1);
}

/// migrate:remove_migration_pte(address, pte, order).
#[inline(always)]
pub fn pte_removed(ctx: &impl Args) {
    entry_removed(AT_PTE, ctx);
}

/// migrate:remove_migration_pmd(address, pmd).
#[inline(always)]
pub fn pmd_removed(ctx: &impl Args) {
    entry_removed(AT_PMD, ctx);
}

/// A mapping is back, of the folio that has just moved, or of one that
/// could not be moved.
#[inline(always)]
fn entry_removed(by: Counted, ctx: &impl Args) {
    let Some(batch) = underway() else { return };
    let task = filter::current();
    let pfn = folio::entry_pfn(ctx.arg(1));
    let ts_ns = emit::now();
    let new = Folio(batch.moved_new);
    if batch.moved_old != 0 && pfn >= new.pfn() && pfn - new.pfn() < 1 << (new.order() & 31) {
        batch.remapped_ns = ts_ns;
        return;
    }
    if let Some(old) = folio::page(pfn) {
        not_moved(by, ctx, task, batch, old, ts_ns);
    }
}

/// remove_migration_pte(new, vma, address, old) returned, in kernels that have no events of it.
#[inline(always)]
pub fn mapping_back(ctx: &impl Args) {
    let Some(batch) = underway() else { return };
    let (task, new, ts_ns) = (filter::current(), ctx.number(0), emit::now());
    if batch.moved_old != 0 && new == batch.moved_new {
        batch.remapped_ns = ts_ns;
    } else {
        not_moved(AT_PTE, ctx, task, batch, Folio(new), ts_ns);
    }
}

/// A folio has its own mapping back. Its record, unless it has been made at another of its mappings.
#[inline(always)]
fn not_moved(by: Counted, ctx: &impl StackIdContext, task: Task, batch: &mut BatchStart, old: Folio, ts_ns: u64) {
    let Some(underway) = FOLIOS_UNDERWAY.get_ptr(old.0) else { return };
    // SAFETY: the map's own memory; the kernel lets one thread at a time migrate a folio, for it is locked.
    let underway = unsafe { *underway };
    let _ = FOLIOS_UNDERWAY.remove(old.0);
    let times = Times { ts_ns, copy_ns: NO_TIME, remap_ns: NO_TIME };
    record(by, ctx, task, batch, old, None, old.order(), Some(&underway), &times);
}

/// Makes the record of the folio that moved last, now that all its mappings are back.
#[inline(always)]
fn flush_moved(by: Counted, ctx: &impl StackIdContext, task: Task, batch: &mut BatchStart) {
    if batch.moved_old == 0 {
        return;
    }
    let (old, new) = (Folio(batch.moved_old), Folio(batch.moved_new));
    batch.moved_old = 0;
    // The old folio's order is gone with its content by now.
    let order = new.order();
    batch.moved_pages += 1 << (order & 63);
    let mapped = batch.remapped_ns != 0;
    let times = Times {
        ts_ns: if mapped { batch.remapped_ns } else { batch.moved_ns },
        copy_ns: batch.copy_ns,
        remap_ns: if mapped { batch.remapped_ns - batch.moved_ns } else { NO_TIME },
    };
    // SAFETY: as in entry_removed().
    let underway = FOLIOS_UNDERWAY.get_ptr(old.0).map(|underway| unsafe { *underway });
    if underway.is_some() {
        let _ = FOLIOS_UNDERWAY.remove(old.0);
    }
    record(by, ctx, task, batch, old, Some(new), order, underway.as_ref(), &times);
}

/// When a folio's move ended, and what its stages took.
struct Times {
    ts_ns: u64,
    copy_ns: u64,
    remap_ns: u64,
}

#[inline(always)]
fn record(
    by: Counted,
    ctx: &impl StackIdContext,
    task: Task,
    batch: &mut BatchStart,
    old: Folio,
    new: Option<Folio>,
    order: u32,
    underway: Option<&FolioUnderway>,
    times: &Times,
) {
    let addr = underway.map_or(NO_ADDR, |u| u.addr);
    // From the start of unmapping until it is mapped again; other folios of the batch may come in between.
    let latency_ns = underway.map_or(NO_TIME, |u| times.ts_ns - u.start_ns);
    let (src_nid, dst_nid) = (old.nid(), new.map_or(NO_NODE, Folio::nid));
    let wanted = filter::wants(RecordKind::MIGRATE)
        && filter::wants_here()
        && filter::wants_direct(batch.reason, batch.request as u8)
        && filter::wants_addr(addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_between(src_nid, dst_nid);
    if !wanted {
        return emit::filtered(by);
    }
    let key = TallyKey {
        kind: RecordKind::MIGRATE.0,
        class: MigratePath::DIRECT.0,
        outcome: new.is_some().into(),
        request: batch.request as u8,
        reason: batch.reason,
        from_nid: src_nid,
        to_nid: dst_nid,
    };
    let place = &mut batch.counting;
    let counting = move || {
        // There, and not here: the stack is short.
        *place = Counting { key, pages: 1 << (order & 63), latency_ns };
        place
    };
    if !aggregate::count(by, task, times.ts_ns, counting) || emit::sampled_out(by) {
        return;
    }
    emit::commit_on_stack(by, ctx, |record| {
        record.write(Migrate {
            header: emit::header(task, RecordKind::MIGRATE, Probe::DirectMigrate, times.ts_ns),
            addr,
            old_pfn: old.pfn(),
            new_pfn: new.map_or(NO_PFN, Folio::pfn),
            latency_ns,
            unmap_ns: underway.map_or(NO_TIME, |u| u.unmapped_ns - u.start_ns),
            copy_ns: times.copy_ns,
            remap_ns: times.remap_ns,
            src_nid,
            dst_nid,
            order,
            migrate_reason: batch.reason,
            mof_reason: -1,
            moved: new.is_some().into(),
            path: MigratePath::DIRECT.0,
            request: batch.request as u8,
            pad: 0,
        });
    });
}

/// The batch under way in the running thread.
#[inline(always)]
fn underway() -> Option<&'static mut BatchStart> {
    let state = TASKS.of_current()?;
    (state.batch.start_ns != 0).then_some(&mut state.batch)
}
