//! Page faults: handle_mm_fault() from entry to exit, classified by what runs inside.

use migtrace_common::{
    config::ABSENT,
    counters::Probe,
    kinds::{FaultClass, FaultHook, RecordKind},
    record::{Fault, FaultDetails, Owner, Wait},
    tally::{TallyKey, wait_code},
};

use super::{
    args::{Args, Returned},
    folio::Folio,
    lazy_migrate,
    mapping::{self, Mapping},
    owner, page_table, place,
};
use crate::{
    account::Program,
    config::config,
    emit,
    event::Event,
    filter,
    kernel_memory::copy_words,
    maps::{FOLIOS_UNDERWAY, THREADS, UNTRACED_FAULTS},
    state::{FOREIGN, FaultStart, IN_SWAP_CACHE, Increment, ThreadState, UNTRACED, WAITS},
    thread,
};

/// The program that counts these faults.
const FAULT: Program = Program::new(Probe::Fault, 0);

/// handle_mm_fault(vma, address, flags, regs) begins.
#[inline(always)]
pub fn begin(ctx: &impl Args) {
    let thread = thread::current();
    let unmet = filter::unmet(thread);
    let vma = ctx.arg(0);
    let mm = ctx.load::<u64>(vma, config!(vma_mm));
    // The three cases share no code: where they meet, the compiler would put all of their values on the stack.
    if unmet != 0 {
        match owner::another(ctx, mm, thread) {
            Some(owner) if owner::meets(unmet, owner) => begin_in_memory_of(owner, ctx, mm, untraced_begins()),
            _ => {}
        }
        return;
    }
    // If the kernel has no memory for the state, the exit finds none and counts the fault as lost.
    let Some(state) = THREADS.of_current_or_new() else { return };
    if state.own_mm != mm {
        if let Some(owner) = owner::another(ctx, mm, thread) {
            return begin_in_memory_of(owner, ctx, mm, FOREIGN);
        }
        state.own_mm = mm;
    }
    let mapping = Mapping::of(ctx, vma);
    mapping::see(ctx, thread, state, vma, mapping);
    store_start(ctx, state, mapping, mm, 0);
}

/// The fault is in the memory of another process.
#[inline(always)]
fn begin_in_memory_of(owner: u64, ctx: &impl Args, mm: u64, details: u16) {
    let Some(state) = THREADS.of_current_or_new() else { return };
    owner::describe(owner, &mut state.fault_owner);
    state.foreign_mm = mm;
    store_start(ctx, state, Mapping::of(ctx, ctx.arg(0)), mm, details);
}

#[inline(always)]
fn store_start(ctx: &impl Args, state: &mut ThreadState, mapping: Mapping, mm: u64, details: u16) {
    let regs = ctx.arg(3);
    state.fault = FaultStart {
        start_ns: thread::now(),
        addr: ctx.arg(1),
        ip: if regs == 0 { 0 } else { ctx.load(regs, config!(regs_ip)) },
        pgd: ctx.load(mm, config!(mm_pgd)),
        flags: ctx.arg(2) as u32,
        class: mapping.fault_class().0.into(),
        details,
    };
}

/// A fault begins that is recorded for the owner of the memory only.
#[inline(always)]
fn untraced_begins() -> u16 {
    if let Some(seen) = UNTRACED_FAULTS.get_ptr_mut(0) {
        // SAFETY: the map's own memory; every program writes the same value.
        unsafe { core::ptr::write_volatile(seen, 1) };
    }
    FOREIGN | UNTRACED
}

/// Whether the fault of the running thread is recorded for the owner of the memory only. The lookup of the thread's
/// state costs more than all else that a fault pays that is not recorded. So it is done only after the first such fault.
#[inline(always)]
pub fn is_for_owner() -> bool {
    // SAFETY: as above.
    let is_any = UNTRACED_FAULTS.get_ptr_mut(0).is_some_and(|seen| unsafe { core::ptr::read_volatile(seen) } != 0);
    is_any && THREADS.of_current().is_some_and(|state| state.fault.start_ns != 0 && state.fault.details & UNTRACED != 0)
}

/// The owner of the memory that the fault of the running thread is in; unknown if no fault is under way.
#[inline(always)]
pub fn owner() -> Owner {
    match THREADS.of_current() {
        Some(state) if state.fault.start_ns == 0 => owner::UNKNOWN,
        Some(state) if state.fault.details & FOREIGN != 0 => state.fault_owner,
        Some(_) => owner::ACTOR,
        None => owner::UNKNOWN,
    }
}

/// A function that handle_mm_fault() calls shows the class of the fault under way in this thread.
#[inline(always)]
pub fn classify(class: FaultClass) {
    if let Some(state) = THREADS.of_current() {
        state.fault.class = class.0.into();
    }
}

