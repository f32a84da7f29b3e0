//! Page faults: handle_mm_fault() from entry to exit, classified by what runs inside; or, where the kernel lets nobody in
//! there, the exceptions themselves.

use aya_ebpf::programs::{TracePointContext, tracing::StackIdContext};
use migtrace_common::{
    aggregate::TallyKey,
    counters::Probe,
    kinds::{FaultClass, FaultWay, RecordKind},
    record::{Fault, NO_NODE, NO_TIME},
};

use super::{Args, Returned, field, folio, region};
use crate::{
    aggregate::{self, Counting},
    config::config,
    emit::{self, Counted},
    filter::{self, Task},
    maps::{FaultStart, TASKS},
};

/// The programs that count faults.
const HANDLED: Counted = Counted(Probe::Fault, 0);
const USER: Counted = Counted(Probe::Fault, 1);
const KERNEL: Counted = Counted(Probe::Fault, 2);

/// handle_mm_fault(vma, address, flags, regs) begins.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    let Some(task) = filter::traced_uncounted() else { return };
    // A failure shows at the exit, where it is counted.
    let Some(state) = TASKS.of_current_or_new() else { return };
    let vma = ctx.arg(0);
    let mapping = Mapping::of(ctx, vma);
    region::seen(ctx, task, state, vma, mapping);
    let (mm, regs) = (ctx.load::<u64>(vma, config!(vma_mm)), ctx.arg(3));
    state.fault = FaultStart {
        start_ns: emit::now(),
        addr: ctx.arg(1),
        ip: if regs == 0 { 0 } else { ctx.load(regs, config!(regs_ip)) },
        pgd: ctx.load(mm, config!(mm_pgd)),
        flags: ctx.arg(2) as u32,
        class: mapping.class().0.into(),
    };
}

/// Something below says what the fault under way in this thread is about.
#[inline(always)]
pub fn classify(class: FaultClass) {
    if let Some(state) = TASKS.of_current() {
        state.fault.class = class.0.into();
    }
}

/// handle_mm_fault() returned.
#[inline(always)]
pub fn end(ctx: &impl Returned) {
    let Some(task) = filter::traced(HANDLED) else { return };
    let ts_ns = emit::now();
    let Some(state) = TASKS.of_current() else { return emit::lost_start(HANDLED) };
    let start = state.fault;
    state.fault.start_ns = 0;
    if start.start_ns == 0 {
        return emit::lost_start(HANDLED);
    }
    let latency_ns = ts_ns - start.start_ns;
    if !filter::wants(RecordKind::FAULT) || !filter::wants_addr(start.addr) || !filter::wants_latency(latency_ns) {
        return emit::filtered(HANDLED);
    }
    let result = ctx.ret(4) as u32;
    let nid = folio::nid_mapped(start.pgd, start.addr);
    if !filter::wants_on(nid) {
        return emit::filtered(HANDLED);
    }
    let counting = || Counting { key: key(start.class as u8, FaultWay::HANDLED, result, nid), pages: 1, latency_ns };
    if !aggregate::count(HANDLED, task, ts_ns, counting) || emit::sampled_out(HANDLED) {
        return;
    }
    emit::commit_on_stack(HANDLED, ctx, |record| {
        record.write(Fault {
            header: emit::header(task, RecordKind::FAULT, Probe::Fault, ts_ns),
            addr: start.addr,
            ip: start.ip,
            latency_ns,
            flags: start.flags,
            result,
            nid,
            class: start.class as u8,
            way: FaultWay::HANDLED.0,
            pad: [0; 2],
        });
    });
}

/// exceptions:page_fault_user(address, regs, error_code).
#[inline(always)]
pub fn user_exception(ctx: &impl Args) {
    let Some(task) = filter::traced(USER) else { return };
    let ip = ctx.load(ctx.arg(1), config!(regs_ip));
    exception(USER, ctx, task, ctx.arg(0), ip, ctx.arg(2) as u32);
}

/// exceptions:page_fault_kernel(address, regs, error_code): of interest where the kernel touches a process's memory.
#[inline(always)]
pub fn kernel_exception(ctx: &impl Args) {
    let addr = ctx.arg(0);
    if is_not_the_tasks(addr) {
        return;
    }
    if let Some(task) = filter::traced(KERNEL) {
        exception(KERNEL, ctx, task, addr, 0, ctx.arg(2) as u32);
    }
}

