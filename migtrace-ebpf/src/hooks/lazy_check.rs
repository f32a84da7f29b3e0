//! Checks against policy by migrate-on-fault in the fault path: mof:mof_check.

use aya_ebpf::programs::TracePointContext;
use migtrace_common::{counters::Probe, kinds::CheckPath, record::Check};

use super::{args::field, check, fault, lazy_migrate};
use crate::{account::Program, config::config, event::Event};

/// The program that counts these checks.
const CHECK: Program = Program::new(Probe::Check, 0);

/// mof:mof_check.
#[inline(always)]
pub fn check(ctx: &TracePointContext) {
    let reason: i32 = field(ctx, config!(mof_check.reason));
    // Before the filter, which may want those that wait and not this one.
    if reason as u32 == config!(mof_misplaced) {
        lazy_migrate::begin(field(ctx, config!(mof_check.pfn)));
    }
    let Some(event) = Event::in_fault(CHECK) else { return };
    let addr = field(ctx, config!(mof_check.address));
    let (src_nid, dst_nid) = (field(ctx, config!(mof_check.src_nid)), field(ctx, config!(mof_check.dst_nid)));
    if !event.passes(check::wants(addr, src_nid, dst_nid)) {
        return;
    }
    let order: u32 = field(ctx, config!(mof_check.order));
    if !event.admit(|| check::increment(CheckPath::LAZY_FAULT, reason, src_nid, dst_nid, order)) {
        return;
    }
    event.record(ctx, move |header| Check {
        header,
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
        owner: fault::owner(),
    });
}
