//! The cheapest possible BPF programs on page faults: some do nothing, and one only stores a record.
//!
//! The benches compare migtrace's own programs with these. They filter nothing, and count only lost records.
#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_numa_node_id, bpf_get_smp_processor_id,
        bpf_ktime_get_boot_ns,
    },
    macros::{fentry, fexit, map, raw_tracepoint},
    maps::{PerCpuArray, RingBuf},
    programs::{FEntryContext, FExitContext, RawTracePointContext},
};

/// As large as migtrace's rings of two CPUs together, by default.
#[map]
static RING: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Records lost because the ring was full.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The fields that any tracer needs.
#[repr(C)]
struct Record {
    ts_ns: u64,
    addr: u64,
    error_code: u64,
    pid_tgid: u64,
    cgroup_id: u64,
    cpu: u32,
    cpu_node: u32,
}

/// Returns at once: the cost of calling a program.
#[raw_tracepoint(tracepoint = "page_fault_user")]
pub fn empty(_ctx: RawTracePointContext) -> i32 {
    0
}

/// Returns at once, at the start of a fault. With [`empty_end`]: the minimum to measure a fault's duration.
#[fentry(function = "handle_mm_fault")]
pub fn empty_begin(_ctx: FEntryContext) -> i32 {
    0
}

/// Returns at once, at the end of a fault.
#[fexit(function = "handle_mm_fault")]
pub fn empty_end(_ctx: FExitContext) -> i32 {
    0
}

/// Stores a record without a wakeup.
#[raw_tracepoint(tracepoint = "page_fault_user")]
pub fn store(ctx: RawTracePointContext) -> i32 {
    let Some(mut entry) = RING.reserve::<Record>(0) else {
        if let Some(lost) = LOST.get_ptr_mut(0) {
            // SAFETY: this CPU's own memory.
            unsafe { *lost += 1 };
        }
        return 0;
    };
    // SAFETY: the helpers have no preconditions.
    let record = unsafe {
        Record {
            ts_ns: bpf_ktime_get_boot_ns(),
            // TP_PROTO(unsigned long address, struct pt_regs *regs, unsigned long error_code)
            addr: ctx.arg(0),
            error_code: ctx.arg(2),
            pid_tgid: bpf_get_current_pid_tgid(),
            cgroup_id: bpf_get_current_cgroup_id(),
            cpu: bpf_get_smp_processor_id(),
            cpu_node: bpf_get_numa_node_id() as u32,
        }
    };
    entry.write(record);
    entry.submit(BPF_RB_NO_WAKEUP.into());
    0
}

/// The programs' license, as the kernel reads it.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: no program can panic. The verifier would reject one that can, and the linker drops this function.
    unsafe { core::hint::unreachable_unchecked() }
}