/// do_wp_page(vmf): the fault under way in this thread writes to a page that is mapped read-only.
#[inline(always)]
pub fn write_protected(ctx: &impl Args) {
    if let Some(state) = THREADS.of_current() {
        state.fault.class = FaultClass::COW.0.into();
        if config!(places) != 0 && config!(vmf_orig_pte) != ABSENT {
            state.protected_entry = ctx.load(ctx.arg(0), config!(vmf_orig_pte));
        }
    }
}

/// The fault under way in this thread waits for the end of a migration.
#[inline(always)]
pub fn wait() {
    let Some(state) = THREADS.of_current() else { return };
    state.fault.class = FaultClass::MIGRATION_WAIT.0.into();
    if state.fault.start_ns == 0 {
        return;
    }
    if let Some(folio) = page_table::entry(state.fault.pgd, state.fault.addr).migrating() {
        wait_for(state, folio);
    }
}

/// The fault under way in this thread waits for the lock of a folio. It waits for a migration if a program saw one begin:
/// the thread that migrates the folio has the lock from then on, until the folio is mapped again.
#[inline(always)]
pub fn wait_for_lock(ctx: &impl Args) {
    if let Some(state) = THREADS.of_current()
        && state.fault.start_ns != 0
        // Up to 5.15 the argument can be another page than the folio's first one.
        && wait_for(state, Folio(ctx.number(0)).head())
    {
        if FaultClass(state.fault.class as u8) == FaultClass::SWAP {
            state.fault.details |= IN_SWAP_CACHE;
        }
        state.fault.class = FaultClass::MIGRATION_WAIT.0.into();
    }
}

/// The fault waits for the migration of this folio. Returns whether a program saw that.
#[inline(always)]
fn wait_for(state: &mut ThreadState, folio: Folio) -> bool {
    let Some(underway) = FOLIOS_UNDERWAY.get_ptr(folio.0) else { return false };
    // SAFETY: the map's own memory. The folio stays in it while its page-table entries are migration entries, or while
    // it is locked.
    let underway = unsafe { &*underway };
    state.fault_wait = Wait {
        inaccessible_ns: thread::now() - underway.start_ns,
        tid: underway.tid,
        pid: underway.pid,
        comm: [0; 16],
        migrate_reason: underway.reason,
        request: underway.request as u8,
        pad: [0; 3],
    };
    owner::put_comm(&mut state.fault_wait.comm, underway.comm);
    state.fault.details |= WAITS;
    true
}

/// handle_mm_fault() returned.
#[inline(always)]
pub fn end(ctx: &impl Returned) {
    let thread = thread::current();
    let is_traced = filter::wants_thread(thread);
    if !is_traced && !is_for_owner() {
        return FAULT.filtered();
    }
    let is_here = filter::wants_here();
    let event = Event { program: FAULT, thread, ts_ns: thread::now() };
    let Some(state) = THREADS.of_current() else {
        return if is_here { FAULT.lost_start() } else { FAULT.filtered() };
    };
    lazy_migrate::fault_ends(state);
    // A start that stays on an excluded CPU does no harm: the next fault overwrites it.
    if !is_here {
        return FAULT.filtered();
    }
    let start = state.fault;
    state.fault.start_ns = 0;
    if start.start_ns == 0 {
        return FAULT.lost_start();
    }
    if config!(places) != 0 {
        place::after_fault(ctx, state, &start);
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
    let key = || {
        let waited_for = match &state.fault_wait {
            wait if start.details & WAITS != 0 => wait_code(wait.migrate_reason, wait.request),
            _ => 0,
        };
        TallyKey { request: waited_for, ..tally_key(start.class as u8, FaultHook::HANDLE_MM_FAULT, result, nid) }
    };
    if !event.admit(|| Increment { key: key(), pages: 1, latency_ns }) {
        return;
    }
    let fault = move |header| Fault {
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
    };
    if start.details & (FOREIGN | WAITS) == 0 {
        return event.record(ctx, fault);
    }
    emit::commit_on_stack(FAULT, ctx, |record| {
        let record: *mut FaultDetails = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written.
        unsafe {
            (&raw mut (*record).fault).write(fault(event.header::<FaultDetails>()));
            let owner = if start.details & FOREIGN != 0 { &state.fault_owner } else { &owner::ACTOR };
            copy_words(&mut (*record).owner, owner);
            copy_words(&mut (*record).wait, if start.details & WAITS != 0 { &state.fault_wait } else { &NO_WAIT });
        }
    });
}

/// No migration.
const NO_WAIT: Wait =
    Wait { inaccessible_ns: 0, tid: 0, pid: 0, comm: [0; 16], migrate_reason: -1, request: 0, pad: [0; 3] };

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