/// The same as a classic tracepoint.
#[inline(always)]
pub fn user_exception_event(ctx: &TracePointContext) {
    let Some(task) = filter::traced(USER) else { return };
    let addr = field(ctx, config!(page_fault.address));
    let error_code: u64 = field(ctx, config!(page_fault.error_code));
    exception(USER, ctx, task, addr, field(ctx, config!(page_fault.ip)), error_code as u32);
}

/// The same as a classic tracepoint.
#[inline(always)]
pub fn kernel_exception_event(ctx: &TracePointContext) {
    let addr: u64 = field(ctx, config!(page_fault.address));
    if is_not_the_tasks(addr) {
        return;
    }
    if let Some(task) = filter::traced(KERNEL) {
        let error_code: u64 = field(ctx, config!(page_fault.error_code));
        exception(KERNEL, ctx, task, addr, 0, error_code as u32);
    }
}

/// Whether a fault of the kernel has nothing to do with the running thread's memory, or is ours, walking its stack.
#[inline(always)]
fn is_not_the_tasks(addr: u64) -> bool {
    addr >> 63 == 1 || (config!(stacks) != 0 && TASKS.of_current().is_some_and(|state| state.unwinding != 0))
}

#[inline(always)]
fn exception(by: Counted, ctx: &impl StackIdContext, task: Task, addr: u64, ip: u64, error_code: u32) {
    let unknown = filter::wants_latency(NO_TIME) && filter::wants_on(NO_NODE);
    if !filter::wants(RecordKind::FAULT) || !filter::wants_addr(addr) || !unknown {
        return emit::filtered(by);
    }
    let ts_ns = emit::now();
    let key = || key(FaultClass::OTHER.0, FaultWay::EXCEPTION, 0, NO_NODE);
    let counting = || Counting { key: key(), pages: 1, latency_ns: NO_TIME };
    if !aggregate::count(by, task, ts_ns, counting) || emit::sampled_out(by) {
        return;
    }
    emit::commit_on_stack(by, ctx, |record| {
        record.write(Fault {
            header: emit::header(task, RecordKind::FAULT, Probe::Fault, ts_ns),
            addr,
            ip,
            latency_ns: NO_TIME,
            flags: error_code,
            result: 0,
            nid: NO_NODE,
            class: FaultClass::OTHER.0,
            way: FaultWay::EXCEPTION.0,
            pad: [0; 2],
        });
    });
}

/// The sort of a fault on this CPU.
#[inline(always)]
fn key(class: u8, way: FaultWay, result: u32, nid: i32) -> TallyKey {
    TallyKey {
        kind: RecordKind::FAULT.0,
        class,
        outcome: way.0,
        request: 0,
        reason: result as i32,
        from_nid: aggregate::cpu_nid(),
        to_nid: nid,
    }
}

/// What is mapped where a fault happens.
#[derive(Clone, Copy)]
pub struct Mapping {
    pub anon: bool,
    pub shmem: bool,
    pub has_file: bool,
    /// The file's struct.
    pub file: u64,
}

impl Mapping {
    #[inline(always)]
    fn of(ctx: &impl Args, vma: u64) -> Self {
        let ops: u64 = ctx.load(vma, config!(vma_vm_ops));
        // Compared by itself: the compiler would join tests of two pointers, and the verifier lets nobody calculate with one
        // ("bitwise operator |= on pointer prohibited").
        let anon = is_set_apart(ops == 0);
        let file: u64 = if anon { 0 } else { ctx.load(vma, config!(vma_vm_file)) };
        let is_shmem =
            |n: usize| ops == [config!(shmem_vm_ops[0]), config!(shmem_vm_ops[1]), config!(shmem_vm_ops[2])][n];
        Self {
            anon,
            shmem: !anon && (is_shmem(0) || is_shmem(1) || is_shmem(2)),
            has_file: is_set_apart(file != 0),
            file,
        }
    }

    /// The class of a fault in it, as long as nothing more telling happens.
    #[inline(always)]
    fn class(self) -> FaultClass {
        if self.anon {
            FaultClass::ANON
        } else if self.shmem {
            FaultClass::SHMEM
        } else if self.has_file {
            FaultClass::FILE
        } else {
            FaultClass::OTHER
        }
    }
}

/// `value`, of which the compiler does not know where it comes from.
#[inline(always)]
fn is_set_apart(value: bool) -> bool {
    // SAFETY: of a variable that is there.
    unsafe { core::ptr::read_volatile(&raw const value) }
}
