//! Direct migration of folios: each folio in a batch, from unmapping to remapping.
//!
//! A mapped folio passes try_to_migrate(), which sets its migration entries: there the kernel shows the address. Then
//! come move_to_new_folio(), folio_migrate_flags() (once for each folio that really migrated, with both frames), and
//! remove_migration_pte for each restored mapping. An unmapped folio passes only the middle two, and a page that a
//! driver migrates (zsmalloc, a balloon) only the driver's function.
//!
//! The kernel migrates one folio after the other. So the record of a migrated folio is made when the next one begins,
//! or when the batch ends. Then all its mappings are restored. The natural place would be remove_migration_ptes(), but
//! compilers inline it in the relevant caller. A folio that could not be migrated gets its old mappings back, and its
//! record at once.

use aya_ebpf::programs::tracing::StackIdContext;
use migtrace_common::{
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{Migrate, NO_ADDR, NO_NODE, NO_PFN, NO_TIME},
    tally::TallyKey,
};

use super::{
    args::{Args, Returned},
    folio::Folio,
    lazy_migrate, owner, page_table,
    place::{self, PAGE},
};
use crate::{
    account::Program,
    config::config,
    emit,
    event::Event,
    filter,
    kernel_memory::copy_words,
    maps::{FOLIOS_UNDERWAY, HUGE_PAGES, THREADS},
    state::{BatchStart, FolioUnderway, Increment},
    tally,
    thread::{self, Thread},
};

/// The programs that count folios, migrated or not.
const AT_END: Program = Program::new(Probe::DirectMigrate, 0);
const AT_COPY: Program = Program::new(Probe::DirectMigrate, 1);
const AT_FLAGS: Program = Program::new(Probe::DirectMigrate, 2);
const AT_PTE: Program = Program::new(Probe::DirectMigrate, 3);
const AT_PMD: Program = Program::new(Probe::DirectMigrate, 4);
pub const AT_ZSMALLOC: Program = Program::new(Probe::DirectMigrate, 5);
pub const AT_BALLOON: Program = Program::new(Probe::DirectMigrate, 6);

/// The batch under way in the running thread.
#[inline(always)]
pub fn batch_underway() -> Option<&'static mut BatchStart> {
    let state = THREADS.of_current()?;
    (state.batch.start_ns != 0).then_some(&mut state.batch)
}

/// try_to_migrate(folio, flags) begins to unmap a folio. The kernel also calls it before it splits a large folio, which
/// is no migration. The mappings of the parts are restored before these migrate. Each part then starts anew.
#[inline(always)]
pub fn unmap_begin(ctx: &impl Args) {
    if let Some(batch) = batch_underway() {
        let is_split = ctx.arg(1) as u32 & config!(ttu_sync) != 0;
        batch.unmapping = if is_split { 0 } else { ctx.number(0) };
        batch.mm = 0;
        batch.has_mapping = 0;
        batch.underway.start_ns = thread::now();
        batch.underway.mappings = 0;
    }
}

/// try_to_migrate_one(folio, vma, address, arg) or remove_migration_pte(folio, vma, address, ...) begins: the entries
/// that are set or restored next belong to this mapping.
#[inline(always)]
pub fn mapping_begin(ctx: &impl Args) {
    if let Some(batch) = batch_underway() {
        batch.mm = ctx.load(ctx.arg(1), config!(vma_mm));
        batch.has_mapping = 0;
    }
}

/// migrate:set_migration_pte(address, pte, order): that folio's mapping at `address` is removed.
#[inline(always)]
pub fn entry_set(ctx: &impl Args) {
    if let Some(batch) = batch_underway() {
        unmapped(batch, ctx.arg(0));
    }
}

/// try_to_migrate_one(page, vma, address, arg) returned, on kernels without events about it (before 5.18): whether that
/// mapping is removed.
#[inline(always)]
pub fn mapping_removed(ctx: &(impl Args + Returned)) {
    // A bool: only one byte of the return value is valid.
    if ctx.ret(4) as u8 != 0
        && let Some(batch) = batch_underway()
    {
        batch.mm = ctx.load(ctx.arg(1), config!(vma_mm));
        batch.has_mapping = 0;
        unmapped(batch, ctx.arg(2));
    }
}

