//! Lazy marks: mof:mof_unmap for each folio, with the address that only the unmapping shows.

use aya_ebpf::programs::TracePointContext;
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::RecordKind,
    record::{Mark, NO_ADDR, NO_NODE, NO_TIME},
    tally::TallyKey,
};

use super::{
    args::{Args, field},
    folio::Folio,
    owner, request,
};
use crate::{account::Program, config::config, event::Event, filter, maps::THREADS, state::Increment, thread};

/// The program that counts marks.
const MARK: Program = Program::new(Probe::Mark, 0);

/// try_to_unmap_one(folio, vma, address, arg) removes a mapping, of interest only in a placement syscall.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    if let Some(state) = THREADS.of_current()
        && state.request.name != 0
    {
        state.mark.folio = ctx.number(0);
        state.mark.addr = ctx.arg(2);
        let owner = owner::task_of(ctx.load(ctx.arg(1), config!(vma_mm)));
        owner::describe(owner, &mut state.mark.owner);
        let unmet = filter::unmet(thread::current());
        state.mark.wanted = (unmet == 0 || owner::meets(unmet, owner)).into();
    }
}

/// mof:mof_unmap.
#[inline(always)]
pub fn mark(ctx: &TracePointContext) {
    let event = Event::of_any(MARK);
    let pfn: u64 = field(ctx, config!(mof_unmap.pfn));
    let state = THREADS.of_current().filter(|state| state.mark.folio != 0 && Folio(state.mark.folio).pfn() == pfn);
    let unmapped = state.map(|state| &state.mark);
    if unmapped.is_none() {
        debug!(ctx, "lazy mark of page frame {} without an address", pfn);
    }
    let addr = unmapped.map_or(NO_ADDR, |mark| mark.addr);
    let nid = field(ctx, config!(mof_unmap.nid));
    let wanted = unmapped.map_or_else(|| filter::wants_thread(event.thread), |mark| mark.wanted != 0)
        && filter::wants_here()
        && filter::wants(RecordKind::MARK)
        && filter::wants_addr(addr)
        && filter::wants_page_on(nid);
    if !event.passes(wanted) {
        return;
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
    if !event.admit(|| Increment { key, pages: 1 << (order & 63), latency_ns: NO_TIME }) {
        return;
    }
    event.record(ctx, move |header| Mark {
        header,
        addr,
        pfn,
        nid,
        order,
        reason,
        anon: u32::from(field::<u8>(ctx, config!(mof_unmap.anon))),
        owner: unmapped.map_or(owner::UNKNOWN, |mark| mark.owner),
    });
}
