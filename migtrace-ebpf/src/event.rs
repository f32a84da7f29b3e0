//! One event on its way from a hook to the ring. It passes the filter, the tallies and the sample in this order. Each
//! rejection is counted.

use core::{borrow::Borrow, mem::MaybeUninit};

use aya_ebpf::programs::tracing::StackIdContext;
use migtrace_common::record::{Header, Owner, Record};

use crate::{
    account::Program,
    emit, filter,
    hooks::fault,
    state::Increment,
    tally,
    thread::{self, Thread},
};

/// An event that a program saw.
#[derive(Clone, Copy)]
pub struct Event {
    pub program: Program,
    pub thread: Thread,
    /// Its end: CLOCK_BOOTTIME, ns.
    pub ts_ns: u64,
}

impl Event {
    /// An event of the running thread that ends now. `None`, and counted as filtered, unless [`traced`].
    #[inline(always)]
    pub fn ending_now(program: Program) -> Option<Self> {
        traced(program).map(|thread| Self { program, thread, ts_ns: thread::now() })
    }

    /// An event of the running thread that ends now, traced or not.
    #[inline(always)]
    pub fn of_any(program: Program) -> Self {
        Self { program, thread: thread::current(), ts_ns: thread::now() }
    }

    /// An event of the running thread's page fault that ends now. `None`, and counted as filtered, unless the filter
    /// wants the thread or the owner of the memory.
    #[inline(always)]
    pub fn in_fault(program: Program) -> Option<Self> {
        let event = Self::of_any(program);
        let wanted = filter::wants_here() && (filter::wants_thread(event.thread) || fault::is_for_owner());
        event.passes(wanted).then_some(event)
    }

    /// Counts the event as filtered unless it is `wanted`, which it returns.
    #[inline(always)]
    pub fn passes(&self, wanted: bool) -> bool {
        if !wanted {
            self.program.filtered();
        }
        wanted
    }

    /// Adds an event that passes the filter to the tallies; returns whether it gets a record as well.
    #[inline(always)]
    pub fn admit<I: Borrow<Increment>>(&self, increment: impl FnOnce() -> I) -> bool {
        self.admit_by(|| tally::add(increment().borrow(), self.thread.pid, self.ts_ns))
    }

    /// As [`Event::admit`], counted for the process that owns the page.
    #[inline(always)]
    pub fn admit_for_owner(&self, increment: &Increment, owner: &Owner) -> bool {
        self.admit_by(|| tally::add_to_owner(increment, owner, self.ts_ns))
    }

    #[inline(always)]
    fn admit_by(&self, add: impl FnOnce() -> u32) -> bool {
        if tally::is_on() {
            let outcome = add();
            if outcome & tally::ADDED == 0 {
                self.program.table_full();
            }
            if outcome & tally::RECORD == 0 {
                self.program.aggregated_only();
                return false;
            }
        }
        let is_in_sample = filter::is_in_sample();
        if !is_in_sample {
            self.program.sampled_out();
        }
        is_in_sample
    }

    /// The header of its record, a `T`.
    #[inline(always)]
    pub fn header<T: Record>(&self) -> Header {
        emit::header::<T>(self.thread, self.program.probe, self.ts_ns)
    }

    /// Commits its record, with the stacks if they are wanted. `make` adds the rest to the header.
    #[inline(always)]
    pub fn record<T: Record + 'static>(&self, ctx: &impl StackIdContext, make: impl FnOnce(Header) -> T) {
        // By value: each reference would take 8 bytes more of the stack.
        let Self { program, thread, ts_ns } = *self;
        emit::commit_on_stack(program, ctx, move |record: &mut MaybeUninit<T>| {
            record.write(make(emit::header::<T>(thread, program.probe, ts_ns)));
        });
    }
}

/// The running thread, if its process is traced and the filter wants records of the thread and this CPU. Otherwise the
/// event counts as filtered.
#[inline(always)]
pub fn traced(program: Program) -> Option<Thread> {
    match filter::traced() {
        Some(thread) if filter::wants_here() => Some(thread),
        _ => {
            program.filtered();
            None
        }
    }
}