/// An entry of the mapping at `addr` is removed. The folio's address is that of its first entry in the first mapping,
/// or in the first one that the filter wants.
#[inline(always)]
fn unmapped(batch: &mut BatchStart, addr: u64) {
    if batch.unmapping == 0 {
        return;
    }
    let now = thread::now();
    if batch.has_mapping != 0 {
        // Another page of a large folio.
        if let Some(underway) = FOLIOS_UNDERWAY.get_ptr_mut(batch.unmapping) {
            // SAFETY: the map's own memory; the folio is locked, so one thread at a time migrates it.
            unsafe { (*underway).unmapped_ns = now };
        }
        return;
    }
    batch.has_mapping = 1;
    let (underway, unmet) = (&mut batch.underway, batch.unmet);
    let is_first = underway.mappings == 0;
    underway.unmapped_ns = now;
    underway.mappings += 1;
    if is_first || underway.wanted == 0 {
        let owner = owner::task_of(batch.mm);
        let is_wanted = unmet == 0 || owner::meets(unmet, owner);
        if is_first || is_wanted {
            underway.addr = addr;
            underway.wanted = is_wanted.into();
            owner::describe(owner, &mut underway.owner);
        }
    }
    let _ = FOLIOS_UNDERWAY.insert(&batch.unmapping, &*underway, 0);
}

/// move_to_new_folio() begins: the copy, and the replacement in the page cache or swap cache.
#[inline(always)]
pub fn copy_begin(ctx: &impl Args) {
    let Some(batch) = batch_underway() else { return lazy_migrate::copy_begin(ctx) };
    flush_migrated(AT_COPY, ctx, thread::current(), batch);
    batch.copy_start_ns = thread::now();
}

/// folio_migrate_flags(new, old): the folio has migrated.
#[inline(always)]
pub fn migrated(ctx: &impl Args) {
    store_migrated(AT_FLAGS, ctx);
}

/// A driver's migrate_page(new, old, mode) returned. Only the driver knows these pages and nothing maps them; this
/// function alone migrates them.
#[inline(always)]
pub fn driver_migrated(program: Program, ctx: &(impl Args + Returned)) {
    if ctx.ret(3) as i32 == 0 {
        store_migrated(program, ctx);
    }
}

/// Argument 0, a folio, has replaced argument 1.
#[inline(always)]
fn store_migrated(program: Program, ctx: &impl Args) {
    let Some(batch) = batch_underway() else { return };
    flush_migrated(program, ctx, thread::current(), batch);
    batch.migrated_ns = thread::now();
    batch.copy_ns = if batch.copy_start_ns == 0 { NO_TIME } else { batch.migrated_ns - batch.copy_start_ns };
    // Since 6.12 a driver's page does not pass move_to_new_folio().
    batch.copy_start_ns = 0;
    batch.remapped_ns = 0;
    batch.mm = 0;
    batch.migrated_new = ctx.number(0);
    batch.migrated_old = ctx.number(1);
}

/// migrate:remove_migration_pte(address, pte, order).
#[inline(always)]
pub fn pte_removed(ctx: &impl Args) {
    entry_removed(AT_PTE, place::AT_PTE, ctx, PAGE);
}

/// migrate:remove_migration_pmd(address, pmd).
#[inline(always)]
pub fn pmd_removed(ctx: &impl Args) {
    entry_removed(AT_PMD, place::AT_PMD, ctx, HUGE_PAGES as u64 * PAGE);
}

