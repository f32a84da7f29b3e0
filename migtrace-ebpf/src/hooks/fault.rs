//! Page faults: handle_mm_fault() from entry to exit, classified by what runs inside.

use aya_ebpf::programs::{FEntryContext, FExitContext};
use migtrace_common::{
    counters::Probe,
    kinds::{FaultClass, RecordKind},
    record::Fault,
};

use super::{folio, read_kernel};
use crate::{
    config::config,
    emit, filter,
    maps::{FAULTS, FaultStart},
};

/// handle_mm_fault(vma, address, flags, regs) begins.
#[inline(always)]
pub fn begin(ctx: &FEntryContext) {
    let Some(task) = filter::traced_uncounted() else { return };
    let vma: u64 = ctx.arg(0);
    let mm: u64 = read_kernel(vma, config!(vma_mm)).unwrap_or(0);
    let start = FaultStart {
        start_ns: emit::now(),
        pgd: read_kernel(mm, config!(mm_pgd)).unwrap_or(0),
        class: class_of(vma).0,
        pad: [0; 7],
    };
    // A failure shows at the exit, where it is counted.
    let _ = FAULTS.insert(task.tid, start, 0);
}

/// Something below says what the fault under way in this thread is about.
#[inline(always)]
pub fn classify(class: FaultClass) {
    if let Some(fault) = FAULTS.get_ptr_mut(filter::current().tid) {
        // SAFETY: the map's own memory; only this thread uses its entry.
        unsafe { (*fault).class = class.0 };
    }
}

/// handle_mm_fault() returned.
#[inline(always)]
pub fn end(ctx: &FExitContext) {
    let Some(task) = filter::traced(Probe::Fault) else { return };
    let ts_ns = emit::now();
    let Some(start) = FAULTS.get_ptr(task.tid) else {
        return emit::lost_in_map(Probe::Fault);
    };
    // SAFETY: the map's own memory; only this thread uses its entry.
    let start = unsafe { *start };
    let _ = FAULTS.remove(task.tid);
    let addr: u64 = ctx.arg(1);
    let regs: u64 = ctx.arg(3);
    let nid = folio::nid_mapped(start.pgd, addr);
    emit::commit(Probe::Fault, |record| {
        record.write(Fault {
            header: emit::header(task, RecordKind::FAULT, Probe::Fault, ts_ns),
            addr,
            ip: if regs == 0 { 0 } else { read_kernel(regs, config!(regs_ip)).unwrap_or(0) },
            latency_ns: ts_ns - start.start_ns,
            flags: ctx.arg::<u64>(2) as u32,
            result: ctx.arg::<u64>(4) as u32,
            nid,
            class: start.class,
            pad: [0; 3],
        });
    });
}

/// What a mapping is: the class of a fault in it, as long as nothing more telling happens.
#[inline(always)]
fn class_of(vma: u64) -> FaultClass {
    let ops: u64 = read_kernel(vma, config!(vma_vm_ops)).unwrap_or(0);
    if ops == 0 {
        return FaultClass::ANON;
    }
    if ops == config!(shmem_vm_ops[0]) || ops == config!(shmem_vm_ops[1]) || ops == config!(shmem_vm_ops[2]) {
        return FaultClass::SHMEM;
    }
    match read_kernel::<u64>(vma, config!(vma_vm_file)) {
        Some(file) if file != 0 => FaultClass::FILE,
        _ => FaultClass::OTHER,
    }
}
