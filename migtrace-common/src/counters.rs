//! The account of every event: what a probe saw is stored or lost. What it filtered, sampled out or only aggregated is
//! counted beside that.

/// A group of programs that make records of one kind. The number is `probe` in each record's header, and leads to the
/// per-CPU counters.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    Fault = 0,
    Check = 1,
    Mark = 2,
    LazyMigrate = 3,
    DirectMigrate = 4,
    Batch = 5,
    LazyBatch = 6,
    Request = 7,
    Task = 8,
    Phase = 9,
    HintingCheck = 10,
    Region = 11,
    Place = 12,
}

impl Probe {
    /// Every probe, in the order of its index.
    pub const ALL: [Self; 13] = [
        Self::Fault,
        Self::Check,
        Self::Mark,
        Self::LazyMigrate,
        Self::DirectMigrate,
        Self::Batch,
        Self::LazyBatch,
        Self::Request,
        Self::Task,
        Self::Phase,
        Self::HintingCheck,
        Self::Region,
        Self::Place,
    ];

    /// Its name in traces and views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Check => "check",
            Self::Mark => "mark",
            Self::LazyMigrate => "lazy_migrate",
            Self::DirectMigrate => "direct_migrate",
            Self::Batch => "batch",
            Self::LazyBatch => "lazy_batch",
            Self::Request => "request",
            Self::Task => "task",
            Self::Phase => "phase",
            Self::HintingCheck => "hinting_check",
            Self::Region => "region",
            Self::Place => "place",
        }
    }
}

/// Maximum number of programs that count for one probe.
///
/// Each has its own counters. On one CPU the kernel runs a program once at a time, and counts a second start as missed.
/// It may preempt it for another program. If both added to one counter, a count could be lost.
pub const PROGRAMS_PER_PROBE: u32 = 16;

/// Index of a program's counters; `program` is its number among those of the probe.
#[must_use]
pub const fn counters_index(probe: Probe, program: u32) -> u32 {
    probe as u32 * PROGRAMS_PER_PROBE + program
}

/// One program's counters on one CPU. `seen = stored + ring_full + no_start`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCounters {
    /// Events that passed the filter and were in the sample.
    pub seen: u64,
    /// Records committed to a ring.
    pub stored: u64,
    /// Records lost because the ring was full.
    pub ring_full: u64,
    /// Events lost because no program saw their start: it preceded the probe, or the kernel had no memory for it.
    pub no_start: u64,
    /// Events that the filter excluded.
    pub filtered: u64,
    /// Events that passed the filter and were not in the sample.
    pub sampled_out: u64,
    /// Events in the tallies without a record, because the CPU had made enough records of their kind.
    pub aggregated_only: u64,
    /// Events that are lost to the tallies, because there were too many keys or processes.
    pub table_full: u64,
}

impl ProbeCounters {
    /// Events that passed the filter and are in the sample, with a record or without.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.seen + self.aggregated_only
    }

    /// Events seen that are not in the trace.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.ring_full + self.no_start
    }
}

#[cfg(feature = "user")]
// SAFETY: plain integers in C layout, no padding (layout.rs asserts the size), any bit pattern is valid.
unsafe impl aya::Pod for ProbeCounters {}
