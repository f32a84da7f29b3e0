//! Checks against policy: migrate-on-fault's own trace events in the fault path, with the move that may follow; and
//! mpol_misplaced(), which NUMA hinting faults ask on every kernel.

use aya_ebpf::programs::TracePointContext;
use migtrace_common::{
    aggregate::TallyKey,
    counters::Probe,
    kinds::{CheckPath, MigratePath, RecordKind},
    record::{Check, Migrate, NO_MODE, NO_TIME},
};

use super::{Args, Returned, field, folio::Folio, request};
use crate::{
    aggregate::{self, Counting},
    config::config,
    emit::{self, Counted},
    filter,
    maps::{CheckStart, TASKS},
};

/// The programs that count checks, and moves that follow them.
const CHECK: Counted = Counted(Probe::Check, 0);
const LAZY_MIGRATE: Counted = Counted(Probe::LazyMigrate, 0);
const HINTING_CHECK: Counted = Counted(Probe::HintingCheck, 0);

/// mof:mof_check.
#[inline(always)]
pub fn check(ctx: &TracePointContext) {
    let Some(task) = filter::traced(CHECK) else { return };
    let ts_ns = emit::now();
    let addr = field(ctx, config!(mof_check.address));
    let (src_nid, dst_nid) = (field(ctx, config!(mof_check.src_nid)), field(ctx, config!(mof_check.dst_nid)));
    if !wants_check(addr, src_nid, dst_nid) {
        return emit::filtered(CHECK);
    }
    let (order, reason): (u32, i32) = (field(ctx, config!(mof_check.order)), field(ctx, config!(mof_check.reason)));
    let counting = || count_check(CheckPath::LAZY_FAULT, reason, src_nid, dst_nid, order);
    if !aggregate::count(CHECK, task, ts_ns, counting) || emit::sampled_out(CHECK) {
        return;
    }
    emit::commit_on_stack(CHECK, ctx, |record| {
        record.write(Check {
            header: emit::header(task, RecordKind::CHECK, Probe::Check, ts_ns),
            addr,
            pfn: field(ctx, config!(mof_check.pfn)),
            src_nid,
            dst_nid,
            order,
            flags: field(ctx, config!(mof_check.flags)),
            reason,
            mode: field(ctx, config!(mof_check.mode)),
            interleave: field(ctx, config!(mof_check.interleave)),
            lazy: field(ctx, config!(mof_check.lazy)),
            path: CheckPath::LAZY_FAULT.0,
            pad: [0; 7],
        });
    });
}

/// What is counted of a check.
#[inline(always)]
fn count_check(path: CheckPath, reason: i32, src_nid: i32, dst_nid: i32, order: u32) -> Counting {
    let key = TallyKey {
        kind: RecordKind::CHECK.0,
        class: path.0,
        outcome: (src_nid == aggregate::cpu_nid()).into(),
        request: 0,
        reason,
        from_nid: src_nid,
        to_nid: dst_nid,
    };
    Counting { key, pages: 1 << (order & 63), latency_ns: NO_TIME }
}

#[inline(always)]
fn wants_check(addr: u64, src_nid: i32, dst_nid: i32) -> bool {
    filter::wants(RecordKind::CHECK) && filter::wants_addr(addr) && filter::wants_between(src_nid, dst_nid)
}

/// mof:mof_migrate.
#[inline(always)]
pub fn migrate(ctx: &TracePointContext) {
    let Some(task) = filter::traced(LAZY_MIGRATE) else { return };
    let ts_ns = emit::now();
    let addr = field(ctx, config!(mof_migrate.address));
    let latency_ns: u64 = field(ctx, config!(mof_migrate.latency_ns));
    // The kernel gives 0 where the event was switched on in the middle of the move.
    let latency_ns = if latency_ns == 0 { NO_TIME } else { latency_ns };
    let (src_nid, dst_nid) = (field(ctx, config!(mof_migrate.src_nid)), field(ctx, config!(mof_migrate.dst_nid)));
    let wanted = filter::wants(RecordKind::MIGRATE)
        && filter::wants_lazy_fault()
        && filter::wants_addr(addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_between(src_nid, dst_nid);
    if !wanted {
        return emit::filtered(LAZY_MIGRATE);
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
    let counting = || Counting { key, pages: 1 << (order & 63), latency_ns };
    if !aggregate::count(LAZY_MIGRATE, task, ts_ns, counting) || emit::sampled_out(LAZY_MIGRATE) {
        return;
    }
    emit::commit_on_stack(LAZY_MIGRATE, ctx, |record| {
        record.write(Migrate {
            header: emit::header(task, RecordKind::MIGRATE, Probe::LazyMigrate, ts_ns),
            addr,
            old_pfn: field(ctx, config!(mof_migrate.old_pfn)),
            new_pfn: field(ctx, config!(mof_migrate.new_pfn)),
            latency_ns,
            // The page was unmapped when it was marked, and is mapped again by the fault: the kernel shows no stages.
            unmap_ns: NO_TIME,
            copy_ns: NO_TIME,
            remap_ns: NO_TIME,
            src_nid,
            dst_nid,
            order,
            migrate_reason: -1,
            mof_reason: reason,
            moved: (rc == 0).into(),
            path: MigratePath::LAZY_FAULT.0,
            request: request::underway(),
            pad: 0,
        });
    });
}

/// mpol_misplaced(page or folio, vma or fault, address) begins.
#[inline(always)]
pub fn hinting_begin(ctx: &impl Args) {
    if filter::traced_uncounted().is_none() {
        return;
    }
    // A failure shows at the exit, where it is counted.
    if let Some(state) = TASKS.of_current_or_new() {
        state.check = CheckStart { page: ctx.number(0), addr: ctx.arg(2) };
    }
}

/// mpol_misplaced() returned the node that the page should be on, or NUMA_NO_NODE.
#[inline(always)]
pub fn hinting_end(ctx: &impl Returned) {
    let Some(task) = filter::traced(HINTING_CHECK) else { return };
    let ts_ns = emit::now();
    let Some(state) = TASKS.of_current() else { return emit::lost_start(HINTING_CHECK) };
    let start = state.check;
    state.check.page = 0;
    if start.page == 0 {
        return emit::lost_start(HINTING_CHECK);
    }
    let flags = state.fault.flags;
    let folio = Folio(start.page);
    let (src_nid, dst_nid) = (folio.nid(), ctx.ret(3) as i32);
    if !wants_check(start.addr, src_nid, dst_nid) {
        return emit::filtered(HINTING_CHECK);
    }
    let order = folio.order();
    let counting = || count_check(CheckPath::HINTING, 0, src_nid, dst_nid, order);
    if !aggregate::count(HINTING_CHECK, task, ts_ns, counting) || emit::sampled_out(HINTING_CHECK) {
        return;
    }
    emit::commit_on_stack(HINTING_CHECK, ctx, |record| {
        record.write(Check {
            header: emit::header(task, RecordKind::CHECK, Probe::HintingCheck, ts_ns),
            addr: start.addr,
            pfn: folio.pfn(),
            src_nid,
            dst_nid,
            order,
            flags,
            reason: 0,
            mode: NO_MODE,
            interleave: 0,
            lazy: 0,
            path: CheckPath::HINTING.0,
            pad: [0; 7],
        });
    });
}
