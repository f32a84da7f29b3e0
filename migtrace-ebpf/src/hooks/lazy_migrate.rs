//! Migrations by migrate-on-fault, in the page fault that touched a marked page: mof:mof_migrate.

use aya_ebpf::programs::TracePointContext;
use migtrace_common::{
    counters::Probe,
    kinds::{MigratePath, RecordKind},
    record::{Migrate, NO_TIME},
    tally::TallyKey,
};

use super::{args::field, fault, request};
use crate::{account::Program, config::config, event::Event, filter, state::Increment};

/// The program that counts these migrations.
const MIGRATE: Program = Program::new(Probe::LazyMigrate, 0);

/// mof:mof_migrate.
#[inline(always)]
pub fn migrate(ctx: &TracePointContext) {
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
