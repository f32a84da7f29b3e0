//! The least that watching page faults can cost: a program that does nothing, and one that stores a record and no more.
//!
//! What migtrace's own program costs is measured against these two. They filter nothing and count nothing but what is
//! lost.
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

/// As large as migtrace's own by default.
#[map]
static RING: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Records that found the ring full.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// What a tracer cannot do without.
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

/// Does nothing: what remains is the cost of being called.
#[raw_tracepoint(tracepoint = "page_fault_user")]
pub fn empty(_ctx: RawTracePointContext) -> i32 {
    0
}

/// Does nothing where the kernel begins to handle a fault, and where it is done: with these two one can tell how long it took.
#[fentry(function = "handle_mm_fault")]
pub fn empty_begin(_ctx: FEntryContext) -> i32 {
    0
}

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

/// The helper that gives the cgroup is for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: no path of a program panics: the verifier would refuse it, and the linker drops this function.
    unsafe { core::hint::unreachable_unchecked() }
}
