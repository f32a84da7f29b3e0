//! Placement system calls with arguments, return value and time, and the phases that a workload names.

use aya_ebpf::{
    EbpfContext,
    helpers::bpf_probe_read_user,
    helpers::generated::bpf_probe_read_user as read_user_raw,
    programs::{TracePointContext, tracing::StackIdContext},
};
use aya_log_ebpf::debug;
use migtrace_common::{
    counters::Probe,
    kinds::{RecordKind, RequestName},
    record::{MASK_WORDS, PHASE_TEXT, PR_MIGTRACE_PHASE, Phase, Request},
};

use super::{Args, Returned, field, read_kernel};
use crate::{
    config::config,
    emit::{self, Counted},
    filter,
    maps::{RequestStart, TASKS},
};

/// Where the arguments of a system call lie: of `__x64_sys_*(regs)` in the caller's registers.
#[inline(always)]
pub fn args_of_call(ctx: &impl Args) -> [u64; 6] {
    let regs = ctx.arg(0);
    let arg = |n: usize| read_kernel(regs, config!(regs_args)[n]);
    [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)]
}

/// The same of a trace event syscalls:sys_enter_*.
#[inline(always)]
pub fn args_of_event(ctx: &TracePointContext) -> [u64; 6] {
    let arg = |n: u32| field(ctx, config!(syscall_enter.args) + n * size_of::<u64>() as u32);
    [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)]
}

/// What a trace event syscalls:sys_exit_* says was returned.
#[inline(always)]
pub fn ret_of_event(ctx: &TracePointContext) -> i64 {
    field(ctx, config!(syscall_exit.ret))
}

/// What `__x64_sys_*(regs)` returned.
#[inline(always)]
pub fn ret_of_call(ctx: &impl Returned) -> i64 {
    ctx.ret(1) as i64
}

/// A placement system call begins.
#[inline(always)]
pub fn begin(args: [u64; 6], name: RequestName) {
    if filter::traced_uncounted().is_none() {
        return;
    }
    // A failure shows at the end, where it is counted.
    if let Some(state) = TASKS.of_current_or_new() {
        state.request = RequestStart { start_ns: emit::now(), args, name: name.0.into() };
    }
}

/// The placement system call that the running thread is in, as [`RequestName`]'s number; 0 for none.
#[inline(always)]
pub fn underway() -> u8 {
    TASKS.of_current().map_or(0, |state| state.request.name as u8)
}

/// It returned `ret`.
#[inline(always)]
pub fn end(ctx: &impl StackIdContext, ret: i64, name: RequestName) {
    let by = Counted(Probe::Request, u32::from(name.0) - 1);
    let Some(task) = filter::traced(by) else { return };
    let ts_ns = emit::now();
    let Some(state) = TASKS.of_current() else { return emit::lost_start(by) };
    let start = state.request;
    state.request.name = 0;
    if start.name != u64::from(name.0) {
        return emit::lost_start(by);
    }
    let call = Call::of(name, &start.args);
    let latency_ns = ts_ns - start.start_ns;
    let wanted = filter::wants(RecordKind::REQUEST)
        && filter::wants_addr(call.addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_nowhere();
    if !wanted {
        return emit::filtered(by);
    }
    // aya takes bpf_probe_read_user() for missing where the kernel refuses bpf_probe_read_kernel(), and puts a helper in its place
    // that is refused as well: there the mask is unknown, and the call is recorded.
    let mask = if config!(no_read_helpers) == 0 { call.mask } else { 0 };
    emit::commit_on_stack(by, ctx, |record| {
        let record: *mut Request = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every field of which is written.
        unsafe {
            (*record).header = emit::header(task, RecordKind::REQUEST, Probe::Request, ts_ns);
            (*record).addr = call.addr;
            (*record).len = call.len;
            (*record).flags = call.flags;
            (*record).latency_ns = latency_ns;
            (*record).ret = ret;
            (*record).policy = call.policy;
            (*record).maxnode = call.maxnode;
            (*record).name = name.0;
            (*record).pad = 0;
            (*record).target_pid = call.target_pid;
            (*record).has_mask = 0;
            for word in 0..MASK_WORDS {
                let wanted = mask != 0 && (word as u64) * 64 < call.maxnode;
                let bits = if wanted { bpf_probe_read_user((mask as *const u64).add(word)).ok() } else { None };
                (*record).nodemask[word] = bits.unwrap_or(0);
                if word == 0 && bits.is_some() {
                    (*record).has_mask = 1;
                }
            }
        }
    });
}

/// A call's arguments by what they are.
struct Call {
    addr: u64,
    len: u64,
    policy: u64,
    mask: u64,
    maxnode: u64,
    flags: u64,
    target_pid: u32,
}

impl Call {
    #[inline(always)]
    fn of(name: RequestName, a: &[u64; 6]) -> Self {
        let none = Self { addr: 0, len: 0, policy: 0, mask: 0, maxnode: 0, flags: 0, target_pid: 0 };
        match name {
            // mbind(addr, len, mode, nodemask, maxnode, flags)
            RequestName::MBIND => {
                Self { addr: a[0], len: a[1], policy: a[2], mask: a[3], maxnode: a[4], flags: a[5], target_pid: 0 }
            }
            // set_mempolicy(mode, nodemask, maxnode)
            RequestName::SET_MEMPOLICY => Self { policy: a[0], mask: a[1], maxnode: a[2], ..none },
            // get_mempolicy(mode *, nodemask *, maxnode, addr, flags): what the pointers get is the answer, not the request.
            RequestName::GET_MEMPOLICY => Self { addr: a[3], flags: a[4], ..none },
            // move_pages(pid, count, pages *, nodes *, status *, flags)
            RequestName::MOVE_PAGES => Self { len: a[1], flags: a[5], target_pid: a[0] as u32, ..none },
            // migrate_pages(pid, maxnode, from, to)
            RequestName::MIGRATE_PAGES => Self { mask: a[3], maxnode: a[1], target_pid: a[0] as u32, ..none },
            // set_mempolicy_home_node(start, len, home_node, flags)
            _ => Self { addr: a[0], len: a[1], policy: a[2], flags: a[3], ..none },
        }
    }
}

/// The program that counts phases.
const PHASE: Counted = Counted(Probe::Phase, 0);

/// prctl(PR_MIGTRACE_PHASE, text, length).
#[inline(always)]
pub fn phase(ctx: &impl EbpfContext, args: [u64; 6]) {
    if args[0] as i32 != PR_MIGTRACE_PHASE {
        return;
    }
    let Some(task) = filter::traced(PHASE) else { return };
    if !filter::wants(RecordKind::PHASE) || !filter::wants_nowhere() {
        return emit::filtered(PHASE);
    }
    let ts_ns = emit::now();
    // The mask says the same again, for verifiers that do not follow the comparison (Linux 6.1).
    let (text, len) = (args[1], (args[2].min(PHASE_TEXT as u64) & 0xff) as u32);
    emit::commit(PHASE, |record| {
        let record: *mut Phase = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written: the text is zeroed, then overwritten.
        unsafe {
            (*record).header = emit::header(task, RecordKind::PHASE, Probe::Phase, ts_ns);
            (*record).pad = 0;
            (*record).text = [0; PHASE_TEXT];
            let read = read_user_raw((&raw mut (*record).text).cast(), len, text as *const _);
            (*record).len = if read == 0 { len } else { 0 };
            if read != 0 {
                debug!(ctx, "a phase's text could not be read");
            }
        }
    });
}