/// An entry for `len` bytes is restored, of the folio that migrated last or of one that could not be migrated. `further`
/// counts mappings after the first.
#[inline(always)]
fn entry_removed(program: Program, further: Program, ctx: &impl Args, len: u64) {
    let Some(batch) = batch_underway() else { return };
    let thread = thread::current();
    let pfn = page_table::entry_pfn(ctx.arg(1));
    let ts_ns = thread::now();
    let new = Folio(batch.migrated_new);
    if batch.migrated_old != 0 && pfn >= new.pfn() && pfn - new.pfn() < 1 << (new.order() & 31) {
        batch.remapped_ns = ts_ns;
        if config!(places) != 0 {
            further_mapping(further, ctx, batch, ctx.arg(0), len);
        }
        return;
    }
    if let Some(old) = Folio::of_pfn(pfn) {
        not_migrated(Event { program, thread, ts_ns }, ctx, batch, old);
    }
}

/// remove_migration_pte(new, vma, address, old) returned, on kernels without events about it.
#[inline(always)]
pub fn mapping_restored(ctx: &impl Args) {
    let Some(batch) = batch_underway() else { return };
    let (thread, new, ts_ns) = (thread::current(), ctx.number(0), thread::now());
    if batch.migrated_old != 0 && new == batch.migrated_new {
        batch.remapped_ns = ts_ns;
    } else {
        not_migrated(Event { program: AT_PTE, thread, ts_ns }, ctx, batch, Folio(new));
    }
}

/// Records that another mapping of the folio that migrated last is restored at `addr`. The folio's own record has the
/// address of one mapping.
#[inline(always)]
fn further_mapping(program: Program, ctx: &impl StackIdContext, batch: &BatchStart, addr: u64, len: u64) {
    let Some(underway) = FOLIOS_UNDERWAY.get_ptr(batch.migrated_old) else { return };
    // SAFETY: the map's own memory; a folio is locked, so one thread at a time migrates it.
    let folio = unsafe { &*underway };
    let (old, new) = (Folio(batch.migrated_old), Folio(batch.migrated_new));
    // Without the program at remove_migration_pte() the address space is unknown.
    if folio.mappings < 2 || batch.mm == 0 {
        return;
    }
    let is_there = addr >= folio.addr && addr - folio.addr < PAGE << (new.order() & 31);
    if !is_there || folio.owner.pid != owner::pid_of(batch.mm) {
        place::migrated(program, ctx, batch.mm, addr, len, [old.nid(), new.nid()]);
    }
}

/// migrate_pages() returned: the last folio has all its mappings back.
#[inline(always)]
pub fn batch_end(ctx: &impl StackIdContext, thread: Thread, batch: &mut BatchStart) {
    flush_migrated(AT_END, ctx, thread, batch);
}

/// Makes the record of a folio that could not be migrated, at the first of its mappings that is restored.
#[inline(always)]
fn not_migrated(event: Event, ctx: &impl StackIdContext, batch: &mut BatchStart, old: Folio) {
    let Some(underway) = FOLIOS_UNDERWAY.get_ptr(old.0) else { return };
    // SAFETY: the map's own memory; a folio is locked, so one thread at a time migrates it.
    copy_words(&mut batch.ended, unsafe { &*underway });
    let _ = FOLIOS_UNDERWAY.remove(old.0);
    let unmapping = true;
    let migration = Migration { old, new: None, order: old.order(), unmapping, copy_ns: NO_TIME, remap_ns: NO_TIME };
    record(event, ctx, batch, &migration);
}

/// Makes the record of the folio that migrated last, now that all its mappings are restored.
#[inline(always)]
fn flush_migrated(program: Program, ctx: &impl StackIdContext, thread: Thread, batch: &mut BatchStart) {
    if batch.migrated_old == 0 {
        return;
    }
    let (old, new) = (Folio(batch.migrated_old), Folio(batch.migrated_new));
    batch.migrated_old = 0;
    // The old folio's order is gone with its content by now.
    let order = new.order();
    batch.migrated_pages += 1 << (order & 63);
    let is_mapped = batch.remapped_ns != 0;
    let ts_ns = if is_mapped { batch.remapped_ns } else { batch.migrated_ns };
    let remap_ns = if is_mapped { batch.remapped_ns - batch.migrated_ns } else { NO_TIME };
    let underway = FOLIOS_UNDERWAY.get_ptr(old.0);
    let unmapping = underway.is_some();
    if let Some(underway) = underway {
        // SAFETY: as in not_migrated().
        copy_words(&mut batch.ended, unsafe { &*underway });
        let _ = FOLIOS_UNDERWAY.remove(old.0);
    }
    let copy_ns = batch.copy_ns;
    let migration = Migration { old, new: Some(new), order, unmapping, copy_ns, remap_ns };
    record(Event { program, thread, ts_ns }, ctx, batch, &migration);
}

