//! Migrations by migrate-on-fault, in the page fault that touched a marked page: mof:mof_migrate.
//!
//! The fault has the lock of the folio from before the check, and then that of the copy until it has mapped it. Another
//! thread that touches the page meanwhile waits for one of these locks. So both folios are known as under way.

use aya_ebpf::programs::TracePointContext;
use migtrace_common::{
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{BY_LAZY_FAULT, Migrate, NO_TIME},
    tally::TallyKey,
};

use super::{
    args::{Args, field},
    fault,
    folio::Folio,
    request,
};
use crate::{
    account::Program,
    config::config,
    event::Event,
    filter,
    maps::{FOLIOS_UNDERWAY, THREADS},
    state::{FolioUnderway, Increment, ThreadState},
    thread,
};

/// The program that counts these migrations.
const MIGRATE: Program = Program::new(Probe::LazyMigrate, 0);

/// mof:mof_check found the folio of this frame misplaced: its migration begins.
#[inline(always)]
pub fn begin(pfn: u64) {
    if let Some(folio) = Folio::of_pfn(pfn) {
        let underway =
            FolioUnderway { start_ns: thread::now(), ..FolioUnderway::of_batch(thread::current(), BY_LAZY_FAULT, 0) };
        let _ = FOLIOS_UNDERWAY.insert(&folio.0, &underway, 0);
    }
}

/// move_to_new_folio(new, old, mode) begins outside of batches. The kernel calls it again if the old folio has other
/// references. The new folio takes the old one's place in the swap cache before it has a record.
#[inline(always)]
pub fn copy_begin(ctx: &impl Args) {
    let Some(state) = THREADS.of_current() else { return };
    let Some(underway) = FOLIOS_UNDERWAY.get_ptr(ctx.number(1)) else { return };
    // Only the end of a recorded fault forgets it.
    if state.fault.start_ns == 0 {
        return;
    }
    state.lazy_copy = ctx.number(0);
    // SAFETY: the map's own memory; the folio is locked, so one thread at a time migrates it.
    let _ = FOLIOS_UNDERWAY.insert(&state.lazy_copy, unsafe { &*underway }, 0);
}

/// This thread no longer migrates a folio. It may have unlocked it already, and another thread may migrate it now.
#[inline(always)]
fn forget(folio: u64) {
    let tid = thread::current().tid;
    // SAFETY: the map's own memory.
    if FOLIOS_UNDERWAY.get_ptr(folio).is_some_and(|underway| unsafe { (*underway).tid } == tid) {
        let _ = FOLIOS_UNDERWAY.remove(folio);
    }
}

/// The fault in which a folio may have migrated ends: the folio is mapped, and its lock free.
#[inline(always)]
pub fn fault_ends(state: &mut ThreadState) {
    if state.lazy_copy != 0 {
        forget(state.lazy_copy);
        state.lazy_copy = 0;
    }
}

/// mof:mof_migrate.
#[inline(always)]
pub fn migrate(ctx: &TracePointContext) {
    if let Some(old) = Folio::of_pfn(field(ctx, config!(mof_migrate.old_pfn))) {
        forget(old.0);
    }
    let Some(event) = Event::in_fault(MIGRATE) else { return };
    let addr = field(ctx, config!(mof_migrate.address));
    let latency_ns: u64 = field(ctx, config!(mof_migrate.latency_ns));
    // The kernel reports 0 if the event was enabled in the middle of the migration.
    let latency_ns = if latency_ns == 0 { NO_TIME } else { latency_ns };
    let (src_nid, dst_nid) = (field(ctx, config!(mof_migrate.src_nid)), field(ctx, config!(mof_migrate.dst_nid)));
    let wanted = filter::wants(RecordKind::MIGRATE)
        && filter::wants_lazy_fault_cause()
        && filter::wants_addr(addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_between(src_nid, dst_nid);
    if !event.passes(wanted) {
        return;
    }
    let (order, reason): (u32, i32) = (field(ctx, config!(mof_migrate.order)), field(ctx, config!(mof_migrate.reason)));
    let rc: i32 = field(ctx, config!(mof_migrate.rc));
    let key = TallyKey {
        kind: RecordKind::MIGRATE.0,
        class: MigratePath::LAZY_FAULT.0,
        outcome: (rc == 0).into(),
        request: request::underway(),
        reason,
        from_nid: src_nid,
        to_nid: dst_nid,
    };
    if !event.admit(|| Increment { key, pages: 1 << (order & 63), latency_ns }) {
        return;
    }
    event.record(ctx, move |header| Migrate {
        header,
        addr,
        old_pfn: field(ctx, config!(mof_migrate.old_pfn)),
        new_pfn: field(ctx, config!(mof_migrate.new_pfn)),
        latency_ns,
        // The page was unmapped when it was marked, and the fault maps it again: the kernel shows no stages.
        unmap_ns: NO_TIME,
        copy_ns: NO_TIME,
        remap_ns: NO_TIME,
        src_nid,
        dst_nid,
        order,
        migrate_reason: -1,
        mof_reason: reason,
        migrated: (rc == 0).into(),
        path: MigratePath::LAZY_FAULT.0,
        request: request::underway(),
        pad: 0,
        mappings: 0,
        pad_mappings: 0,
        owner: fault::owner(),
    });
}
