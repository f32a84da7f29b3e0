//! Page faults on kernels without fentry and kprobes: the exception tracepoints, before the kernel handles the fault.

use aya_ebpf::programs::{TracePointContext, tracing::StackIdContext};
use migtrace_common::{
    counters::Probe,
    kinds::{FaultClass, FaultHook, RecordKind},
    record::{Fault, NO_NODE, NO_TIME},
};

use super::{
    args::{Args, field},
    fault::tally_key,
};
use crate::{
    account::Program,
    config::config,
    event::{self, Event},
    filter,
    maps::THREADS,
    state::Increment,
    thread::{self, Thread},
};

/// The programs that count these faults.
const USER: Program = Program::new(Probe::Fault, 1);
const KERNEL: Program = Program::new(Probe::Fault, 2);

/// exceptions:page_fault_user(address, regs, error_code).
#[inline(always)]
pub fn user(ctx: &impl Args) {
    let Some(thread) = event::traced(USER) else { return };
    let ip = ctx.load(ctx.arg(1), config!(regs_ip));
    record(USER, ctx, thread, Exception { addr: ctx.arg(0), ip, error_code: ctx.arg(2) as u32 });
}

/// exceptions:page_fault_kernel(address, regs, error_code), of interest if the kernel touches a process's memory.
#[inline(always)]
pub fn kernel(ctx: &impl Args) {
    let addr = ctx.arg(0);
    if is_unrelated(addr) {
        return;
    }
    if let Some(thread) = event::traced(KERNEL) {
        record(KERNEL, ctx, thread, Exception { addr, ip: 0, error_code: ctx.arg(2) as u32 });
    }
}

/// [`user`] as a classic tracepoint.
#[inline(always)]
pub fn user_event(ctx: &TracePointContext) {
    let Some(thread) = event::traced(USER) else { return };
    let addr = field(ctx, config!(page_fault.address));
    let error_code: u64 = field(ctx, config!(page_fault.error_code));
    let ip = field(ctx, config!(page_fault.ip));
    record(USER, ctx, thread, Exception { addr, ip, error_code: error_code as u32 });
}

/// [`kernel`] as a classic tracepoint.
#[inline(always)]
pub fn kernel_event(ctx: &TracePointContext) {
    let addr: u64 = field(ctx, config!(page_fault.address));
    if is_unrelated(addr) {
        return;
    }
    if let Some(thread) = event::traced(KERNEL) {
        let error_code: u64 = field(ctx, config!(page_fault.error_code));
        record(KERNEL, ctx, thread, Exception { addr, ip: 0, error_code: error_code as u32 });
    }
}

/// Whether a fault taken in the kernel is about kernel memory, or caused by migtrace's own walk of the thread's stack.
#[inline(always)]
fn is_unrelated(addr: u64) -> bool {
    addr >> 63 == 1 || (config!(stacks) != 0 && THREADS.of_current().is_some_and(|state| state.unwinding != 0))
}

/// What the CPU reports.
struct Exception {
    addr: u64,
    /// User instruction, 0 for none.
    ip: u64,
    error_code: u32,
}

#[inline(always)]
fn record(program: Program, ctx: &impl StackIdContext, thread: Thread, exception: Exception) {
    let Exception { addr, ip, error_code } = exception;
    let wants_unknown = filter::wants_latency(NO_TIME) && filter::wants_page_on(NO_NODE);
    if !filter::wants(RecordKind::FAULT) || !filter::wants_addr(addr) || !wants_unknown {
        return program.filtered();
    }
    let event = Event { program, thread, ts_ns: thread::now() };
    let key = || tally_key(FaultClass::OTHER.0, FaultHook::EXCEPTION, 0, NO_NODE);
    if !event.admit(|| Increment { key: key(), pages: 1, latency_ns: NO_TIME }) {
        return;
    }
    event.record(ctx, move |header| Fault {
        header,
        addr,
        ip,
        latency_ns: NO_TIME,
        flags: error_code,
        result: 0,
        nid: NO_NODE,
        class: FaultClass::OTHER.0,
        hook: FaultHook::EXCEPTION.0,
        map_shift: 0,
        pad: 0,
    });
}