/// A folio's migration that ended.
struct Migration {
    old: Folio,
    /// `None` if the folio was not migrated.
    new: Option<Folio>,
    order: u32,
    /// Whether the batch's `ended` is the folio's: not if nothing mapped it.
    unmapping: bool,
    copy_ns: u64,
    remap_ns: u64,
}

#[inline(always)]
fn record(event: Event, ctx: &impl StackIdContext, batch: &mut BatchStart, migration: &Migration) {
    let &Migration { old, new, order, unmapping, copy_ns, remap_ns } = migration;
    let BatchStart { ended, increment: place, unmet, reason, request, .. } = batch;
    let (ended, unmet, reason, request): (&FolioUnderway, _, _, _) = (ended, *unmet, *reason, *request as u8);
    let unmapping = unmapping.then_some(ended);
    let addr = unmapping.map_or(NO_ADDR, |u| u.addr);
    // From the start of unmapping to the end of remapping; other folios of the batch may come in between.
    let latency_ns = unmapping.map_or(NO_TIME, |u| event.ts_ns - u.start_ns);
    let (src_nid, dst_nid) = (old.nid(), new.map_or(NO_NODE, Folio::nid));
    let wanted = (unmet == 0 || unmapping.is_some_and(|u| u.wanted != 0))
        && filter::wants(RecordKind::MIGRATE)
        && filter::wants_here()
        && filter::wants_direct_cause(reason, request)
        && filter::wants_addr(addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_between(src_nid, dst_nid);
    if !event.passes(wanted) {
        return;
    }
    let key = TallyKey {
        kind: RecordKind::MIGRATE.0,
        class: MigratePath::DIRECT.0,
        outcome: new.is_some().into(),
        request,
        reason,
        from_nid: src_nid,
        to_nid: dst_nid,
    };
    if tally::is_on() {
        // There, because the stack has no room for it.
        *place = Increment { key, pages: 1 << (order & 63), latency_ns };
    }
    if !event.admit_for_owner(place, unmapping.map_or(&owner::UNKNOWN, |u| &u.owner)) {
        return;
    }
    emit::commit_on_stack(event.program, ctx, |record| {
        let record: *mut Migrate = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written. By fields, because the stack has no
        // room for the whole.
        unsafe {
            (*record).header = event.header::<Migrate>();
            (*record).addr = addr;
            (*record).old_pfn = old.pfn();
            (*record).new_pfn = new.map_or(NO_PFN, Folio::pfn);
            (*record).latency_ns = latency_ns;
            (*record).unmap_ns = unmapping.map_or(NO_TIME, |u| u.unmapped_ns - u.start_ns);
            (*record).copy_ns = copy_ns;
            (*record).remap_ns = remap_ns;
            (*record).src_nid = src_nid;
            (*record).dst_nid = dst_nid;
            (*record).order = order;
            (*record).migrate_reason = reason;
            (*record).mof_reason = -1;
            (*record).migrated = new.is_some().into();
            (*record).path = MigratePath::DIRECT.0;
            (*record).request = request;
            (*record).pad = 0;
            (*record).mappings = unmapping.filter(|u| u.owner.pid != 0).map_or(0, |u| u.mappings);
            (*record).pad_mappings = 0;
            copy_words(&mut (*record).owner, unmapping.map_or(&owner::UNKNOWN, |u| &u.owner));
        }
    });
}
