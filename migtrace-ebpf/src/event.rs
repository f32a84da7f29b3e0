//! One event on its way from a hook to the ring. It passes the filter, the tallies and the sample in this order. Each
//! rejection is counted.

use core::{borrow::Borrow, mem::MaybeUninit};

use aya_ebpf::programs::tracing::StackIdContext;
use migtrace_common::record::{Header, Record};

use crate::{
    account::Program,
    emit, filter,
    maps::THREADS,
    state::{Increment, ThreadState},
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

    /// The end of something that began earlier in the running thread: `take` removes its start from the thread's state.
    ///
    /// The start is removed on every CPU. If it stayed on a CPU that the filter excludes, the thread would seem to be
    /// still in that syscall, check or batch. `None`: counted as filtered, or as lost if no program saw the start.
    #[inline(always)]
    pub fn ending<S>(
        program: Program,
        take: impl FnOnce(Thread, &'static mut ThreadState) -> Option<S>,
    ) -> Option<(Self, S)> {
        let Some(thread) = filter::traced() else {
            program.filtered();
            return None;
        };
        let event = Self { program, thread, ts_ns: thread::now() };
        let start = THREADS.of_current().and_then(|state| take(thread, state));
        if !event.passes(filter::wants_here()) {
            return None;
        }
        if start.is_none() {
            program.lost_start();
        }
        start.map(|start| (event, start))
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
        if tally::is_on() {
            let outcome = tally::add(increment().borrow(), self.thread.pid, self.ts_ns);
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
