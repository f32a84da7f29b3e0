//! Page faults: handle_mm_fault() from entry to exit, classified by what runs inside.

use migtrace_common::{
    counters::Probe,
    kinds::{FaultClass, FaultHook, RecordKind},
    record::Fault,
    tally::TallyKey,
};

use super::{
    args::{Args, Returned},
    mapping::{self, Mapping},
    page_table,
};
use crate::{
    account::Program,
    config::config,
    event::Event,
    filter,
    maps::THREADS,
    state::{FaultStart, Increment},
    thread,
};

/// The program that counts these faults.
const FAULT: Program = Program::new(Probe::Fault, 0);

/// handle_mm_fault(vma, address, flags, regs) begins.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    let Some(thread) = filter::traced() else { return };
    // If the kernel has no memory for the state, the exit finds none and counts the fault as lost.
    let Some(state) = THREADS.of_current_or_new() else { return };
    let vma = ctx.arg(0);
    let mapping = Mapping::of(ctx, vma);
    mapping::see(ctx, thread, state, vma, mapping);
    let (mm, regs) = (ctx.load::<u64>(vma, config!(vma_mm)), ctx.arg(3));
    state.fault = FaultStart {
        start_ns: thread::now(),
        addr: ctx.arg(1),
        ip: if regs == 0 { 0 } else { ctx.load(regs, config!(regs_ip)) },
        pgd: ctx.load(mm, config!(mm_pgd)),
        flags: ctx.arg(2) as u32,
        class: mapping.fault_class().0.into(),
    };
}

/// A function that handle_mm_fault() calls shows the class of the fault under way in this thread.
#[inline(always)]
pub fn classify(class: FaultClass) {
    if let Some(state) = THREADS.of_current() {
        state.fault.class = class.0.into();
    }
}

/// handle_mm_fault() returned.
#[inline(always)]
pub fn end(ctx: &impl Returned) {
    // Not Event::ending(), which takes 14 instructions more. A start that stays on an excluded CPU does no harm: the next
    // fault overwrites it.
    let Some(event) = Event::ending_now(FAULT) else { return };
    let Some(state) = THREADS.of_current() else { return FAULT.lost_start() };
    let start = state.fault;
    state.fault.start_ns = 0;
    if start.start_ns == 0 {
        return FAULT.lost_start();
    }
    let latency_ns = event.ts_ns - start.start_ns;
    // Before the walk through the page tables, which costs as much as the record.
    let wanted =
        filter::wants(RecordKind::FAULT) && filter::wants_addr(start.addr) && filter::wants_latency(latency_ns);
    if !event.passes(wanted) {
        return;
    }
    let result = ctx.ret(4) as u32;
    let entry = page_table::entry(start.pgd, start.addr);
    let nid = entry.nid(start.addr);
    if !event.passes(filter::wants_page_on(nid)) {
        return;
    }
    let key = || tally_key(start.class as u8, FaultHook::HANDLE_MM_FAULT, result, nid);
    if !event.admit(|| Increment { key: key(), pages: 1, latency_ns }) {
        return;
    }
    event.record(ctx, move |header| Fault {
        header,
        addr: start.addr,
        ip: start.ip,
        latency_ns,
        flags: start.flags,
        result,
        nid,
        class: start.class as u8,
        hook: FaultHook::HANDLE_MM_FAULT.0,
        map_shift: entry.shift as u8,
        pad: 0,
    });
}

/// What a fault on this CPU is counted by.
#[inline(always)]
pub fn tally_key(class: u8, hook: FaultHook, result: u32, nid: i32) -> TallyKey {
    TallyKey {
        kind: RecordKind::FAULT.0,
        class,
        outcome: hook.0,
        request: 0,
        reason: result as i32,
        from_nid: thread::cpu_nid(),
        to_nid: nid,
    }
}
