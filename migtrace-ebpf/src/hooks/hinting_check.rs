//! Checks against policy by NUMA hinting faults: mpol_misplaced(), which every kernel has.

use migtrace_common::{
    counters::Probe,
    kinds::CheckPath,
    record::{Check, NO_MODE},
};

use super::{
    args::{Args, Returned},
    check, fault,
    folio::Folio,
};
use crate::{account::Program, event::Event, filter, maps::THREADS, state::CheckStart};

/// The program that counts these checks.
const CHECK: Program = Program::new(Probe::HintingCheck, 0);

/// mpol_misplaced(page or folio, vma or fault, address) begins.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    if filter::traced().is_none() && !fault::is_for_owner() {
        return;
    }
    // If the kernel has no memory for the state, the exit finds none and counts the check as lost.
    if let Some(state) = THREADS.of_current_or_new() {
        state.check = CheckStart { page: ctx.number(0), addr: ctx.arg(2) };
    }
}

/// mpol_misplaced() returned the node that the page should be on, or NUMA_NO_NODE.
#[inline(always)]
pub fn end(ctx: &impl Returned) {
    let Some(event) = Event::in_fault(CHECK) else { return };
    let Some(state) = THREADS.of_current() else { return CHECK.lost_start() };
    let (start, flags) = (state.check, state.fault.flags);
    // A start that stays on an excluded CPU does no harm, as with faults.
    state.check.page = 0;
    if start.page == 0 {
        return CHECK.lost_start();
    }
    let folio = Folio(start.page);
    let (src_nid, dst_nid) = (folio.nid(), ctx.ret(3) as i32);
    if !event.passes(check::wants(start.addr, src_nid, dst_nid)) {
        return;
    }
    let order = folio.order();
    if !event.admit(|| check::increment(CheckPath::HINTING, 0, src_nid, dst_nid, order)) {
        return;
    }
    event.record(ctx, move |header| Check {
        header,
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
        owner: fault::owner(),
    });
}
