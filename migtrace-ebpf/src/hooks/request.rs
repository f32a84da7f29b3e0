//! Placement syscalls: arguments, return value and latency.

use aya_ebpf::{helpers::bpf_probe_read_user, programs::tracing::StackIdContext};
use migtrace_common::{
    counters::Probe,
    kinds::{RecordKind, RequestName},
    record::{MASK_WORDS, Request},
};

use crate::{account::Program, config::config, emit, event::Event, filter, maps::THREADS, state::RequestStart, thread};

/// A placement syscall begins.
#[inline(always)]
pub fn begin(args: [u64; 6], name: RequestName) {
    // Traced or not: another process's pages may migrate in it.
    //
    // If the kernel has no memory for the state, the end finds none and counts the syscall as lost.
    if let Some(state) = THREADS.of_current_or_new() {
        state.request = RequestStart { start_ns: thread::now(), args, name: name.0.into() };
    }
}

/// The placement syscall that the running thread is in, as [`RequestName`]'s number; 0 for none.
#[inline(always)]
pub fn underway() -> u8 {
    THREADS.of_current().map_or(0, |state| state.request.name as u8)
}

/// cpuset_migrate_mm_workfn() begins: it migrates as migrate_pages(2) does.
#[inline(always)]
pub fn begin_cpuset() {
    if let Some(state) = THREADS.of_current_or_new() {
        state.request.name = RequestName::CPUSET.0.into();
    }
}

/// cpuset_migrate_mm_workfn() returned.
#[inline(always)]
pub fn end_cpuset() {
    if let Some(state) = THREADS.of_current() {
        state.request.name = 0;
    }
}

/// The syscall returned `ret`.
#[inline(always)]
pub fn end(ctx: &impl StackIdContext, ret: i64, name: RequestName) {
    let program = Program::new(Probe::Request, u32::from(name.0) - 1);
    let event = Event::of_any(program);
    let start = THREADS.of_current().and_then(|state| {
        let start = state.request;
        state.request.name = 0;
        (start.name == u64::from(name.0)).then_some(start)
    });
    if !event.passes(filter::wants_thread(event.thread) && filter::wants_here()) {
        return;
    }
    let Some(start) = start else { return program.lost_start() };
    let call = Call::of(name, &start.args);
    let latency_ns = event.ts_ns - start.start_ns;
    let wanted = filter::wants(RecordKind::REQUEST)
        && filter::wants_addr(call.addr)
        && filter::wants_latency(latency_ns)
        && filter::wants_without_page();
    if !event.passes(wanted) {
        return;
    }
    // If the kernel refuses bpf_probe_read_kernel(), aya believes that bpf_probe_read_user() is missing as well, and
    // replaces it by a helper that the kernel refuses, too. Then the mask is unknown, and the syscall is recorded
    // without it.
    let mask = if config!(no_read_helpers) == 0 { call.mask } else { 0 };
    emit::commit_on_stack(program, ctx, |record| {
        let record: *mut Request = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every field of which is written.
        unsafe {
            (*record).header = event.header::<Request>();
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

/// A syscall's arguments by meaning.
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
            // get_mempolicy(mode *, nodemask *, maxnode, addr, flags): the pointers are for the results.
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
