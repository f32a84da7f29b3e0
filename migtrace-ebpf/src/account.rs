//! A program's counters: each event that it saw is counted by its outcome.
//!
//! What the counts mean is defined in [`migtrace_common::counters`].

use migtrace_common::counters::{Probe, ProbeCounters, counters_index};

use crate::maps::COUNTERS;

/// A program that counts events.
#[derive(Clone, Copy)]
pub struct Program {
    pub probe: Probe,
    /// Its number among the programs of the probe.
    pub number: u32,
}

impl Program {
    /// Program `number` of a probe.
    #[inline(always)]
    pub const fn new(probe: Probe, number: u32) -> Self {
        Self { probe, number }
    }

    /// Counts an event that does not pass the filter.
    #[inline(always)]
    pub fn filtered(self) {
        self.count(|counters| counters.filtered += 1);
    }

    /// Counts an event that passes the filter and is not in the sample.
    #[inline(always)]
    pub fn sampled_out(self) {
        self.count(|counters| counters.sampled_out += 1);
    }

    /// Counts an event that is lost because no program saw its start.
    #[inline(always)]
    pub fn lost_start(self) {
        self.count(|counters| {
            counters.seen += 1;
            counters.no_start += 1;
        });
    }

    /// Counts an event that is in the tallies only, without a record.
    #[inline(always)]
    pub fn aggregated_only(self) {
        self.count(|counters| counters.aggregated_only += 1);
    }

    /// Counts an event that the tallies lost because their table is full.
    #[inline(always)]
    pub fn table_full(self) {
        self.count(|counters| counters.table_full += 1);
    }

    #[inline(always)]
    fn count(self, count: impl FnOnce(&mut ProbeCounters)) {
        if let Some(counters) = self.counters() {
            count(counters);
        }
    }

    /// This program's counters on this CPU.
    #[inline(always)]
    pub fn counters(self) -> Option<&'static mut ProbeCounters> {
        // SAFETY: the map's own memory of this CPU, which lives as long as the program. No other program uses these
        // counters, and on a CPU the kernel never starts this one while it runs there.
        COUNTERS.get_ptr_mut(counters_index(self.probe, self.number)).map(|counters| unsafe { &mut *counters })
    }
}
